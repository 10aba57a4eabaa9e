"""Sizes of a firmware, from its ELF file: what it takes of the RAM before the heap, and of the
flash."""

from __future__ import annotations

import struct
from pathlib import Path

RAM = range(0x20000000, 0x20042000)
_ALLOCATED = 2  # a section that is in memory
_NO_BITS = 8  # one of which the file, and so the flash, has nothing
_RESERVED = (".heap", ".stack", ".stack1", ".stack_dummy", ".stack1_dummy")


def sizes(elf: Path) -> tuple[int, int]:
    """(bytes of static RAM, bytes of flash). Raises ValueError for another kind of file."""
    raw = elf.read_bytes()
    if raw[:6] != b"\x7fELF\x01\x01":
        raise ValueError(f"{elf}: no ELF file of 32 bits")
    (start,) = struct.unpack_from("<I", raw, 32)
    size, count, names_at = struct.unpack_from("<HHH", raw, 46)
    sections = [struct.unpack_from("<10I", raw, start + number * size) for number in range(count)]
    names = sections[names_at][4]
    static = flash = 0
    for name_at, kind, flags, address, _, length, *_ in sections:
        begin = names + name_at
        name = raw[begin : raw.index(b"\0", begin)].decode()
        if not flags & _ALLOCATED or name in _RESERVED:
            continue
        if address in RAM:
            static += length
        if kind != _NO_BITS:
            flash += length
    return static, flash
