"""Device management and service enablement (LwM2M 1.1 Core §6.3): a CoAP request becomes an
operation on the data model becomes a response code.
"""

import sys
from micropython import const

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
        code = e.code
    except Exception as e:
        sys.print_exception(e)
        code = _INTERNAL
    if code >= 128:
        out.rewind()
    return code


def _serve(client, m, out):
    depth = m.depth
    if depth < 0:
        return _NOT_FOUND
    code = m.code
    if not depth or code > _PUT:
        return _NOT_ALLOWED
    path = m.path
    oid = path[0]
    if not oid or oid == 21:
        return _UNAUTHORIZED
    # What the path names: the first instance of the object, or the instance itself
    instance = client.find(oid, path[1] if depth > 1 else -1)
    if not instance:
        return _NOT_FOUND
    i = -1
    flags = 0
    if depth > 2:
        i = instance.index_of(path[2])
        if i < 0:
            return _NOT_FOUND
        flags = instance.RESOURCES[i + 1]
        if depth > 3 and not flags & _MULTI:
            return _NOT_FOUND
    if code == _GET:
        return _read(client, m, out, instance, i, flags)
    if code == _PUT and depth > 1:
        if m.format < 0 and m.payload == m.end:
            # Write-Attributes belong to the reporting interface.
            return _NOT_ALLOWED if m.queries else _BAD_REQUEST
        return _write(client, m, instance, i, flags, True)
    if code == _POST and depth > 1:
        if depth == 2 or (depth == 3 and flags & _W and flags & _MULTI):
            return _write(client, m, instance, i, flags, False)
        if depth == 3 and flags & _E:
            return _execute(m, instance, i)
    return _NOT_ALLOWED


# Read and Discover


def _read(client, m, out, instance, i, flags):
    depth = m.depth
    accept = m.accept
    value = None
    if accept != _LINK and depth > 2:
        if not flags & _R:
            return _NOT_ALLOWED
        value = instance.value_at(i)
        if value is None:
            return _NOT_FOUND
        if depth > 3 and not _has_item(value, m.path[3]):
            return _NOT_FOUND
    elif depth > 2 and (depth > 3 or not instance.exists_at(i)):
        return _NOT_FOUND
    if accept < 0:
        accept = _TLV
        if depth == 4 or (depth == 3 and not flags & _MULTI):
            accept = _OCTETS if flags & 15 == _OPAQUE else _TEXT
    codec = client.codec(accept)
    if not codec or not codec.fits(depth, flags):
        return _NOT_ACCEPTABLE
    number = 0
    size = client.block_size
    block = m.block2 >= 0
    if block:
        size = m.block2 & 7
        if size == 7:
            return _BAD_REQUEST
        if size > client.block_size:
            # Offer less than was asked for (RFC 7959 §2.4): the same place in smaller blocks.
            number = m.block2 >> 4 << size - client.block_size
            size = client.block_size
        else:
            number = m.block2 >> 4
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
            codec.emit(out, client, m.path, depth)
        else:
            codec.begin(out, m.path, depth)
            if depth == 4:
                codec.item(out, m.path[3], flags, value[m.path[3]])
            else:
                codec.resource(out, m.path[2], flags, value)
            codec.end(out)
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


def _has_item(value, riid):
    if isinstance(value, dict):
        return riid in value
    return riid < len(value)


# Write


def _write(client, m, instance, i, flags, replace):
    depth = m.depth
    path = m.path
    if i >= 0 and not flags & _W:
        return _NOT_ALLOWED
    # A server that names no format for a single value means text.
    codec = client.codec(m.format if m.format >= 0 or depth < 3 else _TEXT)
    if not codec or codec.FORMAT == _LINK or not codec.fits(depth, flags):
        return _UNSUPPORTED_FORMAT
    # First everything is decoded and checked, then everything is written: a payload with one
    # mistake changes nothing.
    staged = {}
    table = instance.RESOURCES
    codec.open(m.buf, m.payload, m.end, path, depth)
    while codec.next():
        i = instance.index_of(codec.rid)
        if i < 0:
            return _NOT_FOUND
        flags = table[i + 1]
        if not flags & _W:
            return _NOT_ALLOWED
        if depth > 2 and codec.rid != path[2]:
            return _BAD_REQUEST
        riid = codec.riid
        if flags & _MULTI:
            if riid == -1 or (depth == 4 and riid != path[3]):
                return _BAD_REQUEST
            items = staged.get(i)
            if items is None:
                items = staged[i] = {}
                if not replace or depth == 4:
                    _copy_items(instance.value_at(i), items)
            if riid >= 0:
                items[riid] = codec.value(flags)
        elif riid != -1:
            return _BAD_REQUEST
        else:
            staged[i] = codec.value(flags)
        if codec.error:
            return _BAD_REQUEST
    if codec.error or (depth > 2 and not staged):
        return _BAD_REQUEST
    if replace and depth == 2:
        for i in range(0, len(table), 3):
            if i not in staged and table[i + 1] & _W:
                if table[i + 1] & _MANDATORY:
                    return _BAD_REQUEST
                staged[i] = None
    for i in staged:
        if staged[i] is not None:
            instance.check(table[i], staged[i])
    _apply(instance, staged)
    return _CHANGED


def _copy_items(value, items):
    if value is not None:
        for riid in value if isinstance(value, dict) else range(len(value)):
            items[riid] = value[riid]


def _apply(instance, staged):
    table = instance.RESOURCES
    before = {}
    try:
        for i in staged:
            if table[i + 1] & _R:
                before[i] = instance.value_at(i)
            _store(instance, i, staged[i])
    except Exception:
        # What was already written goes back: a Write is done whole or not at all.
        for i in before:
            _store(instance, i, before[i])
        raise


def _store(instance, i, value):
    table = instance.RESOURCES
    if value is None:
        instance.clear(table[i], table[i + 2])
    else:
        instance.write(table[i], table[i + 2], value)


# Execute


def _execute(m, instance, i):
    if m.format > 0:
        return _UNSUPPORTED_FORMAT
    args = None
    if m.payload < m.end:
        args = parse_arguments(m.buf, m.payload, m.end)
        if args is None:
            return _BAD_REQUEST
    table = instance.RESOURCES
    instance.execute(table[i], table[i + 2], args)
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
