"""Notifications at the level of tokens (RFC 7641), on a clock that is moved."""

from __future__ import annotations

import pytest
from lwm2m_host.coap.codec import ACK, BLOCK2, CON, EMPTY, NON, OBSERVE, RST, Block, Message
from lwm2m_host.coap.messages import DeviceRequest, ObservationToken
from lwm2m_host.errors import DeviceReset

from .loopback import DEVICE, OTHER, Bench, Watcher


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def observe(token: ObservationToken, number: int = 0) -> DeviceRequest:
    return DeviceRequest("GET", ("3303", "0"), observe=number, token=token)


def notification(
    token: bytes, mid: int, sequence: int | None = 5, kind: int = NON, code: int = 0x45
) -> Message:
    options = [] if sequence is None else [(OBSERVE, bytes([sequence]))]
    return Message(kind, code, mid, token, options, b"n%d" % mid)


def begin(bench: Bench, watcher: Watcher, sequence: int | None = 1, code: int = 0x45) -> Message:
    """Observe, and let the device answer."""
    bench.request(observe(watcher.token))
    request = bench.take_one()
    options = [] if sequence is None else [(OBSERVE, bytes([sequence]))]
    bench.receive(Message(ACK, code, request.mid, request.token, options, b"first"))
    return request


def test_an_observe_carries_the_token_and_the_option(bench: Bench, watcher: Watcher) -> None:
    request = begin(bench, watcher)
    assert request.token == watcher.token.value
    assert len(request.token) == 8
    assert request.option(OBSERVE) == b""
    assert watcher.sequences == [1]
    assert bench.engine.knows(watcher.token)


@pytest.mark.parametrize("kind", [CON, NON])
def test_a_notification_is_handed_over_and_acknowledged(
    bench: Bench, watcher: Watcher, kind: int
) -> None:
    begin(bench, watcher)
    bench.receive(notification(watcher.token.value, 7, kind=kind))
    assert watcher.values == [b"n7"]
    sent = [message.encode() for message in bench.take()]
    assert sent == ([Message(ACK, EMPTY, 7).encode()] if kind == CON else [])
    bench.receive(notification(watcher.token.value, 7, kind=kind))
    assert watcher.values == [b"n7"]


def test_a_notification_is_taken_from_another_address(bench: Bench, watcher: Watcher) -> None:
    begin(bench, watcher)
    bench.receive(notification(watcher.token.value, 7), OTHER)
    assert watcher.values == [b"n7"]


@pytest.mark.parametrize("kind", [CON, NON])
def test_a_notification_that_nobody_waits_for_is_rejected(
    bench: Bench, watcher: Watcher, kind: int
) -> None:
    begin(bench, watcher)
    bench.engine.forget(watcher.token)
    bench.receive(notification(watcher.token.value, 7, kind=kind))
    assert bench.take_one().encode() == Message(RST, EMPTY, 7).encode()
    assert watcher.values == []
    assert not bench.engine.knows(watcher.token)


@pytest.mark.parametrize(("sequence", "code"), [(None, 0x45), (5, 0x84), (None, 0x84)])
def test_the_last_notification_ends_the_observation(
    bench: Bench, watcher: Watcher, sequence: int | None, code: int
) -> None:
    begin(bench, watcher)
    bench.receive(notification(watcher.token.value, 7, sequence, code=code))
    assert watcher.values == [b"n7"]
    assert not bench.engine.knows(watcher.token)
    bench.receive(notification(watcher.token.value, 8))
    assert bench.take_one().kind == RST


@pytest.mark.parametrize(("sequence", "code"), [(None, 0x45), (None, 0x84)])
def test_a_device_that_does_not_observe_is_not_waited_for(
    bench: Bench, watcher: Watcher, sequence: int | None, code: int
) -> None:
    begin(bench, watcher, sequence, code)
    assert watcher.sequences == [None]
    assert not bench.engine.knows(watcher.token)


def test_a_refused_refresh_ends_the_observation(bench: Bench, watcher: Watcher) -> None:
    begin(bench, watcher)
    begin(bench, watcher, None, 0x84)
    assert not bench.engine.knows(watcher.token)


def test_a_refreshed_observation_goes_on_with_its_token(bench: Bench, watcher: Watcher) -> None:
    begin(bench, watcher)
    again = Watcher(watcher.token.value)
    begin(bench, again, 9)
    assert bench.engine.knows(again.token)
    assert not bench.engine.knows(watcher.token)
    bench.engine.forget(watcher.token)  # the old one takes nothing along
    bench.receive(notification(watcher.token.value, 7))
    assert (watcher.values, again.values) == ([], [b"n7"])


def test_a_cancellation_has_the_same_token(bench: Bench, watcher: Watcher) -> None:
    begin(bench, watcher)
    outcome = bench.request(observe(watcher.token, 1))
    request = bench.take_one()
    assert (request.token, request.option(OBSERVE)) == (watcher.token.value, b"\x01")
    bench.receive(notification(watcher.token.value, 7))  # on its way when the request left
    assert watcher.values == [b"n7"]
    assert outcome.ends == 0
    bench.receive(Message(ACK, 0x45, request.mid, request.token, (), b"bye"))
    assert outcome.payload == b"bye"


def test_a_reset_of_an_observe_is_the_end_of_the_request_only(
    bench: Bench, watcher: Watcher
) -> None:
    begin(bench, watcher)
    outcome = bench.request(observe(watcher.token))
    bench.receive(Message(RST, EMPTY, bench.take_one().mid))
    assert isinstance(outcome.error, DeviceReset)
    bench.receive(notification(watcher.token.value, 7))
    assert watcher.values == [b"n7"]


def test_the_first_notification_may_come_in_blocks(bench: Bench, watcher: Watcher) -> None:
    outcome = bench.request(observe(watcher.token))
    request = bench.take_one()
    options = [(OBSERVE, b"\x01"), (BLOCK2, Block(0, True, 2).encode())]
    bench.receive(Message(ACK, 0x45, request.mid, request.token, options, b"a" * 64))
    following = bench.take_one()
    assert following.option(OBSERVE) is None
    assert following.token != request.token
    # A notification between the blocks is no block.
    bench.receive(notification(watcher.token.value, 7))
    assert watcher.values == [b"n7"]
    options = [(BLOCK2, Block(1, False, 2).encode())]
    bench.receive(Message(ACK, 0x45, following.mid, following.token, options, b"b"))
    assert outcome.payload == b"a" * 64 + b"b"


def test_a_composite_observation_may_be_asked_for_in_blocks(
    bench: Bench, watcher: Watcher
) -> None:
    bench.request(DeviceRequest("FETCH", (), bytes(1500), 112, observe=0, token=watcher.token))
    first = bench.take_one()
    bench.receive(Message(ACK, 0x5F, first.mid, first.token, [(27, Block(0, True, 6).encode())]))
    second = bench.take_one()
    assert second.token == first.token == watcher.token.value
    assert watcher.sequences == []
    options = [(OBSERVE, b"\x04"), (27, Block(1, False, 6).encode())]
    bench.receive(Message(ACK, 0x45, second.mid, second.token, options, b"v"))
    assert watcher.sequences == [4]
    assert bench.engine.knows(watcher.token)


def test_a_token_from_before_a_restart_is_taken(bench: Bench, watcher: Watcher) -> None:
    bench.engine.adopt(watcher.token)
    bench.receive(notification(watcher.token.value, 7, kind=CON), DEVICE)
    assert watcher.values == [b"n7"]
    assert bench.take_one().kind == ACK
