# replaces os, sys, time, Reporting
# heapsize: 1m
"""The short form of `make fuzz`, and what it has found, each as one test."""

import sys

sys.path.insert(0, "tests/fuzz")

from datagrams import good_answer, malformed, parse
from device import Subject
from fuzzer import Fuzzer
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    GET,
    NON,
    OCTETS,
    POST,
    SIZE1,
    TEXT,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.objects.base import Object
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback

FETCH = 5
COUNT = 6000


# What the datagrams must have reached: it would prove nothing if everything were refused.
REACHED = (0x44, 0x45, 0x5F, 0x80, 0x82, 0x84, 0x85, 0x86, 0x88, 0x8F, 0xA0)


def fuzzed(seed, mtu):
    fuzzer = Fuzzer(seed, mtu)
    fuzzer.run(COUNT)
    eq(fuzzer.growth, 0)
    for _ in range(20):
        missing = [code for code in REACHED if not fuzzer.codes[code]]
        if not missing:
            break
        fuzzer.rounds(COUNT // 10)  # some are rare
    eq(missing, [])
    eq(fuzzer.failures, [])


def test_nothing_escapes_and_nothing_leaks_with_datagrams_of_576_bytes():
    fuzzed(1, 576)


def test_nothing_escapes_and_nothing_leaks_with_datagrams_of_128_bytes():
    fuzzed(9, 128)


# --- the judge itself -----------------------------------------------------------------------


def test_well_formed_messages_are_recognised():
    for options in ((), ((1, b"x" * 13), (300, b"y" * 269), (65535, b""))):
        data = encode(CON, GET, 1, b"tk", options, b"payload")
        eq(malformed(data), None)
        eq(parse(data), (list(options), b"payload"))


def test_malformed_messages_are_recognised():
    for data in (
        b"",
        b"\x40\x01\x00",
        b"\x00\x01\x00\x00",
        b"\x41\x00\x00\x00\x01",
        b"\x49\x01\x00\x00" + bytes(9),
        b"\x40\x01\x00\x00\xff",
        b"\x40\x01\x00\x00\xf0",
        b"\x40\x01\x00\x00\x0f",
        b"\x40\x01\x00\x00\xd0",
        b"\x40\x01\x00\x00\xe0\x00",
        b"\x40\x01\x00\x00\x02x",
        b"\x40\x21\x00\x00",
    ):
        assert malformed(data), data


# --- found by fuzzing -----------------------------------------------------------------------


class Bench:
    def __init__(self, mtu=576):
        self.subject = Subject(mtu)
        self.mid = 0
        answered = [good_answer(data) for data in self.step()]
        self.step(*answered)
        eq(self.subject.client.registered, True)

    def step(self, *datagrams):
        """Hand over datagrams and return what the client sends."""
        wire = self.subject.wire
        for data in datagrams:
            wire.send(data, len(data))
        for _ in range(3):
            self.subject.client.step()
        sent = list(wire.queue)
        wire.queue.clear()
        eq(self.subject.witness.unexpected, None)
        return sent

    def ask(self, code, where, *more, kind=CON, token=b"tk", payload=b""):
        self.mid += 1
        options = segments(where)
        options.extend(more)
        return self.step(encode(kind, code, self.mid, token, options, payload))

    def after(self, ms):
        self.subject.clock.advance(ms)
        return self.step()


def test_error_with_the_block2_option_in_answer_to_an_update():
    for code in (0x44, 0x84, 0xA0):
        bench = Bench()
        bench.subject.client.update()
        (update,) = bench.step()
        mid = update[2] << 8 | update[3]
        token = update[4 : 4 + (update[0] & 15)]
        sent = bench.step(encode(ACK, code, mid, token, [(BLOCK2, 8)], b"x" * 16))
        while sent:
            sent = bench.step(good_answer(sent[0]))
        eq(bench.subject.client.registered, True)


def test_registration_is_due_while_an_answer_waits_for_its_acknowledgement():
    bench = Bench()
    client = bench.subject.client
    client.update()
    bench.step()
    bench.ask(POST, "/26241/0/25")
    answers = 0
    while client.registered:
        # The Update is given up, and the answer takes the only slot.
        for data in bench.after(1000):
            answers += data[1] == 0x44
    for _ in range(200):
        for data in bench.after(1000):
            answers += data[1] == 0x44
            if data[1] < 32:
                bench.step(good_answer(data))
    assert answers > 1, "it was not repeated"
    eq(client.registered, True)


def test_answer_on_its_way_does_not_outlive_a_reconnect():
    bench = Bench()
    bench.ask(POST, "/26241/0/25")
    (answer,) = bench.after(1000)
    bench.subject.client.reconnect()
    for _ in range(200):
        for data in bench.after(1000):
            bench.step(
                good_answer(data) if data[1] < 32 else encode(ACK, 0, data[2] << 8 | data[3])
            )
    eq(bench.subject.registration.exchange.separate, [])


def test_answer_that_comes_later_without_a_token():
    bench = Bench()
    bench.ask(POST, "/26241/0/25", token=b"")
    (answer,) = bench.after(1000)
    eq((answer[0], answer[1], answer[4:]), (0x40, 0x44, b"\xc0\xffdone"))


def test_read_in_blocks_that_is_refused_is_refused_again():
    bench = Bench()
    for code in (GET, FETCH):
        first = bench.ask(code, "/26241/0/27", (BLOCK1, 8), (SIZE1, 100000), payload=bytes(16))
        bench.mid -= 1
        again = bench.ask(code, "/26241/0/27", (BLOCK1, 8), (SIZE1, 100000), payload=bytes(16))
        eq([data[1] for data in first], [0x8D])
        eq(again, first)


def test_large_opaque_value_is_not_text():
    bench = Bench()
    for accept in (TEXT, OCTETS):
        (answer,) = bench.ask(GET, "/26241/0/26", (ACCEPT, accept))
        assert answer[1] in (0x45, 0x86), answer[1]


def test_non_confirmable_request_is_never_acknowledged():
    bench = Bench()
    for _ in range(3):
        eq(bench.ask(POST, "/26241/0/25", kind=NON), [])
        bench.mid -= 1  # the same once more, while its answer is owed


# --- found by trying every length ------------------------------------------------------------


class Small(Object):
    OID = 26242


def registered_in_blocks(length):
    """Register with a name of that length and 150 objects over 128 bytes, with a server that wants
    its blocks in a row (RFC 7959 §2.5). Returns the client and the body."""
    wire, transport = Loopback.pair()
    client = Client("e" * length, mtu=128, clock=FakeClock())
    client.add_server("coap://192.0.2.1", transport=transport, lifetime_s=300)
    for _ in range(150):
        client.add(Small())
    body = b""
    for _ in range(400):
        client.step()
        while wire.queue:
            data = wire.queue.pop(0)
            options, payload = parse(data)
            for number, value in options:
                if number == BLOCK1:
                    block = int.from_bytes(value, "big")
                    offset = (block >> 4) << (block & 7) + 4
                    if not offset:
                        body = b""
                    eq((length, offset), (length, len(body)))
            body += payload
            answer = good_answer(data)
            wire.send(answer, len(answer))
        client.clock.advance(10)
        if client.registered:
            break
    return client, body


def test_rfc7959_2_5_blocks_stand_in_a_row_when_they_have_to_become_smaller():
    expected = "</1>;ver=1.1,</1/0>," + ",".join(["</26242/%d>" % i for i in range(150)])
    for length in (8, 20, 21, 22, 23, 24, 54, 55, 56):
        client, body = registered_in_blocks(length)
        eq(client.registered, True)
        eq(body, expected.encode())


def test_registration_whose_later_blocks_do_not_fit_has_failed():
    for length in range(64, 72):
        client, _ = registered_in_blocks(length)
        if client.registered:
            continue
        registration = client.registrations[0]
        assert registration.attempts, "waits for ever for what was never sent: %d" % length
        eq(registration.error, 0x8D)
