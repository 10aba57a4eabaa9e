"""`make differential`: random trees through the codecs of the firmware and of the host.

    run.py [--trees 10000] [--seed 1] [--only NUMBER] [--bits 32 64]

Each tree goes through every format, both ways, at both widths. Exit code 1 when there is a
difference; its tree is number NUMBER of the seed.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.differential.cases import Case, case_of, check  # noqa: E402

CHUNK = 500
SHOWN = 20


def missing(bits: int) -> str:
    """Why there is no interpreter of that width; "" when there is one."""
    note = ROOT / "build" / "micropython" / f"mp{bits}.missing"
    return note.read_text().strip() if note.exists() else ""


def ask(lines: list[str], bits: int) -> list[Any]:
    """The answers of one MicroPython to these cases."""
    source = "build/mpy" if os.environ.get("MP_SOURCE") == "mpy" else "firmware"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases"
        path.write_text("\n".join(lines) + "\n")
        result = subprocess.run(
            [
                *(ROOT / "build" / "micropython" / f"mp{bits}", "-X", "heapsize=64m"),
                *(ROOT / "tests" / "differential" / "device.py", path),
            ],
            cwd=ROOT,
            env={**os.environ, "MICROPYPATH": f"{source}:.frozen"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    answers = []
    noise = []
    for line in result.stdout.splitlines():
        if line.startswith("[["):
            answers.append(json.loads(line))
        else:
            noise.append(line)
    said = "\n".join(noise)[-2000:] + result.stderr[-2000:]
    if result.returncode or len(answers) != len(lines):
        raise RuntimeError(
            f"MicroPython at {bits} bits answered {len(answers)} of {len(lines)} cases: {said}"
        )
    if said:
        print(f"MicroPython at {bits} bits said:\n{said}", file=sys.stderr)
    return answers


def differences(cases: list[Case], bits: int, seed: int) -> list[str]:
    """What firmware and host do not agree on."""
    found = []
    for case, answer in zip(cases, ask([case.line() for case in cases], bits), strict=True):
        for problem in check(case, answer):
            found.append(f"seed {seed}, tree {case.number}, {bits} bits: {problem}")
            if len(found) <= SHOWN:
                found[-1] += f"\n  tree: {str(case.things)[:1500]}"
    return found


def run(
    seed: int, numbers: range, widths: list[int]
) -> tuple[list[str], collections.Counter[str], collections.Counter[str]]:
    """A chunk: differences, and how many trees were read and written in each format."""
    cases = [case_of(seed, number) for number in numbers]
    reads: collections.Counter[str] = collections.Counter()
    writes: collections.Counter[str] = collections.Counter()
    for case in cases:
        reads.update(read.format.name for read in case.reads)
        writes.update(write.format.name for write in case.writes)
    found = []
    for bits in widths:
        found += differences(cases, bits, seed)
    return found, reads, writes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trees", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one tree")
    parser.add_argument("--bits", type=int, nargs="*", default=[64, 32])
    chosen = parser.parse_args()
    widths = []
    for bits in chosen.bits:
        if missing(bits):
            print(f"differential: not at {bits} bits: {missing(bits)}", file=sys.stderr)
        else:
            widths.append(bits)
    if not widths:
        return 1
    start = 0 if chosen.only is None else chosen.only
    end = chosen.trees if chosen.only is None else start + 1
    chunks = [range(i, min(i + CHUNK, end)) for i in range(start, end, CHUNK)]
    found: list[str] = []
    reads: collections.Counter[str] = collections.Counter()
    writes: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(run, chosen.seed, chunk, widths) for chunk in chunks]
        for job in jobs:
            problems, some_reads, some_writes = job.result()
            found += problems
            reads += some_reads
            writes += some_writes
    for problem in found[:SHOWN]:
        print(problem)
    print(
        f"seed {chosen.seed}: {end - start:,} trees at {' and '.join(map(str, widths))} bits in"
        f" {time.monotonic() - began:.0f} s"
    )
    for name in dict.fromkeys([*reads, *writes]):
        print(f"{name:>16}: {reads[name]:7,} reads, {writes[name]:7,} writes")
    print(f"differences: {len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
