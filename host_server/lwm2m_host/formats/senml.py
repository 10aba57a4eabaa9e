"""SenML JSON (110) and CBOR (112), and their ETCH siblings (320, 322) for composite requests.

RFC 8428, RFC 8790, LwM2M 1.1 core §7.4.4 and §7.4.5. `resolve` knows SenML and nothing of LwM2M;
the formats turn its records into entries. Both syntaxes share everything but the bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import FormatError, PathError
from ..model.path import Path
from ..model.values import DataType, ObjLink, Value
from . import cborio
from .base import Entry, PathListFormat, TypeLookup, strict_path
from .cborio import DECIMAL_FRACTION, Pairs, Tagged
from .plainvalues import (
    boolean_of,
    bytes_of,
    dump_json,
    link_of,
    load_json,
    moment_of,
    number_of,
    text_of,
    to_send,
)

VERSION = 10
RELATIVE_BELOW_S = 1 << 28  # smaller times are relative to now (RFC 8428 §4.5.3)

# Labels of RFC 8428 §4.3 and §6; "vlo" is LwM2M's and has no number.
NUMBERS = {
    "bver": -1,
    "bn": -2,
    "bt": -3,
    "bu": -4,
    "bv": -5,
    "bs": -6,
    "n": 0,
    "u": 1,
    "v": 2,
    "vs": 3,
    "vb": 4,
    "s": 5,
    "t": 6,
    "ut": 7,
    "vd": 8,
}
_LABELS = {number: label for label, number in NUMBERS.items()}

_NUMBER_LABELS = ("bver", "bt", "bv", "bs", "v", "s", "t", "ut")
_TEXT_LABELS = ("bn", "bu", "n", "u", "vs", "vlo")
_VALUE_LABELS = ("v", "vs", "vb", "vd", "vlo")


@dataclass(frozen=True)
class Record:
    """A record after resolution (RFC 8428 §4.6): no base fields are left.

    `label` says which value field it had ("" for none); `time_s` is seconds since 1970, None when
    no time was given at all.
    """

    name: str
    label: str = ""
    value: Any = None
    unit: str = ""
    time_s: float | None = None
    sum: float | None = None
    update_s: float | None = None


def resolve(
    pack: Sequence[Mapping[str, Any]], now: Callable[[], float] = time.time
) -> list[Record]:
    """The resolved records of a pack, in its order. Raises FormatError.

    Records that hold nothing but base fields are for those behind them, and give none.
    """
    records: list[Record] = []
    base: dict[str, Any] = {}
    for item in pack:
        _check_fields(item)
        for label in ("bver", "bn", "bt", "bu", "bv", "bs"):
            if label in item:
                base[label] = item[label]
        if base.get("bver", VERSION) > VERSION:
            raise FormatError(f"SenML version {base['bver']} is newer than {VERSION}")
        values = [label for label in _VALUE_LABELS if label in item]
        if len(values) > 1:
            raise FormatError(f"a record holds {' and '.join(values)}")
        if not values and "n" not in item and "s" not in item:
            continue
        label = values[0] if values else ""
        value = item[label] if values else None
        if label == "v" or (not values and "bv" in base and "s" not in item):
            value = _add(base.get("bv"), value)
            label = "v"
        total = item.get("s")
        records.append(
            Record(
                base.get("bn", "") + item.get("n", ""),
                label,
                value,
                item.get("u", base.get("bu", "")),
                _moment(base.get("bt"), item.get("t"), now),
                _add(base.get("bs"), total) if total is not None else None,
                item.get("ut"),
            )
        )
    return records


def _check_fields(item: Mapping[str, Any]) -> None:
    for label, value in item.items():
        if label in _NUMBER_LABELS:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise FormatError(f"{label} is not a number")
            if isinstance(value, float) and label != "v" and not math.isfinite(value):
                raise FormatError(f"{label} is not finite")
        elif label in _TEXT_LABELS:
            if not isinstance(value, str):
                raise FormatError(f"{label} is not a string")
        elif label == "vb":
            if not isinstance(value, bool):
                raise FormatError("vb is not a boolean")
        elif label.endswith("_"):  # must be understood (RFC 8428 §4.4)
            raise FormatError(f"the field {label[:40]!r} is not understood")


def _add(base: float | None, value: float | None) -> float | int | None:
    if base is None or value is None:
        return base if value is None else value
    try:
        total = base + value
    except OverflowError:
        raise FormatError("a number is out of range") from None
    if isinstance(total, float) and math.isinf(total) and not _infinite(base, value):
        raise FormatError("a number is out of range")
    return total


def _infinite(*numbers: float) -> bool:
    return any(isinstance(number, float) and math.isinf(number) for number in numbers)


def _moment(base: float | None, offset: float | None, now: Callable[[], float]) -> float | None:
    moment = _add(base, offset)
    return None if moment is None else moment_of(moment, moment < RELATIVE_BELOW_S, now)


class _Senml(PathListFormat):
    """`now` gives the time that relative times of a payload are relative to."""

    carries_root = True

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    @abstractmethod
    def _load(self, payload: bytes) -> list[dict[str, Any]]:
        """The records as dicts with labels of JSON; vd is bytes. Raises FormatError."""

    @abstractmethod
    def _dump(self, pack: list[dict[str, Any]]) -> bytes:
        """The inverse of _load."""

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        entries = []
        for record in resolve(self._load(payload), self._now):
            path = _path(record.name)
            if record.sum is not None and not record.label:
                raise FormatError(f"{path}: a sum is not a value")
            if not record.label:
                if path.depth not in (2, 3):
                    raise FormatError(f"{path}: the record holds no value")
                entries.append(Entry(path, None, record.time_s))
                continue
            try:
                value = _value(record, type_of(path))
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None
            entries.append(Entry(path, value, record.time_s))
        self.check_paths(entries, base)
        return entries

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        return self._dump(self._pack(entries, base, type_of))

    def encode_changes(
        self, entries: Sequence[Entry], deleted: Sequence[Path], type_of: TypeLookup
    ) -> bytes:
        """A Write-Composite: a null deletes (RFC 8790 §3.2). It is for SenML-ETCH only."""
        # In front of the base name, which would count for them too.
        pack: list[dict[str, Any]] = [{"n": str(path), "v": None} for path in deleted]
        return self._dump(pack + self._pack(entries, Path(), type_of))

    def _pack(
        self, entries: Sequence[Entry], base: Path, type_of: TypeLookup
    ) -> list[dict[str, Any]]:
        self.check_paths(entries, base)
        before = _common(entries)
        pack: list[dict[str, Any]] = []
        for entry in entries:
            record: dict[str, Any] = {}
            name = str(entry.path)[len(before) :]
            if not pack and before:
                record["bn"] = before
            if name:
                record["n"] = name
            if entry.time_s is not None:
                record["t"] = _short(entry.time_s)
            if entry.value is not None:
                label, value = _field(entry, type_of(entry.path))
                record[label] = value
            elif not name:  # with a base name alone it would not be a record
                record = {"n": str(entry.path)}
            pack.append(record)
        return pack

    def decode_paths(self, payload: bytes) -> list[Path]:
        paths = []
        for record in resolve([{"n": "", **item} for item in self._load(payload)], self._now):
            if record.label or record.sum is not None:
                raise FormatError(f"{record.name[:60]}: a list of paths holds no values")
            paths.append(_path(record.name))
        return paths

    def encode_paths(self, paths: Sequence[Path]) -> bytes:
        return self._dump([{"n": str(path)} for path in paths])


def _short(number: float) -> float | int:
    return int(number) if float(number).is_integer() else number


def _path(name: str) -> Path:
    try:
        return strict_path(name)
    except PathError as error:
        raise FormatError(str(error)) from None


def _common(entries: Sequence[Entry]) -> str:
    """The base name: what all paths have in common above the resource, with a slash behind it."""
    if len(entries) < 2:
        return f"{Path(entries[0].path.ids[:2])}/" if entries and entries[0].path.depth > 2 else ""
    first = entries[0].path.ids
    depth = min(2, *(entry.path.depth - 1 for entry in entries))
    while depth and any(entry.path.ids[:depth] != first[:depth] for entry in entries):
        depth -= 1
    return f"{Path(first[:depth])}/" if depth else ""


def _value(record: Record, kind: DataType | None) -> Value:
    match record.label:
        case "v":
            return number_of(record.value, kind)
        case "vs":
            return text_of(record.value, kind)
        case "vb":
            return boolean_of(record.value, kind)
        case "vd":
            return bytes_of(record.value, kind)
    return link_of(record.value, kind)


def _field(entry: Entry, kind: DataType | None) -> tuple[str, Any]:
    assert entry.value is not None
    value = to_send(entry.value, kind, entry.path)
    if isinstance(value, bool):
        return "vb", value
    if isinstance(value, ObjLink):
        return "vlo", str(value)
    if isinstance(value, int | float):
        return "v", value
    if isinstance(value, bytes):
        return "vd", value
    return "vs", value


def _from_base64(text: Any) -> bytes:
    """base64url without padding (RFC 8428 §4.3), or, as some devices send it, plain base64."""
    if not isinstance(text, str):
        raise FormatError("vd is not base64url")
    body = text.rstrip("=")
    try:
        if text != body and len(text) % 4:
            raise ValueError
        padded = (body + "=" * (-len(body) % 4)).translate({45: "+", 95: "/"})
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("vd is not base64url") from None


class SenmlJsonFormat(_Senml):
    number = 110
    name = "senml-json"

    def _load(self, payload: bytes) -> list[dict[str, Any]]:
        pack = load_json(payload)
        if not isinstance(pack, list) or not all(isinstance(item, dict) for item in pack):
            raise FormatError("SenML is an array of objects")
        return [
            {**item, "vd": _from_base64(item["vd"])} if "vd" in item else item for item in pack
        ]

    def _dump(self, pack: list[dict[str, Any]]) -> bytes:
        for record in pack:
            if "vd" in record:
                text = base64.urlsafe_b64encode(record["vd"]).decode("ascii")
                record["vd"] = text.rstrip("=")
        return dump_json(pack)


class SenmlCborFormat(_Senml):
    number = 112
    name = "senml-cbor"

    def _load(self, payload: bytes) -> list[dict[str, Any]]:
        pack = cborio.loads(payload)
        if not isinstance(pack, list) or not all(isinstance(item, Pairs) for item in pack):
            raise FormatError("SenML is an array of maps")
        return [_labelled(item) for item in pack]

    def _dump(self, pack: list[dict[str, Any]]) -> bytes:
        return cborio.dumps(
            [
                {NUMBERS.get(label, label): value for label, value in record.items()}
                for record in pack
            ]
        )


def _labelled(pairs: Pairs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if type(key) is int:
            label = _LABELS.get(key, f"({key})")
        elif isinstance(key, str) and key not in NUMBERS:
            label = key
        else:
            raise FormatError(
                f"a label is a number of RFC 8428, or a text of its own: {key!r:.40}"
            )
        if label in found:
            raise FormatError(f"the label {label[:40]} occurs twice")
        if label in _NUMBER_LABELS and isinstance(value, Tagged):
            value = _decimal(value)
        if label == "vd" and not isinstance(value, bytes):
            raise FormatError("vd is not a byte string")
        found[label] = value
    return found


def _decimal(value: Tagged) -> float:
    """A decimal fraction, ``4([exponent, mantissa])`` (RFC 8428 §6)."""
    parts = value.item
    if (
        value.tag != DECIMAL_FRACTION
        or not isinstance(parts, list)
        or len(parts) != 2
        or not all(type(part) is int and abs(part) < 1 << 64 for part in parts)
        or abs(parts[0]) > 400
    ):
        raise FormatError("a number is neither plain nor a decimal fraction")
    number = float(f"{parts[1]}e{parts[0]}")
    if math.isinf(number):
        raise FormatError("a decimal fraction is out of range")
    return number


class SenmlEtchJsonFormat(SenmlJsonFormat):
    """SenML JSON as composite requests may carry it; never what a device is asked to send."""

    number = 320
    name = "senml-etch-json"
    for_requests_only = True


class SenmlEtchCborFormat(SenmlCborFormat):
    number = 322
    name = "senml-etch-cbor"
    for_requests_only = True
