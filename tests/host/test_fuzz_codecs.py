"""The codecs of the firmware in CPython, under Hypothesis: round trips, windows, damaged input,
and the same answers as two implementations that share no line with it: aiocoap's framing and
the host's content formats.

FUZZ_EXAMPLES in the environment is how many examples all tests have together (`make fuzz`).
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from typing import Any, ClassVar

import aiocoap
import aiocoap.error
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lwm2m_host.errors import FormatError
from lwm2m_host.formats import link as host_link
from lwm2m_host.formats.text import TextFormat
from lwm2m_host.formats.tlv import Kind, Node, TlvFormat, build
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, time_to_seconds

from tests.fuzz.firmware_codecs import load

Builder = load("coap.builder").Builder
Message = load("coap.message").Message
Tlv = load("formats.tlv").Tlv
represent = load("management.walk").represent
write_links = load("registration.messages").write_links
TlvReader = load("formats.tlv_reader").TlvReader
Text = load("formats.text").Text
Opaque = load("formats.opaque").Opaque
Link = load("formats.link").Link
Object = load("objects.base").Object
for _name in ("formats.codec", "formats.reader"):
    load(_name)
load("coap.block")

PROPERTIES = 12
EXAMPLES = max(1, int(os.environ.get("FUZZ_EXAMPLES", "480")) // PROPERTIES)
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

# --- messages -------------------------------------------------------------------------------

KNOWN = (1, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 17, 20, 23, 27, 28, 35, 39, 60, 65001)
numbers = st.one_of(st.sampled_from(KNOWN), st.integers(1, 2000), st.integers(0, 65535))
values = st.one_of(
    st.binary(max_size=4),
    st.sampled_from([b"0", b"3", b"03", b"65534", b"65535", b"70000", b"rd", b"+1", b""]),
    st.binary(min_size=10, max_size=15),
    st.integers(265, 275).map(bytes),
)
options = st.lists(st.tuples(numbers, values), max_size=8).map(
    lambda found: sorted(found, key=lambda option: option[0])  # stable here
)
codes = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 0x41, 0x42, 0x44, 0x45, 0x5F, 0x80, 0x84, 0xA0])
headers = st.tuples(st.integers(0, 3), codes, st.integers(0, 65535), st.binary(max_size=8))
payloads = st.one_of(st.just(b""), st.binary(max_size=40), st.integers(250, 300).map(bytes))


def built(header: tuple[int, int, int, bytes], parts: Any, payload: bytes, size: int) -> Any:
    """A Builder that has written the message into `size` bytes."""
    kind, code, mid, token = header
    out = Builder(size)
    out.begin(kind, code, mid, token, 0, len(token))
    for number, value in parts:
        out.option(number, value)
    if payload:
        out.payload()
        out.put(payload)
    return out


def raw(header: Any, parts: Any, payload: bytes) -> bytes:
    out = built(header, parts, payload, 4096)
    n = out.finish()
    return bytes(out.buf[:n])


def option_list(message: aiocoap.Message) -> list[tuple[int, bytes]]:
    return [(int(option.number), option.encode()) for option in message.opt.option_list()]


def decoded(data: bytes) -> aiocoap.Message | None:
    """aiocoap's reading, None where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return aiocoap.Message.decode(data)
        except (aiocoap.error.UnparsableMessage, UnicodeDecodeError, ValueError):
            return None


@fuzzed
@given(headers, options, payloads)
def test_rfc7252_3_aiocoap_reads_what_the_builder_writes(
    header: Any, parts: Any, payload: bytes
) -> None:
    message = decoded(raw(header, parts, payload))
    if message is None:  # an option value that aiocoap itself cannot hold, e.g. no UTF-8
        return
    assert (message.mtype, int(message.code), message.mid, message.token) == header
    assert message.payload == payload
    # aiocoap shortens integers; numbers and their order stay.
    assert [number for number, _ in option_list(message)] == [number for number, _ in parts]


