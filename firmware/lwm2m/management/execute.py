"""Execute (LwM2M 1.1 Core §6.3.5). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.values import text

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_UNSUPPORTED_FORMAT = const(0x8F)


def execute(message, instance, index):
    """Execute (§6.3.5). Returns the response code."""
    if message.format > 0:
        return _UNSUPPORTED_FORMAT
    args = None
    if message.payload < message.end:
        args = parse_arguments(message.body, message.payload, message.end)
        if args is None:
            return _BAD_REQUEST
    table = instance.RESOURCES
    instance.execute(table[index], table[index + 2], args)
    return _CHANGED


def parse_arguments(buf, start, end):
    """Arguments of an Execute, `0='x',2` -> `{0: "x", 2: None}`; None when malformed.

    LwM2M 1.1 Core §6.3.5: single digits, values in quotes without a quote inside.
    Allocates: the dict and the values.
    """
    args = {}
    pos = start
    while True:
        if pos >= end or not 48 <= buf[pos] <= 57 or buf[pos] - 48 in args:
            return None
        digit = buf[pos] - 48
        args[digit] = None
        pos += 1
        if pos + 1 < end and buf[pos] == 61 and buf[pos + 1] == 39:
            pos += 2
            first = pos
            while pos < end and buf[pos] != 39:
                pos += 1
            if pos == end:
                return None
            args[digit] = text(buf[first:pos])
            if args[digit] is None:
                return None
            pos += 1
        if pos == end:
            return args
        if buf[pos] != 44:
            return None
        pos += 1
