"""Notification Storing (LwM2M 1.1 Core §6.4.4, 1/x/6): what could not be notified while the server
was away, each with its time. Loaded with the first one, or with the first Send.

A sample is `(s, ms, payload)`: when, on the client's clock, and what would have been sent. In
SenML as many as fit make one pack, in which each has its time as base time (RFC 8428 §4.5.3): the
time of day if the device knows it, else how long ago it was. Other formats have no place for a
time: there a message carries one sample, in order.
"""

import time
from micropython import const

_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_CURRENT_TIME = const(13)

# Bytes at most before the payload, and of a time in either form
_HEAD = const(32)
_STAMP = const(24)

# A skip that no content reaches: what is written under it is only counted.
_MEASURE = const(0x3FFFFFFF)

# 2024-01-01: a clock that is earlier has not been set.
_SET_S = 1704067200


class Stored:
    """The samples of one observation, oldest first, until the server has acknowledged them.
    Allocates: about 100 bytes, and 50 and the payload for each."""

    def __init__(self):
        self.samples = []
        # Samples in the notification in flight, 0: none
        self.in_flight = 0
        # Samples that were sent and not acknowledged: they are sent again unchanged
        self.unacknowledged = 0

    def add(self, sample):
        """Store a sample."""
        self.samples.append(sample)

    def full(self, limit):
        """True if there is no room for one more. What was sent does not count."""
        return len(self.samples) - self.unacknowledged >= max(limit, 1)

    def drop(self):
        """Remove the oldest sample that was not sent."""
        self.samples.pop(self.unacknowledged)

    def prepare(self, observation):
        """Choose the samples of the next notification."""
        n = self.unacknowledged
        if not n:
            n = 1
            if observation.codec.pack:
                n = 0
                room = observation.reporting.client.mtu - _HEAD
                for sample in self.samples:
                    room -= len(sample[2]) + _STAMP
                    if room < 0:
                        break
                    n += 1
        self.in_flight = max(n, 1)

    def sent(self):
        """Note that the samples in flight have left."""
        self.unacknowledged = self.in_flight

    def unsent(self):
        """Note that the samples in flight are to be sent again."""
        self.in_flight = 0

    def restart(self):
        """Note that all samples are to be sent as new: the observation is another one."""
        self.in_flight = self.unacknowledged = 0

    def acknowledged(self):
        """Remove the samples in flight. True if there are others."""
        if self.in_flight:
            del self.samples[: self.in_flight]
            self.in_flight = self.unacknowledged = 0
        return bool(self.samples)

    def write(self, observation, out):
        """Write the samples in flight as a notification."""
        codec = observation.codec
        out.uint(_OBSERVE, observation.number)
        out.uint(_CONTENT_FORMAT, codec.FORMAT)
        out.payload()
        if codec.pack:
            codec.pack(out, self.samples, self.in_flight, clock_of(observation.reporting))
        else:
            out.put(self.samples[0][2])


def store(observation):
    """Store what an observation has seen last, and drop the oldest samples if there is no room.
    Returns False if it is too large: then only the newest can be sent, in blocks.
    Allocates: the payload and about 50 bytes."""
    reporting = observation.reporting
    client = reporting.client
    clock = client.clock
    codec = observation.codec
    payload = encode(client.builder, observation.represent, client.mtu - _HEAD - _STAMP)
    if payload is None:
        return False
    stored = observation.stored
    if observation.already_read and (
        # The server has read this: it follows older samples, unless these carry their time.
        codec.pack or (stored and payload == stored.samples[-1][2])
    ):
        observation.store(stored)
        return True
    stored = stored or Stored()
    limit = observation.attributes.get("hqmax", reporting.HISTORY)
    while stored.full(limit):
        stored.drop()
        reporting.emit("dropped", observation)
    stored.add((clock.s, clock.ms, payload))
    observation.store(stored)
    return True


def encode(out, represent, limit=_MEASURE):
    """The payload that `represent(out)` writes, None if it is longer than `limit`. `out` is
    written over. Allocates: the payload."""
    _open(out, _MEASURE)
    represent(out)
    length = _MEASURE - out.skip
    if length > limit:
        return None
    payload = bytearray(length)
    at = 0
    while at < length:
        _open(out, at)
        represent(out)
        n = out.pos - out.head
        if not n or at + n > length:
            raise ValueError("it changes")
        payload[at : at + n] = memoryview(out.buf)[out.head : out.pos]
        at += n
    return payload


def _open(out, skip):
    out.begin(0, 0, 0, b"", 0, 0)
    out.payload(skip)


def clock_of(reporting):
    """A function `(s, ms) -> milliseconds since 1970` of a time on the client's clock; when the
    time of day is not known, the milliseconds from now on: negative. Allocates: a closure."""
    client = reporting.client
    clock = client.clock
    # A server may have set the time of the device (3/0/13), and not that of the board.
    device = client.find(3)
    now = device.read(_CURRENT_TIME, "current_time") if device else None
    if now is None:
        now = int(time.time())
        if time.gmtime(0)[0] == 2000:
            now += 946684800
    if now < _SET_S:
        return lambda s, ms: (s - clock.s) * 1000 + ms - clock.ms
    offset_s = reporting.epoch_offset(now - clock.s)
    return lambda s, ms: (offset_s + s) * 1000 + ms
