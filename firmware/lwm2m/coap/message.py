"""CoAP framing in place (RFC 7252 §3): a received datagram is the buffer plus a few small
integers, a message to be sent is written straight into its buffer.

Nothing here allocates after construction, for valid and for hostile input alike.
"""

import struct
from array import array
from micropython import const

# Results of Message.parse()
_OK = const(0)
_IGNORE = const(-1)
_REJECT = const(-2)

_OBSERVE = const(6)
_URI_PATH = const(11)
_CONTENT_FORMAT = const(12)
_URI_QUERY = const(15)
_ACCEPT = const(17)
_BLOCK2 = const(23)
_BLOCK1 = const(27)
_SIZE2 = const(28)
_SIZE1 = const(60)


class Message:
    """A parsed datagram. Valid until the next `parse`; offsets point into `buf`.

    `type` 0..3 (CON, NON, ACK, RST), `code`, `mid`, `token_len` (the token starts at 4);
    `depth` numeric Uri-Path segments in `path[0..3]`, or -1 for any other path;
    `format`, `accept`, `observe`, `block1`, `block2`, `size1`, `size2`: -1 when absent;
    `queries` Uri-Query options; `bad_option` the first critical option that is not understood,
    0 if none; the payload is `buf[payload:end]`.
    """

    def __init__(self):
        self.buf = b""
        self.type = self.code = self.mid = self.token_len = 0
        self.path = array("H", (0, 0, 0, 0))
        self.depth = self.queries = self.bad_option = 0
        self.format = self.accept = self.observe = -1
        self.block1 = self.block2 = self.size1 = self.size2 = -1
        self.payload = self.end = 0
        self.start = self.stop = self.index = 0
        self.wanted = -1

    def parse(self, buf, n):
        """Read the datagram `buf[:n]` (any bytes-like object, kept until the next call).

        Returns 0, or -1 when RFC 7252 wants silence (too short, another version: §3), or -2 for
        a message format error (RST to a confirmable one: §4.2). `type` and `mid` are valid
        unless it returned -1. Allocates: nothing.
        """
        if n < 4:
            return _IGNORE
        first = buf[0]
        if first & 0xC0 != 0x40:
            return _IGNORE
        self.type = first >> 4 & 3
        self.code = code = buf[1]
        self.mid = buf[2] << 8 | buf[3]
        self.buf = buf
        self.token_len = first & 15
        pos = 4 + self.token_len
        self.payload = self.end = n
        if not code:
            return _OK if n == 4 and pos == 4 else _REJECT
        kind = code >> 5
        if pos > 12 or pos > n or kind == 1 or kind > 5:
            return _REJECT
        self.format = self.accept = self.observe = -1
        self.block1 = self.block2 = self.size1 = self.size2 = -1
        self.queries = self.bad_option = 0
        number = depth = 0
        wanted = self.wanted
        while pos < n:
            length = buf[pos]
            pos += 1
            if length == 0xFF:
                if pos == n:
                    return _REJECT
                break
            delta = length >> 4
            length &= 15
            if delta > 12:
                if delta == 15 or pos + delta - 12 > n:
                    return _REJECT
                if delta == 13:
                    delta += buf[pos]
                    pos += 1
                else:
                    delta = 269 + (buf[pos] << 8 | buf[pos + 1])
                    pos += 2
            if length > 12:
                if length == 15 or pos + length - 12 > n:
                    return _REJECT
                if length == 13:
                    length += buf[pos]
                    pos += 1
                else:
                    length = 269 + (buf[pos] << 8 | buf[pos + 1])
                    pos += 2
            number += delta
            start = pos
            pos += length
            if pos > n or number > 65535:
                return _REJECT
            if number == wanted:
                if not self.index:
                    self.start = start
                    self.stop = pos
                self.index -= 1
            if number == _URI_PATH:
                if depth >= 0:
                    if depth == 4 or not 0 < length < 6:
                        depth = -1
                    else:
                        value = buf[start] - 48
                        if length > 1:
                            value = _segment(buf, start, pos)
                        if 0 <= value <= 65534 and (length > 1 or value < 10):
                            self.path[depth] = value
                            depth += 1
                        else:
                            depth = -1
            elif number == _URI_QUERY:
                self.queries += 1
            elif not self._uint(number, delta, buf, start, length) and number & 1:
                # Understood without a look inside: If-Match is not, Uri-Host and Uri-Port are.
                if number != 3 and number != 7 and not self.bad_option:
                    self.bad_option = number
        self.depth = depth
        self.payload = pos
        return _OK

    def _uint(self, number, delta, buf, start, length):
        # An option of the wrong length or a second one of its kind counts as not understood
        # (RFC 7252 §5.4.3, §5.4.5). Size1/Size2 above 2**30 are held down: they are hints, and
        # a longer integer would allocate.
        if not delta or length > 4:
            return False
        value = 0
        if length == 4 and buf[start] > 0x3F:
            value = 0x3FFFFFFF
        else:
            for i in range(start, start + length):
                value = value << 8 | buf[i]
        if number == _ACCEPT and length < 3:
            self.accept = value
        elif number == _CONTENT_FORMAT and length < 3:
            self.format = value
        elif number == _OBSERVE and length < 4:
            self.observe = value
        elif number == _BLOCK2 and length < 4:
            self.block2 = value
        elif number == _BLOCK1 and length < 4:
            self.block1 = value
        elif number == _SIZE2:
            self.size2 = value
        elif number == _SIZE1:
            self.size1 = value
        else:
            return False
        return True

    def option(self, number, index=0):
        """Find the `index`-th option of this number: True, and its value is
        `buf[start:stop]`. Only after a successful `parse`. Allocates: nothing."""
        self.wanted = number
        self.index = index
        self.parse(self.buf, self.end)
        self.wanted = -1
        return self.index < 0

    def has_token(self, token):
        """Whether the token of this message is `token`. Allocates: nothing."""
        n = len(token)
        if self.token_len != n:
            return False
        while n:
            n -= 1
            if self.buf[4 + n] != token[n]:
                return False
        return True

    def text(self):
        """The bytes that `option` found. Allocates: a copy of them."""
        return bytes(self.buf[self.start : self.stop])


