"""application/vnd.oma.lwm2m+tlv (11542): LwM2M 1.1 core §7.4.3.

`parse` and `build` know the bytes, the value functions know the data types, TlvFormat knows
paths.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from ..errors import FormatError, ValueTypeError
from ..model.path import Path
from ..model.values import (
    DataType,
    NarrowFloat,
    ObjLink,
    Value,
    check,
    seconds_to_time,
    time_to_seconds,
)
from .base import Entry, Format, TypeLookup


class Kind(IntEnum):
    """Bits 7-6 of the type byte."""

    INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE = 2
    RESOURCE = 3


@dataclass
class Node:
    """One TLV: either children (INSTANCE, MULTIPLE) or a value."""

    kind: Kind
    id: int
    value: bytes = b""
    children: list[Node] = field(default_factory=list)


_ALLOWED = {
    None: frozenset(Kind),
    Kind.INSTANCE: frozenset((Kind.MULTIPLE, Kind.RESOURCE)),
    Kind.MULTIPLE: frozenset((Kind.RESOURCE_INSTANCE,)),
}


def parse(payload: bytes, inside: Kind | None = None) -> list[Node]:
    """The TLVs of a payload, nested. Raises FormatError for whatever does not add up.

    Lengths and ids may be written longer than needed. An id that occurs twice is refused.
    """
    nodes: list[Node] = []
    seen: set[tuple[bool, int]] = set()
    at = 0
    while at < len(payload):
        head = payload[at]
        kind = Kind(head >> 6)
        id_size = 2 if head & 0x20 else 1
        length_size = head >> 3 & 3
        start = at + 1 + id_size + length_size
        if start > len(payload):
            raise FormatError(f"TLV header at byte {at} is cut off")
        number = int.from_bytes(payload[at + 1 : at + 1 + id_size])
        length = head & 7
        if length_size:
            length = int.from_bytes(payload[at + 1 + id_size : start])
        if start + length > len(payload):
            missing = start + length - len(payload)
            raise FormatError(f"TLV at byte {at} lacks {missing} of {length} bytes")
        if kind not in _ALLOWED[inside]:
            raise FormatError(f"TLV at byte {at}: {kind.name} does not belong there")
        if (kind is Kind.INSTANCE, number) in seen:
            raise FormatError(f"TLV at byte {at}: id {number} occurs twice")
        seen.add((kind is Kind.INSTANCE, number))
        value = payload[start : start + length]
        if kind in (Kind.INSTANCE, Kind.MULTIPLE):
            nodes.append(Node(kind, number, b"", parse(value, kind)))
        else:
            nodes.append(Node(kind, number, value))
        at = start + length
    return nodes


def build(nodes: Iterable[Node]) -> bytes:
    """The bytes of nested TLVs, ids and lengths in the shortest form. Raises FormatError."""
    out = bytearray()
    for node in nodes:
        nested = node.kind in (Kind.INSTANCE, Kind.MULTIPLE)
        value = build(node.children) if nested else node.value
        length = len(value)
        if length >= 1 << 24:
            raise FormatError(f"a TLV holds less than 16 MB, got {length} bytes")
        length_size = 0 if length < 8 else (length.bit_length() + 7) // 8
        head = node.kind << 6 | (0x20 if node.id > 255 else 0) | length_size << 3
        out.append(head | (0 if length_size else length))
        out += node.id.to_bytes(2 if node.id > 255 else 1)
        out += length.to_bytes(length_size) if length_size else b""
        out += value
    return bytes(out)


def decode_value(data: bytes, kind: DataType | None) -> Value:
    """A value by type (appendix C). Raises FormatError.

    Integers may have 1 to 8 bytes: gateways exist that write three. Unknown types stay bytes.
    """
    match kind:
        case DataType.INTEGER | DataType.TIME | DataType.UNSIGNED:
            if not 1 <= len(data) <= 8:
                raise FormatError(f"an integer has 1 to 8 bytes, got {len(data)}")
            number = int.from_bytes(data, signed=kind is not DataType.UNSIGNED)
            return seconds_to_time(number) if kind is DataType.TIME else number
        case DataType.FLOAT:
            if len(data) not in (4, 8):
                raise FormatError(f"a float has 4 or 8 bytes, got {len(data)}")
            if len(data) == 4:
                return NarrowFloat.of(struct.unpack(">f", data)[0])
            number_f: float = struct.unpack(">d", data)[0]
            return number_f
        case DataType.BOOLEAN:
            if data not in (b"\0", b"\1"):
                raise FormatError(f"a boolean is one byte, 0 or 1, got {data[:8].hex() or 'none'}")
            return data == b"\1"
        case DataType.OBJLNK:
            if len(data) != 4:
                raise FormatError(f"an object link has 4 bytes, got {len(data)}")
            return ObjLink(*struct.unpack(">HH", data))
        case DataType.STRING | DataType.CORELNK:
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                raise FormatError("a string is not UTF-8") from None
    return data


def _encode_integer(value: int, unsigned: bool) -> bytes:
    """The shortest width that holds the signed value: many devices know no other, so an unsigned
    one, too, starts with a zero bit as long as it can."""
    for size in (1, 2, 4, 8):
        try:
            return value.to_bytes(size, signed=True)
        except OverflowError:
            continue
    if unsigned and 0 <= value < 1 << 64:
        return value.to_bytes(8)
    raise ValueTypeError(f"{value} does not fit 64 bits")


def _encode_float(value: float) -> bytes:
    try:
        short = struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">d", value)
    if math.isnan(value) or struct.unpack(">f", short)[0] == value:
        return short
    return struct.pack(">d", value)


def encode_value(value: Value, kind: DataType | None) -> bytes:
    """The inverse of decode_value: integers in 1, 2, 4 or 8 bytes, floats in 4 when exact.

    Without a type the Python type decides. Raises ValueTypeError.
    """
    if kind is not None:
        value = check(value, kind)
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, datetime) or kind is DataType.TIME:
        return _encode_integer(time_to_seconds(value), False)  # type: ignore[arg-type]
    if isinstance(value, int):
        return _encode_integer(value, kind is DataType.UNSIGNED)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, ObjLink):
        return struct.pack(">HH", *value)
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueTypeError("a string holds a lone surrogate: not UTF-8") from None
    return value


class TlvFormat(Format):
    number = 11542
    name = "tlv"

    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        if base.depth == 0:
            raise FormatError("TLV does not carry more than one object")
        entries: list[Entry] = []
        nodes = parse(payload)
        if len({node.kind is Kind.INSTANCE for node in nodes}) > 1:
            raise FormatError("instances and resources side by side")
        for node in nodes:
            for entry in _walk(node, _parent(node, base), type_of):
                if not base.covers(entry.path):
                    raise FormatError(f"asked for {base}, got {entry.path}")
                entries.append(entry)
        return entries

    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        if base.depth == 0:
            raise FormatError("TLV does not carry more than one object")
        roots: dict[Path, Node] = {}
        order: list[Node] = []
        for entry in entries:
            if not base.covers(entry.path):
                raise FormatError(f"{entry.path} is not below {base}")
            _place(entry, base, type_of, roots, order)
        return build(order)


def _parent(node: Node, base: Path) -> Path:
    """The path that a top-level TLV hangs under, when the payload answers for `base`.

    A payload may name what the request named already, and a single-instance object may leave its
    instance out (LwM2M 1.0.2 §6.4.3.1).
    """
    oid = Path(base.ids[:1])
    match node.kind:
        case Kind.INSTANCE:
            return oid
        case Kind.RESOURCE | Kind.MULTIPLE:
            return Path(base.ids[:2]) if base.depth >= 2 else oid / 0
    if base.depth < 3:
        raise FormatError(f"a resource instance cannot answer for the {base.level} {base}")
    return Path(base.ids[:3])


def _walk(node: Node, parent: Path, type_of: TypeLookup) -> Iterable[Entry]:
    if node.kind is Kind.INSTANCE and node.id == 65535:
        raise FormatError("instance id 65535 is reserved")
    path = parent / node.id
    if node.kind in (Kind.INSTANCE, Kind.MULTIPLE):
        if not node.children:
            yield Entry(path, None)
        for child in node.children:
            yield from _walk(child, path, type_of)
        return
    try:
        yield Entry(path, decode_value(node.value, type_of(path)))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


_KINDS = {2: Kind.INSTANCE, 4: Kind.RESOURCE_INSTANCE}


def _place(
    entry: Entry, base: Path, type_of: TypeLookup, known: dict[Path, Node], order: list[Node]
) -> None:
    """Hang one entry into the tree, making the containers above it that `base` does not name."""
    siblings = order
    top = {1: 2, 2: 3, 3: 3, 4: 4}[base.depth]
    for depth in range(top, len(entry.path.ids) + 1):
        path = Path(entry.path.ids[:depth])
        last = depth == entry.path.depth
        if path not in known:
            kind = _KINDS.get(depth)
            if kind is None:
                kind = Kind.RESOURCE if last and entry.value is not None else Kind.MULTIPLE
            known[path] = Node(kind, path.ids[-1])
            siblings.append(known[path])
        elif last:
            raise FormatError(f"{path} occurs twice")
        node = known[path]
        siblings = node.children
        if last and entry.value is not None:
            if node.kind is Kind.INSTANCE:
                raise FormatError(f"{path} is an instance and cannot be a value")
            try:
                node.value = encode_value(entry.value, type_of(path))
            except ValueTypeError as error:
                raise ValueTypeError(f"{path} {error}") from None
