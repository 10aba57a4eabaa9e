"""Packs of SenML JSON that was written at different times, each with its base time (RFC 8428
§4.5.3). Loaded with the first stored notification in SenML JSON, or the first such Send.
"""

from micropython import const

# Characters of the syntax
_LEFT_BRACKET = const(91)
_RIGHT_BRACKET = const(93)
_COMMA = const(44)


def pack(out, samples, n, time_ms):
    """Write the first `n` of `samples`, tuples (s, ms, payload), as one pack; `time_ms(s, ms)`
    is the time of one in milliseconds, None: without times. Allocates: about 100 bytes a time."""
    out.byte(_LEFT_BRACKET)
    begun = False
    for i in range(n):
        s, ms, payload = samples[i]
        if len(payload) < 3:
            continue  # An empty pack: there was no value.
        if begun:
            out.byte(_COMMA)
        begun = True
        start = 1
        if time_ms:
            stamp = time_ms(s, ms)
            sign = "-" if stamp < 0 else ""
            stamp = abs(stamp)
            out.put('{"bt":%s%d.%03d,' % (sign, stamp // 1000, stamp % 1000))
            start = 2
        out.put(memoryview(payload)[start : len(payload) - 1])
    out.byte(_RIGHT_BRACKET)
