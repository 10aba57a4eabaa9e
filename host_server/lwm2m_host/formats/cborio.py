"""CBOR items as bytes (RFC 8949), no more of it than the LwM2M formats need.

Strict where a general library is lenient: nothing may follow the item, a map keeps its pairs in
order so that the caller sees a key that occurs twice, tags stay tags, and every malformed byte is
a FormatError.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import FormatError, ValueTypeError
from ..model.values import HalfFloat, NarrowFloat

MAX_DEPTH = 16

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE = 31
_FLOATS: dict[int, tuple[str, Callable[[float], float]]] = {
    25: (">e", HalfFloat.of),
    26: (">f", NarrowFloat.of),
    27: (">d", float),
}
_CONSTANTS = {20: False, 21: True, 22: None}

EPOCH_TIME = 1
DECIMAL_FRACTION = 4


class Tagged(NamedTuple):
    """An item with a tag in front of it."""

    tag: int
    item: Any


class Pairs(tuple[tuple[Any, Any], ...]):
    """A map: its pairs in the order of the wire."""


class _Break:
    pass


_BREAK = _Break()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise FormatError(f"CBOR is cut off: {end - len(self.data)} bytes are missing")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise FormatError(f"CBOR: bad initial byte at {self.at - 1}")
        return int.from_bytes(self.take(1 << (info - 24)))

    def item(self, depth: int, may_break: bool = False) -> Any:
        if depth > MAX_DEPTH:
            raise FormatError("CBOR is nested too deeply")
        head = self.take(1)[0]
        major, info = head >> 5, head & 31
        if major == _SIMPLE:
            return self._simple(info, may_break)
        if info == _INDEFINITE:
            return self._indefinite(major, depth)
        number = self.argument(info)
        match major:
            case 0:
                return number
            case 1:
                return -1 - number
            case 2:
                return self.take(number)
            case 3:
                return _text(self.take(number))
            case 6:
                return Tagged(number, self.item(depth + 1))
        # Each item is one byte at least: a count of billions is refused before it is tried.
        if number > len(self.data) - self.at:
            raise FormatError("CBOR is cut off in an array or a map")
        if major == _ARRAY:
            return [self.item(depth + 1) for _ in range(number)]
        return Pairs((self.item(depth + 1), self.item(depth + 1)) for _ in range(number))

    def _simple(self, info: int, may_break: bool) -> Any:
        if info in _FLOATS:
            layout, number = _FLOATS[info]
            return number(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])
        if info in _CONSTANTS:
            return _CONSTANTS[info]
        if info == _INDEFINITE and may_break:
            return _BREAK
        raise FormatError(f"CBOR: a simple value that means nothing here, at byte {self.at - 1}")

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (_BYTES, _TEXT):
            pieces = []
            while (head := self.take(1)[0]) != 0xFF:
                if head >> 5 != major or head & 31 == _INDEFINITE:
                    raise FormatError("CBOR: a string in pieces holds something else")
                piece = self.take(self.argument(head & 31))
                pieces.append(piece if major == _BYTES else _text(piece))
            return b"".join(pieces) if major == _BYTES else "".join(pieces)  # type: ignore[arg-type]
        if major not in (_ARRAY, _MAP):
            raise FormatError(f"CBOR: bad initial byte at {self.at - 1}")
        items = []
        while (item := self.item(depth + 1, True)) is not _BREAK:
            items.append(item)
        if major == _ARRAY:
            return items
        if len(items) % 2:
            raise FormatError("CBOR: a map has a key without a value")
        return Pairs(zip(items[::2], items[1::2], strict=True))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("CBOR: a text string is not UTF-8") from None


def loads(payload: bytes) -> Any:
    """The one item of a payload: int, float, bool, None, str, bytes, list, Pairs or Tagged.

    Raises FormatError.
    """
    reader = _Reader(bytes(payload))
    item = reader.item(0)
    if reader.at != len(payload):
        raise FormatError(f"CBOR: {len(payload) - reader.at} bytes follow the item")
    return item


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes((major << 5 | info,)) + number.to_bytes(size)
    raise ValueTypeError(f"{number} does not fit 64 bits")


def _float(value: float) -> bytes:
    # No half floats: not every device reads them.
    if math.isnan(value):
        return b"\xfa\x7f\xc0\0\0"
    try:
        short = struct.pack(">f", value)
    except OverflowError:
        return b"\xfb" + struct.pack(">d", value)
    if struct.unpack(">f", short)[0] == value:
        return b"\xfa" + short
    return b"\xfb" + struct.pack(">d", value)


def dumps(item: Any) -> bytes:
    """The bytes of an item, in the shortest form. A dict is a map as well as Pairs.

    Raises ValueTypeError for what cannot be carried.
    """
    if isinstance(item, bool):
        return b"\xf5" if item else b"\xf4"
    if item is None:
        return b"\xf6"
    if isinstance(item, int):
        return _head(_UNSIGNED, item) if item >= 0 else _head(_NEGATIVE, -1 - item)
    if isinstance(item, float):
        return _float(item)
    if isinstance(item, bytes):
        return _head(_BYTES, len(item)) + item
    if isinstance(item, str):
        try:
            data = item.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueTypeError("a string holds a lone surrogate: not UTF-8") from None
        return _head(_TEXT, len(data)) + data
    if isinstance(item, Tagged):
        return _head(_TAG, item.tag) + dumps(item.item)
    if isinstance(item, Pairs | dict):
        pairs = list(item.items()) if isinstance(item, dict) else item
        body = b"".join(dumps(key) + dumps(value) for key, value in pairs)
        return _head(_MAP, len(pairs)) + body
    if isinstance(item, list | tuple):
        return _head(_ARRAY, len(item)) + b"".join(dumps(part) for part in item)
    raise ValueTypeError(f"CBOR cannot carry {item!r}")
