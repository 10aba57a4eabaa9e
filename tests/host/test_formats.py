"""text/plain, octet-stream and the choice of a format."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host import formats
from lwm2m_host.errors import FormatError, UnknownFormat, ValueTypeError
from lwm2m_host.formats import OPAQUE, TEXT, TLV, Entry, Format
from lwm2m_host.model.path import Path
from lwm2m_host.model.values import DataType, ObjLink

HERE = Path((1, 0, 0))


def decode(item: Format, payload: bytes, kind: DataType | None) -> Any:
    [entry] = item.decode(payload, HERE, lambda _: kind)
    assert entry.path == HERE
    return entry.value


def encode(item: Format, value: Any, kind: DataType | None) -> bytes:
    return item.encode([Entry(HERE, value)], HERE, lambda _: kind)


TEXT_VALUES: list[tuple[DataType, Any, bytes]] = [
    (DataType.STRING, "grün", "grün".encode()),
    (DataType.STRING, "", b""),
    (DataType.INTEGER, -5, b"-5"),
    (DataType.UNSIGNED, (1 << 64) - 1, b"18446744073709551615"),
    (DataType.FLOAT, 21.5, b"21.5"),
    (DataType.BOOLEAN, True, b"1"),
    (DataType.BOOLEAN, False, b"0"),
    (DataType.TIME, datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC), b"1367491215"),
    (DataType.OBJLNK, ObjLink(3, 65535), b"3:65535"),
    (DataType.OPAQUE, b"\x00\xff\x10", b"AP8Q"),
    (DataType.CORELNK, "</3/0>", b"</3/0>"),
]


@pytest.mark.parametrize(("kind", "value", "payload"), TEXT_VALUES)
def test_text_of_every_type(kind: DataType, value: Any, payload: bytes) -> None:
    assert encode(TEXT, value, kind) == payload
    assert decode(TEXT, payload, kind) == value


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (DataType.INTEGER, b""),
        (DataType.INTEGER, b"5.0"),
        (DataType.INTEGER, b"1_000"),
        (DataType.INTEGER, b" 5"),
        (DataType.INTEGER, b"9223372036854775808"),
        (DataType.INTEGER, b"9" * 5000),
        (DataType.UNSIGNED, b"-1"),
        (DataType.FLOAT, b"1,5"),
        (DataType.FLOAT, b"0x10"),
        (DataType.BOOLEAN, b"true"),
        (DataType.OPAQUE, b"###"),
        (DataType.OPAQUE, b"AP8"),
        (DataType.OBJLNK, b"3"),
        (DataType.OBJLNK, b"3:65536"),
        (DataType.STRING, b"\xff"),
        (DataType.OPAQUE, "ä".encode()),
    ],
)
def test_text_that_is_not_of_the_type_is_refused(kind: DataType, payload: bytes) -> None:
    with pytest.raises(FormatError):
        decode(TEXT, payload, kind)


def test_text_of_an_unknown_resource_stays_text() -> None:
    assert decode(TEXT, b"12", None) == "12"


def test_a_time_that_datetime_cannot_hold_is_a_number() -> None:
    assert decode(TEXT, b"9223372036854775807", DataType.TIME) == (1 << 63) - 1


@given(st.binary(max_size=30), st.sampled_from([None, *DataType]))
def test_any_bytes_are_text_or_a_format_error(payload: bytes, kind: DataType | None) -> None:
    for item in (TEXT, OPAQUE):
        try:
            decode(item, payload, kind)
        except FormatError:
            continue


@given(st.floats())
def test_floats_survive_text(value: float) -> None:
    back = decode(TEXT, encode(TEXT, value, DataType.FLOAT), DataType.FLOAT)
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_opaque_is_the_bytes_themselves() -> None:
    assert encode(OPAQUE, b"\x00\xff", DataType.OPAQUE) == b"\x00\xff"
    assert decode(OPAQUE, b"\x00\xff", DataType.OPAQUE) == b"\x00\xff"


def test_opaque_carries_no_other_type() -> None:
    with pytest.raises(FormatError):
        encode(OPAQUE, "x", DataType.STRING)
    with pytest.raises(FormatError):
        decode(OPAQUE, b"x", DataType.STRING)
    with pytest.raises(ValueTypeError):
        encode(OPAQUE, "x", DataType.OPAQUE)


@pytest.mark.parametrize("item", [TEXT, OPAQUE])
def test_formats_of_one_value_refuse_instances(item: Format) -> None:
    with pytest.raises(FormatError):
        item.decode(b"x", Path((3, 0)), lambda _: None)
    with pytest.raises(FormatError):
        item.encode([Entry(HERE, b"x")], Path((1, 0)), lambda _: None)


@pytest.mark.parametrize("which", ["tlv", "TLV", 11542, "11542", TLV])
def test_a_format_is_found_by_name_number_or_itself(which: Any) -> None:
    assert formats.get(which) is TLV


def test_an_unknown_format_is_named_in_the_error() -> None:
    with pytest.raises(UnknownFormat, match="senml-xml"):
        formats.get("senml-xml")


def test_a_device_that_declares_nothing_we_speak_is_asked_for_tlv() -> None:
    assert formats.choose([]) is TLV
    assert formats.choose([9999, 0]) is TLV
    assert formats.choose([0, 11542]) is TLV
