"""The operations that change a device (LwM2M 1.1 Core §6.3): their dispatch, Write and Execute.

Loaded with the first of them; the rarer ones are loaded with the first of theirs.
"""

from micropython import const

from lwm2m.management.transaction import apply, stage

_POST = const(2)
_PUT = const(3)
_DELETE = const(4)
_FETCH = const(5)
_IPATCH = const(7)

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_UNSUPPORTED_FORMAT = const(0x8F)

_TEXT = const(0)
_LINK = const(40)

_R = const(0x10)
_W = const(0x20)
_E = const(0x40)
_MULTI = const(0x80)
_MANDATORY = const(0x100)

# Access rights (LwM2M 1.1 Core §8)
_READ = const(1)
_WRITE = const(2)
_EXECUTE = const(4)
_DELETE_RIGHT = const(8)
_CREATE = const(16)


def operate(client, message, out):
    """Carry out a request other than GET. Returns the response code; may raise `Lwm2mError`."""
    depth = message.depth
    path = message.path
    code = message.code
    if not depth:
        if code == _FETCH or code == _IPATCH:
            from lwm2m.management.composite import composite

            return composite(client, message, out)
        return _NOT_ALLOWED
    oid = path[0]
    iid = path[1] if depth > 1 else -1
    instance = client.find(oid, iid)
    if not instance and (depth > 1 or oid not in client.classes):
        return _NOT_FOUND
    if depth == 1:
        attributes = code == _PUT and message.queries
        if code != _POST and not attributes:
            return _NOT_ALLOWED
        right = _READ if attributes else _CREATE
        if client.access and not client.access.allowed(client, oid, -1, right):
            return _UNAUTHORIZED
        if attributes:
            return _attributes(client, message, -1)
        from lwm2m.management.create import create

        return create(client, message, out)
    index = instance.locate(path, depth)
    if index < -1:
        return _NOT_FOUND
    flags = instance.RESOURCES[index + 1] if index >= 0 else 0
    right = 0
    if code == _PUT:
        # Without a payload it is Write-Attributes, which takes the right to read.
        right = _WRITE if message.format >= 0 or message.payload < message.end else _READ
        if right == _READ and not message.queries:
            return _BAD_REQUEST
    elif code == _POST and (depth == 2 or (depth == 3 and flags & _W and flags & _MULTI)):
        right = _WRITE
    elif code == _POST and depth == 3 and flags & _E:
        right = _EXECUTE
    elif code == _DELETE and depth == 2 and oid in client.classes:
        right = _DELETE_RIGHT
    if not right:
        return _NOT_ALLOWED
    if client.access and not client.access.allowed(client, oid, iid, right):
        return _UNAUTHORIZED
    if right == _WRITE:
        return write(client, message, instance, index, flags, code == _PUT)
    if right == _EXECUTE:
        return execute(message, instance, index)
    if right == _READ:
        if index >= 0 and not flags & _R:
            return _NOT_ALLOWED
        return _attributes(client, message, flags)
    from lwm2m.management.create import delete

    return delete(client, instance)


def _attributes(client, message, flags):
    from lwm2m.management.attributes import write_attributes

    return write_attributes(client.current, message, flags)


# Write


def write(client, message, instance, index, flags, replace):
    """Write (§6.3.3): `replace`, or update in part, the instance, the resource at `index` of its
    table, or one instance of that. Returns the response code."""
    depth = message.depth
    path = message.path
    if depth == 3 and path[2] in instance.STREAMS:
        from lwm2m.management.write_stream import open_stream

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
        if depth > 2 and reader.rid != path[2] and instance.index_of(reader.rid) >= 0:
            return _BAD_REQUEST
        if depth == 4 and reader.riid != path[3]:
            return _BAD_REQUEST
        code = stage(instance, reader, values, replace and depth < 4)
        if code:
            return code
    if reader.error or (depth > 2 and not values):
        return _BAD_REQUEST
    if replace and depth == 2:
        for index in range(0, len(table), 3):
            if index not in values and table[index + 1] & _W:
                if table[index + 1] & _MANDATORY:
                    return _BAD_REQUEST
                values[index] = None
    apply(client, [(instance, values)])
    return _CHANGED


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
