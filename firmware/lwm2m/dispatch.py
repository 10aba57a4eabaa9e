"""Device management and service enablement (LwM2M 1.1 Core §6.3): a CoAP request becomes an
operation on the data model becomes a response code.
"""

import sys
from micropython import const

from lwm2m.formats.codec import instances
from lwm2m.objects.base import Lwm2mError

_GET = const(1)

_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_NOT_ACCEPTABLE = const(0x86)
_INTERNAL = const(0xA0)

_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)

_TEXT = const(0)
_LINK = const(40)
_OCTETS = const(42)
_TLV = const(11542)

_OPAQUE = const(6)
_R = const(0x10)
_READ = const(1)
_MULTI = const(0x80)


def serve(client, message, out):
    """Carry out the request `message`, write options and payload of the answer to `out` and
    return its code. Never raises. Allocates: nothing to read a scalar."""
    try:
        if message.observe < 0:
            code = _serve(client, message, out)
        else:
            from lwm2m.reporting.observe import observe

            code = observe(client, message, out, _serve)
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
    path = message.path
    oid = path[0]
    if depth and (not oid or oid == 21):
        return _UNAUTHORIZED
    if message.code != _GET:
        # A device that is only read does not pay for being changed.
        from lwm2m.management.write import operate

        return operate(client, message, out)
    if not depth:
        return _NOT_ALLOWED
    # What the path names: the first instance of the object, or the instance itself
    instance = client.find(oid, path[1] if depth > 1 else -1)
    index = -1
    if instance:
        index = instance.locate(path, depth)
    if index < -1 or not (instance or (depth == 1 and oid in client.classes)):
        return _NOT_FOUND
    accept = message.accept
    if client.access and accept != _LINK:
        if not client.access.allowed(client, oid, path[1] if depth > 1 else -1, _READ):
            return _UNAUTHORIZED
    flags = instance.RESOURCES[index + 1] if index >= 0 else 0
    value = None
    if accept != _LINK and depth > 2:
        if not flags & _R:
            return _NOT_ALLOWED
        value = instance.value_at(index)
        if value is None:
            return _NOT_FOUND
        if depth > 3 and path[3] not in instances(value):
            return _NOT_FOUND
    elif depth > 2:
        from lwm2m.management.discover import exists

        if depth > 3 or not exists(instance, index):
            return _NOT_FOUND
    if accept < 0:
        accept = _TLV
        if depth == 4 or (depth == 3 and not flags & _MULTI):
            single = _OCTETS if flags & 15 == _OPAQUE else _TEXT
            if client.codec(single):
                accept = single
    codec = client.codec(accept)
    if not codec or not codec.fits(depth, flags, value):
        return _NOT_ACCEPTABLE
    message.accept = accept
    if message.block2 < 0:
        if out.observe >= 0:
            out.uint(_OBSERVE, out.observe)
        out.uint(_CONTENT_FORMAT, accept)
        out.payload()
        codec.represent(out, client, path, depth, flags, value)
        if not out.more and not out.broken:
            return _CONTENT
    from lwm2m.management.read_block import read_block

    return read_block(client, message, out, codec, path, depth, flags, value)
