"""Read-Composite and Write-Composite (LwM2M 1.1 Core §6.3.8, §6.3.9). Loaded with the first one.

Reading gives what there is, and leaves out the rest; writing is done whole or not at all.
"""

from micropython import const

from lwm2m.management.walk import represent
from lwm2m.management.transaction import apply, stage

_FETCH = const(5)
_IPATCH = const(7)
_CHANGED = const(0x44)
_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_UNAUTHORIZED = const(0x81)
_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_NOT_ACCEPTABLE = const(0x86)
_INCOMPLETE = const(0x88)
_UNSUPPORTED_FORMAT = const(0x8F)

_ETCH_JSON = const(320)
_LWM2M_CBOR = const(11544)
# First byte of a null
_NULL_JSON = const(0x6E)
_NULL_CBOR = const(0xF6)
_SPACE = const(0x20)

_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)

_DISCOVER = const(0)
_READ = const(1)
_WRITE = const(2)

# The bits of Block2 that are not the number of the block
_NUMBER_MASK = const(15)


def composite(peer, message, out):
    """Carry out a FETCH or an iPATCH on the root. Returns the response code."""
    if (message.code != _FETCH and message.code != _IPATCH) or peer.version == "1.0":
        return _NOT_ALLOWED
    if message.code == _FETCH and message.block2 > _NUMBER_MASK and message.payload == message.end:
        return _read_further(peer, message, out)
    codec = peer.client.codec(message.format)
    if not codec or codec.VERSION > peer.version or not codec.carries_paths:
        return _UNSUPPORTED_FORMAT
    reader = codec.reader()
    reader.open(message.body, message.payload, message.end, message.path, 0)
    if message.code == _FETCH:
        return _read(peer, message, out, codec, reader)
    return _write(peer, codec, reader)


def _read(peer, message, out, codec, reader):
    accept = message.accept if message.accept >= 0 else codec.ANSWER_FORMAT
    codec = peer.client.codec(accept)
    if not codec or codec.VERSION > peer.version or not codec.carries_paths:
        return _NOT_ACCEPTABLE
    # SenML-ETCH is for requests (RFC 8790 §3).
    if codec.FORMAT != codec.ANSWER_FORMAT:
        return _NOT_ACCEPTABLE
    paths = read_paths(reader)
    if not paths:
        return _BAD_REQUEST
    if _forbidden(peer, paths):
        return _UNAUTHORIZED
    message.accept = accept
    if message.block2 < 0:
        if out.observe >= 0:
            out.uint(_OBSERVE, out.observe)
        out.uint(_CONTENT_FORMAT, codec.FORMAT)
        out.payload()
        represent(peer, codec, out, paths, 0, 0, None)
        if not out.more and not out.broken:
            return _CONTENT
    from lwm2m.management.read_block import read_block

    return read_block(peer, message, out, codec, paths, 0, 0, None)


def _read_further(peer, message, out):
    # A further block of an answer, asked for without the paths
    from lwm2m.management.composite_blocks import recall
    from lwm2m.management.read_block import read_block

    accept = message.accept
    if accept < 0:
        codec = peer.client.codec(message.format)
        if codec and codec.carries_paths:
            accept = codec.ANSWER_FORMAT
    read = recall(peer, accept)
    if not read:
        return _INCOMPLETE
    _, message.accept, paths = read
    return read_block(peer, message, out, peer.client.codec(message.accept), paths, 0, 0, None)


def _forbidden(peer, paths):
    # Whether there is something at or below the paths, of which the peer may read nothing
    found = False
    for path in paths:
        for instance in peer.client.objects:
            oid = instance.OID
            iid = instance.iid
            if (path and path[0] != oid) or (len(path) > 1 and path[1] != iid):
                continue
            if peer.allowed(oid, iid, _READ):
                return False
            found = True
    return found


def read_paths(reader):
    """The paths that a Read-Composite lists, tuples of up to four ids; None if it is malformed or
    lists none."""
    paths = []
    while reader.next():
        path = [reader.oid, reader.iid, reader.rid, reader.riid]
        while path and path[-1] < 0:
            path.pop()
        if -1 in path:
            return None
        paths.append(tuple(path))
    return None if reader.error else paths


def is_null(codec, reader):
    """True if the record of `reader` has null in the place of a value. Only SenML-ETCH (RFC 8790
    §3.1) and LwM2M CBOR have that."""
    if codec.FORMAT == _LWM2M_CBOR:
        return not reader.has_value
    if codec.FORMAT == codec.ANSWER_FORMAT or not reader.has_value:
        return False
    pos = reader.mark
    if codec.FORMAT != _ETCH_JSON:
        return reader.buf[pos] == _NULL_CBOR
    while reader.buf[pos] <= _SPACE:
        pos += 1
    return reader.buf[pos] == _NULL_JSON


def _write(peer, codec, reader):
    client = peer.client
    staged = []
    while reader.next():
        oid = reader.oid
        iid = reader.iid
        if iid < 0 or reader.rid < 0:
            return _BAD_REQUEST
        if not peer.allowed(oid, iid, _DISCOVER):
            return _UNAUTHORIZED
        instance = client.find(oid, iid)
        if not instance:
            return _NOT_FOUND
        if not peer.allowed(oid, iid, _WRITE):
            return _UNAUTHORIZED
        values = None
        for other, found in staged:
            if other is instance:
                values = found
        if values is None:
            values = {}
            staged.append((instance, values))
        if peer.version == "1.2" and is_null(codec, reader):
            from lwm2m.management.delete import stage_removal

            code = stage_removal(instance, reader.rid, reader.riid, values)
        else:
            code = stage(instance, reader, values, False)
        if code:
            from lwm2m.management.refusal import refuse

            refuse(code, instance, reader.rid)
    if reader.error or not staged:
        return _BAD_REQUEST
    apply(client, staged)
    return _CHANGED
