"""Data types of resources and the Python values that carry them (LwM2M 1.1 core, appendix C).

| type            | Python                           | JSON on the control plane    |
|-----------------|----------------------------------|------------------------------|
| string, corelnk | str                              | string                       |
| integer         | int, 64 bits signed              | number                       |
| unsigned        | int, 64 bits unsigned            | number                       |
| float           | float                            | number; "nan", "inf", "-inf" |
| boolean         | bool                             | true, false                  |
| opaque          | bytes                            | hexadecimal string           |
| time            | datetime, UTC (*)                | ISO 8601 string (*)          |
| objlnk          | ObjLink                          | "oid:iid"                    |

(*) the number of seconds since 1970 where datetime cannot hold the time.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from ..errors import ValueTypeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DataType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    UNSIGNED = "unsigned"
    FLOAT = "float"
    BOOLEAN = "boolean"
    OPAQUE = "opaque"
    TIME = "time"
    OBJLNK = "objlnk"
    CORELNK = "corelnk"
    NONE = "none"  # executable


class ObjLink(NamedTuple):
    """A link to an object instance. Prints as ``oid:iid``; 65535:65535 links to nothing."""

    oid: int
    iid: int

    def __str__(self) -> str:
        return f"{self.oid}:{self.iid}"


class NarrowFloat(float):
    """A float that was sent in four bytes. Prints as the shortest text that is the same there:
    22.23, not 22.229999542236328. Its value is exact."""

    __slots__ = ()
    layout = ">f"

    def __repr__(self) -> str:
        for digits in range(1, 18):
            short = float(format(float(self), f".{digits}g"))
            try:
                if struct.unpack(self.layout, struct.pack(self.layout, short))[0] == self:
                    return repr(short)
            except OverflowError:  # rounded to what four bytes do not hold
                continue
        return float.__repr__(self)

    def __str__(self) -> str:
        return repr(self)

    @classmethod
    def of(cls, value: float) -> float:
        """The value, plain where it prints the same anyway."""
        narrow = cls(value)
        return value if repr(narrow) == repr(value) else narrow


class HalfFloat(NarrowFloat):
    """A float that was sent in two bytes."""

    __slots__ = ()
    layout = ">e"


Value = str | int | float | bool | bytes | datetime | ObjLink

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_RANGES = {
    DataType.INTEGER: (-(1 << 63), (1 << 63) - 1),
    DataType.UNSIGNED: (0, (1 << 64) - 1),
    DataType.TIME: (-(1 << 63), (1 << 63) - 1),
}


def _wrong(kind: DataType, value: object) -> ValueTypeError:
    if kind is DataType.NONE:
        return ValueTypeError("can only be executed")
    name = {
        DataType.UNSIGNED: "unsigned integer",
        DataType.OBJLNK: "object link",
        DataType.OPAQUE: "opaque value (bytes)",
    }.get(kind, kind.value)
    article = "an" if name[0] in "aeiou" else "a"
    return ValueTypeError(f"expects {article} {name}, got {value!r}")


def _in_range(kind: DataType, value: int) -> int:
    low, high = _RANGES[kind]
    if not low <= value <= high:
        raise ValueTypeError(f"{value} is out of range for {kind.value} ({low}..{high})")
    return value


def time_to_seconds(value: datetime | int) -> int:
    """Seconds since 1970-01-01 UTC. A datetime without time zone is taken as UTC."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (moment - EPOCH) // timedelta(seconds=1)
    return value


def seconds_to_time(seconds: int) -> datetime | int:
    """The datetime, or the seconds themselves where datetime cannot hold them."""
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return seconds


