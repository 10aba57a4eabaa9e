"""Values as the self-describing formats carry them: numbers, texts, booleans, bytes.

What JSON, CBOR and SenML have in common: the payload tells number from text, and the definition
tells the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..errors import FormatError, ValueTypeError
from ..model.path import Path
from ..model.values import DataType, ObjLink, Value, check, parse_objlnk, time_to_seconds

# Seconds beyond 64 bits are no time, whoever sends them.
LATEST_S = float(1 << 63)

_EXACT = 1 << 53
_WHOLE = (DataType.INTEGER, DataType.UNSIGNED, DataType.TIME)
_TEXTS = (DataType.STRING, DataType.CORELNK)


def number_of(raw: int | float, kind: DataType | None) -> Value:
    """A number by type. A whole float does for an integer. Raises FormatError."""
    if kind is None:
        return raw
    if kind is DataType.FLOAT:
        try:
            return raw if isinstance(raw, float) else float(raw)
        except OverflowError:
            raise FormatError(f"{raw} is out of range for float") from None
    if kind not in _WHOLE:
        raise FormatError(f"a number cannot be {kind.value}")
    if isinstance(raw, float):
        if not raw.is_integer() or abs(raw) > _EXACT:
            raise FormatError(f"{raw!r} is not a whole number")
        raw = int(raw)
    try:
        return check(raw, kind)
    except ValueTypeError as error:
        raise FormatError(str(error)) from None


def moment_of(told_s: float, is_relative: bool, now: Callable[[], float]) -> float:
    """A time as seconds since 1970; a relative one counts from now. Raises FormatError."""
    try:
        moment_s = now() + told_s if is_relative else float(told_s)
    except OverflowError:
        moment_s = math.inf
    if not abs(moment_s) < LATEST_S:
        raise FormatError("a time is out of range")
    return moment_s


def text_of(raw: str, kind: DataType | None) -> Value:
    """A text by type: string and corelnk; an object link as clients write it (``"3303:0"``).

    Raises FormatError.
    """
    if kind is DataType.OBJLNK:
        return link_of(raw, kind)
    if kind is not None and kind not in _TEXTS:
        raise FormatError(f"a text cannot be {kind.value}")
    return raw


def boolean_of(raw: bool, kind: DataType | None) -> Value:
    if kind not in (DataType.BOOLEAN, None):
        raise FormatError(f"a boolean cannot be {kind.value}")
    return raw


def bytes_of(raw: bytes, kind: DataType | None) -> Value:
    if kind not in (DataType.OPAQUE, None):
        raise FormatError(f"bytes cannot be {kind.value}")
    return raw


def link_of(raw: str, kind: DataType | None) -> Value:
    """``3:0`` as an ObjLink. Raises FormatError."""
    if kind not in (DataType.OBJLNK, None):
        raise FormatError(f"an object link cannot be {kind.value}")
    try:
        return parse_objlnk(raw)
    except ValueTypeError as error:
        raise FormatError(str(error)) from None


def to_send(value: Value, kind: DataType | None, path: Path) -> Value:
    """The value, checked; times as seconds. Raises ValueTypeError, which names the path."""
    try:
        if kind is not None:
            value = check(value, kind)
        if isinstance(value, datetime):
            return time_to_seconds(value)
        if isinstance(value, str) and not isinstance(value, ObjLink):
            value.encode("utf-8")
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
            raise ValueTypeError(f"{value} does not fit 64 bits")
    except UnicodeEncodeError:
        raise ValueTypeError(f"{path} holds a lone surrogate: not UTF-8") from None
    except ValueTypeError as error:
        raise ValueTypeError(f"{path} {error}") from None
    return value


class _NotJson(ValueError):
    pass


def _refuse_constant(name: str) -> Any:
    raise _NotJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _NotJson(f"{text[:40]} is out of range")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotJson("a name occurs twice in an object")
    return found


def load_json(payload: bytes) -> Any:
    """Strict JSON: UTF-8, no name twice, no NaN, no number beyond a double. Raises FormatError."""
    try:
        data = json.loads(
            payload.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
        _strings(data)
    except UnicodeError:
        raise FormatError("JSON is not UTF-8") from None
    except RecursionError:
        raise FormatError("JSON is nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"not JSON: {str(error)[:100]}") from None
    return data


def _strings(data: Any) -> None:
    """Raise UnicodeEncodeError for a lone surrogate, which JSON can escape and UTF-8 cannot."""
    if isinstance(data, str):
        data.encode("utf-8")
    elif isinstance(data, list):
        for item in data:
            _strings(item)
    elif isinstance(data, dict):
        for name, item in data.items():
            _strings(name)
            _strings(item)


def dump_json(data: Any) -> bytes:
    """Compact JSON. Raises FormatError for NaN and infinity, which JSON does not have."""
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise FormatError("JSON cannot carry nan or inf") from None
    return text.encode("utf-8")