@fuzzed
@given(headers, options, payloads)
def test_rfc7252_3_message_reads_what_the_builder_writes(
    header: Any, parts: Any, payload: bytes
) -> None:
    kind, code, mid, token = header
    data = raw(header, parts, payload)
    message = Message()
    assert message.parse(data, len(data)) == 0
    assert (message.type, message.code, message.mid) == (kind, code, mid)
    assert message.has_token(token)
    assert data[message.payload : message.end] == payload
    seen: dict[int, int] = {}
    for number, value in parts:
        assert message.option(number, seen.setdefault(number, 0))
        assert message.text() == value
        seen[number] += 1
    for number, count in seen.items():
        assert not message.option(number, count)


@fuzzed
@given(headers, options, payloads)
def test_rfc7252_5_4_options_mean_what_they_say(header: Any, parts: Any, payload: bytes) -> None:
    data = raw(header, parts, payload)
    message = Message()
    message.parse(data, len(data))
    singles = {12: 2, 17: 2, 6: 3, 23: 3, 27: 3, 28: 4, 60: 4}
    found: dict[int, int] = {}
    bad = 0
    for number, value in parts:
        if number in singles and len(value) <= singles[number] and number not in found:
            found[number] = int.from_bytes(value)
        elif number in singles or number not in (3, 7, 11, 15):
            bad = bad or (number if number & 1 else 0)
    names = {12: "format", 17: "accept", 6: "observe", 23: "block2", 27: "block1"}
    for number, name in names.items():
        # After a first one of the wrong length a second one is no better.
        first = next((len(value) for n, value in parts if n == number), 0)
        if first <= singles[number]:
            assert getattr(message, name) == found.get(number, -1), name
    assert message.queries == sum(number == 15 for number, _ in parts)
    assert message.bad_option == bad
    segments = [value for number, value in parts if number == 11]
    numeric = [
        segment.isdigit() and str(int(segment)).encode() == segment and int(segment) < 65535
        for segment in segments
    ]
    if len(segments) <= 4 and all(numeric):
        assert list(message.path[: message.depth]) == [int(segment) for segment in segments]
    else:
        assert message.depth == -1


