"""CoAP framing (RFC 7252 §3), written in place: a message is built straight into its buffer."""

import struct


class Builder:
    """Writes one message into a buffer that is made once.

    Overflow is sticky: what does not fit sets `more`, and is checked once, at the end.
    The payload is written through a window: the first `skip` bytes are passed over, what fits
    is stored, the rest only sets `more`. So block n of a representation is the same writer run
    with another window, and a length is measured by writing with nothing but skip.
    `head` is where the payload begins, 0 while there is none; `observe` what a read is to say in
    that option, -1 for none; `broken` is set by a format whose content changed under its hands.
    """

    observe = -1

    def __init__(self, size):
        self.buf = bytearray(size)
        self.size = self.end = size
        # Exponent of the largest block (RFC 7959 §2.2) that fits beside 64 bytes of header
        self.block_size = 6
        while self.block_size and (16 << self.block_size) + 64 > size:
            self.block_size -= 1
        self.pos = self.skip = 0
        self.start = self.number = self.head = 0
        self.more = self.broken = False

    def begin(self, kind, code, mid, token, index, n):
        """Start a message of type `kind`; its token is `token[index:index + n]`."""
        buf = self.buf
        buf[0] = 0x40 | kind << 4 | n
        buf[1] = code
        buf[2] = mid >> 8
        buf[3] = mid & 255
        pos = 4
        while n:
            buf[pos] = token[index]
            pos += 1
            index += 1
            n -= 1
        self.observe = -1
        # As rewind does, without the call: every message passes here.
        self.start = self.pos = pos
        self.end = self.size
        self.skip = self.number = self.head = 0
        self.more = self.broken = False

    def rewind(self):
        """Back to the state after `begin`: no options, no payload."""
        self.pos = self.start
        self.end = self.size
        self.skip = self.number = self.head = 0
        self.more = self.broken = False

    def option(self, number, value):
        """Append an option; numbers must come in order. Allocates: nothing below 256 bytes."""
        self._header(number, len(value))
        self.put(value)

    def uint(self, number, value):
        """Append an option holding an unsigned integer below 2**30 in its shortest form."""
        n = 0 if not value else 1 if value < 256 else 2 if value < 65536 else 3
        if n == 3 and value >> 24:
            n = 4
        self._header(number, n)
        pos = self.pos
        if pos + n > self.end:
            self.more = True
            return
        buf = self.buf
        while n:
            n -= 1
            buf[pos] = value >> (n << 3) & 255
            pos += 1
        self.pos = pos

    def _header(self, number, n):
        delta = number - self.number
        self.number = number
        if delta < 13 and n < 13 and self.pos < self.end:
            self.buf[self.pos] = delta << 4 | n
            self.pos += 1
            return
        first = delta if delta < 13 else 13 if delta < 269 else 14
        self.byte(first << 4 | (n if n < 13 else 13 if n < 269 else 14))
        while True:
            if delta > 268:
                delta -= 269
                self.byte(delta >> 8)
                self.byte(delta & 255)
            elif delta > 12:
                self.byte(delta - 13)
            if n < 0:
                return
            delta = n
            n = -1

    def payload(self, skip=0, count=-1):
        """Open the payload: pass over `skip` bytes, keep at most `count` (default: what fits)."""
        if self.pos < self.end:
            self.buf[self.pos] = 0xFF
            self.pos += 1
        else:
            self.more = True
        self.head = self.pos
        self.skip = skip
        if 0 <= count < self.end - self.pos:
            self.end = self.pos + count

    def byte(self, value):
        """Append one byte. Allocates: nothing."""
        if self.skip:
            self.skip -= 1
        elif self.pos < self.end:
            self.buf[self.pos] = value
            self.pos += 1
        else:
            self.more = True

    def put(self, src, n=-1):
        """Append `src[:n]` (bytes-like, or str of ASCII; default: all of it).

        Allocates: nothing for n < 256 unless it crosses the edge of the window, else a slice.
        """
        if n < 0:
            n = len(src)
        pos = self.pos
        if not self.skip:
            end = pos + n
            if end <= self.end:
                # A slice with variable bounds is a new object; struct copies without one, and
                # pads with zeros that the next write covers.
                if n < 65 and pos + 64 <= self.size:
                    struct.pack_into("64s", self.buf, pos, src)
                elif n < 256 and pos + 255 <= self.size:
                    struct.pack_into("255s", self.buf, pos, src)
                elif isinstance(src, str):
                    self.put(src.encode())
                    return
                elif n < 256:
                    for i in range(n):
                        self.buf[pos + i] = src[i]
                else:
                    self.buf[pos:end] = src if n == len(src) else memoryview(src)[:n]
                self.pos = end
                return
        first = self.skip
        if first >= n:
            self.skip = first - n
            return
        self.skip = 0
        n -= first
        room = self.end - pos
        if n > room:
            self.more = True
            n = room
        self.buf[pos : pos + n] = memoryview(src)[first : first + n]
        self.pos = pos + n

    def pull(self, src, n):
        """Append `n` bytes of an opaque value: bytes, or an object with `readinto_at(offset, buf)`
        of which only what the window shows is read. Allocates: nothing for short bytes."""
        if not hasattr(src, "readinto_at"):
            self.put(src, n)
            return
        from lwm2m.coap.block import pull

        pull(self, src, n)

    def finish(self):
        """The length of the message. An empty payload loses its marker (RFC 7252 §3)."""
        if self.head and self.pos == self.head:
            self.pos -= 1
        self.head = 0
        return self.pos