def _segment(buf, start, stop):
    # Decimal, no sign, no leading zero: the only spelling of a number in a path (LwM2M §7.1).
    value = 0
    if buf[start] == 48:
        return -1
    for i in range(start, stop):
        digit = buf[i] - 48
        if not 0 <= digit <= 9:
            return -1
        value = value * 10 + digit
    return value


class Builder:
    """Writes one message into a buffer that is made once.

    Overflow is sticky: what does not fit sets `more`, and is checked once, at the end.
    The payload is written through a window: the first `skip` bytes are passed over, what fits
    is stored, the rest only sets `more`. So block n of a representation is the same writer run
    with another window, and a length is measured by writing with nothing but skip.
    `detail` is for the exchange layer: what to remember of an answer. `broken` is set by a format
    whose content changed under its hands.
    """

    def __init__(self, size):
        self.buf = bytearray(size)
        self.size = self.end = size
        self.pos = self.skip = self.detail = 0
        self.start = self.number = self.end_of_options = 0
        self.more = self.broken = False

    def begin(self, kind, code, mid, token, at, n):
        """Start a message of type `kind`; the token is `token[at:at + n]`. Allocates: nothing."""
        buf = self.buf
        buf[0] = 0x40 | kind << 4 | n
        buf[1] = code
        buf[2] = mid >> 8
        buf[3] = mid & 255
        pos = 4
        while n:
            buf[pos] = token[at]
            pos += 1
            at += 1
            n -= 1
        self.start = pos
        self.rewind()

    def rewind(self):
        """Back to the state after `begin`: no options, no payload."""
        self.pos = self.start
        self.end = self.size
        self.skip = self.number = self.end_of_options = 0
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
        while n:
            n -= 1
            self.byte(value >> (n << 3) & 255)

    def _header(self, number, n):
        delta = number - self.number
        self.number = number
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

    def payload(self, skip=0, room=-1):
        """Open the payload: pass over `skip` bytes, keep at most `room` (default: what fits)."""
        self.byte(0xFF)
        self.end_of_options = self.pos
        self.skip = skip
        if 0 <= room < self.end - self.pos:
            self.end = self.pos + room

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
                if n < 33 and pos + 32 <= self.size:
                    struct.pack_into("32s", self.buf, pos, src)
                elif n < 256 and pos + 255 <= self.size:
                    struct.pack_into("255s", self.buf, pos, src)
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

    def finish(self):
        """The length of the message. An empty payload loses its marker (RFC 7252 §3)."""
        if self.end_of_options and self.pos == self.end_of_options:
            self.pos -= 1
        self.end_of_options = 0
        return self.pos
