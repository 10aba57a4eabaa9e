"""Received messages: CoAP framing (RFC 7252 §3) parsed in place, a datagram being the buffer plus
a few small integers, with the path of LwM2M in it; and the message ids of a peer (§4.4, §4.5).

Nothing here allocates after construction, for valid and for hostile input alike.
"""

import random
from array import array
from micropython import const

# Results of Message.parse()
_OK = const(0)
_IGNORE = const(-1)
_REJECT = const(-2)

_EXCHANGE_LIFETIME_S = const(247)

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
    0 if none; the payload is `body[payload:end]`, where `body` is `buf` unless it came in blocks.
    """

    def __init__(self):
        self.buf = self.body = b""
        self.type = self.code = self.mid = self.token_len = 0
        self.path = array("I", (0, 0, 0, 0))
        self.depth = self.queries = self.bad_option = 0
        self.format = self.accept = self.observe = -1
        self.block1 = self.block2 = self.size1 = self.size2 = -1
        self.payload = self.end = self.size = 0
        self.start = self.stop = self.index = 0
        self.target = -1

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
        self.buf = self.body = buf
        self.token_len = first & 15
        pos = 4 + self.token_len
        self.payload = self.end = self.size = n
        if not code:
            return _OK if n == 4 and pos == 4 else _REJECT
        kind = code >> 5
        if pos > 12 or pos > n or kind == 1 or kind > 5:
            return _REJECT
        self.format = self.accept = self.observe = -1
        self.block1 = self.block2 = self.size1 = self.size2 = -1
        self.queries = self.bad_option = 0
        number = depth = 0
        target = self.target
        while pos < n:
            count = buf[pos]
            pos += 1
            if count == 0xFF:
                if pos == n:
                    return _REJECT
                break
            step = count >> 4
            count &= 15
            if step > 12:
                if step == 15 or pos + step - 12 > n:
                    return _REJECT
                if step == 13:
                    step += buf[pos]
                    pos += 1
                else:
                    step = 269 + (buf[pos] << 8 | buf[pos + 1])
                    pos += 2
            if count > 12:
                if count == 15 or pos + count - 12 > n:
                    return _REJECT
                if count == 13:
                    count += buf[pos]
                    pos += 1
                else:
                    count = 269 + (buf[pos] << 8 | buf[pos + 1])
                    pos += 2
            number += step
            start = pos
            pos += count
            if pos > n or number > 65535:
                return _REJECT
            if number == target:
                if not self.index:
                    self.start = start
                    self.stop = pos
                self.index -= 1
            if number == _URI_PATH:
                if depth >= 0:
                    if depth == 4 or not 0 < count < 6:
                        depth = -1
                    else:
                        value = buf[start] - 48
                        if count > 1:
                            value = decimal(buf, start, pos)
                        if 0 <= value <= 65534 and (count > 1 or value < 10):
                            self.path[depth] = value
                            depth += 1
                        else:
                            depth = -1
            elif number == _URI_QUERY:
                self.queries += 1
            elif not self.uint(number, step, buf, start, count) and number & 1:
                # Understood without a look inside: If-Match is not, Uri-Host and Uri-Port are.
                if number != 3 and number != 7 and not self.bad_option:
                    self.bad_option = number
        self.depth = depth
        self.payload = pos
        return _OK

    def uint(self, number, step, buf, start, count):
        # An option of the wrong count or a second one of its kind counts as not understood
        # (RFC 7252 §5.4.3, §5.4.5). Size1/Size2 above 2**30 are held down: they are hints, and
        # a longer integer would allocate.
        if not step or count > 4:
            return False
        value = 0
        if count == 4 and buf[start] > 0x3F:
            value = 0x3FFFFFFF
        else:
            for i in range(start, start + count):
                value = value << 8 | buf[i]
        if number == _ACCEPT and count < 3:
            self.accept = value
        elif number == _CONTENT_FORMAT and count < 3:
            self.format = value
        elif number == _OBSERVE and count < 4:
            self.observe = value
        elif number == _BLOCK2 and count < 4:
            self.block2 = value
        elif number == _BLOCK1 and count < 4:
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
        self.target = number
        self.index = index
        # Reading the options again must not lose a body that came in blocks.
        body = self.body
        start = self.payload
        end = self.end
        self.parse(self.buf, self.size)
        self.body = body
        self.payload = start
        self.end = end
        self.target = -1
        return self.index < 0

    def has_token(self, token):
        """True when the token of this message is `token`. Allocates: nothing."""
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


def decimal(buf, start, stop):
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


class MessageIds:
    """Fresh message ids for our messages, and a memory of the last `n` changing requests of the
    peer for EXCHANGE_LIFETIME: by message id, with the response code (0: still to come).

    `code` is the response code of the request that `find` has found.
    Allocates, once: 4 bytes for each entry.
    """

    def __init__(self, clock, n):
        self.clock = clock
        # An entry is the message id, code << 16 and, << 24, the time in units of 8 s, 6 bits,
        # that is twice as long as an entry lives.
        self.values = array("I", bytes(4 * n))
        self.pos = self.s = 0
        self.code = self.index = 0
        self.mid = random.getrandbits(16)
        # Which period of 256 s it is, the ids used in it, and in the one before
        self.state = self.count = self.last = 0

    def next(self):
        """A fresh message id, counted up from a random start; -1 when all of them have been used
        within EXCHANGE_LIFETIME."""
        state = self.clock.s >> 8
        if state != self.state:
            # This and the one before are 256 s at the least: the lifetime and more.
            self.last = self.count if state == self.state + 1 else 0
            self.state = state
            self.count = 0
        if self.count + self.last > 0xFFFF:
            return -1
        self.count += 1
        self.mid = mid = (self.mid + 1) & 0xFFFF
        return mid

    def find(self, mid):
        """True when `mid` is remembered: then `code` is its response code."""
        values = self.values
        now_s = self.clock.s
        if now_s - self.s > _EXCHANGE_LIFETIME_S:
            for i in range(len(values)):
                values[i] = 0
        self.s = now_s
        now = now_s >> 3
        found = False
        for i in range(len(values)):
            entry = values[i]
            if not entry:
                continue
            if (now - (entry >> 24)) & 63 > 1 + (_EXCHANGE_LIFETIME_S >> 3):
                values[i] = 0
            elif entry & 0xFFFF == mid:
                found = True
                self.index = i
                self.code = entry >> 16 & 255
        if found and self.code == 255:
            self.code = 0
        return found

    def append(self, mid, code):
        """Remember the response code of a request: in its place if it is remembered, else in that
        of the oldest."""
        if self.find(mid):
            i = self.index
        else:
            i = self.pos
            self.pos = (i + 1) % len(self.values)
        self.values[i] = mid | (code or 255) << 16 | (self.clock.s >> 3 & 63) << 24
