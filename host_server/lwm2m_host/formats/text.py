"""text/plain (0): one resource as text (LwM2M 1.1 core §7.4.1, appendix C)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from ..errors import FormatError, ValueTypeError
from ..model.path import Path
from ..model.values import DataType, ObjLink, Value, check, parse_objlnk, time_to_seconds
from .base import Entry, Format, TypeLookup

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_A_NUMBER = {"nan", "inf", "+inf", "-inf"}  # not in the specification, but seen on the wire


def _decode_value(text: str, kind: DataType | None) -> Value:
    match kind:
        case DataType.INTEGER | DataType.UNSIGNED | DataType.TIME:
            if not _INTEGER.fullmatch(text):
                raise FormatError(f"not an integer: {text[:40]!r}")
            return check(int(text), kind)
        case DataType.FLOAT:
            if not _FLOAT.fullmatch(text) and text.lower() not in _NOT_A_NUMBER:
                raise FormatError(f"not a float: {text[:40]!r}")
            return float(text)
        case DataType.BOOLEAN:
            if text not in ("0", "1"):
                raise FormatError(f"not a boolean (0 or 1): {text[:40]!r}")
            return text == "1"
        case DataType.OPAQUE:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise FormatError("opaque text is not base64") from None
        case DataType.OBJLNK:
            return parse_objlnk(text)
    return text


def _encode_value(value: Value, kind: DataType | None) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if kind is DataType.TIME:
        return str(time_to_seconds(value))  # type: ignore[arg-type]  # checked by the caller
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, ObjLink | int | str):
        return str(value)
    raise FormatError(f"text cannot carry {value!r}")


class TextFormat(Format):
    number = 0
    name = "text"
    carries_trees = False

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        if base.depth < 3:
            raise FormatError(f"a text payload cannot be the {base.level} {base}")
        try:
            text = payload.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError("text is not UTF-8") from None
        try:
            return [Entry(base, _decode_value(text, type_of(base)))]
        except ValueTypeError as error:
            raise FormatError(str(error)) from None

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        if base.depth < 3 or len(entries) != 1 or entries[0].path != base:
            raise FormatError("text carries exactly one resource value")
        value, kind = entries[0].value, type_of(base)
        if value is None:
            raise FormatError("text cannot carry an empty multiple resource")
        if kind is not None:
            value = check(value, kind)
        try:
            return _encode_value(value, kind).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueTypeError("text holds a lone surrogate: not UTF-8") from None
