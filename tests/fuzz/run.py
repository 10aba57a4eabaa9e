"""`make fuzz`: the whole client, then the codecs; a summary, and build/fuzz.json.

    run.py [--datagrams 1000000] [--examples 100000] [--seed 1] [--mtu 576]

Exit code 1 when anything was found; the seed and the datagram are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "build" / "fuzz.json"
INTERPRETER = ROOT / "build" / "micropython" / "mp32"
HEAP = "1m"


def fuzz_client(datagrams: int, seed: int, mtu: int) -> dict[str, Any]:
    """Fuzz the client on the 32-bit port in a fixed heap. What it prints goes to stderr."""
    process = subprocess.run(
        [
            *(INTERPRETER, "-X", f"heapsize={HEAP}"),
            *("tests/fuzz/client_fuzz.py", str(datagrams), str(seed), str(mtu)),
        ],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": "firmware:tests/fuzz:.frozen"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    *lines, last = process.stdout.splitlines() or [""]
    print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
    try:
        found: dict[str, Any] = json.loads(last)
    except ValueError:
        raise SystemExit(
            f"fuzz: MicroPython ended with {process.returncode}: {last or 'no output'}"
        ) from None
    found["passed"] = process.returncode == 0
    return found


def fuzz_codecs(examples: int) -> bool:
    """The codecs under Hypothesis, in CPython."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/host/test_fuzz_codecs.py"]
    environment = {**os.environ, "FUZZ_EXAMPLES": str(examples)}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--datagrams", type=int, default=1_000_000)
    parser.add_argument("--examples", type=int, default=100_000, help="0: no codecs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mtu", type=int, default=576)
    chosen = parser.parse_args()
    if not INTERPRETER.exists():
        print("fuzz: no 32-bit MicroPython: run `make setup`", file=sys.stderr)
        return 1
    found = fuzz_client(chosen.datagrams, chosen.seed, chosen.mtu)
    metrics = {
        "fuzz.datagrams": found["datagrams"],
        "fuzz.heap_growth_bytes": found["heap_growth_bytes"],
        "fuzz.failures": len(found["failures"]),
        "fuzz.datagrams_per_s": round(found["datagrams"] / found["s"]),
    }
    if found["passed"]:
        # What bench.json takes over is a run without failures, or nothing.
        RESULT.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    else:
        RESULT.unlink(missing_ok=True)
    print(
        f"seed {chosen.seed}, mtu {chosen.mtu}: {found['datagrams']:,} datagrams in"
        f" {found['s']:.0f} s, {found['answers']:,} answers, {found['changes']:,} changes made,"
        f" {found['repeats']:,} repetitions, {found['recoveries']:,} recoveries"
    )
    print("answers:", ", ".join(f"{code} {n:,}" for code, n in sorted(found["codes"].items())))
    print(f"failures: {len(found['failures'])}, heap growth: {found['heap_growth_bytes']} bytes")
    passed = found["passed"]
    if chosen.examples:
        passed = fuzz_codecs(chosen.examples) and passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
