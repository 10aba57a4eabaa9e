"""NTP: what is believed of a reply, the eras, and a real exchange over UDP on loopback."""

import machine
import os
import random
import select
import socket
import struct
import time

from testing import eq, raises

from lwm2m.ports import ntp
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.ports.ntp import DENIED, FOREIGN, RATE, UNUSABLE, Ntp, date, parse

COOKIE = b"\x01\x23\x45\x67\x89\xab\xcd\xef"
UNIX = 2208988800  # seconds from 1900 to 1970 (RFC 4330 §3)
NOON = 1795003200  # 2026-11-18 12:00:00


def reply(s=NOON + UNIX, fraction=0, **fields):
    """A reply as RFC 5905 §7.3 draws it, with fields of it replaced."""
    f = {
        "first": 0x24,  # no warning, version 4, server
        "stratum": 2,
        "dispersion": 0x0100,
        "reference": b"\xc0\x00\x02\x01",
        "cookie": COOKIE,
    }
    f.update(fields)
    data = struct.pack(">BBbb", f["first"], f["stratum"], 6, -20)
    data += struct.pack(">II", 0x0200, f["dispersion"]) + f["reference"]
    data += bytes(8) + f["cookie"] + bytes(8)
    return data + struct.pack(">II", s & 0xFFFFFFFF, fraction)


def test_time_to_the_millisecond():
    eq(parse(reply(), COOKIE), NOON * 1000)
    eq(parse(reply(fraction=1 << 31), COOKIE), NOON * 1000 + 500)
    eq(parse(reply(fraction=0xFFFFFFFF), COOKIE), NOON * 1000 + 999)
    eq(parse(reply(first=0x1C), COOKIE), NOON * 1000)  # version 3
    eq(parse(reply() + bytes(20), COOKIE), NOON * 1000)  # with an authenticator


def test_eras():
    for unix in (
        1704067200,  # the first second that is believed
        2085978495,  # 2036-02-07 06:28:15, the last of the era
        2085978496,  # the first of the next
        2147483648,  # 2038
        4102444800,  # 2100
        1704067199 + (1 << 32),  # the last: 2160
    ):
        eq(parse(reply(unix + UNIX, 1), COOKIE), unix * 1000)


def test_what_is_no_answer_to_us():
    for data in (
        b"",
        reply()[:47],
        reply(cookie=bytes(8)),
        reply(cookie=COOKIE[:7] + b"\x00"),
        reply(first=0x23),  # a client's
        reply(first=0x25),  # broadcast
        reply(first=0x04),  # version 0
    ):
        eq(parse(data, COOKIE), FOREIGN)


def test_server_that_does_not_know_the_time():
    for data in (
        reply(first=0xE4),  # not synchronised
        reply(stratum=16),
        reply(stratum=255),
        reply(dispersion=16 << 16),
        reply(0, 0),
        reply(stratum=0, reference=b"INIT"),
    ):
        eq(parse(data, COOKIE), UNUSABLE)


def test_kiss_of_death():
    eq(parse(reply(stratum=0, reference=b"RATE"), COOKIE), RATE)
    eq(parse(reply(stratum=0, reference=b"DENY"), COOKIE), DENIED)
    eq(parse(reply(stratum=0, reference=b"RSTR"), COOKIE), DENIED)
    eq(parse(reply(stratum=0, reference=b"DENY", cookie=bytes(8)), COOKIE), FOREIGN)


def test_fuzz():
    random.seed(36)
    good = reply(fraction=77)
    seen = set()
    for i in range(20000):
        if i % 2:
            data = bytearray(good)
            for _ in range(random.getrandbits(2) + 1):
                data[random.randrange(48)] = random.getrandbits(8)
            data = bytes(data[: 48 if random.getrandbits(3) else random.randrange(49)])
        else:
            data = os.urandom(random.randrange(70))
        ms = parse(data, COOKIE)
        assert isinstance(ms, int), data
        if ms >= 0:
            # Believed is nothing but an answer to us with a time from 2024 on.
            assert len(data) >= 48 and data[24:32] == COOKIE and data[0] & 7 == 4, data
            assert 1 <= data[1] <= 15 and data[0] < 0xC0, data
            assert 1704067200000 <= ms < (1704067200 + (1 << 32)) * 1000, data
        seen.add(min(ms, 0))
    eq(seen, {0, FOREIGN, UNUSABLE})


