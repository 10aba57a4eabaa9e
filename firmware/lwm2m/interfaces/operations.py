"""The operations that change a device (LwM2M 1.1 Core §6.3): Write and Execute.

Loaded with the first of them.
"""

import sys
from micropython import const

from lwm2m.formats.base import instances
from lwm2m.objects.base import Object

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_UNSUPPORTED_FORMAT = const(0x8F)

_TEXT = const(0)
_LINK = const(40)

_R = const(0x10)
_W = const(0x20)
_MULTI = const(0x80)
_MANDATORY = const(0x100)


def write(client, message, instance, index, flags, replace):
    """Write (§6.3.3): `replace`, or update in part, the instance, the resource at `index` of its
    table, or one instance of that. Returns the response code."""
    depth = message.depth
    path = message.path
    if depth == 3 and path[2] in instance.STREAMS:
        from lwm2m.interfaces.streams import open_stream

        return open_stream(client, message).receive(message, 0)
    if index >= 0 and not flags & _W:
        return _NOT_ALLOWED
    # A server that names no format for a single value means text.
    codec = client.codec(message.format if message.format >= 0 or depth < 3 else _TEXT)
    if not codec or codec.FORMAT == _LINK or not codec.fits(depth, flags):
        return _UNSUPPORTED_FORMAT
    # First everything is decoded and checked, then everything is written: a payload with one
    # mistake changes nothing.
    values = {}
    table = instance.RESOURCES
    reader = codec.reader()
    reader.open(message.body, message.payload, message.end, path, depth)
    while reader.next():
        index = instance.index_of(reader.rid)
        if index < 0:
            return _NOT_FOUND
        flags = table[index + 1]
        if not flags & _W:
            return _NOT_ALLOWED
        if depth > 2 and reader.rid != path[2]:
            return _BAD_REQUEST
        riid = reader.riid
        if flags & _MULTI:
            if riid == -1 or (depth == 4 and riid != path[3]):
                return _BAD_REQUEST
            items = values.get(index)
            if items is None:
                items = values[index] = {}
                if not replace or depth == 4:
                    old = instance.value_at(index) or ()
                    for item in instances(old):
                        items[item] = old[item]
            if riid >= 0:
                items[riid] = reader.value(flags)
        elif riid != -1:
            return _BAD_REQUEST
        else:
            values[index] = reader.value(flags)
        if reader.error:
            return _BAD_REQUEST
    if reader.error or (depth > 2 and not values):
        return _BAD_REQUEST
    if replace and depth == 2:
        for index in range(0, len(table), 3):
            if index not in values and table[index + 1] & _W:
                if table[index + 1] & _MANDATORY:
                    return _BAD_REQUEST
                values[index] = None
    for index in values:
        if values[index] is not None:
            instance.check(table[index], values[index])
    _apply(instance, values)
    client.revision += 1
    return _CHANGED


def _apply(instance, values):
    table = instance.RESOURCES
    before = {}
    try:
        for index in values:
            if table[index + 1] & _R:
                before[index] = instance.value_at(index)
            else:
                before[index] = Object.read(instance, table[index], table[index + 2])
            _store(instance, index, values[index])
    except Exception:
        # What was already written goes back: a Write is done whole or not at all.
        for index in before:
            try:
                _store(instance, index, before[index])
            except Exception as e:
                sys.print_exception(e)
        raise


def _store(instance, index, value):
    table = instance.RESOURCES
    if value is None:
        instance.clear(table[index], table[index + 2])
    else:
        instance.write(table[index], table[index + 2], value)


# Execute


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
            try:
                args[digit] = str(buf[first:pos], "utf-8")
            except UnicodeError:
                return None
            pos += 1
        if pos == end:
            return args
        if buf[pos] != 44:
            return None
        pos += 1
