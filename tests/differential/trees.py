"""Random object definitions, and random values for them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink, time_to_seconds

CODES = {
    DataType.STRING: 1,
    DataType.INTEGER: 2,
    DataType.UNSIGNED: 3,
    DataType.FLOAT: 4,
    DataType.BOOLEAN: 5,
    DataType.OPAQUE: 6,
    DataType.TIME: 7,
    DataType.OBJLNK: 8,
    DataType.CORELNK: 9,
}
READ, WRITE, MULTI = 0x10, 0x20, 0x80

# Values of resources: a plain one, or {riid: value}. Times are seconds.
Values = dict[int, Any]


@dataclass
class Resource:
    rid: int
    kind: DataType
    flags: int  # operations and MULTI

    @property
    def multiple(self) -> bool:
        return bool(self.flags & MULTI)


@dataclass
class Thing:
    """An object: its definition, what its instances hold, and what will be written to them."""

    oid: int
    resources: list[Resource]
    before: dict[int, Values] = field(default_factory=dict)
    after: dict[int, Values] = field(default_factory=dict)

    def resource(self, rid: int) -> Resource:
        return next(resource for resource in self.resources if resource.rid == rid)


EDGES = (0, 10, 24, 64, 100, 128, 256, 1000, 1 << 15, 1 << 16, 1 << 23, 1 << 24, 1 << 28, 1 << 30)
EDGES += (1 << 31, 1 << 32, 1 << 40, 1 << 48, 1 << 62, 1 << 63, 1 << 64)


def integer(chance: random.Random, low: int, high: int) -> int:
    """Near the edge of some width, or anything."""
    match chance.randint(0, 7):
        case 0:
            number = chance.choice((low, high))
        case 1 | 2:
            number = chance.choice((-1, 1)) * chance.getrandbits(chance.randint(1, 64))
        case _:
            number = chance.choice((-1, 1)) * chance.choice(EDGES) + chance.choice((-1, 0, 0, 1))
    return number if low <= number <= high else abs(number) & high


def real(chance: random.Random, finite: bool) -> float:
    match chance.randint(0, 6):
        case 0:
            return round(chance.uniform(-200, 200), chance.randint(0, 3))
        case 1:  # exactly a single
            return float(struct.unpack(">f", struct.pack(">f", chance.uniform(-1e6, 1e6)))[0])
        case 2:
            return chance.choice((0.0, -0.0, 1.0, 0.1, 2.0**-126, 2.0**127, 1.7e308, 1e22, 1e-300))
        case 3:
            return math.ldexp(chance.random(), chance.randint(-300, 300))
        case 4:
            return float(chance.randint(-(1 << 53), 1 << 53))
        case 5:  # near the edge of a single
            return chance.choice((-1, 1)) * 2.0**128 * chance.choice((0.5, 1 - 2**-24, 1, 1.5))
    if not finite and chance.random() < 0.1:
        return chance.choice((math.inf, -math.inf, math.nan))
    return chance.uniform(-1e9, 1e9)


# Where the header of a length changes, in TLV and in CBOR, and 64 bytes, where a str is copied
LENGTHS = (0, 1, 2, 3, 5, 7, 8, 9, 22, 23, 24, 25, 47, 48, 49, 62, 63, 64, 65, 254, 255, 256, 300)
LONG = (1000, 65534, 65535, 65536, 70001)
ALPHABETS = (
    "abc xyz0123456789",
    'ab c/<>;=,"\\{}[]:',
    "äöü€é",
    "𝄞x😀\U0010ffff",
    "\n\t\0\x01\x1f\x7f\u2028\ufeff\uffff",
)


def length(chance: random.Random) -> int:
    if chance.random() < 0.001:
        return chance.choice(LONG)
    return chance.choice(LENGTHS) if chance.random() < 0.4 else chance.randint(0, 30)


def string(chance: random.Random) -> str:
    n = length(chance)
    # The long ones need no escape in JSON: undoing one takes a copy of all that came before.
    letters = chance.choice(ALPHABETS if n <= 500 else ALPHABETS[2:4])
    if n <= 500 and chance.random() < 0.1:
        letters = "".join(ALPHABETS)
    text = "".join(chance.choices(letters, k=min(n, 500)))
    return (text * (n // 500 + 1))[:n] if n > 500 else text


def opaque(chance: random.Random) -> bytes:
    return chance.randbytes(length(chance))


def value(chance: random.Random, kind: DataType, finite: bool) -> Any:
    match kind:
        case DataType.INTEGER | DataType.TIME:
            return integer(chance, -(1 << 63), (1 << 63) - 1)
        case DataType.UNSIGNED:
            return integer(chance, 0, (1 << 64) - 1)
        case DataType.FLOAT:
            return real(chance, finite)
        case DataType.BOOLEAN:
            return chance.random() < 0.5
        case DataType.OPAQUE:
            return opaque(chance)
        case DataType.OBJLNK:
            ids = (0, 3, 9, 10, 99, 100, 255, 256, 1000, 9999, 10000, 65534, 65535)
            return ObjLink(chance.choice(ids), chance.choice((*ids, chance.randint(0, 65535))))
    return string(chance)


def ids(chance: random.Random, n: int, low: int = 0) -> list[int]:
    """n different ids, of one byte and of two."""
    found: set[int] = set()
    while len(found) < n:
        match chance.randint(0, 3):
            case 0:
                number = chance.choice((0, 9, 10, 23, 24, 99, 100, 127, 255, 256, 9999, 10000))
            case 1:
                number = chance.choice((32768, 65533, 65534, chance.randint(256, 65534)))
            case _:
                number = chance.randint(0, 30)
        if number >= low:
            found.add(number)
    listed = list(found)
    chance.shuffle(listed)
    return listed


def values(chance: random.Random, thing: Thing, finite: bool) -> Values:
    """What one instance holds: most of its resources."""
    found: Values = {}
    for resource in thing.resources:
        if chance.random() < 0.15:
            continue
        if not resource.multiple:
            found[resource.rid] = value(chance, resource.kind, finite)
            continue
        n = chance.choice((0, 1, 1, 2, 2, 3, 4, 8))
        keys = list(range(n)) if chance.random() < 0.4 else ids(chance, n)
        found[resource.rid] = {key: value(chance, resource.kind, finite) for key in keys}
    return found


def things(chance: random.Random) -> list[Thing]:
    """A random tree: one to three objects with one to four instances each."""
    finite = chance.random() < 0.9
    kinds = list(CODES)
    found = []
    for oid in ids(chance, chance.choice((1, 1, 1, 2, 3)), 1):
        if oid == 21:  # Bootstrap-Server may not see OSCORE
            oid = 22
        if any(other.oid == oid for other in found):
            continue
        count = chance.choice((1, 2, 3, 4, 5, 8))
        resources = [
            Resource(
                rid,
                chance.choice(kinds),
                chance.choice((READ | WRITE,) * 6 + (READ, WRITE))
                | (MULTI if chance.random() < 0.25 else 0),
            )
            for rid in ids(chance, count)
        ]
        thing = Thing(oid, resources)
        for iid in sorted(ids(chance, chance.choice((1, 1, 2, 3, 4)))):
            thing.before[iid] = values(chance, thing, finite)
            thing.after[iid] = values(chance, thing, finite)
        found.append(thing)
    return found


def leaves(path: Path, held: Values, rids: set[int]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of what an instance holds; an empty multiple resource has the value None."""
    for rid, one in held.items():
        if rid not in rids:
            continue
        if not isinstance(one, dict):
            yield path / rid, one
        elif not one:
            yield path / rid, None
        else:
            for riid, item in one.items():
                yield path / rid / riid, item


def literal(kind: DataType, value: Any) -> str:
    """A value as text; floats bit by bit, but all NaN alike."""
    match kind:
        case DataType.FLOAT:
            return struct.pack(">d", math.nan if math.isnan(value) else value).hex()
        case DataType.BOOLEAN:
            return str(int(value))
        case DataType.OPAQUE:
            return bytes(value).hex()
        case DataType.STRING | DataType.CORELNK:
            return str(value).encode().hex()
        case DataType.TIME:
            return str(time_to_seconds(value))
    return str(value)


def same(kind: DataType, got: str, expected: str, digits: float) -> bool:
    """Whether two literals mean the same; floats may differ by that fraction."""
    if got == expected:
        return True
    if kind is not DataType.FLOAT or len(got) != 16:
        return False
    a, b = (struct.unpack(">d", bytes.fromhex(text))[0] for text in (got, expected))
    if math.isnan(a) and math.isnan(b):
        return True
    return digits > 0 and math.isclose(a, b, rel_tol=digits, abs_tol=1e-307)
