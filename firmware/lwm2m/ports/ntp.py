"""The time of day over NTP (SNTPv4, RFC 4330; on the wire RFC 5905), without blocking. Loaded with
lwm2m.supervisor when config.json has `ntp`, or by the application.

    ntp = Ntp("pool.example.com")
    while True:
        client.wait(min(client.step(), ntp.step()))

`ntptime` of micropython-lib blocks, believes any datagram, and reads a wrong time from 2036 on.
"""

import machine
import os
import random
import select
import socket
import time
from micropython import const

from lwm2m.clock import Clock, Deadline

_PACKET = const(48)
_ANSWER_MS = const(5000)
# RFC 4330 §10: never more often than every 15 s, and more slowly each time
_FIRST_WAIT_S = const(16)
_LAST_WAIT_S = const(4096)
_DAY_S = const(86400)

# What `parse` says of a datagram that is no time
FOREIGN = -1  # no answer to this request: wait on
UNUSABLE = -2  # the server does not know the time itself
RATE = -3  # asked too often (RFC 5905 §7.4)
DENIED = -4  # not to be asked again

# 1900 to 1970, and the day before which no answer is believed: seconds of the era 1900 to 2036
# that lie before it are of the next one, from 2036 on. Good until 2160.
_UNIX = 2208988800
_EARLIEST = 1704067200  # 2024-01-01


def parse(data, cookie):
    """Milliseconds since 1970 of the server's reply `data` to a request with the 8 bytes `cookie`
    as its transmit time; FOREIGN, UNUSABLE, RATE or DENIED, all below zero, for what is none.

    Never raises, whatever `data` holds. Allocates: long integers.
    """
    if len(data) < _PACKET or data[24:32] != cookie or data[0] & 7 != 4 or not data[0] & 0x38:
        return FOREIGN
    stratum = data[1]
    if not stratum:
        # A kiss-o'-death: the reason is in the reference id.
        reason = bytes(data[12:16])
        return DENIED if reason in (b"DENY", b"RSTR") else RATE if reason == b"RATE" else UNUSABLE
    # Not synchronised, or its own time is off by 16 s and more
    if stratum > 15 or data[0] >> 6 == 3 or data[8] or data[9] > 15:
        return UNUSABLE
    s = int.from_bytes(data[40:44], "big")
    fraction = int.from_bytes(data[44:48], "big")
    if not s and not fraction:
        return UNUSABLE
    s -= _UNIX
    if s < _EARLIEST:
        s += 1 << 32
    return s * 1000 + (fraction * 1000 >> 32)


def date(s):
    """(year, month, day, weekday, hours, minutes, seconds) of `s` seconds since 1970; Monday is 0.

    `time.gmtime` counts from 2000 on most boards, and on some ends in 2038.
    """
    days, s = divmod(s, _DAY_S)
    weekday = (days + 3) % 7
    # Years that begin in March, so that the leap day is the last: 146097 days in 400 of them
    days += 719468
    era, days = divmod(days, 146097)
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days -= 365 * year + year // 4 - year // 100
    month = (5 * days + 2) // 153
    day = days - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    year += era * 400 + (month < 3)
    return year, month, day, weekday, s // 3600, s // 60 % 60, s % 60


def set_rtc(ms):
    """Set the board's clock to `ms` milliseconds since 1970 (UTC)."""
    if sub_seconds:
        s, ms = divmod(ms, 1000)
    else:
        s = (ms + 500) // 1000
        ms = 0
    machine.RTC().datetime(date(s) + (ms * 1000,))


# The RTC of the RP2040 counts whole seconds, and starts a new one when it is set.
sub_seconds = False


class Ntp:
    """Asks `host` for the time, at once and then every `period_s` seconds; never gives up.

    `set_time(ms)` is called with the milliseconds since 1970 (UTC), default: sets the board's
    clock. `on_event(event, ntp)` is called with "time_set" and "time_failed"; then `error` is
    RATE, DENIED or UNUSABLE, an OSError, or None for silence. `synchronised` is True after the
    first time.
    The name is resolved in `step`, which some boards block for. Allocates: a socket while it asks.
    """

    def __init__(
        self, host, port=123, set_time=set_rtc, period_s=21600, on_event=None, clock=None
    ):
        self.host = host
        self.port = port
        self.set_time = set_time
        self.period_s = period_s
        self.on_event = on_event
        self.clock = clock or Clock()
        self.due = Deadline(self.clock)
        self.poll = select.poll()
        self.sock = self.error = None
        self.cookie = b""
        self.attempts = self.start = 0
        self.synchronised = False

    def step(self):
        """Ask, or look for the answer. Returns the milliseconds until it wants to run again.

        Never raises for what comes from the network, or is wrong with it.
        """
        self.clock.update()
        try:
            if self.sock:
                return self._listen()
            left = self.due.left_ms()
            if left:
                return left
            self._ask()
        except OSError as e:
            self._failed(e)
        except MemoryError as e:
            self._failed(e)
        return self.due.left_ms()

    def restart(self):
        """Ask as soon as `step` is called: the network has come back."""
        if not self.sock and (self.attempts or not self.synchronised):
            self.due.after(0)

    def close(self):
        """Forget the question that is under way."""
        if self.sock:
            self.poll.unregister(self.sock)
            self.sock.close()
            self.sock = None

    def _ask(self):
        address = socket.getaddrinfo(self.host, self.port)[0]
        self.sock = sock = socket.socket(address[0], socket.SOCK_DGRAM)
        self.poll.register(sock, select.POLLIN)
        sock.connect(address[-1])
        sock.setblocking(False)
        # Where a client puts its own time a server only repeats it: a random number tells nobody
        # our time, and is an answer that cannot be guessed.
        self.cookie = os.urandom(8)
        sock.write(b"\x23" + bytes(39) + self.cookie)
        self.start = time.ticks_ms()
        self.due.after(_ANSWER_MS)

    def _listen(self):
        for _ in self.poll.ipoll(0):
            data = self.sock.recv(_PACKET + 1)
            ms = parse(data, self.cookie)
            if ms >= 0:
                # Half of the way there and back is how old the answer is.
                self._done(ms + time.ticks_diff(time.ticks_ms(), self.start) // 2)
                return self.due.left_ms()
            if ms != FOREIGN:
                self._failed(ms)
                return self.due.left_ms()
        left = self.due.left_ms()
        if not left:
            self._failed(None)
            return self.due.left_ms()
        # Looked at often: the time until the answer is seen is an error of the time.
        return min(left, 50)

    def _done(self, ms):
        self.close()
        self.set_time(ms)
        self.attempts = 0
        self.error = None
        self.synchronised = True
        self.due.after_s(self.period_s)
        if self.on_event:
            self.on_event("time_set", self)

    def _failed(self, reason):
        self.close()
        self.attempts += 1
        self.error = reason
        wait_s = min(_FIRST_WAIT_S << min(self.attempts - 1, 8), _LAST_WAIT_S)
        if reason == RATE:
            wait_s = max(wait_s, self.period_s)
        elif reason == DENIED:
            # A name that stands for many servers may mean another one tomorrow.
            wait_s = _DAY_S
        self.due.after_s(wait_s - random.getrandbits(8) * wait_s // 1024)
        if self.on_event:
            self.on_event("time_failed", self)
