"""A compiled module whose functions fill blocks of MicroPython's heap, of 16 bytes each.

What a function is too long by is taken from the table of its lines, if it has so many bytes: the
instructions of a line that is not in the table any more count as those of the line before.
The format of .mpy files is that of MicroPython's py/persistentcode.c, version 6; of the table,
that of py/bc.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BuildError

BLOCK = 16
_VERSION = 6
_TEXTS = (5, 6)  # kinds of constants: str and bytes, which end with a NUL
_NUMBERS = (7, 8, 9)
_TUPLE = 10
_BYTECODE = 0


def fit(module: bytes) -> bytes:
    """The module with shorter tables of lines. Raises BuildError for another version."""
    if module[:2] != bytes((ord("M"), _VERSION)):
        raise BuildError(f"no .mpy file of version {_VERSION}")
    reader = _Reader(module, 4)
    names, constants = reader.number(), reader.number()
    for _ in range(names):
        length = reader.number()
        if not length & 1:
            reader.at += (length >> 1) + 1
    for _ in range(constants):
        reader.skip_constant()
    head = module[: reader.at]
    code = _code(reader, is_function=False)
    return head + code + module[reader.at :]


@dataclass
class _Reader:
    data: bytes
    at: int

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def skip_constant(self) -> None:
        kind = self.byte()
        if kind in (*_TEXTS, *_NUMBERS):
            length = self.number()
            self.at += length + (kind in _TEXTS)
        elif kind == _TUPLE:
            for _ in range(self.number()):
                self.skip_constant()


def _number(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def _code(reader: _Reader, *, is_function: bool) -> bytes:
    """The code that begins here, with what is inside of it."""
    head = reader.number()
    kind, has_children, length = head & 3, head & 4, head >> 3
    if kind != _BYTECODE:
        raise BuildError("native code cannot be packed")
    function = reader.take(length)
    if is_function:
        function = _shortened(function)
    out = _number(len(function) << 3 | has_children | kind) + function
    if has_children:
        count = reader.number()
        out += _number(count)
        for _ in range(count):
            out += _code(reader, is_function=True)
    return out


def _shortened(function: bytes) -> bytes:
    """A function that takes a block less, if it can."""
    reader = _Reader(function, 0)
    first = reader.byte()
    arguments, number = first & 3, 0
    while first & 0x80:
        first = reader.byte()
        # Positional ones, and those that are keywords only
        arguments += ((first & 4) << number) + (((first & 8) >> 3) << number)
        number += 1
    signature = function[: reader.at]
    info = cells = number = 0
    while True:
        byte = reader.byte()
        info |= ((byte & 0x7E) >> 1) << 6 * number
        cells |= (byte & 1) << number
        number += 1
        if not byte & 0x80:
            break
    start = reader.at
    for _ in range(1 + arguments):
        reader.number()
    names = function[start : reader.at]
    steps = _steps(function[reader.at : start + info])
    rest = function[start + info :]

    def made(steps: list[tuple[int, int]]) -> bytes:
        lines = b"".join(_entry(*step) for step in steps)
        return signature + _sizes(len(names) + len(lines), cells) + names + lines + rest

    if len(made(steps)) != len(function):
        raise BuildError("the table of lines of a function is not understood")
    wanted = len(function) // BLOCK * BLOCK
    while len(steps) > 1 and len(made(steps)) > wanted:
        # A line with few instructions joins the one before.
        each = [_joined(steps, number) for number in range(1, len(steps))]
        sizes = [len(made(shorter)) for shorter in each]
        if min(sizes) >= len(made(steps)):
            return function
        steps = each[sizes.index(min(sizes))]
    found = made(steps)
    return found if len(found) <= wanted else function


def _joined(steps: list[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    """Without one step: the next one goes as far as both."""
    size, lines = steps[number]
    if number + 1 == len(steps):
        return steps[:number]
    after = (size + steps[number + 1][0], lines + steps[number + 1][1])
    return [*steps[:number], after, *steps[number + 2 :]]


def _steps(table: bytes) -> list[tuple[int, int]]:
    """The entries of a table: after so many bytes, so many lines further."""
    steps: list[tuple[int, int]] = []
    at = size = 0
    while at < len(table):
        byte = table[at]
        if byte & 0x80:
            size += byte & 0xF
            lines = (byte << 4) & 0x700 | table[at + 1]
            at += 2
        else:
            size += byte & 0x1F
            lines = byte >> 5
            at += 1
        if lines:
            steps.append((size, lines))
            size = 0
    return steps


def _entry(size: int, lines: int) -> bytes:
    out = bytearray()
    while size or lines:
        if lines <= 6:
            part = min(size, 0x1F)
            some = min(lines, 3) if part == size else 0
            out.append(part | some << 5)
        else:
            part = min(size, 0xF)
            some = min(lines, 0x7FF) if part == size else 0
            out += bytes((0x80 | part | (some >> 4) & 0x70, some & 0xFF))
        size -= part
        lines -= some
    return bytes(out)


def _sizes(info: int, cells: int) -> bytes:
    out = bytearray()
    while True:
        byte = (info & 0x3F) << 1 | cells & 1
        info >>= 6
        cells >>= 1
        if not info and not cells:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)