def damage(data: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Cut, double, or overwrite, as `changes` say."""
    found = bytearray(data)
    for way, where, value in changes:
        if not found:
            break
        at = where % len(found)
        if way < 5:
            found[at] = value
        elif way == 5:
            del found[at:]
        elif way == 6:
            found[at:at] = found[at : at + value % 16]
        elif way == 7:
            del found[at : at + value % 8]
        else:
            found += bytes([value]) * (value % 20)
    return bytes(found)


damages = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4
)


@fuzzed
@given(headers, options, payloads, damages)
def test_rfc7252_3_damaged_messages_are_refused_where_aiocoap_refuses(
    header: Any, parts: Any, payload: bytes, changes: Any
) -> None:
    data = damage(raw(header, parts, payload), changes)
    message = Message()
    result = message.parse(data, len(data))
    assert result in (0, -1, -2)
    other = decoded(data)
    if result == 0 and other is not None:
        assert (message.type, message.code, message.mid) == (
            other.mtype,
            int(other.code),
            other.mid,
        )
        assert message.has_token(other.token)
        assert data[message.payload : message.end] == other.payload
    elif result == 0:
        # Refused there for what is inside of an option, not for the framing
        assert any(number in (3, 8, 11, 15, 20, 35, 39) for number in parse_numbers(data))
    elif other is not None:
        # What aiocoap lets pass: content after code 0.00, a reserved class, a token that is too
        # long or cut off, a payload marker without a payload (§3, §4.1)
        code, length = data[1], data[0] & 15
        empty = not code and len(data) != 4
        token = length > 8 or 4 + length > len(data)
        number = max((number for number, _ in option_list(other)), default=0)
        late = number > 65535 or data[-1] == 0xFF
        assert empty or code >> 5 in (1, 6, 7) or token or late, data.hex()


def parse_numbers(data: bytes) -> list[int]:
    """The option numbers of a well-formed message."""
    found = []
    message = Message()
    for number in range(66000):
        if number > 65535:
            break
        if number in KNOWN:
            message.parse(data, len(data))
            if message.option(number):
                found.append(number)
    return found


@fuzzed
@given(st.binary(max_size=64))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    message = Message()
    assert message.parse(data, len(data)) in (0, -1, -2)
    assert 0 <= message.payload <= max(message.end, len(data))


# --- windows --------------------------------------------------------------------------------


@fuzzed
@given(
    st.lists(st.one_of(st.integers(0, 255), st.binary(max_size=300)), max_size=12),
    st.integers(0, 6),
    st.integers(0, 700),
)
def test_rfc7959_blocks_of_a_payload_are_the_payload(
    pieces: list[int | bytes], szx: int, room: int
) -> None:
    whole = b"".join(bytes([piece]) if isinstance(piece, int) else piece for piece in pieces)
    size = 16 << szx
    out = Builder(5 + size + room)
    collected = b""
    number = 0
    while True:
        out.begin(0, 0x45, 1, b"", 0, 0)
        out.payload(number * size, size)
        for piece in pieces:
            if isinstance(piece, int):
                out.byte(piece)
            else:
                out.put(piece)
        collected += bytes(out.buf[5 : out.pos])
        assert out.pos - 5 <= size
        if not out.more:
            break
        assert out.pos - 5 == size
        number += 1
    assert collected == whole
    # Behind the end there is nothing, and what is missing to it is told.
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload(len(whole) + 7)
    for piece in pieces:
        if isinstance(piece, int):
            out.byte(piece)
        else:
            out.put(piece)
    assert (out.skip, out.more, out.pos) == (7, False, 5)


# --- values ---------------------------------------------------------------------------------

KINDS = {
    1: DataType.STRING,
    2: DataType.INTEGER,
    3: DataType.UNSIGNED,
    4: DataType.FLOAT,
    5: DataType.BOOLEAN,
    6: DataType.OPAQUE,
    7: DataType.TIME,
    8: DataType.OBJLNK,
    9: DataType.CORELNK,
}
texts = st.text(st.characters(codec="utf-8"), max_size=80)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    1: texts,
    2: st.integers(-(1 << 63), (1 << 63) - 1),
    3: st.integers(0, (1 << 64) - 1),
    4: st.floats(allow_nan=False, allow_infinity=False),
    5: st.booleans(),
    6: st.binary(max_size=300),
    7: st.integers(-(1 << 40), 1 << 40),
    8: st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
    9: texts,
}
MULTI = 0x80
READ = 0x10


def plain(value: Any, kind: int) -> Any:
    """A value of the host as the firmware has it."""
    if kind == 7:
        return time_to_seconds(value)
    return tuple(value) if kind == 8 else value


@st.composite
def resources(draw: Any) -> list[tuple[int, int, Any]]:
    """A table with values: (resource id, flags, value or {riid: value})."""
    found = []
    for rid in draw(st.lists(st.integers(0, 65534), unique=True, max_size=6)):
        kind = draw(st.integers(1, 9))
        if draw(st.booleans()):
            found.append((rid, kind, draw(VALUES[kind])))
        else:
            ids = draw(st.lists(st.integers(0, 65534), unique=True, max_size=4))
            found.append((rid, kind | MULTI, {riid: draw(VALUES[kind]) for riid in ids}))
    return found


class Model:
    """A peer that may read everything, and as much of its client as a read wants to see."""

    classes: ClassVar[dict[int, Any]] = {}

    def __init__(self, *instances: Any) -> None:
        self.objects = list(instances)
        self.codecs, self.classes = (), {}
        self.client = self

    def allowed(self, oid: int, iid: int, right: int) -> bool:
        return True


def thing(table: list[tuple[int, int, Any]], iid: int = 0) -> Any:
    """An instance of object 9999 with these resources."""
    rows = []
    for rid, flags, _ in table:
        rows += [rid, flags | READ, f"r{rid}"]
    cls = type("Thing", (Object,), {"OID": 9999, "RESOURCES": tuple(rows), "VERSION": None})
    instance = cls(iid=iid)
    for rid, _, value in table:
        setattr(instance, f"r{rid}", value)
    return instance


def same(got: Any, expected: Any) -> bool:
    return got == expected or (isinstance(got, float) and math.isnan(got) and got != expected)


@fuzzed
@given(st.lists(resources(), min_size=1, max_size=3), st.integers(1, 2))
def test_host_reads_the_objects_that_the_firmware_writes_in_tlv(
    tables: list[list[tuple[int, int, Any]]], depth: int
) -> None:
    instances = [thing(table, iid * 200) for iid, table in enumerate(tables)]
    out = Builder(60000)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    represent(Model(*instances), Tlv(), out, (9999, 0, 0, 0), depth, 0, None)
    assert not out.more
    assert not out.broken
    payload = bytes(out.buf[5 : max(out.finish(), 5)])
    shown = tables if depth == 1 else tables[:1]
    kinds = {(iid * 200, rid): f & 15 for iid, t in enumerate(tables) for rid, f, _ in t}
    expected: dict[Path, Any] = {}
    for iid, table in enumerate(shown):
        path = Path((9999, iid * 200))
        if not table and depth == 1:
            expected[path] = None
        for rid, flags, value in table:
            if not flags & MULTI:
                expected[path / rid] = value
            elif not value:
                expected[path / rid] = None
            else:
                expected.update((path / rid / riid, value[riid]) for riid in sorted(value))
    entries = TlvFormat().decode(
        payload,
        Path((9999, 0)[:depth]),
        lambda path: KINDS[kinds[path.ids[1], path.ids[2]]] if path.depth > 2 else None,
    )
    assert [entry.path for entry in entries] == list(expected)
    for entry in entries:
        value = expected[entry.path]
        kind = kinds[entry.path.ids[1], entry.path.ids[2]] if value is not None else 0
        if kind == 3 and value >> 63 == 0 and entry.value is not None:
            # Written as a signed value that is long enough; read without a sign
            assert plain(entry.value, kind) == value
        elif value is not None:
            assert same(plain(entry.value, kind), value)


def firmware_reads(payload: bytes, depth: int, kinds: dict[int, int]) -> Any:
    """[(rid, riid, value)] of a write to /9999/0[/rid], None where the firmware refuses."""
    rid = next(iter(kinds), 0)
    reader = Tlv().reader()
    reader.open(payload, 0, len(payload), (9999, 0, rid, 0), depth)
    found = []
    while reader.next():
        if reader.rid not in kinds:
            return None
        value = None if reader.riid == -2 else reader.value(kinds[reader.rid])
        if reader.error:
            return None
        found.append((reader.rid, reader.riid, value))
    return None if reader.error else found


@fuzzed
@given(resources(), st.booleans())
def test_firmware_reads_the_objects_that_the_host_writes_in_tlv(
    table: list[tuple[int, int, Any]], wrapped: bool
) -> None:
    kinds = {rid: flags & 15 for rid, flags, _ in table}
    nodes = []
    expected = []
    for rid, flags, value in table:
        if flags & MULTI:
            children = [
                Node(Kind.RESOURCE_INSTANCE, riid, host_bytes(item, flags & 15))
                for riid, item in value.items()
            ]
            nodes.append(Node(Kind.MULTIPLE, rid, b"", children))
            expected += [(rid, riid, item) for riid, item in value.items()] or [(rid, -2, None)]
        else:
            nodes.append(Node(Kind.RESOURCE, rid, host_bytes(value, flags & 15)))
            expected.append((rid, -1, value))
    payload = build([Node(Kind.INSTANCE, 0, b"", nodes)] if wrapped else nodes)
    assert firmware_reads(payload, 2, kinds) == expected


def host_bytes(value: Any, kind: int) -> bytes:
    from lwm2m_host.formats.tlv import encode_value
    from lwm2m_host.model.values import ObjLink, seconds_to_time

    if kind == 8:
        value = ObjLink(*value)
    elif kind == 7:
        value = seconds_to_time(value)
    return encode_value(value, KINDS[kind])


@fuzzed
@given(resources(), damages, st.integers(2, 3))
def test_damaged_tlv_is_refused_or_read_as_the_host_reads_it(
    table: list[tuple[int, int, Any]], changes: Any, depth: int
) -> None:
    kinds = {rid: flags & 15 for rid, flags, _ in table}
    out = Builder(60000)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    represent(Model(thing(table)), Tlv(), out, (9999, 0, 0, 0), 2, 0, None)
    payload = damage(bytes(out.buf[5 : out.pos]), changes)
    found = firmware_reads(payload, depth, kinds)
    if found is None:
        return
    base = Path((9999, 0)) if depth == 2 else Path((9999, 0, next(iter(kinds), 0)))
    refusal = ""
    entries = []
    try:
        entries = TlvFormat().decode(
            payload, base, lambda path: KINDS[kinds[path.ids[2]]] if path.depth > 2 else None
        )
    except FormatError as error:
        refusal = str(error)
    if refusal:
        # Stricter there: what occurs twice, or is not what the path names
        allowed = ("twice", "asked for", "side by side", "reserved", "does not belong")
        assert any(word in refusal for word in allowed), (payload.hex(), refusal)
        return
    theirs = [
        (
            entry.path.ids[2],
            entry.path.ids[3] if entry.path.depth > 3 else -2 if entry.value is None else -1,
            entry.value,
        )
        for entry in entries
        if entry.path.depth > 2
    ]
    assert len(theirs) == len(found), payload.hex()
    for (rid, riid, value), (their_rid, their_riid, their_value) in zip(
        found, theirs, strict=True
    ):
        assert (rid, riid) == (their_rid, their_riid), payload.hex()
        if value is None:
            continue
        expected = plain(their_value, kinds[rid])
        # A width that the format does not have is read without a sign.
        unsigned = isinstance(value, int) and isinstance(expected, int) and expected < 0
        assert same(value, expected) or (unsigned and value > 0), payload.hex()


# --- text, opaque, links --------------------------------------------------------------------

FINICKY = st.text(st.sampled_from("0123456789+-.eE:_ xX\t\n0aAnN=/"), max_size=24)


@fuzzed
@given(st.integers(1, 9).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))
def test_host_reads_the_text_that_the_firmware_writes(case: tuple[int, Any]) -> None:
    kind, value = case
    out = Builder(2000)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    codec = Text()
    codec.resource(out, 1, kind, value)
    payload = bytes(out.buf[5 : out.pos])
    (entry,) = TextFormat().decode(payload, Path((9999, 0, 1)), lambda _: KINDS[kind])
    got = plain(entry.value, kind)
    assert got == value or (kind == 4 and math.isclose(got, value, rel_tol=1e-15))
    assert codec.decode(payload, kind) == value


@fuzzed
@given(st.integers(1, 9), st.one_of(FINICKY.map(str.encode), st.binary(max_size=24)))
def test_firmware_takes_the_text_that_the_host_takes(kind: int, payload: bytes) -> None:
    got = Text().decode(payload, kind)
    try:
        (entry,) = TextFormat().decode(payload, Path((9999, 0, 1)), lambda _: KINDS[kind])
    except FormatError:
        assert got is None, (payload, got)
        return
    value = plain(entry.value, kind)
    if isinstance(value, float) and not math.isfinite(value):
        assert got is None
    elif got is None:
        # Base64 that is cut short, white space round a link: nobody writes it that way.
        assert kind in (6, 8), payload
    else:
        assert same(got, value), payload


@fuzzed
@given(st.binary(max_size=300))
def test_octets_are_octets(payload: bytes) -> None:
    out = Builder(400)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload()
    Opaque().resource(out, 1, 6, payload)
    assert bytes(out.buf[5 : out.pos]) == payload
    assert Opaque().decode(payload, 6) == payload


@fuzzed
@given(st.lists(st.tuples(st.integers(0, 65534), st.integers(0, 65534)), unique=True, max_size=9))
def test_host_reads_the_links_that_the_firmware_writes(ids: list[tuple[int, int]]) -> None:
    instances = []
    for oid, iid in sorted(ids):
        cls = type("Thing", (Object,), {"OID": oid, "RESOURCES": (), "VERSION": None})
        instances.append(cls(iid=iid))
    out = Builder(4000)
    out.begin(0, 2, 1, b"", 0, 0)
    out.payload()
    write_links(Model(*instances), Link(), out)
    links = host_link.parse(bytes(out.buf[5 : max(out.finish(), 5)]))
    expected = [f"/{oid}/{iid}" for oid, iid in sorted(ids) if oid not in (0, 21)]
    assert [link.target for link in links] == expected


def test_struct_of_the_shim_packs_as_micropython_does() -> None:
    buffer = bytearray(8)
    load("coap.builder").struct.pack_into("4s", buffer, 2, "ü")
    assert buffer == b"\0\0\xc3\xbc\0\0\0\0"
    assert struct.calcsize(">d") == 8


def test_examples_are_shared_out() -> None:
    count = sum(hasattr(item, "hypothesis") for item in globals().values())
    assert count == pytest.approx(PROPERTIES, abs=2)
