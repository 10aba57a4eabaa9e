"""`make fuzz`: the whole client, then the codecs; a summary, and build/fuzz.json.

    python -m tests.fuzz.run [--datagrams 1000000] [--examples 100000] [--seed 1] [--mtu 576]

Exit code 1 when anything was found; the seed and the datagram are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from tests.simulated import ROOT, is_ready, simulate

RESULT = ROOT / "build" / "fuzz.json"
HEAP = "2m"  # the sources are compiled in it, and Sends of some kilobytes wait


def fuzz_client(datagrams: int, seed: int, mtu: int) -> dict[str, Any]:
    """Fuzz the client on the 32-bit port in a fixed heap."""
    numbers = (datagrams, seed, mtu)
    return simulate("tests/fuzz/client_fuzz.py", *numbers, heap=HEAP, path="tests/fuzz:tests")


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
    if not is_ready("fuzz"):
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
