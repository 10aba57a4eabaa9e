"""Packs of SenML CBOR that was written at different times, each with its base time (RFC 8428
§4.5.3, §6). Loaded with the first stored notification in SenML CBOR, or the first such Send.
"""

import struct
from micropython import const

from lwm2m.formats.cbor import head, scalar

_INT = const(2)
_ARRAY = const(4)

# An array of less than 24 records has its length in the first byte, a longer one behind it.
_SHORT_ARRAY = const(0x80)
_ARRAY_8 = const(0x98)
# The label bt (-3), and the head of a double
_BASE_TIME = const(0x22)
_DOUBLE = const(0xFB)


def pack(out, samples, n, time_ms):
    """Write the first `n` of `samples`, tuples (s, ms, payload), as one pack; `time_ms(s, ms)`
    is the time of one in milliseconds, None: without times. Allocates: about 100 bytes a time."""
    total = 0
    for i in range(n):
        total += _records(samples[i][2])
    head(out, _ARRAY, total)
    for i in range(n):
        s, ms, payload = samples[i]
        if not _records(payload):
            continue  # An empty pack: there was no value.
        start = 1 if payload[0] < _ARRAY_8 else 2 if payload[0] == _ARRAY_8 else 3
        if time_ms:
            out.byte(payload[start] + 1)  # A map of one more
            out.byte(_BASE_TIME)
            _time(out, time_ms(s, ms))
            start += 1
        out.put(memoryview(payload)[start:])


def _records(payload):
    # Number of records in a pack, as our codec writes it
    first = payload[0]
    if first < _ARRAY_8:
        return first - _SHORT_ARRAY
    return payload[1] if first == _ARRAY_8 else payload[1] << 8 | payload[2]


def _time(out, stamp):
    # A double made of integers: the floats of many boards are too short for a time.
    if not stamp % 1000:
        scalar(None, out, _INT, stamp // 1000)
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
    out.byte(_DOUBLE)
    raw = bytearray(8)
    struct.pack_into(">Q", raw, 0, exponent << 52 | mantissa & 0xFFFFFFFFFFFFF)
    raw[0] |= sign
    out.put(raw)
