"""Datagrams that no sound server sends, from the server's own address, and what RFC 7252 wants."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from tests.integration.conftest import Start, Station
from tests.integration.peer import (
    ACK,
    CHANGED,
    CON,
    CONTENT,
    DELETE,
    EMPTY,
    GET,
    NON,
    POST,
    PUT,
    RST,
    Peer,
    datagram,
    options,
    path,
)

SILENCE = None
LIFETIME = options(*path("/1/0/1"))
SERIAL = options(*path("/3/0/2"))
TEXT = LIFETIME + b"\x10"  # Content-Format 0 behind the path
IF_MATCH = options((1, b"etag"), *path("/1/0/1"), (12, b""))
TLV = LIFETIME + b"\x12\x2d\x16"


Case = tuple[str, bytes, int | tuple[int, int] | None]


def put(name: str, opts: bytes, payload: bytes) -> Case:
    """A write to the lifetime that must be refused with 4.00."""
    return name, datagram(CON, PUT, 0x1234, b"t", opts, payload), (ACK, 0x80)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer() as running:
        yield running


@pytest.fixture
async def victim(launch: Start, peer: Peer, width: int) -> Station:
    """A device that is registered with the peer."""
    station = await launch(servers=[peer.uri], lifetime_s=3600, width=width)
    await peer.register()
    await station.says("event registered")
    return station


# What is sent (MID in bytes 2 and 3) and the answer: silence, RST, or (type, code).
MID = b"\x12\x34"
HOSTILE: list[Case] = [
    # Truncated: no header, nothing to answer to (§3)
    ("one byte", b"\x40", SILENCE),
    ("three bytes", b"\x40\x01\x12", SILENCE),
    # Another version must be ignored (§3)
    ("version 0", b"\x00\x01" + MID, SILENCE),
    ("version 2", b"\x80\x01" + MID, SILENCE),
    ("version 3", b"\xc0\x01" + MID, SILENCE),
    ("version 2, a whole request", b"\x84" + datagram(CON, GET, 1, b"", SERIAL)[1:], SILENCE),
    # Token lengths 9 to 15 are a format error (§3), which a CON gets a RST for (§4.2)
    *((f"token of {n}", bytes([64 | n, 1]) + MID + bytes(n) + SERIAL, RST) for n in range(9, 16)),
    ("token of 9, NON", bytes([0x59, 1]) + MID + bytes(9) + SERIAL, SILENCE),
    ("token cut off", b"\x44\x01" + MID + b"abc", RST),
    ("token cut off, NON", b"\x54\x01" + MID + b"abc", SILENCE),
    # An empty message of more than four bytes (§4.1)
    ("empty with a token", b"\x42\x00" + MID + b"ab", RST),
    ("empty with more", b"\x40\x00" + MID + b"x", RST),
    ("empty NON with more", b"\x50\x00" + MID + b"x", SILENCE),
    ("empty ACK with more", b"\x60\x00" + MID + b"x", SILENCE),
    ("ping", b"\x40\x00" + MID, RST),
    ("empty NON", b"\x50\x00" + MID, SILENCE),
    # Reserved classes 1, 6 and 7 (§12.1.2)
    *((f"code {c:#x}", bytes([0x40, c]) + MID, RST) for c in (0x20, 0x3F, 0xC0, 0xE0, 0xFF)),
    ("reserved code, NON", b"\x50\xe1" + MID, SILENCE),
    ("reserved code in an ACK", b"\x60\x21" + MID, SILENCE),
    # Methods that nobody has defined are refused, not misunderstood (§5.8)
    ("method 0.31", datagram(CON, 31, 0x1234, b"t", SERIAL), (ACK, 0x85)),
    ("method 0.08", datagram(CON, 8, 0x1234, b"t", SERIAL), (ACK, 0x85)),
    # Options that do not parse (§3.1)
    ("option delta 15", b"\x40\x01" + MID + b"\xf1a", RST),
    ("option length 15", b"\x40\x01" + MID + b"\xbfa", RST),
    ("option cut off", b"\x40\x01" + MID + b"\xb53", RST),
    ("option cut off, NON", b"\x50\x01" + MID + b"\xb53", SILENCE),
    ("extended delta missing", b"\x40\x01" + MID + b"\xd0", RST),
    ("extended delta half", b"\x40\x01" + MID + b"\xe0\x00", RST),
    ("extended length missing", b"\x40\x01" + MID + b"\xbd", RST),
    ("extended length too long", b"\x40\x01" + MID + b"\xbe\xff\xff", RST),
    ("option number above 65535", b"\x40\x01" + MID + b"\xe0\xff\xff\xe0\xff\xff", RST),
    ("marker without payload", datagram(CON, GET, 0x1234, b"t", SERIAL) + b"\xff", RST),
    ("marker without payload, NON", datagram(NON, GET, 0x1234, b"t", SERIAL) + b"\xff", SILENCE),
    # Critical options that are not understood (§5.4.1)
    ("option 9", datagram(CON, GET, 0x1234, b"t", b"\x90"), (ACK, 0x82)),
    ("If-Match", datagram(CON, PUT, 0x1234, b"t", IF_MATCH, b"77"), (ACK, 0x82)),
    ("two Accepts", datagram(CON, GET, 0x1234, b"t", SERIAL + b"\x60\x00"), (ACK, 0x82)),
    ("Accept of 3", datagram(CON, GET, 0x1234, b"t", SERIAL + b"\x63\x00\x00\x01"), (ACK, 0x82)),
    # Payloads that do not decode
    put("text", TEXT, b"many"),
    put("text, no number", TEXT, b"5x"),
    put("text, negative", TEXT, b"-5"),
    put("text, 40 digits", TEXT, b"9" * 40),
    put("text, not UTF-8", TEXT, b"\xff\x80"),
    put("TLV cut off", TLV, b"\xc4\x01\x00"),
    put("TLV length too long", TLV, b"\xd8\x01\xff\xff"),
    put("TLV of 9 bytes", TLV, b"\xc8\x01\x09" + bytes(9)),
    put("TLV of nothing", TLV, b"\xc0\x01"),
    put("TLV, another resource", TLV, b"\xc1\x02\x05"),
    put("TLV, another instance", TLV, b"\x03\x07\xc1\x01\x05"),
    # Answers to what nobody asked (§4.2, §5.3.2)
    ("response, CON", datagram(CON, CONTENT, 0x1234, b"none"), RST),
    ("response, NON", datagram(NON, CONTENT, 0x1234, b"none"), SILENCE),
    ("response, ACK", datagram(ACK, CONTENT, 0x1234, b"none"), SILENCE),
    ("4.04, ACK", datagram(ACK, 0x84, 0x1234, b""), SILENCE),
    ("request in an ACK", datagram(ACK, GET, 0x1234, b"t", SERIAL), SILENCE),
    ("request in a RST", datagram(RST, DELETE, 0x1234, b"t", SERIAL), SILENCE),
    ("RST", datagram(RST, EMPTY, 0x1234), SILENCE),
    ("ACK", datagram(ACK, EMPTY, 0x1234), SILENCE),
]  # fmt: skip


async def test_hostile_datagrams_get_what_rfc_7252_prescribes_and_change_nothing(
    victim: Station, peer: Peer
) -> None:
    before = await _all(peer)
    wrong = []
    for number, (name, data, expected) in enumerate(HOSTILE):
        # A message id of its own, or the device would take it for a repetition.
        mid = 0x1000 + number
        if len(data) > 3:
            data = data[:2] + mid.to_bytes(2, "big") + data[4:]
        told = await peer.answers(data)
        if expected is SILENCE:
            good = told == []
        elif expected == RST:
            good = [item.data for item in told] == [datagram(RST, EMPTY, mid)]
        else:
            good = [(item.kind, item.code, item.mid, item.token) for item in told] == [
                (*expected, mid, b"t")
            ]
        if not good:
            wrong.append(f"{name}: {told}")
    assert not wrong, "\n".join(wrong)
    assert await _all(peer) == before
    await _still_registered(victim, peer)


async def test_oversized_datagrams_are_not_believed(victim: Station, peer: Peer) -> None:
    before = await _all(peer)
    # Cut at 1280 bytes: of a write, its end is missing, so that it must not be carried out.
    await peer.answers(datagram(CON, PUT, 0x2001, b"t", TEXT, b"0" * 1990 + b"77"))
    await peer.answers(datagram(CON, PUT, 0x2002, b"t", LIFETIME + b"\x10", b"7" * 2000))
    long_option = b"\xb1" + b"3" + b"\x0e" + (1700).to_bytes(2, "big") + b"x" * 1969
    (answer,) = await peer.answers(datagram(CON, GET, 0x2003, b"t", long_option))
    assert (answer.kind, answer.code) == (RST, EMPTY)
    assert await peer.answers(bytes(2000)) == []
    assert await peer.answers(b"\xff" * 2000) == []
    assert await _all(peer) == before
    await _still_registered(victim, peer)


async def test_an_empty_datagram_leaves_the_device_reachable(victim: Station, peer: Peer) -> None:
    peer.send(b"")
    # If it has to take a new socket for that, it tells the server where it is now.
    ping = datagram(CON, EMPTY, 0x3000)
    peer.send(ping)
    answer = await peer.receive()
    if answer.kind == CON:
        peer.send(datagram(ACK, CHANGED, answer.mid, answer.token))
        await victim.says("event updated")
        assert await peer.answers(datagram(NON, EMPTY, 0x3001)) == []
    else:
        assert (answer.kind, answer.mid) == (RST, 0x3000)


async def test_noise_changes_nothing(victim: Station, peer: Peer) -> None:
    before = await _all(peer)
    dice = random.Random(7252)
    for _ in range(500):
        noise = dice.randbytes(dice.randrange(1, 80))
        await peer.answers(bytes([noise[0] & 0x3F | 0x40]) + noise[1:])
    assert await _all(peer) == before
    await _still_registered(victim, peer)


async def test_every_truncation_of_a_write_changes_nothing(victim: Station, peer: Peer) -> None:
    before = await _all(peer)
    payload = bytes.fromhex("c2 01 0050 c1 06 01 c1 07 55")  # a sound one, were it whole
    whole = datagram(CON, PUT, 0x4000, b"t", options(*path("/1/0"), (12, b"\x2d\x16")), payload)
    for n in range(len(whole)):
        await peer.answers(whole[:2] + (0x4000 + n).to_bytes(2, "big") + whole[4:n])
        assert await _all(peer) == before
    # The same datagram, whole, is carried out: the test has not been looking past it.
    answer, *_ = await peer.answers(whole[:2] + b"\x4f\xff" + whole[4:])
    assert (answer.kind, answer.code) == (ACK, CHANGED)


async def test_a_repeated_request_is_answered_again_and_done_once(
    launch: Start, peer: Peer, width: int
) -> None:
    station = await launch("own_object.py", servers=[peer.uri], width=width)
    await peer.register()
    await station.says("event registered")
    for number in (1, 2):
        execute = datagram(CON, POST, 0x6000 + number, b"t", options(*path("/26241/0/9")))
        first, *others = await peer.answers(execute)
        assert (first.kind, first.code, others) == (ACK, CHANGED, [])
        for _ in range(3):
            (again,) = await peer.answers(execute)
            assert again.data == first.data
        assert (await peer.ask(GET, "/26241/0/15")).payload == str(number).encode()
    refused = datagram(CON, PUT, 0x6001, b"t", TEXT, b"many")
    (first,) = await peer.answers(refused[:2] + b"\x61\x00" + refused[4:])
    (again,) = await peer.answers(refused[:2] + b"\x61\x00" + refused[4:])
    assert first.data == again.data
    assert first.code == 0x80
    await _still_registered(station, peer)


async def test_a_confirmable_request_gets_an_ack_and_another_a_non(
    victim: Station, peer: Peer
) -> None:
    for token in (b"", b"12345678"):
        (answer,) = await peer.answers(datagram(CON, GET, 0x7000, token, SERIAL))
        assert (answer.kind, answer.mid, answer.token) == (ACK, 0x7000, token)
        (answer,) = await peer.answers(datagram(NON, GET, 0x7001, token, SERIAL))
        assert (answer.kind, answer.code, answer.token) == (NON, CONTENT, token)
        assert answer.payload == b"345000123"


async def test_a_lost_register_is_repeated_word_for_word(launch: Start, peer: Peer) -> None:
    station = await launch(servers=[peer.uri], exchange={"ack_timeout_ms": 100})
    first = await peer.receive()
    second = await peer.receive()
    third = await peer.register()
    assert first.data == second.data == third.data
    await station.says("event registered")
    assert station.events() == ["registered"]


async def test_a_separate_response_to_register_is_taken_and_acknowledged(
    launch: Start, peer: Peer
) -> None:
    station = await launch(servers=[peer.uri])
    request = await peer.receive()
    peer.send(datagram(ACK, EMPTY, request.mid))
    place = options((8, b"rd"), (8, b"7"))
    peer.send(datagram(CON, 0x41, 0x7777, request.token, place))
    answer = await peer.receive()
    assert answer.data == datagram(ACK, EMPTY, 0x7777)
    await station.says("event registered")
    await _still_registered(station, peer)


async def test_a_reset_register_is_tried_again(launch: Start, peer: Peer) -> None:
    station = await launch(servers=[peer.uri], terms={"retry_timer_s": 1, "retry_count": 5})
    first = await peer.receive()
    peer.send(datagram(RST, EMPTY, first.mid))
    await station.says("register_failed")
    second = await peer.register()
    assert second.mid != first.mid
    await station.says("event registered")


async def _all(peer: Peer) -> list[bytes]:
    """What a write could have changed, as the device tells it."""
    answers = [await peer.ask(GET, where) for where in ("/1/0", "/3/0/2", "/3/0/11", "/3303/0")]
    assert [answer.code for answer in answers] == [CONTENT] * 4
    return [answer.payload for answer in answers]


async def _still_registered(station: Station, peer: Peer) -> None:
    """The device sends an Update to its location when it is asked to."""
    mid = peer.fresh_mid()
    peer.send(datagram(CON, POST, mid, b"u", options(*path("/1/0/8"))))
    told = [await peer.receive(), await peer.receive()]
    (update,) = [item for item in told if item.kind == CON]
    (answer,) = [item for item in told if item.kind == ACK]
    assert (answer.mid, answer.code) == (mid, CHANGED)
    assert (update.code, update.rest) == (POST, options((11, b"rd"), (11, b"7")))
    peer.send(datagram(ACK, CHANGED, update.mid, update.token))
    await station.says("event updated")
    assert "Traceback" not in station.output