def test_dates():
    eq(date(0), (1970, 1, 1, 3, 0, 0, 0))
    eq(date(951782400), (2000, 2, 29, 1, 0, 0, 0))
    eq(date(NOON + 3661), (2026, 11, 18, 2, 13, 1, 1))
    eq(date(2147483648), (2038, 1, 19, 1, 3, 14, 8))
    eq(date(4107542399), (2100, 2, 28, 6, 23, 59, 59))
    eq(date(4107542400), (2100, 3, 1, 0, 0, 0, 0))


def test_every_day_until_2038_is_what_the_c_library_says():
    for day in range(24855):
        s = day * 86400 + day % 86400
        there = time.gmtime(s)
        eq(date(s), there[:3] + (there[6],) + there[3:6])


class FakeRtc:
    """machine.RTC().datetime takes (year, month, day, weekday, h, min, s, subseconds), where the
    ESP32 takes microseconds and the RP2040 nothing."""

    def datetime(self, fields):
        FakeRtc.fields = fields


class FakeMachine:
    RTC = FakeRtc


def test_board_clock_is_set():
    ntp.machine = FakeMachine
    try:
        ntp.set_rtc(NOON * 1000 + 499)
        eq(FakeRtc.fields, (2026, 11, 18, 2, 12, 0, 0, 0))
        ntp.set_rtc(NOON * 1000 + 500)
        eq(FakeRtc.fields, (2026, 11, 18, 2, 12, 0, 1, 0))
        ntp.sub_seconds = True
        ntp.set_rtc(NOON * 1000 + 500)
        eq(FakeRtc.fields, (2026, 11, 18, 2, 12, 0, 0, 500000))
    finally:
        ntp.machine = machine
        ntp.sub_seconds = False


