"""Reading what does not fit into one datagram, block by block (RFC 7959 §2.4), at constant
memory: a block is the same representation seen through another window.

Loaded with the first such read.
"""

from micropython import const

from lwm2m.management.walk import represent

_CONTENT = const(0x45)
_BAD_REQUEST = const(0x80)
_INTERNAL = const(0xA0)
_ETAG = const(4)
_OBSERVE = const(6)
_CONTENT_FORMAT = const(12)
_BLOCK2 = const(23)
_SIZE2 = const(28)

# A skip that no content reaches: what is written under it is only counted.
_MEASURE = const(0x3FFFFFFF)
# How often values may change their width under our hands before we give up
_TRIES = const(4)


def read_block(peer, message, out, codec, path, depth, flags, value):
    """Answer a read with the block it asks for, or with the first one. Returns the code."""
    client = peer.client
    number = 0
    size = out.block_size
    if message.block2 >= 0:
        number = message.block2 >> 4
        wanted = message.block2 & 7
        if wanted == 7:
            return _BAD_REQUEST
        if wanted > size:
            number <<= wanted - size  # the same place, in smaller blocks than asked for
        else:
            size = wanted
    if not depth and not number:
        from lwm2m.management.composite_blocks import remember

        remember(peer, codec.FORMAT, path)
    for _ in range(_TRIES):
        # First its length: an ETag of that and of the last change tells the reader of a later
        # block when what it has no longer fits.
        out.rewind()
        out.skip = _MEASURE
        represent(peer, codec, out, path, depth, flags, value)
        length = _MEASURE - out.skip
        out.rewind()
        out.uint(_ETAG, (client.revision & 0x1FFF | 0x2000) << 16 | length & 0xFFFF)
        if out.observe >= 0:
            out.uint(_OBSERVE, out.observe)
        out.uint(_CONTENT_FORMAT, codec.FORMAT)
        out.uint(_BLOCK2, number << 4 | 8 | size)
        flag = out.pos - 1
        if message.size2 >= 0:
            out.uint(_SIZE2, length)
        out.payload(number << size + 4, 16 << size)
        represent(peer, codec, out, path, depth, flags, value)
        if out.broken:
            continue
        if out.skip or (number and out.pos == out.head):
            return _BAD_REQUEST  # a block behind the end
        if not out.more:
            out.buf[flag] &= 0xF7
        return _CONTENT
    return _INTERNAL
