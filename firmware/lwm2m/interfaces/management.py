"""Device management and service enablement (LwM2M 1.1 Core §6.3): a CoAP request becomes an
operation on the data model becomes a response code.
"""

import sys
from micropython import const

from lwm2m.formats.base import instances
from lwm2m.objects.base import Lwm2mError

_GET = const(1)
_POST = const(2)
_PUT = const(3)

_CHANGED = const(0x44)
_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_NOT_ACCEPTABLE = const(0x86)
_UNSUPPORTED_FORMAT = const(0x8F)
_INTERNAL = const(0xA0)

_CONTENT_FORMAT = const(12)
_BLOCK2 = const(23)

_TEXT = const(0)
_LINK = const(40)
_OCTETS = const(42)
_TLV = const(11542)

_OPAQUE = const(6)
_R = const(0x10)
_W = const(0x20)
_E = const(0x40)
_MULTI = const(0x80)
_MANDATORY = const(0x100)


def serve(client, message, out):
    """Carry out the request `message`, write options and payload of the answer to `out` and
    return its code. Never raises. Allocates: nothing to read a scalar."""
    try:
        code = _serve(client, message, out)
    except Lwm2mError as e:
        code = e.args[0] if e.args else _BAD_REQUEST
    except Exception as e:
        sys.print_exception(e)
        code = _INTERNAL
    if code >= 128:
        out.rewind()
    return code


def _serve(client, message, out):
    depth = message.depth
    if depth < 0:
        return _NOT_FOUND
    code = message.code
    if not depth or code > _PUT:
        return _NOT_ALLOWED
    path = message.path
    oid = path[0]
    if not oid or oid == 21:
        return _UNAUTHORIZED
    # What the path names: the first instance of the object, or the instance itself
    instance = client.find(oid, path[1] if depth > 1 else -1)
    if not instance:
        return _NOT_FOUND
    index = -1
    flags = 0
    if depth > 2:
        index = instance.index_of(path[2])
        if index < 0:
            return _NOT_FOUND
        flags = instance.RESOURCES[index + 1]
        if depth > 3 and not flags & _MULTI:
            return _NOT_FOUND
    if code == _GET:
        return read(client, message, out, instance, index, flags)
    if code == _PUT and depth > 1:
        if message.format < 0 and message.payload == message.end:
            # Write-Attributes belong to the reporting interface.
            return _NOT_ALLOWED if message.queries else _BAD_REQUEST
        return write(client, message, instance, index, flags, True)
    if code == _POST and depth > 1:
        if depth == 2 or (depth == 3 and flags & _W and flags & _MULTI):
            return write(client, message, instance, index, flags, False)
        if depth == 3 and flags & _E:
            return execute(message, instance, index)
    return _NOT_ALLOWED


# Read and Discover


def read(client, message, out, instance, index, flags):
    depth = message.depth
    accept = message.accept
    value = None
    if accept != _LINK and depth > 2:
        if not flags & _R:
            return _NOT_ALLOWED
        value = instance.value_at(index)
        if value is None:
            return _NOT_FOUND
        if depth > 3 and message.path[3] not in instances(value):
            return _NOT_FOUND
    elif depth > 2 and (depth > 3 or not instance.exists_at(index)):
        return _NOT_FOUND
    if accept < 0:
        accept = _TLV
        if depth == 4 or (depth == 3 and not flags & _MULTI):
            single = _OCTETS if flags & 15 == _OPAQUE else _TEXT
            if client.codec(single):
                accept = single
    codec = client.codec(accept)
    if not codec or not codec.fits(depth, flags):
        return _NOT_ACCEPTABLE
    number = 0
    size = client.block_size
    block = message.block2 >= 0
    if block:
        size = message.block2 & 7
        if size == 7:
            return _BAD_REQUEST
        if size > client.block_size:
            # Offer less than was asked for (RFC 7959 §2.4): the same place in smaller blocks.
            number = message.block2 >> 4 << size - client.block_size
            size = client.block_size
        else:
            number = message.block2 >> 4
    for _ in range(4):
        out.rewind()
        out.uint(_CONTENT_FORMAT, accept)
        if not block:
            out.payload()
        else:
            out.uint(_BLOCK2, number << 4 | 8 | size)
            flag = out.pos - 1
            out.payload(number << size + 4, 16 << size)
        if value is None:
            codec.emit(out, client, message.path, depth)
        else:
            if depth == 4:
                codec.item(out, message.path[3], flags, value[message.path[3]])
            else:
                codec.resource(out, message.path[2], flags, value)
        if out.broken:
            continue
        if out.more and not block:
            block = True
            continue
        if block:
            if out.skip:
                return _BAD_REQUEST  # a block behind the end
            if not out.more:
                out.buf[flag] &= 0xF7
        return _CONTENT
    return _INTERNAL


# Write


def write(client, message, instance, index, flags, replace):
    depth = message.depth
    path = message.path
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
    codec.open(message.buf, message.payload, message.end, path, depth)
    while codec.next():
        index = instance.index_of(codec.rid)
        if index < 0:
            return _NOT_FOUND
        flags = table[index + 1]
        if not flags & _W:
            return _NOT_ALLOWED
        if depth > 2 and codec.rid != path[2]:
            return _BAD_REQUEST
        riid = codec.riid
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
                items[riid] = codec.value(flags)
        elif riid != -1:
            return _BAD_REQUEST
        else:
            values[index] = codec.value(flags)
        if codec.error:
            return _BAD_REQUEST
    if codec.error or (depth > 2 and not values):
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
    return _CHANGED


def _apply(instance, values):
    table = instance.RESOURCES
    before = {}
    try:
        for index in values:
            if table[index + 1] & _R:
                before[index] = instance.value_at(index)
            _store(instance, index, values[index])
    except Exception:
        # What was already written goes back: a Write is done whole or not at all.
        for index in before:
            _store(instance, index, before[index])
        raise


def _store(instance, index, value):
    table = instance.RESOURCES
    if value is None:
        instance.clear(table[index], table[index + 2])
    else:
        instance.write(table[index], table[index + 2], value)


# Execute


def execute(message, instance, index):
    if message.format > 0:
        return _UNSUPPORTED_FORMAT
    args = None
    if message.payload < message.end:
        args = parse_arguments(message.buf, message.payload, message.end)
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
