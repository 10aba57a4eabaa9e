"""application/vnd.oma.lwm2m+json (11543): the JSON of LwM2M 1.0 (1.0.2 §6.4.4)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import FormatError, PathError
from ..model.path import Path
from ..model.values import DataType, ObjLink, Value
from .base import Entry, Format, TypeLookup, strict_path
from .plainvalues import (
    boolean_of,
    dump_json,
    link_of,
    load_json,
    moment_of,
    number_of,
    text_of,
    to_send,
)

_VALUES = ("v", "sv", "bv", "ov")


def _number(item: dict[str, Any], name: str) -> int | float | None:
    value = item.get(name)
    if value is None and name not in item:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"{name} is not a number")
    return value


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None and name not in item:
        return None
    if not isinstance(value, str):
        raise FormatError(f"{name} is not a string")
    return value


def _value(item: dict[str, Any], name: str, kind: DataType | None) -> Value:
    raw = item[name]
    match name:
        case "v":
            number = _number(item, name)
            assert number is not None
            return number_of(number, kind)
        case "bv":
            if not isinstance(raw, bool):
                raise FormatError("bv is not a boolean")
            return boolean_of(raw, kind)
    text = _text(item, name)
    assert text is not None
    if name == "ov":
        return link_of(text, kind)
    if kind is DataType.OPAQUE:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise FormatError("opaque text is not base64") from None
    return text_of(text, kind)


class Json10Format(Format):
    """`now` gives the time that relative times of a payload are relative to."""

    number = 11543
    name = "json"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        data = load_json(payload)
        if not isinstance(data, dict) or not isinstance(data.get("e"), list):
            raise FormatError("JSON is an object with an array e")
        before = _text(data, "bn")
        moment = _number(data, "bt")
        entries = []
        for item in data["e"]:
            if not isinstance(item, dict):
                raise FormatError("an element of e is not an object")
            path = _path(str(base) if before is None else before, _text(item, "n") or "")
            if path.depth < 3:
                raise FormatError(f"the {path.level} {path} cannot be a value")
            kinds = [name for name in _VALUES if name in item]
            if len(kinds) != 1:
                raise FormatError(f"{path}: expects one of {', '.join(_VALUES)}")
            try:
                value = _value(item, kinds[0], type_of(path))
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None
            told_s = _moment(moment, _number(item, "t"), self._now)
            entries.append(Entry(path, value, told_s))
        self.check_paths(entries, base)
        return entries

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        if base.depth == 0:
            raise FormatError("this JSON does not carry more than one object")
        self.check_paths(entries, base)
        before = base.ids if base.depth < 3 else base.ids[:2]
        out: dict[str, Any] = {"bn": f"{Path(before)}/", "e": []}
        times = [entry.time_s for entry in entries if entry.time_s is not None]
        if times:
            out["bt"] = times[0]
        for entry in entries:
            if entry.value is None:
                if entry.path != base or base.depth == 3:
                    raise FormatError(
                        f"JSON cannot carry the empty {entry.path.level} {entry.path}"
                    )
                continue
            item = {"n": "/".join(map(str, entry.path.ids[len(before) :]))}
            if entry.time_s is not None and entry.time_s != out["bt"]:
                item["t"] = entry.time_s - out["bt"]
            out["e"].append({**item, **_item(entry, type_of(entry.path))})
        return dump_json(out)


def _moment(
    base_s: float | None, offset_s: float | None, now: Callable[[], float]
) -> float | None:
    """The time of an element. In the draft that LwM2M 1.0 names, zero and less count from now."""
    if base_s is None and offset_s is None:
        return None
    try:
        moment_s = (base_s or 0) + (offset_s or 0)
    except OverflowError:
        raise FormatError("a time is out of range") from None
    return moment_of(moment_s, moment_s <= 0, now)


def _path(before: str, name: str) -> Path:
    """`name` below `before`. Who writes ``"bn":"/3/0"`` and ``"n":"0"`` means /3/0/0."""
    joint = "" if not name or before.endswith("/") or name.startswith("/") else "/"
    text = before + joint + (name.removeprefix("/") if before.endswith("/") else name)
    try:
        return strict_path(text.removesuffix("/") if not name else text)
    except PathError as error:
        raise FormatError(str(error)) from None


def _item(entry: Entry, kind: DataType | None) -> dict[str, Any]:
    assert entry.value is not None
    value = to_send(entry.value, kind, entry.path)
    if isinstance(value, bool):
        return {"bv": value}
    if isinstance(value, ObjLink):
        return {"ov": str(value)}
    if isinstance(value, int | float):
        return {"v": value}
    if isinstance(value, bytes):
        return {"sv": base64.b64encode(value).decode("ascii")}
    return {"sv": value}
