"""Write (LwM2M 1.1 Core §6.3.3). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.codec import instances
from lwm2m.management.transaction import apply, stage

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_UNSUPPORTED_FORMAT = const(0x8F)

_TEXT = const(0)
_LINK = const(40)

_R = const(0x10)
_W = const(0x20)
_MANDATORY = const(0x100)


def write(peer, message, instance, index, flags, replace):
    """Write (§6.3.3): `replace`, or update in part, the instance, the resource at `index` of its
    table, or one instance of that. Returns the response code."""
    client = peer.client
    depth = message.depth
    path = message.path
    if depth == 3 and path[2] in instance.STREAMS:
        from lwm2m.management.write_stream import open_stream

        return open_stream(peer, message).receive(message, 0)
    if index >= 0 and not flags & _W:
        return _NOT_ALLOWED
    if depth == 4:
        # A new resource instance comes with a write of its resource.
        old = instance.value_at(index) if flags & _R else None
        if flags & _R and (old is None or path[3] not in instances(old)):
            return _NOT_FOUND
    # A server that names no format for a single value means text.
    codec = client.codec(message.format if message.format >= 0 or depth < 3 else _TEXT)
    if not codec or codec.VERSION > peer.version:
        return _UNSUPPORTED_FORMAT
    if codec.FORMAT == _LINK or not codec.fits(depth, flags):
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
        if depth == 2 and reader.rid >= 0 and instance.index_of(reader.rid) < 0:
            continue  # an optional resource that we do not have
        code = stage(instance, reader, values, replace and depth < 4)
        if code:
            from lwm2m.management.refusal import refuse

            refuse(code, instance, reader.rid)
    if reader.error or (depth > 2 and not values):
        return _BAD_REQUEST
    if replace and depth == 2:
        for index in range(0, len(table), 3):
            if index not in values and table[index + 1] & _W:
                if table[index + 1] & _MANDATORY:
                    from lwm2m.management.refusal import refuse

                    refuse(_BAD_REQUEST, instance, table[index], "mandatory")
                values[index] = None
    apply(client, [(instance, values)])
    return _CHANGED
