"""The message format: round trips, damaged bytes, and the same reading as aiocoap's."""

from __future__ import annotations

import contextlib

import aiocoap
import pytest
from aiocoap.error import Error
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lwm2m_host.coap.codec import (
    CON,
    NON,
    Block,
    MalformedMessage,
    Message,
    UnknownVersion,
    code_of,
    decode,
    decode_block,
    dotted,
    encode_uint,
    exponent_of,
)

fuzzed = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
# Options whose values aiocoap keeps as they are.
OPAQUE = (1, 4, 9, 2000, 2053, 65000, 65001)
option_values = st.one_of(
    st.binary(max_size=4),
    st.integers(10, 15).map(bytes),
    st.integers(265, 275).map(bytes),
    st.integers(1000, 1100).map(bytes),
)
messages = st.builds(
    Message,
    st.integers(0, 3),
    st.sampled_from([1, 2, 3, 4, 5, 7, 0x41, 0x44, 0x45, 0x5F, 0x80, 0x84, 0xA0]),
    st.integers(0, 0xFFFF),
    st.binary(max_size=8),
    st.lists(st.tuples(st.integers(0, 0xFFFF), option_values), max_size=8).map(
        lambda found: sorted(found, key=lambda item: item[0])
    ),
    st.binary(max_size=40),
)


def parts(message: Message) -> tuple[object, ...]:
    return (
        message.kind,
        message.code,
        message.mid,
        message.token,
        message.options,
        message.payload,
    )


@fuzzed
@given(messages)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert parts(decode(message.encode())) == parts(message)


@fuzzed
@given(st.binary(max_size=80))
@example(b"")
@example(b"\x40\x00\x00\x00\x00")
@example(b"\x49\x01\x00\x00123456789")
@example(b"\x40\x01\x00\x00\xff")
@example(b"\x40\x01\x00\x00\xf0")
@example(b"\x40\x01\x00\x00\x0f")
@example(b"\x40\x01\x00\x00\xe0\xff")
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = decode(data)
    except MalformedMessage:
        return
    assert parts(decode(message.encode())) == parts(message)


@fuzzed
@given(messages, st.data())
def test_a_damaged_message_is_a_message_or_malformed(
    message: Message, data: st.DataObject
) -> None:
    octets = bytearray(message.encode())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(MalformedMessage):
        decode(bytes(octets))


@fuzzed
@given(messages, st.sampled_from(OPAQUE), option_values)
def test_aiocoap_reads_what_we_write(message: Message, number: int, value: bytes) -> None:
    message.options = [(number, value)]
    theirs = aiocoap.Message.decode(message.encode())
    assert (theirs.mid, theirs.token, theirs.payload) == (
        message.mid,
        message.token,
        message.payload,
    )
    assert int(theirs.code) == message.code
    assert int(theirs.mtype) == message.kind
    assert [(int(item.number), item.encode()) for item in theirs.opt.option_list()] == [
        (number, value)
    ]


@fuzzed
@given(messages)
def test_we_read_what_aiocoap_writes(message: Message) -> None:
    theirs = aiocoap.Message(
        code=aiocoap.Code(message.code),
        payload=message.payload,
        _mtype=aiocoap.Type(message.kind),
        _mid=message.mid,
        _token=message.token,
        uri_path=("rd", "x" * 20),
        uri_query=("ep=a",),
        content_format=40,
        observe=message.mid,
    )
    ours = decode(theirs.encode())
    assert (ours.kind, ours.code, ours.mid, ours.token, ours.payload) == (
        message.kind,
        message.code,
        message.mid,
        message.token,
        message.payload,
    )
    assert ours.options == [
        (6, encode_uint(message.mid)),
        (11, b"rd"),
        (11, b"x" * 20),
        (12, b"\x28"),
        (15, b"ep=a"),
    ]


@fuzzed
@given(
    st.binary(min_size=4, max_size=60).map(lambda data: bytes([0x40 | data[0] & 0x3F]) + data[1:])
)
def test_aiocoap_takes_what_we_take(data: bytes) -> None:
    try:
        ours = decode(data)
    except MalformedMessage:
        return
    if ours.code not in (1, 2, 3, 4, 0x41, 0x45):  # aiocoap refuses codes without a name
        return
    try:
        theirs = aiocoap.Message.decode(data)
    except (Error, ValueError):
        # A value that its type of option does not allow: the layer above looks at values.
        return
    assert (theirs.mid, theirs.token, theirs.payload) == (ours.mid, ours.token, ours.payload)


@pytest.mark.parametrize("number", [0, 1, 15, 16, 4095, 4096, (1 << 20) - 1])
@pytest.mark.parametrize("exponent", range(7))
@pytest.mark.parametrize("more", [True, False])
def test_a_block_comes_back_as_it_was(number: int, exponent: int, more: bool) -> None:
    block = Block(number, more, exponent)
    assert decode_block(block.encode()) == block
    assert block.start == number * block.size
    assert exponent_of(block.size) == exponent


@pytest.mark.parametrize("value", [b"\x07", b"\x0f", b"\0\0\0\0"])
def test_a_reserved_block_size_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_block(value)


def test_another_version_is_told_from_malformed() -> None:
    with pytest.raises(UnknownVersion):
        decode(b"\x80\x01\x00\x00")
    with pytest.raises(UnknownVersion):
        decode(b"\x00\x01\x00\x00")


def test_codes_have_two_forms() -> None:
    assert [dotted(code) for code in (0, 0x45, 0x84, 0x5F, 0xA0)] == [
        "0.00",
        "2.05",
        "4.04",
        "2.31",
        "5.00",
    ]
    assert all(code_of(dotted(code)) == code for code in range(256))


def test_an_option_is_found_by_its_number() -> None:
    message = Message(CON, 1, 7, options=[(11, b"a"), (11, b"b"), (12, b"\x28"), (60, bytes(5))])
    assert message.option(11) == b"a"
    assert message.option(15) is None
    assert message.uint(12) == 40
    assert message.uint(60) is None
    assert repr(Message(NON, 0x45, 3)) == "<NON 2.05 mid 3 0 bytes>"
