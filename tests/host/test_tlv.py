"""The TLV codec: vectors of the specification, round trips, and whatever bytes may come."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.errors import FormatError, ValueTypeError
from lwm2m_host.formats import TLV, Entry
from lwm2m_host.formats.tlv import Kind, Node, build, decode_value, encode_value, parse
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink

MODELS = Models.default()

# LwM2M 1.0.2 §6.4.3.1: the answer to GET /3/0
DEVICE = bytes.fromhex(
    "c80014 4f70656e204d6f62696c6520416c6c69616e6365"
    "c80116 4c69676874776569676874204d324d20436c69656e74"
    "c80209 333435303030313233"
    "c303 312e30"
    "8606 410001 410105"
    "880708 42000ed8 42011388"
    "8708 41007d 42010384"
    "c10964"
    "c10a0f"
    "830b 410000"
    "c40d 5182428f"
    "c60e 2b30323a3030"
    "c110 55"
)

DEVICE_VALUES: list[tuple[str, Any]] = [
    ("/3/0/0", "Open Mobile Alliance"),
    ("/3/0/1", "Lightweight M2M Client"),
    ("/3/0/2", "345000123"),
    ("/3/0/3", "1.0"),
    ("/3/0/6/0", 1),
    ("/3/0/6/1", 5),
    ("/3/0/7/0", 3800),
    ("/3/0/7/1", 5000),
    ("/3/0/8/0", 125),
    ("/3/0/8/1", 900),
    ("/3/0/9", 100),
    ("/3/0/10", 15),
    ("/3/0/11/0", 0),
    ("/3/0/13", datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC)),
    ("/3/0/14", "+02:00"),
    ("/3/0/16", "U"),
]


def decode(payload: bytes, base: str) -> list[tuple[str, Any]]:
    entries = TLV.decode(payload, Path.parse(base), MODELS.type_of)
    return [(str(entry.path), entry.value) for entry in entries]


def encode(values: list[tuple[str, Any]], base: str) -> bytes:
    entries = [Entry(Path.parse(path), value) for path, value in values]
    return TLV.encode(entries, Path.parse(base), MODELS.type_of)


def test_the_device_object_of_the_specification_decodes() -> None:
    assert decode(DEVICE, "/3/0") == DEVICE_VALUES


def test_the_device_object_of_the_specification_encodes_to_the_same_bytes() -> None:
    assert encode(DEVICE_VALUES, "/3/0") == DEVICE


def test_one_instance_of_an_object_read_is_wrapped() -> None:
    """LwM2M 1.0.2 §6.4.3.1: GET /3 answers with an Object Instance TLV."""
    assert decode(bytes.fromhex("080079") + DEVICE, "/3") == DEVICE_VALUES


def test_a_single_instance_object_may_leave_its_instance_out() -> None:
    assert decode(DEVICE, "/3") == DEVICE_VALUES


def test_the_access_control_objects_of_the_specification_decode() -> None:
    """LwM2M 1.0.2 §6.4.3.2: GET /2 with two instances."""
    payload = bytes.fromhex(
        "08000e c10001 c10100 8302417f07 c1037f080211 c10003 c10100 8602417f07413601 c1037f"
    )
    assert decode(payload, "/2") == [
        ("/2/0/0", 1),
        ("/2/0/1", 0),
        ("/2/0/2/127", 7),
        ("/2/0/3", 127),
        ("/2/2/0", 3),
        ("/2/2/1", 0),
        ("/2/2/2/127", 7),
        ("/2/2/2/54", 1),
        ("/2/2/3", 127),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "0080"),
        (-1, "ff"),
        (-128, "80"),
        (-129, "ff7f"),
        (32767, "7fff"),
        (32768, "00008000"),
        (1 << 31, "0000000080000000"),
        (-(1 << 63), "8000000000000000"),
        ((1 << 63) - 1, "7fffffffffffffff"),
    ],
)
def test_integers_take_1_2_4_or_8_bytes_the_shortest(value: int, expected: str) -> None:
    assert encode_value(value, DataType.INTEGER).hex() == expected


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        ("80", DataType.INTEGER, -128),
        ("80", DataType.UNSIGNED, 128),
        ("011170", DataType.UNSIGNED, 70000),
        ("011170", DataType.INTEGER, 70000),
        ("ffffff", DataType.INTEGER, -1),
        ("ffffffffff", DataType.UNSIGNED, (1 << 40) - 1),
        ("ffffffffffffffff", DataType.UNSIGNED, (1 << 64) - 1),
        ("01020304050607", DataType.INTEGER, 0x01020304050607),
    ],
)
def test_integers_of_1_to_8_bytes_are_read_as_the_definition_says(
    data: str, kind: DataType, expected: int
) -> None:
    """A gateway writes unsigned integers at minimal length: 128 is 0x80, 70000 has 3 bytes."""
    assert decode_value(bytes.fromhex(data), kind) == expected


@pytest.mark.parametrize("value", [0.0, 21.5, -(2.0**100), math.inf, -math.inf, 2.0**-149])
def test_floats_take_4_bytes_when_that_is_exact(value: float) -> None:
    data = encode_value(value, DataType.FLOAT)
    assert len(data) == 4
    assert decode_value(data, DataType.FLOAT) == pytest.approx(value, rel=0)


@pytest.mark.parametrize("value", [0.1, 1e300, 1 / 3, 5e-324])
def test_floats_take_8_bytes_when_4_would_lose(value: float) -> None:
    data = encode_value(value, DataType.FLOAT)
    assert len(data) == 8
    assert decode_value(data, DataType.FLOAT) == value


def test_not_a_number_survives() -> None:
    value = decode_value(encode_value(math.nan, DataType.FLOAT), DataType.FLOAT)
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("", DataType.INTEGER),
        ("000000000000000000", DataType.INTEGER),
        ("", DataType.UNSIGNED),
        ("", DataType.TIME),
        ("0000", DataType.FLOAT),
        ("", DataType.FLOAT),
        ("", DataType.BOOLEAN),
        ("02", DataType.BOOLEAN),
        ("0001", DataType.BOOLEAN),
        ("000300", DataType.OBJLNK),
        ("ff", DataType.STRING),
    ],
)
def test_a_value_of_the_wrong_size_or_content_is_refused(data: str, kind: DataType) -> None:
    with pytest.raises(FormatError):
        decode_value(bytes.fromhex(data), kind)


@pytest.mark.parametrize(
    "payload",
    [
        "c1",  # no id
        "e100",  # half of a 16-bit id
        "c80014",  # no value
        "c1001a 2b",  # a second TLV of one byte
        "c800",  # no length
        "d80000",  # half of a 24-bit length
        "d800ffffff 00",  # 16 MB announced, one byte there
        "0200 c100",  # an instance whose resource is cut off
    ],
)
def test_truncated_tlvs_are_refused(payload: str) -> None:
    with pytest.raises(FormatError):
        parse(bytes.fromhex(payload))


@pytest.mark.parametrize(
    "payload",
    [
        "0200 0000",  # an instance inside an instance
        "8303 c10001",  # a resource inside a multiple resource
        "0300 410001",  # a resource instance directly inside an instance
        "c10001 c10002",  # a resource twice
        "8606 410001 410002",  # a resource instance twice
        "0000 0000",  # an instance twice
        "c10001 0000",  # an instance beside a resource
    ],
)
def test_nesting_that_makes_no_sense_is_refused(payload: str) -> None:
    with pytest.raises(FormatError):
        decode(bytes.fromhex(payload), "/3")


@pytest.mark.parametrize(
    ("payload", "base"),
    [
        ("c10101", "/3/0/0"),  # another resource
        ("0003", "/3/0"),  # another instance
        ("08ff", "/3"),  # cut off
        ("410001", "/3/0"),  # a resource instance for an instance
        ("410001", "/3/0/6/1"),  # another resource instance
        ("20ffff", "/3"),  # the reserved instance id
        ("c10001", "/"),  # TLV for several objects
    ],
)
def test_a_payload_that_does_not_answer_the_request_is_refused(payload: str, base: str) -> None:
    with pytest.raises(FormatError):
        decode(bytes.fromhex(payload), base)


def test_ids_and_lengths_may_be_longer_than_needed() -> None:
    assert decode(bytes.fromhex("e1000901"), "/3/0/9") == [("/3/0/9", 1)]
    assert decode(bytes.fromhex("c8090101"), "/3/0/9") == [("/3/0/9", 1)]
    assert decode(bytes.fromhex("f8000900000101"), "/3/0/9") == [("/3/0/9", 1)]


@pytest.mark.parametrize(
    ("base", "values", "expected"),
    [
        ("/3", [("/3/0/9", 5)], "0300c10905"),
        ("/3", [("/3/0", None)], "0000"),
        ("/3/0", [("/3/0/6/0", 1), ("/3/0/6/1", 2)], "8606410001410102"),
        ("/3/0/6", [("/3/0/6/0", 1)], "8306410001"),
        ("/3/0/6", [("/3/0/6", None)], "8006"),
        ("/3/0/6/1", [("/3/0/6/1", 2)], "410102"),
        ("/3/0/9", [("/3/0/9", 5)], "c10905"),
        ("/3/0/22/0", [("/3/0/22/0", ObjLink(3, 1))], "440000030001"),
        ("/3303/0", [("/3303/0/5750", "x")], "e1167678"),
    ],
)
def test_writes_are_nested_as_the_path_demands(
    base: str, values: list[tuple[str, Any]], expected: str
) -> None:
    assert encode(values, base).hex() == expected


def test_a_value_outside_the_path_or_of_the_wrong_type_is_not_encoded() -> None:
    with pytest.raises(FormatError):
        encode([("/3/1/0", "x")], "/3/0")
    with pytest.raises(ValueTypeError, match="/3/0/9 expects an integer"):
        encode([("/3/0/9", "x")], "/3/0")
    with pytest.raises(FormatError):
        encode([("/3/0/9", 1), ("/3/0/9", 2)], "/3/0")


def test_lengths_of_every_size_round_trip() -> None:
    for size in (0, 7, 8, 255, 256, 65535, 65536):
        nodes = [Node(Kind.RESOURCE, 300, b"x" * size)]
        assert parse(build(nodes)) == nodes


@given(st.binary(max_size=60))
def test_any_bytes_give_entries_or_a_format_error(payload: bytes) -> None:
    for base in ("/", "/3", "/3/0", "/3/0/6", "/3/0/6/1", "/9999/0"):
        try:
            TLV.decode(payload, Path.parse(base), MODELS.type_of)
        except FormatError:
            continue


@given(st.data())
def test_mutated_payloads_give_entries_or_a_format_error(data: st.DataObject) -> None:
    payload = bytearray(DEVICE)
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    with contextlib.suppress(FormatError):
        TLV.decode(bytes(payload[:cut]), Path.parse("/3/0"), MODELS.type_of)


_VALUES = {
    DataType.STRING: st.text(st.characters(exclude_categories=("Cs",)), max_size=300),
    DataType.INTEGER: st.integers(-(1 << 63), (1 << 63) - 1),
    DataType.UNSIGNED: st.integers(0, (1 << 64) - 1),
    DataType.FLOAT: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.OPAQUE: st.binary(max_size=300),
    DataType.TIME: st.datetimes(
        datetime(1, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)
    ).map(lambda moment: moment.replace(microsecond=0)),
    DataType.OBJLNK: st.builds(ObjLink, st.integers(0, 65535), st.integers(0, 65535)),
}


@given(st.data())
def test_random_instances_round_trip(data: st.DataObject) -> None:
    base = Path((3303, data.draw(st.integers(0, 65534))))
    kinds: dict[Path, DataType] = {}
    entries = []
    for rid in data.draw(st.lists(st.integers(0, 65535), unique=True, max_size=6)):
        kind = data.draw(st.sampled_from(sorted(_VALUES)))
        kinds[base / rid] = kind
        if data.draw(st.booleans()):
            entries.append(Entry(base / rid, data.draw(_VALUES[kind])))
        else:
            riids = data.draw(st.lists(st.integers(0, 65535), unique=True, max_size=3))
            entries += [Entry(base / rid / riid, data.draw(_VALUES[kind])) for riid in riids]
            if not riids:
                entries.append(Entry(base / rid, None))

    def type_of(path: Path) -> DataType | None:
        return kinds.get(Path(path.ids[:3]))

    assert TLV.decode(TLV.encode(entries, base, type_of), base, type_of) == entries
