"""The heap of a board while its program starts: what is there, and what the client takes of it.

The program on the board is started anew and followed up to its registration, then the board
restarts. Frozen code and code in ROMFS is in flash: only what is in RAM is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import onboard
from .errors import RemoteError
from .remote import Remote

WAIT_S = 30.0
STAGES = {
    "empty": "MicroPython alone, after boot.py",
    "imported": "with lwm2m.client",
    "made": "with the program, at its first step",
    "registered": "registered",
}

_HEAP = re.compile(r"\bGC: total: ([0-9]{1,12}), used: ([0-9]{1,12}), free: ([0-9]{1,12})")
_LARGEST = re.compile(r"\bmax free sz: ([0-9]{1,12})")


@dataclass(frozen=True)
class Heap:
    """The heap at one moment, after a collection: bytes. largest: the largest free block."""

    total: int
    used: int
    free: int
    largest: int


def read(output: str) -> dict[str, Heap]:
    """The stages in the output of `onboard.memory`: name -> heap, in order."""
    found: dict[str, Heap] = {}
    stage, block = "", 0
    heap: tuple[int, int, int] | None = None
    for line in output.splitlines():
        if line.startswith(onboard.MARK):
            stage, block = _stage(line)
            heap = None
        elif stage and (numbers := _HEAP.search(line)):
            heap = int(numbers[1]), int(numbers[2]), int(numbers[3])
        elif stage and heap and (largest := _LARGEST.search(line)):
            found[stage] = Heap(*heap, int(largest[1]) * block)
            stage = ""
    return found


def _stage(line: str) -> tuple[str, int]:
    try:
        told = json.loads(line.removeprefix(onboard.MARK))
        return (str(told["stage"]), int(told["block"])) if told["stage"] in STAGES else ("", 0)
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return "", 0


def measure(remote: Remote, wait_s: float = WAIT_S) -> dict[str, Heap]:
    """Start the program of a board anew, until it is registered or has run for `wait_s` seconds.

    Returns stage -> heap, for the stages that it came to. Raises RemoteError, in which is what
    the program ended with when it did not come to its first step.
    """
    remote.silence_s += wait_s
    with TemporaryDirectory(prefix="lwm2m-") as folder:
        file = Path(folder) / "memory.py"
        file.write_text(onboard.memory(wait_s), encoding="utf-8")
        output = remote.call("run", str(file))
    found = read(output)
    remote.call("resume", *onboard.RESTART)
    if "made" not in found:
        raise RemoteError(f"{remote.port}: {_reason(output.splitlines())}")
    return found


def _reason(lines: Iterable[str]) -> str:
    """The end of what a program has said that never made a step."""
    own = [line for line in lines if not line.startswith((onboard.MARK, " ", "GC:", "stack:"))]
    last = own[-1].strip() if own else ""
    return f"the board's main.py runs no client: {last or 'it ended'}"
