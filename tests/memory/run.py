"""Each allocation of a client fails once: `make memory`, and a part of `make bench`.

    python -m tests.memory.run [--all] [--row N] [--stride N]

Without options it writes build/memory.json besides, for `make bench`.

--all     the further operations too, not only register, read, write, observe, notify, transfers in
          blocks both ways, and Send
--row     so many allocations in a row fail
--stride  only each N-th
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MPY = ROOT / "build" / "mpy"
RESULT = ROOT / "build" / "memory.json"
PATCH = ROOT / "boards" / "UNIX" / "failing_alloc.patch"
PROGRAM = ROOT / "build" / "unix" / "failing" / "micropython"

Found = dict[str, int]


class MemoryRunError(Exception):
    """It could not be run, or a process has ended in another way than by its end."""


def build() -> Path:
    """The interpreter whose allocations can be made to fail. Raises MemoryRunError."""
    command = [ROOT / "boards" / "UNIX" / "build.sh", "--name", "failing", "--patch", PATCH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MemoryRunError(done.stderr.strip())
    return Path(done.stdout.split("\n")[-2])


def run(
    program: Path, script: str, *arguments: object, heap: str = "4m", modules: Path = MPY
) -> Found:
    """Run a program of this folder: what it has found. Raises MemoryRunError with what it says."""
    path = f"{modules}:{HERE}:{ROOT / 'tests'}"
    done = subprocess.run(
        [program, "-X", f"heapsize={heap}", HERE / script, *map(str, arguments)],
        env={**os.environ, "MICROPYPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not done.stdout.rstrip().endswith("}"):
        raise MemoryRunError(f"it ended with {done.returncode}\n{done.stdout}{done.stderr}")
    said, _, last = done.stdout.rstrip().rpartition("\n")
    found: Found = json.loads(last)
    if found["ended"] or found["lost_registrations"] or found["inconsistent"]:
        print(said, file=sys.stderr)
    return found


def each_allocation(what: str = "basic", row: int = 1, stride: int = 1) -> Found:
    """Let each allocation fail, on all cores, and add up. Raises MemoryRunError."""
    program = build()
    cores = os.cpu_count() or 1

    def part(i: int) -> Found:
        return run(program, "each_allocation.py", what, row, 1 + i * stride, cores * stride)

    with ThreadPoolExecutor(cores) as pool:
        parts = list(pool.map(part, range(cores)))
    return {name: sum(found[name] for found in parts) for name in parts[0]}


def main() -> int:
    """Run, and print the sum. Returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--row", type=int, default=1)
    parser.add_argument("--stride", type=int, default=1)
    wanted = parser.parse_args()
    try:
        found = each_allocation("all" if wanted.all else "basic", wanted.row, wanted.stride)
    except MemoryRunError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(
        f"{found['failed']} allocations failed in {found['rounds']} rounds:"
        f" {found['ended']} programs ended, {found['lost_registrations']} registrations lost,"
        f" {found['inconsistent']} inconsistencies"
    )
    if wanted == parser.parse_args([]):
        metrics = {
            "oom.allocations_failed": found["failed"],
            "oom.ended": found["ended"],
            "oom.lost_registrations": found["lost_registrations"],
            "oom.inconsistent": found["inconsistent"],
        }
        RESULT.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return 1 if found["ended"] + found["lost_registrations"] + found["inconsistent"] else 0


if __name__ == "__main__":
    sys.exit(main())
