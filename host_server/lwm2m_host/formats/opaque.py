"""application/octet-stream (42): one opaque resource (LwM2M 1.1 core §7.4.2)."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FormatError
from ..model.path import Path
from ..model.values import DataType, check
from .base import Entry, Format, TypeLookup


class OpaqueFormat(Format):
    number = 42
    name = "opaque"
    carries_trees = False

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        if base.depth < 3:
            raise FormatError(f"an opaque payload cannot be the {base.level} {base}")
        kind = type_of(base)
        if kind not in (DataType.OPAQUE, None):
            raise FormatError(f"{base} is {kind}, but came as opaque")
        return [Entry(base, bytes(payload))]

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        if base.depth < 3 or len(entries) != 1 or entries[0].path != base:
            raise FormatError("opaque carries exactly one resource value")
        if type_of(base) not in (DataType.OPAQUE, None):
            raise FormatError(f"{base} is {type_of(base)}: opaque cannot carry it")
        value = check(entries[0].value, DataType.OPAQUE)
        assert isinstance(value, bytes)
        return value
