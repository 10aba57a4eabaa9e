"""application/vnd.oma.lwm2m+cbor (11544): maps in maps, keyed by ids (LwM2M 1.2 core §7.4.7).

A key is an id, or an array of ids that stands for several levels at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import FormatError, PathError
from ..model.path import Path
from . import cborio
from .base import Entry, Format, TypeLookup
from .cbor import decode_value, encode_value
from .cborio import Pairs


def _ids(key: Any) -> tuple[int, ...]:
    parts = key if isinstance(key, list) else [key]
    if not parts or not all(type(part) is int for part in parts):
        raise FormatError(f"a key is an id or an array of ids, not {str(key)[:40]}")
    return tuple(parts)


def _walk(item: Pairs, above: Path, type_of: TypeLookup) -> Iterator[Entry]:
    for key, value in item:
        try:
            path = Path(above.ids + _ids(key))
        except PathError as error:
            raise FormatError(str(error)) from None
        if isinstance(value, Pairs):
            if not value:
                if path.depth not in (2, 3):
                    raise FormatError(f"the {path.level} {path} is empty")
                yield Entry(path, None)
            yield from _walk(value, path, type_of)
            continue
        if path.depth < 3:
            raise FormatError(f"the {path.level} {path} cannot be a value")
        try:
            yield Entry(path, decode_value(value, type_of(path)))
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None


class Lwm2mCborFormat(Format):
    number = 11544
    name = "lwm2m-cbor"
    carries_root = True

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        item = cborio.loads(payload)
        if not isinstance(item, Pairs):
            raise FormatError("LwM2M CBOR is a map")
        entries = list(_walk(item, Path(), type_of))
        self.check_paths(entries, base)
        return entries

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        self.check_paths(entries, base)
        tree: dict[int, Any] = {}
        for entry in entries:
            node = tree
            for number in entry.path.ids[:-1]:
                node = node.setdefault(number, {})
                if not isinstance(node, dict):
                    raise FormatError(f"{entry.path} is below a value")
            if entry.value is None:
                node[entry.path.ids[-1]] = {}
            else:
                node[entry.path.ids[-1]] = encode_value(entry, type_of(entry.path))
        return cborio.dumps(tree)
