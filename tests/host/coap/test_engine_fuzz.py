"""The engine under random and damaged datagrams: no exception, no growth, no flood of log."""

from __future__ import annotations

import logging
import random

import pytest
from lwm2m_host.coap.codec import Block, Message
from lwm2m_host.coap.messages import DeviceRequest, Response

from .loopback import Bench, Watcher

ROUNDS = 20_000


def _message(pick: random.Random) -> bytes:
    options = []
    for number in sorted(pick.choices((1, 4, 6, 8, 11, 12, 15, 17, 23, 27, 28, 60, 65001), k=4)):
        if number in (23, 27):
            value = Block(pick.randrange(3), pick.random() < 0.5, pick.randrange(7)).encode()
        else:
            value = pick.choice((b"", b"rd", b"ep=a", b"\xff\xfe", b"\x01", bytes(20)))
        options.append((number, value))
    return Message(
        pick.randrange(4),
        pick.choice((0, 1, 2, 3, 4, 5, 7, 0x41, 0x44, 0x45, 0x5F, 0x84, 0x8D, 0xE0)),
        pick.randrange(64),
        pick.choice((b"", b"\x01", b"token", bytes(8))),
        options,
        pick.choice((b"", b"x", bytes(64), bytes(1024))),
    ).encode()


def test_whatever_arrives_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    pick = random.Random(7959)
    bench = Bench()
    watcher = Watcher(b"token")
    bench.engine.adopt(watcher.token)
    bench.answer = lambda request: pick.choice(
        (Response("2.04", bytes(pick.choice((0, 2000)))), None)
    )
    outcomes = []
    with caplog.at_level(logging.INFO):
        for round_ in range(ROUNDS):
            data = bytearray(_message(pick))
            if pick.random() < 0.5:
                for _ in range(pick.randrange(4)):
                    data[pick.randrange(len(data))] = pick.randrange(256)
                del data[pick.randrange(1, len(data) + 1) :]
            address = f"192.0.2.{pick.randrange(200)}:5683"
            bench.receive(bytes(data), address)
            if round_ % 50 == 0:
                outcomes.append(
                    bench.request(DeviceRequest("PUT", ("3",), bytes(2000)), address, 20)
                )
                bench.advance(0.5)
            if len(bench.open_answers) > 20:
                bench.open_answers.pop(0)(Response("2.04"))
            if round_ % 1000 == 0:
                bench.transport.sent.clear()
                bench.requests.clear()
    assert not [record for record in caplog.records if record.exc_info]
    assert len(caplog.text) < 10_000
    for respond in bench.open_answers:
        respond(Response("2.04"))
    bench.requests.clear()
    bench.advance(1000)
    assert all(outcome.ends == 1 for outcome in outcomes)
    assert bench.engine.transfers == 0
    assert bench.engine.layer.under_way == 0
    assert len(bench.engine.layer.timers) == 0
