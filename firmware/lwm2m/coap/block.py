"""Block-wise transfer (RFC 7959) beyond what a read needs: requests that arrive in blocks, and
what we send or get in blocks ourselves. All of it at constant memory.

Loaded when the first block arrives or something does not fit.
"""

from array import array
from micropython import const

_CONTINUE = const(0x5F)
_BAD_REQUEST = const(0x80)
_INCOMPLETE = const(0x88)
_TOO_LARGE = const(0x8D)
_EXCHANGE_LIFETIME_S = const(247)
_BLOCK1 = const(27)
_SIZE1 = const(60)

_UNACKNOWLEDGED = const(1)


class Upload:
    """The request that one peer is sending in blocks.

    `exchange.owner.on_stream(message)` gives a sink for it or None; a sink has
    `receive(message, offset)`, which returns a response code, 0 for the wish to go on.
    `exchange.body_limit` is the size of the buffer for everything else. Allocates: that buffer,
    with the first block that needs it.
    """

    def __init__(self, exchange):
        self.exchange = exchange
        self.end()
        self.s = 0
        self.code = self.depth = 0
        self.path = array("H", (0, 0, 0, 0))
        self.sink = self.body = None

    def receive(self, message, out):
        """Take a block: the code to answer it with, or 0 when the request is whole and to be
        served: its payload is then `message.body[payload:end]`."""
        block = message.block1
        size = block & 7
        n = message.end - message.payload
        more = block & 8
        if size == 7 or n > 16 << size or (more and n != 16 << size):
            return _BAD_REQUEST
        offset = block >> 4 << size + 4
        now_s = self.exchange.clock.s
        if now_s - self.s > _EXCHANGE_LIFETIME_S:
            self.first = self.last = self.final = -1  # too long ago to be the same message
        elif message.mid == self.final:
            return self._whole(message)  # a read is done again for each copy of it
        elif message.mid == self.first or message.mid == self.last:
            return _CONTINUE  # a copy of what we have
        self.s = now_s
        if not offset:
            # Block 0 always starts anew, whatever was there before.
            self._begin(message)
        if offset != self.received or not self._same(message):
            return _INCOMPLETE
        if self.sink:
            code = self.sink.receive(message, offset)
            if code:
                self.received = -1
                if code >= 128:
                    self.end()
                return code
        else:
            limit = self.exchange.body_limit
            if offset + n > limit or message.size1 > limit:
                self.end()
                out.uint(_SIZE1, limit)
                return _TOO_LARGE
            if not self.body:
                self.body = bytearray(limit)
            self.body[offset : offset + n] = memoryview(message.body)[
                message.payload : message.end
            ]
        self.received = offset + n
        if more:
            self.last = message.mid
            return _CONTINUE
        self.received = -1
        self.final = message.mid
        self.length = offset + n
        return self._whole(message)

    def end(self):
        """Forget the transfer: further blocks of it are 4.08."""
        self.received = self.first = self.last = self.final = -1

    def _whole(self, message):
        if not self.sink:
            message.body = self.body
            message.payload = 0
            message.end = self.length
        return 0

    def echo(self, message, out, code):
        """Add to an answer which block it is for, and whether more are wanted (§2.3)."""
        if code and out.number < _BLOCK1 and not out.head:
            block = message.block1 & 0xFFFFF7 | (8 if code == _CONTINUE else 0)
            if block & 7 > self.exchange.builder.block_size:
                block = block & 0xFFFFF8 | self.exchange.builder.block_size
            out.uint(_BLOCK1, block)

    def _begin(self, message):
        self.received = 0
        self.final = -1
        self.first = message.mid
        self.code = message.code
        self.depth = message.depth
        for i in range(4):
            self.path[i] = message.path[i]
        self.sink = self.exchange.owner.on_stream(message)

    def _same(self, message):
        if message.code != self.code or message.depth != self.depth:
            return False
        for i in range(self.depth):
            if message.path[i] != self.path[i]:
                return False
        return True


def split(outgoing, out):
    """Make a message that does not fit, or is in blocks already, into the block under way.

    Returns False if not even a block of 16 bytes fits.
    """
    if outgoing.block1 < 0:
        outgoing.block1 = outgoing.exchange.builder.block_size
        outgoing.build()
    while out.more and out.pos - out.head != 16 << (outgoing.block1 & 7):
        size = outgoing.block1 & 7
        if not size:
            return False
        outgoing.block1 = outgoing.block1 >> 4 << 5 | size - 1  # the same place, smaller blocks
        outgoing.build()
    outgoing.more = out.more
    if not out.more:
        # The last block: take the flag out of the option, which ends where the marker stands.
        out.buf[out.head - 2] &= 0xF7
    return True


def advance(message, outgoing):
    """Go on with the next block after a response to one, either way, or tell the owner."""
    block = outgoing.block1
    code = message.code
    reason = 0
    size = min(block & 7, message.block1 & 7 if message.block1 >= 0 else 7)
    if block >= 0 and message.block1 >= 0 and message.block1 >> 4 != block >> 4 and code < 128:
        outgoing.state = _UNACKNOWLEDGED  # this one is late, for an earlier block
        return
    if block >= 0 and code == _TOO_LARGE and size < block & 7:
        outgoing.block1 = size  # from the start, in smaller blocks (§2.9.3)
    elif block >= 0 and code < 128 and (outgoing.more or code == _CONTINUE):
        # The next block, in smaller ones if they want so. Who says 2.04 to each block keeps no
        # state; who says it without the option has not understood (§2.5).
        outgoing.block1 = (block >> 4) + 1 << (block & 7) - size << 4 | size
        if not outgoing.more or message.block1 < 0:
            reason = code
    elif message.block2 >= 0 and code < 128:
        number = outgoing.block2 >> 4 if outgoing.block2 >= 0 else 0
        more = message.block2 & 8
        size = 16 << (message.block2 & 7)
        if message.block2 >> 4 != number or (more and message.end - message.payload != size):
            reason = _INCOMPLETE
        else:
            # The owner says whether it wants the rest, and may have sent something meanwhile.
            wanted = outgoing.owner.on_reply(message, outgoing.tag)
            if not more or not wanted or outgoing.state:
                return
            outgoing.block1 = -1
            outgoing.block2 = number + 1 << 4 | message.block2 & 7
    else:
        outgoing.owner.on_reply(message, outgoing.tag)
        return
    # The token stays the same for all blocks: some servers know a transfer by it.
    if reason or not outgoing.start(outgoing.token):
        outgoing.done(None, reason or _TOO_LARGE)


def pull(out, src, n):
    """Append what the window shows of the `n` bytes of an object with `readinto_at`."""
    first = out.skip
    if first >= n:
        out.skip = first - n
        return
    out.skip = 0
    n -= first
    pos = out.pos
    if n > out.end - pos:
        out.more = True
        n = out.end - pos
    if n:
        src.readinto_at(first, memoryview(out.buf)[pos : pos + n])
        out.pos = pos + n
