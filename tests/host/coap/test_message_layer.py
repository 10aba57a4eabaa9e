"""Confirmable messages, duplicates, ACK and RST, on a clock that moves when it is told to."""

from __future__ import annotations

import logging

import pytest
from lwm2m_host.coap.codec import ACK, CON, EMPTY, NON, RST, Message
from lwm2m_host.coap.message_layer import EMPTY_ACK_DELAY_S, EXCHANGE_LIFETIME_S
from lwm2m_host.coap.messages import DeviceRequest, Response
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import DeviceReset, DeviceTimeout, DeviceUnreachable

from .loopback import DEVICE, OTHER, Bench

READ = DeviceRequest("GET", ("3", "0"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def post(mid: int, token: bytes = b"\x01", kind: int = CON, path: bytes = b"rd") -> Message:
    return Message(kind, 2, mid, token, [(11, path)])


def answer(request: Message, code: int = 0x45, payload: bytes = b"v", kind: int = ACK) -> Message:
    return Message(kind, code, request.mid, request.token, (), payload)


# What we send


def test_a_request_is_repeated_at_doubled_intervals_and_then_given_up() -> None:
    bench = Bench(jitter=1.25)
    outcome = bench.request(READ, timeout_s=1000)
    first = bench.take_one()
    seconds = []
    began = bench.time_s
    for _ in range(4):
        while not (sent := bench.take()):
            bench.advance(0.5)
        seconds.append(bench.time_s - began)
        assert [message.encode() for message in sent] == [first.encode()]
    assert seconds == [2.5, 7.5, 17.5, 37.5]
    assert bench.ranges == [(2.0, 3.0)]  # one draw: the later ones are its multiples
    bench.advance(39)
    assert outcome.error is None
    bench.advance(1.1)
    assert isinstance(outcome.error, DeviceTimeout)
    assert outcome.ends == 1
    assert len(bench.engine.layer.timers) == 0


def test_the_parameters_of_transmission_are_those_of_the_timing() -> None:
    bench = Bench(Timing(ack_timeout_s=1.0, ack_random_factor=2.0, max_retransmit=1))
    outcome = bench.request(READ)
    assert bench.ranges == [(1.0, 2.0)]
    bench.advance(3.5)
    assert len(bench.take()) == 2
    assert isinstance(outcome.error, DeviceTimeout)


def test_the_timeout_of_the_caller_ends_a_request_before_its_retransmissions(bench: Bench) -> None:
    outcome = bench.request(READ, timeout_s=5)
    bench.advance(5.1)
    assert str(outcome.error) == "dev did not answer in 5 s: /3/0"
    bench.take()
    bench.advance(100)
    assert bench.take() == []


def test_an_answer_in_the_acknowledgement_ends_the_request(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.receive(answer(bench.take_one()))
    assert outcome.payload == b"v"
    bench.advance(100)
    assert bench.take() == []
    assert bench.engine.layer.under_way == 0
    assert len(bench.engine.layer.timers) == 0


def test_a_separate_response_is_waited_for_and_acknowledged(bench: Bench) -> None:
    outcome = bench.request(READ)
    request = bench.take_one()
    bench.receive(Message(ACK, EMPTY, request.mid))
    bench.advance(40)
    assert bench.take() == []  # no retransmission after the ACK
    response = Message(CON, 0x45, 77, request.token, (), b"late")
    bench.receive(response)
    assert outcome.payload == b"late"
    assert bench.take_one().encode() == Message(ACK, EMPTY, 77).encode()
    bench.receive(response)
    assert bench.take_one().encode() == Message(ACK, EMPTY, 77).encode()
    assert outcome.ends == 1


def test_a_separate_response_may_come_before_its_acknowledgement(bench: Bench) -> None:
    outcome = bench.request(READ)
    request = bench.take_one()
    bench.receive(Message(NON, 0x45, 77, request.token, (), b"first"))
    assert outcome.payload == b"first"
    bench.receive(Message(ACK, EMPTY, request.mid))
    bench.advance(100)
    assert bench.take() == []


def test_an_answer_that_comes_too_late_is_rejected(bench: Bench) -> None:
    outcome = bench.request(READ, timeout_s=1)
    request = bench.take_one()
    bench.advance(2)
    assert isinstance(outcome.error, DeviceTimeout)
    bench.take()
    bench.receive(Message(CON, 0x45, 9, request.token, (), b"v"))
    assert bench.take_one().encode() == Message(RST, EMPTY, 9).encode()
    bench.receive(answer(request))
    assert bench.take() == []
    assert outcome.ends == 1


def test_a_reset_ends_a_request_at_any_time(bench: Bench) -> None:
    outcome = bench.request(READ)
    request = bench.take_one()
    bench.receive(Message(RST, EMPTY, request.mid))
    assert isinstance(outcome.error, DeviceReset)
    second = bench.request(READ)
    request = bench.take_one()
    bench.receive(Message(ACK, EMPTY, request.mid))
    bench.receive(Message(RST, EMPTY, request.mid))
    assert isinstance(second.error, DeviceReset)


def test_a_late_reset_disturbs_nothing(bench: Bench) -> None:
    outcome = bench.request(READ)
    request = bench.take_one()
    bench.receive(answer(request))
    for _ in range(3):
        bench.receive(Message(RST, EMPTY, request.mid))
        bench.receive(Message(RST, EMPTY, request.mid + 1))
    following = bench.request(READ)
    bench.receive(answer(bench.take_one(), payload=b"w"))
    assert (outcome.payload, following.payload) == (b"v", b"w")


def test_requests_to_one_device_leave_one_after_the_other(bench: Bench) -> None:
    outcomes = [bench.request(READ) for _ in range(3)]
    for index in range(3):
        bench.receive(answer(bench.take_one(), payload=bytes([index])))
    assert [outcome.payload for outcome in outcomes] == [b"\0", b"\1", b"\2"]


def test_requests_to_different_devices_leave_together(bench: Bench) -> None:
    bench.request(READ, DEVICE)
    bench.request(READ, OTHER)
    assert len(bench.take()) == 2


def test_a_request_that_was_given_up_lets_the_next_one_leave(bench: Bench) -> None:
    first = bench.request(READ)
    waiting = bench.request(READ)
    third = bench.request(DeviceRequest("GET", ("1",)))
    bench.take()
    waiting.transfer.cancel()
    first.transfer.cancel()
    assert bench.take_one().option(11) == b"1"
    assert (first.ends, waiting.ends, third.ends) == (0, 0, 0)


def test_an_acknowledged_request_does_not_hold_the_next_one_back(bench: Bench) -> None:
    bench.request(READ)
    request = bench.take_one()
    bench.request(READ)
    assert bench.take() == []
    bench.receive(Message(ACK, EMPTY, request.mid))
    assert len(bench.take()) == 1


def test_more_requests_than_the_limit_wait_their_turn() -> None:
    bench = Bench()
    bench.engine.layer.under_way_limit = 2
    outcomes = [bench.request(READ, f"192.0.2.{n}:5683") for n in range(5)]
    sent = bench.take()
    assert len(sent) == 2
    bench.receive(answer(sent[0]), "192.0.2.0:5683")
    assert outcomes[0].payload == b"v"
    assert len(bench.take()) == 1


def test_silent_devices_hold_their_places_until_their_first_retransmission_only() -> None:
    bench = Bench()
    bench.engine.layer.under_way_limit = 2
    for n in range(5):
        bench.request(READ, f"192.0.2.{n}:5683")
    bench.take()
    bench.advance(2.0)
    assert {key for _, key, _ in bench.transport.sent} == {f"192.0.2.{n}:5683" for n in range(4)}


def test_a_request_that_is_given_up_in_the_queue_is_never_sent() -> None:
    bench = Bench()
    bench.engine.layer.under_way_limit = 1
    first = bench.request(READ, "192.0.2.1:5683")
    second = bench.request(READ, "192.0.2.2:5683")
    bench.request(READ, "192.0.2.3:5683")
    second.transfer.cancel()
    bench.take()
    first.transfer.cancel()
    assert [key for _, key, _ in bench.transport.sent] == ["192.0.2.3:5683"]


def test_time_in_the_queue_counts() -> None:
    bench = Bench()
    bench.engine.layer.under_way_limit = 0
    outcome = bench.request(READ, timeout_s=1)
    bench.advance(1.1)
    assert isinstance(outcome.error, DeviceTimeout)


def test_an_unreachable_device_fails_all_that_is_asked_of_it(bench: Bench) -> None:
    acknowledged = bench.request(READ)
    bench.receive(Message(ACK, EMPTY, bench.take_one().mid))
    outcomes = [acknowledged, bench.request(READ), bench.request(READ)]
    other = bench.request(READ, OTHER)
    bench.engine.layer.fail(DEVICE, "no route")
    assert all(isinstance(outcome.error, DeviceUnreachable) for outcome in outcomes)
    assert "no route" in str(acknowledged.error)
    assert other.ends == 0
    bench.engine.layer.fail("192.0.2.99:1", "never heard of")


def test_message_ids_differ_from_one_message_to_the_next(bench: Bench) -> None:
    mids = []
    for _ in range(20):
        bench.request(READ)
        request = bench.take_one()
        mids.append(request.mid)
        bench.receive(answer(request))
    assert len(set(mids)) == 20


# What we receive


def test_a_request_is_answered_in_its_acknowledgement(bench: Bench) -> None:
    bench.answer = lambda request: Response("2.01", b"x", 0, ("rd", "1"))
    bench.receive(post(5, b"\x09"), local=b"here")
    assert bench.transport.sent[0][2] == b"here"
    message = bench.take_one()
    assert (message.kind, message.code, message.mid, message.token) == (ACK, 0x41, 5, b"\x09")
    assert message.options == [(8, b"rd"), (8, b"1"), (12, b"")]
    assert message.payload == b"x"


def test_a_non_confirmable_request_is_answered_by_a_non_confirmable_response(bench: Bench) -> None:
    bench.receive(post(5, b"\x09", NON))
    message = bench.take_one()
    assert (message.kind, message.token) == (NON, b"\x09")
    bench.receive(post(5, b"\x09", NON))
    assert bench.take() == []
    assert len(bench.requests) == 1


def test_a_repeated_request_is_carried_out_once(bench: Bench) -> None:
    bench.receive(post(5))
    first = bench.take_one()
    for _ in range(3):
        bench.receive(post(5))
        assert bench.take_one().encode() == first.encode()
    assert len(bench.requests) == 1
    assert bench.engine.layer.duplicates == 3
    bench.receive(post(5), OTHER)
    assert len(bench.requests) == 2


def test_a_device_that_counts_its_message_ids_anew_is_heard(bench: Bench) -> None:
    bench.receive(post(5, b"\x01"))
    bench.receive(post(5, b"\x02"))
    assert len(bench.requests) == 2


def test_a_message_id_may_be_used_again_after_the_lifetime_of_an_exchange(bench: Bench) -> None:
    bench.receive(post(5))
    bench.advance(EXCHANGE_LIFETIME_S + 1)
    bench.receive(post(6))
    assert bench.engine.layer.remembered == 1
    bench.receive(post(5))
    assert len(bench.requests) == 3


def test_what_is_remembered_is_bounded_in_bytes(bench: Bench) -> None:
    bench.engine.layer.recent_limit = 100_000
    bench.answer = lambda request: Response("2.05", b"x" * 500)
    for mid in range(1000):
        bench.receive(post(mid))
    assert bench.engine.layer.remembered < 150
    bench.receive(post(999))
    assert len(bench.requests) == 1000  # the newest are remembered


def test_a_slow_answer_is_separate_and_repeated_until_it_is_acknowledged(bench: Bench) -> None:
    bench.answer = lambda request: None
    bench.receive(post(5, b"\x09"))
    assert bench.take() == []
    bench.receive(post(5, b"\x09"))
    assert bench.take() == []
    bench.advance(EMPTY_ACK_DELAY_S)
    assert bench.take_one().encode() == Message(ACK, EMPTY, 5).encode()
    bench.receive(post(5, b"\x09"))
    assert bench.take_one().encode() == Message(ACK, EMPTY, 5).encode()
    bench.open_answers[0](Response("2.04"))
    response = bench.take_one()
    assert (response.kind, response.code, response.token) == (CON, 0x44, b"\x09")
    bench.advance(2.0)
    assert bench.take_one().encode() == response.encode()
    bench.receive(Message(ACK, EMPTY, response.mid))
    bench.advance(100)
    assert bench.take() == []
    assert len(bench.requests) == 1
    assert bench.engine.layer.under_way == 0


def test_a_separate_answer_that_is_rejected_or_lost_is_given_up(bench: Bench) -> None:
    bench.answer = lambda request: None
    for mid in (5, 6):
        bench.receive(post(mid))
        bench.advance(1)
        bench.open_answers.pop()(Response("2.04"))
    first, second = [message for message in bench.take() if message.kind == CON]
    bench.receive(Message(RST, EMPTY, first.mid))
    bench.advance(100)
    assert {message.mid for message in bench.take()} == {second.mid}
    assert bench.engine.layer.under_way == 0


def test_a_quick_answer_is_not_acknowledged_twice(bench: Bench) -> None:
    bench.answer = lambda request: None
    bench.receive(post(5))
    bench.open_answers[0](Response("2.04"))
    assert bench.take_one().code == 0x44
    bench.advance(10)
    assert bench.take() == []


def test_a_separate_answer_does_not_wait_for_our_own_request(bench: Bench) -> None:
    bench.request(READ)
    bench.answer = lambda request: None
    bench.receive(post(5))
    bench.advance(1)
    bench.take()
    bench.open_answers[0](Response("2.04"))
    assert bench.take_one().code == 0x44


def test_a_ping_is_answered_with_reset(bench: Bench) -> None:
    bench.receive(Message(CON, EMPTY, 5))
    assert bench.take_one().encode() == Message(RST, EMPTY, 5).encode()
    bench.receive(Message(NON, EMPTY, 5))
    assert bench.take() == []


@pytest.mark.parametrize(
    ("data", "reset"),
    [
        (b"\x40\x01\x12\x34\xff", True),
        (b"\x49\x01\x12\x34" + bytes(9), True),
        (b"\x40\x00\x12\x34\x00", True),
        (b"\x50\x01\x12\x34\xff", False),  # not confirmable
        (b"\x60\x45\x12\x34\xff", False),
        (b"\x80\x01\x12\x34", False),  # another version
        (b"\x40\x01", False),
        (b"", False),
        (b"\x40\x20\x12\x34", True),  # a reserved class of codes
        (b"\x40\xe1\x12\x34", True),
        (b"\x50\xe1\x12\x34", False),
    ],
)
def test_what_is_malformed_is_rejected_where_it_is_confirmable(
    bench: Bench, data: bytes, reset: bool
) -> None:
    bench.receive(data)
    wanted = [Message(RST, EMPTY, 0x1234).encode()] if reset else []
    assert [message.encode() for message in bench.take()] == wanted
    assert bench.requests == []


def test_lines_about_malformed_messages_are_folded(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(500):
            bench.receive(b"\x40\x01\x12\x34\xff")
        assert len(caplog.records) == 1
        bench.advance(61)
        bench.receive(b"\x40\x01\x12\x34\xff")
    assert len(caplog.records) == 2
    assert "499 more" in caplog.text


def test_a_peer_that_nobody_refers_to_is_forgotten(bench: Bench) -> None:
    for n in range(100):
        bench.receive(post(n), f"192.0.2.{n}:5683")
    assert len(bench.engine.layer._remotes) == 100
    bench.requests.clear()
    bench.advance(EXCHANGE_LIFETIME_S + 1)
    bench.receive(post(1))
    assert len(bench.engine.layer._remotes) == 1


def test_nothing_is_called_after_the_end(bench: Bench) -> None:
    outcome = bench.request(READ)
    bench.engine.close()
    bench.advance(200)
    assert outcome.ends == 0
