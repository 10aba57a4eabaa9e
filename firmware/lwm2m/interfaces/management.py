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
    path = message.path
    oid = path[0]
    if depth and (not oid or oid == 21):
        return _UNAUTHORIZED
    if not depth or code > _PUT:
        return _NOT_ALLOWED
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
        return _operations().write(client, message, instance, index, flags, True)
    if code == _POST and depth > 1:
        if depth == 2 or (depth == 3 and flags & _W and flags & _MULTI):
            return _operations().write(client, message, instance, index, flags, False)
        if depth == 3 and flags & _E:
            return _operations().execute(message, instance, index)
    return _NOT_ALLOWED


def _operations():
    # A device that is only read does not pay for being changed.
    from lwm2m.interfaces import operations

    return operations


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
    if not codec or not codec.fits(depth, flags, value):
        return _NOT_ACCEPTABLE
    if message.block2 < 0:
        out.uint(_CONTENT_FORMAT, accept)
        out.payload()
        codec.represent(out, client, message.path, depth, flags, value)
        if not out.more and not out.broken:
            return _CONTENT
    from lwm2m.interfaces.blocks import read_block

    return read_block(client, message, out, codec, flags, value)