def check(value: Any, kind: DataType) -> Value:
    """The value as its canonical Python type.

    An int is accepted for a float and for a time; nothing else is converted.
    Raises ValueTypeError for a value of another type or out of the type's range.
    """
    if kind is DataType.BOOLEAN and isinstance(value, bool):
        return value
    if kind in _RANGES and isinstance(value, int) and not isinstance(value, bool):
        number = _in_range(kind, value)
        return seconds_to_time(number) if kind is DataType.TIME else number
    if kind is DataType.FLOAT and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return value if isinstance(value, float) else float(value)
        except OverflowError:
            raise ValueTypeError(f"{value} is out of range for float") from None
    if kind in (DataType.STRING, DataType.CORELNK) and isinstance(value, str):
        return value
    if kind is DataType.OPAQUE and isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if kind is DataType.TIME and isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if (
        kind is DataType.OBJLNK
        and isinstance(value, tuple)
        and len(value) == 2
        and all(type(n) is int and 0 <= n <= 65535 for n in value)
    ):
        return ObjLink(*value)
    raise _wrong(kind, value)


def whole_number(text: str, largest: int) -> int | None:
    """The number that ASCII digits mean, up to `largest`; None for every other text.

    For text from outside: `str.isdigit` also takes "¹", which `int` refuses, and "٣", which it
    reads; and `int` refuses more than 4,300 digits.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(largest)) + 10:
        return None
    number = int(text)
    return number if number <= largest else None


def _parse_integer(text: str, kind: DataType) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise _wrong(kind, text)
    return _in_range(kind, int(text))


def _parse_float(text: str) -> float:
    try:
        if not text.isascii() or "_" in text:  # `float` takes these too
            raise ValueError("not a number")
        return float(text)
    except ValueError:
        raise _wrong(DataType.FLOAT, text) from None


def _parse_boolean(text: str) -> bool:
    words = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
    word = text.strip().lower()
    if word not in words:
        raise _wrong(DataType.BOOLEAN, text)
    return words[word]


def _parse_opaque(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip().removeprefix("hex:"))
    except ValueError:
        raise ValueTypeError(f"expects hexadecimal bytes (hex:0aff), got {text!r}") from None


def _parse_time(text: str) -> datetime | int:
    if _INTEGER.fullmatch(text.strip()):
        return seconds_to_time(_in_range(DataType.TIME, int(text)))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueTypeError(
            f"expects a time (seconds since 1970 or ISO 8601), got {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_objlnk(text: str) -> ObjLink:
    """``3:0`` as an ObjLink. Raises ValueTypeError."""
    oid, colon, iid = text.strip().partition(":")
    ids = whole_number(oid, 65535), whole_number(iid, 65535)
    if colon and ids[0] is not None and ids[1] is not None:
        return ObjLink(ids[0], ids[1])
    raise ValueTypeError(f"expects an object link (oid:iid, as in 3:0), got {text!r}")


def parse(text: str, kind: DataType) -> Value:
    """A value as a person types it, by data type. Raises ValueTypeError.

    Booleans are true/false/1/0/on/off; opaque is hexadecimal, with or without ``hex:`` in front;
    times are seconds since 1970 or ISO 8601; object links are ``oid:iid``.
    """
    match kind:
        case DataType.INTEGER | DataType.UNSIGNED:
            return _parse_integer(text, kind)
        case DataType.FLOAT:
            return _parse_float(text)
        case DataType.BOOLEAN:
            return _parse_boolean(text)
        case DataType.OPAQUE:
            return _parse_opaque(text)
        case DataType.TIME:
            return _parse_time(text)
        case DataType.OBJLNK:
            return parse_objlnk(text)
        case DataType.NONE:
            raise _wrong(kind, text)
    return text


def to_json(value: Any) -> Any:
    """A value, or a tree of them, as JSON can hold it (table above). Dict keys become text."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, ObjLink):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, NarrowFloat):
        return float(repr(value))
    return value


def from_json(value: Any, kind: DataType) -> Value:
    """The inverse of to_json for one value: text is parsed, the rest must have the right type."""
    if isinstance(value, str) and kind not in (DataType.STRING, DataType.CORELNK):
        return parse(value, kind)
    return check(value, kind)
