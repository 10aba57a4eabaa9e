"""application/cbor (60): one resource (LwM2M 1.1 core §7.4.3, appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import FormatError
from ..model.path import Path
from ..model.values import DataType, ObjLink, Value
from . import cborio
from .base import Entry, Format, TypeLookup
from .cborio import EPOCH_TIME, Tagged
from .plainvalues import boolean_of, bytes_of, link_of, number_of, text_of, to_send


def decode_value(item: Any, kind: DataType | None) -> Value:
    """A CBOR item as a value: times are tagged (1) or plain numbers. Raises FormatError."""
    if isinstance(item, Tagged):
        if item.tag != EPOCH_TIME or kind not in (DataType.TIME, None):
            raise FormatError(f"CBOR tag {item.tag} does not belong there")
        item, kind = item.item, DataType.TIME
    if isinstance(item, bool):
        return boolean_of(item, kind)
    if isinstance(item, int | float):
        return number_of(item, kind)
    if isinstance(item, str):
        return link_of(item, kind) if kind is DataType.OBJLNK else text_of(item, kind)
    if isinstance(item, bytes):
        return bytes_of(item, kind)
    raise FormatError("a CBOR array, map or null cannot be a value")


def encode_value(entry: Entry, kind: DataType | None) -> Any:
    """The inverse, as an item for cborio.dumps. Raises ValueTypeError."""
    if entry.value is None:
        raise FormatError(f"{entry.path} holds no value")
    is_time = kind is DataType.TIME or (kind is None and hasattr(entry.value, "tzinfo"))
    value = to_send(entry.value, kind, entry.path)
    if is_time:
        return Tagged(EPOCH_TIME, value)
    return str(value) if isinstance(value, ObjLink) else value


class CborFormat(Format):
    number = 60
    name = "cbor"
    carries_trees = False

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        if base.depth < 3:
            raise FormatError(f"a CBOR value cannot be the {base.level} {base}")
        try:
            return [Entry(base, decode_value(cborio.loads(payload), type_of(base)))]
        except FormatError as error:
            raise FormatError(f"{base}: {error}") from None

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        if base.depth < 3 or len(entries) != 1 or entries[0].path != base:
            raise FormatError("CBOR carries exactly one resource value")
        return cborio.dumps(encode_value(entries[0], type_of(base)))
