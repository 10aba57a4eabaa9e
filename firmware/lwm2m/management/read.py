"""Read and Discover (LwM2M 1.1 Core §6.3.1, §6.3.2). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.codec import instances
from lwm2m.management.walk import represent

_CONTENT = const(0x45)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_NOT_ACCEPTABLE = const(0x86)

_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)

_TEXT = const(0)
_LINK = const(40)
_OCTETS = const(42)
_TLV = const(11542)

_OPAQUE = const(6)
_R = const(0x10)
_MULTI = const(0x80)


def read(peer, message, out, instance, index, flags):
    """Write what a Read, or a Discover, has asked for: `instance`, and if `index` is not -1 the
    resource that stands there in its table. Returns the response code."""
    depth = message.depth
    path = message.path
    accept = message.accept
    value = codec = None
    if depth == 4 and peer.version == "1.0":
        return _NOT_FOUND
    if accept == _LINK:
        from lwm2m.management.discover import exists, levels_of

        if depth > 2 and (depth > 3 or not exists(instance, index)):
            return _NOT_FOUND
        if message.queries:
            value = levels_of(peer, message)
    elif depth > 2:
        if not flags & _R:
            return _NOT_ALLOWED
        value = instance.value_at(index)
        if value is None or (depth > 3 and path[3] not in instances(value)):
            return _NOT_FOUND
    client = peer.client
    if accept < 0:
        accept = _TLV
        if depth == 4 or (depth == 3 and not flags & _MULTI):
            single = _OCTETS if flags & 15 == _OPAQUE else _TEXT
            codec = client.codec(single)
            if codec:
                accept = single
    codec = codec or client.codec(accept)
    if not codec or codec.VERSION > peer.version or not codec.fits(depth, flags, value):
        return _NOT_ACCEPTABLE
    message.accept = accept
    if message.block2 < 0:
        if out.observe >= 0:
            out.uint(_OBSERVE, out.observe)
        out.uint(_CONTENT_FORMAT, accept)
        out.payload()
        if depth == 3 and not codec.FRAMED:
            # As walk.represent does, without its calls: most reads are of one resource.
            codec.resource(out, path[2], flags, value)
        else:
            represent(peer, codec, out, path, depth, flags, value)
        if not out.more and not out.broken:
            return _CONTENT
    from lwm2m.management.read_block import read_block

    return read_block(peer, message, out, codec, path, depth, flags, value)
