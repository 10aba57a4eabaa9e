"""Samples: values that were to be told while nobody could be, each with its time, for one server.
Loaded with the first one.

A sample is `(s, ms, payload)`: when, on the client's clock, and what would have been sent. In
SenML as many as fit make one pack, in which each has its time as base time (RFC 8428 §4.5.3): the
time of day if the device knows it, else how long ago it was. Other formats have no place for a
time: there a message carries one sample, in order.
"""

import struct
import time
from micropython import const

_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_SENML_JSON = const(110)
_SENML_CBOR = const(112)

# What comes before the payload at most, and what a time takes at most in either form
_HEAD = const(32)
_STAMP = const(24)

# A skip that no content reaches: what is written under it is only counted.
_MEASURE = const(0x3FFFFFFF)

# 2024-01-01: a clock that says less has not been set.
_SET_S = 1704067200
# A clock that jumps further has been set again.
_JUMP_S = const(2)


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


def keep(observation):
    """Add what an observation sees now to its queue, and let the oldest go if that is full.
    Returns False if it is too large for that: only the newest can be sent, in blocks.
    Allocates: the payload and about 50 bytes."""
    reports = observation.reports
    client = reports.client
    clock = client.clock
    payload = encode(client.builder, observation.represent, client.mtu - _HEAD - _STAMP)
    if payload is None:
        return False
    observation.told()
    if observation.queue is None:
        observation.queue = []
    queue = observation.queue
    if observation.again:
        # The server has read this: it is told behind older samples, unless they have their time.
        observation.again = False
        if observation.codec.FORMAT in (_SENML_JSON, _SENML_CBOR):
            return True
        if queue and payload == queue[-1][2]:
            return True
    limit = observation.hqmax
    if limit is None:
        limit = reports.HISTORY
    # Those that have been sent stay until they are acknowledged, and are not counted.
    while len(queue) - observation.tried >= max(limit, 1):
        queue.pop(observation.tried)
        reports.fate("dropped", observation)
    queue.append((clock.s, clock.ms, payload))
    return True


def fitting(observation):
    """How many samples of an observation go into its next message."""
    if observation.tried:
        return observation.tried
    if observation.codec.FORMAT not in (_SENML_JSON, _SENML_CBOR):
        return 1
    room = observation.reports.client.mtu - _HEAD
    n = 0
    for sample in observation.queue:
        room -= len(sample[2]) + _STAMP
        if room < 0:
            break
        n += 1
    return max(n, 1)


def write(observation, out):
    """Write the samples in flight as a notification."""
    reports = observation.reports
    out.uint(_OBSERVE, observation.number)
    out.uint(_CONTENT_FORMAT, observation.codec.FORMAT)
    out.payload()
    queue = observation.queue
    if observation.codec.FORMAT in (_SENML_JSON, _SENML_CBOR):
        pack(out, observation.codec, queue, observation.count, reports)
    else:
        out.put(queue[0][2])


def pack(out, codec, samples, n, reports):
    """Write the first `n` samples as one SenML pack; `reports` None: without their times."""
    if codec.FORMAT == _SENML_CBOR:
        total = 0
        for i in range(n):
            total += records(samples[i][2])
        from lwm2m.formats.cbor import head

        head(out, 4, total)
    else:
        out.byte(91)
    begun = False
    for i in range(n):
        s, ms, payload = samples[i]
        if len(payload) < 3:
            continue  # there was no value
        stamp = None if reports is None else stamp_ms(reports, s, ms)
        if codec.FORMAT == _SENML_CBOR:
            start = 1 if payload[0] < 0x98 else 2 if payload[0] == 0x98 else 3
            if stamp is not None:
                out.byte(payload[start] + 1)
                out.byte(0x22)  # bt, -3
                _cbor_time(out, stamp)
                start += 1
            out.put(memoryview(payload)[start:])
        else:
            if begun:
                out.byte(44)
            begun = True
            start = 1
            if stamp is not None:
                sign = "-" if stamp < 0 else ""
                stamp = abs(stamp)
                out.put('{"bt":%s%d.%03d,' % (sign, stamp // 1000, stamp % 1000))
                start = 2
            out.put(memoryview(payload)[start : len(payload) - 1])
    if codec.FORMAT == _SENML_JSON:
        out.byte(93)


def records(payload):
    """How many records there are in a pack in SenML CBOR, as our codec writes it."""
    first = payload[0]
    if first < 0x98:
        return first - 0x80
    return payload[1] if first == 0x98 else payload[1] << 8 | payload[2]


def stamp_ms(reports, s, ms):
    """The time (s, ms) on the client's clock in milliseconds since 1970, or, when the time of day
    is not known, from now on back: negative."""
    clock = reports.client.clock
    # A server may have set the time of the device (3/0/13), not that of the board.
    now = int(time.time()) + getattr(reports.client.find(3), "time_offset_s", 0)
    if time.gmtime(0)[0] == 2000:
        now += 946684800
    if now < _SET_S:
        return (s - clock.s) * 1000 + ms - clock.ms
    offset = now - clock.s
    if reports.offset_s is None or abs(offset - reports.offset_s) > _JUMP_S:
        reports.offset_s = offset
    # One offset for all, so that the same sample has the same time whenever it is sent.
    return (reports.offset_s + s) * 1000 + ms


def _cbor_time(out, stamp):
    # A double made of integers: the floats of many boards are too short for a time.
    if not stamp % 1000:
        from lwm2m.formats.cbor import scalar

        scalar(None, out, 2, stamp // 1000)
        return
    sign = 0x80 if stamp < 0 else 0
    # In units of 2**-60 s, then to the nearest of 53 bits
    mantissa = (abs(stamp) << 60) // 1000
    exponent = 1023 - 60 + 53
    while mantissa >> 54:
        mantissa >>= 1
        exponent += 1
    while not mantissa >> 53:
        mantissa <<= 1
        exponent -= 1
    mantissa = mantissa + 1 >> 1
    if mantissa >> 53:
        mantissa >>= 1
        exponent += 1
    out.byte(0xFB)
    raw = bytearray(8)
    struct.pack_into(">Q", raw, 0, exponent << 52 | mantissa & 0xFFFFFFFFFFFFF)
    raw[0] |= sign
    out.put(raw)
