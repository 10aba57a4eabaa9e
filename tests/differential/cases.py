"""A random tree as a case for the device: what it is to read and to be written, and what is right.

Direction A: the firmware represents objects, instances, resources and their instances in every
format, and the host decodes that. Direction B: the host encodes Creates, Writes and
Write-Composites, and the firmware carries them out. Left out is what a format does not carry:

- text, CBOR, opaque: anything but one value; opaque: any other type
- text and both forms of JSON: infinities and NaN; text: opaque values that are read in pieces
- SenML and JSON: instances and multiple resources that are empty
- TLV, JSON: more than one object
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field
from typing import Any

from lwm2m_host import formats
from lwm2m_host.errors import FormatError, ValueTypeError
from lwm2m_host.formats import Entry, Format
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, seconds_to_time

from tests.differential.trees import (
    CODES,
    READ,
    WRITE,
    Thing,
    Values,
    leaves,
    literal,
    same,
    things,
)

FORMATS = (
    formats.TLV,
    formats.TEXT,
    formats.OPAQUE,
    formats.CBOR,
    formats.SENML_JSON,
    formats.SENML_CBOR,
    formats.JSON,
    formats.LWM2M_CBOR,
)
ETCH = {110: formats.SENML_ETCH_JSON, 112: formats.SENML_ETCH_CBOR}
# What MicroPython makes of a number in decimal, and back
IN_DECIMAL = {0: 1e-14, 110: 1e-14, 320: 1e-14, 11543: 1e-14}
NO_EMPTY = (110, 112, 320, 322, 11543)

POST, PUT, IPATCH = 2, 3, 7
CREATED, CHANGED, BAD_REQUEST = 0x41, 0x44, 0x80

TEXT_AS_BYTES, LARGE, TUPLES = 1, 2, 4

# (oid, iid, rid) -> {riid: literal}, or {None: literal} of a plain one
State = dict[tuple[int, int, int], dict[int | None, str]]


@dataclass
class Read:
    """A read: where, in which format, what is right, and whether it is refused instead."""

    format: Format
    base: Path
    right: dict[Path, Any]
    paths: list[Path] | None = None  # Read-Composite
    window: int = 0
    refused: bool = False


@dataclass
class Write:
    """A write: what it is, its bytes, and what all instances hold afterwards."""

    what: str
    format: Format
    payload: bytes
    datagram: bytes
    code: int
    right: State


@dataclass
class Case:
    number: int
    things: list[Thing]
    style: int = 0
    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def type_of(self, path: Path) -> DataType | None:
        for thing in self.things:
            if thing.oid == path.oid:
                for resource in thing.resources:
                    if resource.rid == path.rid:
                        return resource.kind
        return None

    def line(self) -> str:
        """The case as the device reads it."""
        objects = []
        for thing in self.things:
            table: list[Any] = []
            for i, one in enumerate(thing.resources):
                # Some values are attributes, others have no name.
                table += [one.rid, CODES[one.kind] | one.flags, f"r{i}" if i % 2 else None]
            objects.append([thing.oid, table, _instances(thing)])
        reads = [
            [
                read.format.number,
                list(read.base.ids) if read.paths is None else [path.ids for path in read.paths],
                read.base.depth,
                read.window,
            ]
            for read in self.reads
        ]
        return json.dumps(
            {
                "objects": objects,
                "style": self.style,
                "reads": reads,
                "writes": [write.datagram.hex() for write in self.writes],
            }
        )


def _instances(thing: Thing) -> list[Any]:
    found = []
    for iid, held in thing.before.items():
        listed: list[Any] = []
        for rid, one in held.items():
            kind = thing.resource(rid).kind
            if isinstance(one, dict):
                listed.append([rid, [[riid, literal(kind, item)] for riid, item in one.items()]])
            else:
                listed.append([rid, literal(kind, one)])
        found.append([iid, listed])
    return found


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _size(all_things: list[Thing]) -> int:
    return sum(
        len(item) if isinstance(item, str | bytes) else 8
        for thing in all_things
        for held in thing.before.values()
        for one in held.values()
        for item in (one.values() if isinstance(one, dict) else (one,))
    )


class Maker:
    """Fills a case with reads and writes."""

    def __init__(self, case: Case, chance: random.Random) -> None:
        self.case = case
        self.chance = chance
        self.blocks = _size(case.things) < 3000

    def one(self) -> tuple[Thing, int]:
        thing = self.chance.choice(self.case.things)
        return thing, self.chance.choice(list(thing.before))

    # Direction A

    def right(self, format: Format, base: Path, paths: list[Path]) -> dict[Path, Any]:
        """What is readable at or below `paths`, as far as the format has a form for it."""
        found: dict[Path, Any] = {}
        for thing in self.case.things:
            readable = {one.rid for one in thing.resources if one.flags & READ}
            for iid, held in thing.before.items():
                at = Path((thing.oid, iid))
                below = [
                    (path, one)
                    for path, one in leaves(at, held, readable)
                    if any(above.covers(path) for above in paths)
                ]
                if format.number in NO_EMPTY:
                    below = [(path, one) for path, one in below if one is not None]
                elif not any(rid in readable for rid in held) and (
                    (base.depth == 1 and base.covers(at))
                    or (base == at and format is formats.LWM2M_CBOR)
                ):
                    below = [(at, None)]
                found.update(below)
        return found

    def read(self, format: Format, base: Path, paths: list[Path] | None = None) -> None:
        read = Read(format, base, self.right(format, base, paths or [base]), paths)
        if self.blocks and self.chance.random() < 0.15:
            read.window = self.chance.choice((16, 32, 64, 128, 1024))
        if format.number in IN_DECIMAL and not all(map(_finite, read.right.values())):
            if format is formats.TEXT:
                return
            read.refused = True
        self.case.reads.append(read)

    def reads(self) -> None:
        for format in FORMATS:
            if not format.carries_trees:
                self.single_reads(format)
                continue
            thing, iid = self.one()
            at = Path((thing.oid, iid))
            self.read(format, Path((thing.oid,)))
            match self.chance.randint(0, 3):
                case 0:
                    self.read(format, at)
                case 1 if format.carries_root:
                    self.composite_read(format)
                case _:
                    self.deep_read(format, at, thing)

    def readable(self, thing: Thing, iid: int) -> list[Path]:
        """The resources that can be read, and the instances of multiple ones."""
        found = []
        for rid, one in thing.before[iid].items():
            if thing.resource(rid).flags & READ:
                path = Path((thing.oid, iid, rid))
                found.append(path)
                if isinstance(one, dict):
                    found += [path / riid for riid in one]
        return found

    def deep_read(self, format: Format, at: Path, thing: Thing) -> None:
        found = self.readable(thing, at.ids[1])
        if found:
            self.read(format, self.chance.choice(found))

    def single_reads(self, format: Format) -> None:
        paths = []
        for thing in self.case.things:
            for iid in thing.before:
                for path in self.readable(thing, iid):
                    resource = thing.resource(path.ids[2])
                    if resource.multiple and path.depth == 3:
                        continue
                    is_opaque = resource.kind is DataType.OPAQUE
                    if format is formats.OPAQUE and not is_opaque:
                        continue
                    if format is formats.TEXT and is_opaque and self.case.style & LARGE:
                        continue
                    paths.append(path)
        for path in self.chance.sample(paths, min(len(paths), 4)):
            self.read(format, path)

    def composite_read(self, format: Format) -> None:
        paths: set[Path] = set()
        while len(paths) < self.chance.randint(1, 3):
            thing, iid = self.one()
            some = [Path((thing.oid,)), Path((thing.oid, iid)), *self.readable(thing, iid)]
            paths.add(self.chance.choice(some))
        if self.chance.random() < 0.1:
            paths.add(Path())
        listed = list(paths)
        self.chance.shuffle(listed)
        self.read(format, Path(), listed)

    # Direction B

    def state(self) -> State:
        found: State = {}
        for thing in self.case.things:
            for iid, held in thing.before.items():
                _hold(found, thing, iid, held)
        return found

    def writable(self, format: Format, thing: Thing, held: Values) -> list[int]:
        """What of `held` can be written at once in this format."""
        found = []
        for rid, one in held.items():
            items = list(one.values()) if isinstance(one, dict) else [one]
            if not thing.resource(rid).flags & WRITE or (not items and format.number in NO_EMPTY):
                continue
            if format.number not in IN_DECIMAL or all(map(_finite, items)):
                found.append(rid)
        return found

    def write(
        self,
        what: str,
        format: Format,
        code: int,
        base: Path,
        found: list[tuple[Path, Any]],
        right: State,
        answer: int = CHANGED,
    ) -> None:
        entries = []
        for path, one in found:
            kind = self.case.type_of(path)
            if kind is DataType.TIME and one is not None:
                one = seconds_to_time(one)
            entries.append(Entry(path, one))
        if base.depth in (0, 2) and self.chance.random() < 0.3:
            self.chance.shuffle(entries)
        payload = format.encode(entries, base, self.case.type_of)
        payload = respelled(format, payload, self.chance)
        self.case.writes.append(
            Write(
                f"{what} {base}",
                format,
                payload,
                datagram(code, base, format.number, payload),
                answer,
                right,
            )
        )

    def writes(self) -> None:
        for format in FORMATS:
            if not format.carries_trees:
                self.single_write(format)
                continue
            match self.chance.randint(0, 9):
                case 0 | 1:
                    self.create(format)
                case 2 | 3 | 4 if format.carries_root:
                    self.composite_write(ETCH.get(format.number, format))
                case 2 | 3 | 4 | 5 | 6 | 7:
                    self.instance_write(format)
                case _:
                    pass
            self.resource_write(format)

    def single_write(self, format: Format) -> None:
        found = []
        for thing in self.case.things:
            for iid, held in thing.after.items():
                rids = set(self.writable(format, thing, held))
                for path, one in leaves(Path((thing.oid, iid)), held, rids):
                    is_opaque = thing.resource(path.ids[2]).kind is DataType.OPAQUE
                    if one is not None and (is_opaque or format is not formats.OPAQUE):
                        found.append((thing, path, one))
        for thing, path, one in self.chance.sample(found, min(len(found), 4)):
            self.put(format, thing, path, one)

    def put(self, format: Format, thing: Thing, path: Path, one: Any) -> None:
        right = self.state()
        ids = (path.ids[0], path.ids[1], path.ids[2])
        kind = thing.resource(ids[2]).kind
        if path.depth == 3:
            right[ids] = {None: literal(kind, one)}
        elif path.ids[3] not in right.get(ids, {}):
            return  # a resource instance that is not there is not made by a Write
        else:
            right[ids] = {**right[ids], path.ids[3]: literal(kind, one)}
        self.write("Write", format, PUT, path, [(path, one)], right)

    def resource_write(self, format: Format) -> None:
        thing, iid = self.one()
        held = thing.after[iid]
        rids = self.writable(format, thing, held)
        if not rids:
            return
        rid = self.chance.choice(rids)
        path = Path((thing.oid, iid, rid))
        one = held[rid]
        if not isinstance(one, dict):
            self.put(format, thing, path, one)
            return
        if one and self.chance.random() < 0.4:
            riid = self.chance.choice(list(one))
            self.put(format, thing, path / riid, one[riid])
            return
        right = self.state()
        update = self.chance.random() < 0.3
        _hold(right, thing, iid, {rid: one}, update)
        self.write(
            "Update" if update else "Write",
            format,
            POST if update else PUT,
            path,
            list(leaves(Path(path.ids[:2]), held, {rid})),
            right,
        )

    def instance_write(self, format: Format) -> None:
        thing, iid = self.one()
        held = thing.after[iid]
        rids = self.writable(format, thing, held)
        if not rids:
            return
        right = self.state()
        update = self.chance.random() < 0.5
        if not update:
            for resource in thing.resources:
                if resource.flags & WRITE:
                    right.pop((thing.oid, iid, resource.rid), None)
        _hold(right, thing, iid, {rid: held[rid] for rid in rids}, update)
        base = Path((thing.oid, iid))
        self.write(
            "Update" if update else "Write",
            format,
            POST if update else PUT,
            base,
            list(leaves(base, held, set(rids))),
            right,
        )

    def create(self, format: Format) -> None:
        thing, iid = self.one()
        held = thing.after[iid]
        rids = self.writable(format, thing, held)
        new = next(n for n in (0, 7, 255, 256, 65534) if n not in thing.before)
        if not rids:
            return
        right = self.state()
        _hold(right, thing, new, {rid: held[rid] for rid in rids})
        found = list(leaves(Path((thing.oid, new)), held, set(rids)))
        self.write("Create", format, POST, Path((thing.oid,)), found, right, CREATED)

    def composite_write(self, format: Format) -> None:
        right = self.state()
        found: list[tuple[Path, Any]] = []
        for thing in self.case.things:
            for iid, held in thing.after.items():
                rids = [rid for rid in self.writable(format, thing, held)]
                rids = [rid for rid in rids if self.chance.random() < 0.7]
                _hold(right, thing, iid, {rid: held[rid] for rid in rids}, True)
                found += leaves(Path((thing.oid, iid)), held, set(rids))
        if found:
            self.write("Write-Composite", format, IPATCH, Path(), found, right)


def _hold(state: State, thing: Thing, iid: int, held: Values, update: bool = False) -> None:
    for rid, one in held.items():
        kind = thing.resource(rid).kind
        at = (thing.oid, iid, rid)
        if isinstance(one, dict):
            state[at] = {
                **(state.get(at, {}) if update else {}),
                **{riid: literal(kind, item) for riid, item in one.items()},
            }
        else:
            state[at] = {None: literal(kind, one)}


def respelled(format: Format, payload: bytes, chance: random.Random) -> bytes:
    """Now and then the same JSON with blanks and escapes."""
    if format.number in (110, 320, 11543) and len(payload) < 5000 and chance.random() < 0.3:
        return json.dumps(json.loads(payload), ensure_ascii=True, indent=1).encode()
    return payload


def datagram(code: int, path: Path, format: int, payload: bytes) -> bytes:
    """A non-confirmable request."""
    out = bytearray(b"\x50") + bytes([code]) + b"\0\1"
    number = 0
    options = [(11, segment.encode()) for segment in path.segments]
    options.append((12, format.to_bytes(2) if format > 255 else bytes([format] if format else [])))
    for which, raw in options:
        out.append(which - number << 4 | len(raw))
        out += raw
        number = which
    return bytes(out) + (b"\xff" + payload if payload else b"")


def case_of(seed: int, number: int) -> Case:
    """The case of that number: the same one whenever it is asked for."""
    chance = random.Random(f"{seed}/{number}")
    case = Case(number, things(chance), chance.choice((0, 0, 1, 2, 4, 7)))
    maker = Maker(case, chance)
    maker.reads()
    maker.writes()
    return case


# What the device said


def check(case: Case, answer: list[Any]) -> list[str]:
    """The differences, each with all that is needed to look into it."""
    wrong = []
    reads, writes = answer
    for read, raw in zip(case.reads, reads, strict=True):
        problem = _check_read(case, read, raw)
        if problem:
            where = read.base if read.paths is None else [str(path) for path in read.paths]
            wrong.append(f"read {where} {read.format}: {problem}\n  bytes: {raw[:600]}")
    for write, (code, changes) in zip(case.writes, writes, strict=True):
        problem = _check_write(case, write, code, changes)
        if problem:
            wrong.append(
                f"{write.what} {write.format}: {problem}\n  bytes: {write.payload.hex()[:600]}"
            )
    return wrong


def _check_read(case: Case, read: Read, raw: str) -> str:
    if read.refused or raw == "ValueError":
        return "" if read.refused and raw == "ValueError" else f"refused {read.refused}"
    try:
        payload = bytes.fromhex(raw)
    except ValueError:
        return raw[:200]
    try:
        entries = read.format.decode(payload, read.base, case.type_of)
    except (FormatError, ValueTypeError) as error:
        return f"the host does not decode it: {error}"
    got = {entry.path: entry.value for entry in entries}
    if len(got) != len(entries):
        return "a path twice"
    if got.keys() != read.right.keys():
        return f"there is {sorted(got)} and not {sorted(read.right)}"
    for path, value in got.items():
        kind = case.type_of(path)
        right = read.right[path]
        if (value is None) != (right is None):
            return f"{path}: {value!r} is not {right!r}"
        if right is None or kind is None:
            continue
        digits = IN_DECIMAL.get(read.format.number, 0.0)
        if not same(kind, literal(kind, value), literal(kind, right), digits):
            return f"{path} {kind}: {value!r} is not {right!r}"
    return ""


def _check_write(case: Case, write: Write, code: int, changes: list[Any]) -> str:
    state: State = {}
    for thing in case.things:
        for iid, held in thing.before.items():
            _hold(state, thing, iid, held)
    if code != write.code:
        return f"{code >> 5}.{code & 31:02} is not {write.code >> 5}.{write.code & 31:02}"
    for oid, iid, rid, value in changes:
        if value is None:
            state.pop((oid, iid, rid), None)
        elif isinstance(value, list):
            state[oid, iid, rid] = {riid: item for riid, item in value}
        else:
            state[oid, iid, rid] = {None: value}
    if state.keys() != write.right.keys():
        return f"there is {sorted(state)} and not {sorted(write.right)}"
    for at, items in state.items():
        kind = case.type_of(Path(at))
        right = write.right[at]
        if items.keys() != right.keys():
            return f"{at}: there is {list(items)} and not {list(right)}"
        digits = IN_DECIMAL.get(write.format.number, 0.0)
        for riid, value in items.items():
            assert kind is not None
            if not same(kind, value, right[riid], digits):
                return f"{at} {riid} {kind}: {value!r} is not {right[riid]!r}"
    return ""