class Server:
    """A real socket; it answers in the same interpreter, when it is told to."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for self.port in range(20000 + random.getrandbits(14), 60000):
            try:
                self.sock.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)

    def question(self):
        """The request that has arrived, None if there is none."""
        for _ in self.poll.ipoll(100):
            data, self.peer = self.sock.recvfrom(100)
            return data
        return None

    def answer(self, **fields):
        self.sock.sendto(reply(**fields), self.peer)


class Rig:
    def __init__(self, **terms):
        self.server = Server()
        self.clock = FakeClock()
        self.times = []
        self.events = []
        self.ntp = Ntp(
            "127.0.0.1", self.server.port, self.times.append, on_event=self.note,
            clock=self.clock, **terms
        )  # fmt: skip

    def note(self, event, source):
        assert source is self.ntp
        self.events.append(event)

    def close(self):
        self.ntp.close()
        self.server.sock.close()

    def listen(self):
        """Let what has been sent arrive."""
        for _ in range(50):
            before = len(self.events)
            due = self.ntp.step()
            if len(self.events) > before:
                return due
            time.sleep_ms(2)
        return due


def test_asks_and_is_answered():
    rig = Rig()
    assert rig.ntp.step() > 1000
    question = rig.server.question()
    eq(len(question), 48)
    eq(question[0], 0x23)
    eq(question[1:40], bytes(39))
    rig.server.answer(cookie=question[40:])
    eq(rig.listen(), 3600000)  # the longest wait of a step, of six hours
    eq(rig.events, ["time_set"])
    assert NOON * 1000 <= rig.times[0] < NOON * 1000 + 1000, rig.times
    assert rig.ntp.synchronised and rig.ntp.sock is None
    rig.clock.advance(21599999)
    eq(rig.ntp.step(), 1)
    eq(rig.server.question(), None)
    rig.clock.advance(1)
    rig.ntp.step()
    second = rig.server.question()
    assert second[40:] != question[40:], "the cookie must be a new one"
    rig.close()


def test_half_of_the_way_is_added():
    rig = Rig()
    rig.ntp.step()
    cookie = rig.server.question()[40:]
    time.sleep_ms(400)
    rig.server.answer(cookie=cookie)
    rig.listen()
    assert NOON * 1000 + 190 <= rig.times[0] < NOON * 1000 + 1500, rig.times
    rig.close()


def test_foreign_answers_are_passed_over():
    rig = Rig()
    rig.ntp.step()
    cookie = rig.server.question()[40:]
    rig.server.answer(cookie=bytes(8))
    rig.server.answer(cookie=cookie, first=0x23)
    rig.listen()
    eq(rig.events, [])
    rig.server.answer(cookie=cookie)
    rig.listen()
    eq(rig.events, ["time_set"])
    rig.close()


def test_silence_is_asked_again_ever_more_slowly():
    rig = Rig()
    pauses = []
    for _ in range(12):
        rig.ntp.step()
        assert rig.ntp.sock
        rig.clock.advance(4999)
        rig.ntp.step()
        assert rig.ntp.sock, "it waits for five seconds"
        rig.clock.advance(1)
        rig.ntp.step()
        assert not rig.ntp.sock
        eq(rig.ntp.error, None)
        pause = 0
        while not rig.ntp.sock:
            due = rig.ntp.step()
            if not rig.ntp.sock:
                rig.clock.advance(due)
                pause += due
        pauses.append(pause)
    eq(rig.events, ["time_failed"] * 12)
    assert 12000 <= pauses[0] <= 16000, pauses
    assert 3072000 <= pauses[-1] <= 4096000, pauses
    assert pauses[4] > 2 * pauses[1], pauses
    rig.server.question()
    rig.close()


def test_kiss_of_death_is_obeyed():
    for reference, least_s in ((b"RATE", 16200), (b"DENY", 64800), (b"RSTR", 64800)):
        rig = Rig()
        rig.ntp.step()
        cookie = rig.server.question()[40:]
        rig.server.answer(cookie=cookie, stratum=0, reference=reference)
        rig.listen()
        eq(rig.events, ["time_failed"])
        eq(rig.ntp.error, RATE if reference == b"RATE" else DENIED)
        rig.clock.advance(least_s * 1000 - 1000)
        rig.ntp.step()
        eq(rig.server.question(), None)
        rig.close()


def test_nobody_listens_there():
    rig = Rig()
    rig.server.sock.close()
    rig.ntp.step()
    rig.listen()
    eq(rig.events, ["time_failed"])
    assert isinstance(rig.ntp.error, OSError)
    rig.ntp.close()


def test_name_that_does_not_resolve():
    rig = Rig()
    rig.ntp.host = "nowhere.invalid"
    rig.ntp.step()
    eq(rig.events, ["time_failed"])
    assert isinstance(rig.ntp.error, OSError)
    eq(rig.ntp.sock, None)
    rig.ntp.host = "127.0.0.1"
    rig.ntp.restart()
    rig.ntp.step()
    assert rig.server.question()
    rig.close()


def test_restart_leaves_a_good_time_alone():
    rig = Rig()
    rig.ntp.step()
    rig.server.answer(cookie=rig.server.question()[40:])
    rig.listen()
    rig.ntp.restart()
    rig.ntp.step()
    eq(rig.server.question(), None)
    rig.close()


def test_setter_that_cannot():
    def refuse(ms):
        raise OSError(1)

    rig = Rig()
    rig.ntp.set_time = refuse
    rig.ntp.step()
    rig.server.answer(cookie=rig.server.question()[40:])
    rig.listen()
    eq(rig.events, ["time_failed"])
    assert not rig.ntp.synchronised
    rig.close()


def test_no_setter_on_the_unix_port():
    raises(AttributeError, ntp.set_rtc, NOON * 1000)
