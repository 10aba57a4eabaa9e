"""The codecs of the firmware, imported by CPython: with what MicroPython has and CPython has not.

The modules see a `micropython` with `const`, a `time` with ticks, a `struct` that packs a str or
a memoryview as "s", and a `print` that writes to a stream of bytes. Nothing else is replaced.
"""

from __future__ import annotations

import importlib
import struct
import sys
import types
from pathlib import Path
from typing import Any

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"


def _pack_into(form: str, buffer: Any, offset: int, *values: Any) -> None:
    plain = [
        value.encode()
        if isinstance(value, str)
        else bytes(value)
        if isinstance(value, memoryview)
        else value
        for value in values
    ]
    struct.pack_into(form, buffer, offset, *plain)


def _print(*values: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
    file.write((sep.join(str(value) for value in values) + end).encode())


STRUCT = types.SimpleNamespace(
    pack_into=_pack_into,
    calcsize=struct.calcsize,
    unpack_from=struct.unpack_from,
)


def _import_clock() -> None:
    # While it is imported only: nobody else is to find ticks in `time`.
    real = sys.modules["time"]
    fake: Any = types.ModuleType("time")
    fake.ticks_ms = lambda: 0
    fake.ticks_diff = lambda end, start: end - start
    sys.modules["time"] = fake
    try:
        importlib.import_module("lwm2m.clock")
    finally:
        sys.modules["time"] = real


def load(name: str) -> Any:
    """A module of the package `lwm2m`, ready to run here."""
    if "micropython" not in sys.modules:
        fake: Any = types.ModuleType("micropython")
        fake.const = lambda value: value
        sys.modules["micropython"] = fake
    if str(FIRMWARE) not in sys.path:
        sys.path.append(str(FIRMWARE))
        _import_clock()
    module: Any = importlib.import_module(f"lwm2m.{name}")
    if hasattr(module, "struct"):
        module.struct = STRUCT
    if name == "formats.text":
        module.print = _print
    return module
