"""Reading CBOR (RFC 8949) item by item, and content format 60. Loaded with the first write.

Read are all integers to 64 bits, floats of 2, 4 and 8 bytes, decimal fractions as floats, arrays
and maps of any kind; refused are strings in pieces, and nesting beyond what the formats need.
"""

import struct
from micropython import const

from lwm2m.formats.codec import is_text
from lwm2m.formats.reader import Parser
from lwm2m.formats.values import objlnk, text, whole

_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_TIME = const(7)
_OBJLNK = const(8)

_END = const(-2)
_OPEN = const(-1)

# Levels of arrays, maps and tags inside of a value that is passed over
_NESTING = const(8)


class CborParser(Parser):
    """A Reader over CBOR: an item is a data item; what is malformed sets `error`."""

    ARRAY = 4
    MAP = 5

    info = n = 0

    def fail(self):
        self.error = True
        return _END

    def head(self):
        """Take the head of the next item. Returns its major type, `_END` on an error; `info` is
        its additional information and `n` its argument, -1 for an array or map of unknown size."""
        buf = self.buf
        pos = self.pos
        left = self.end - pos - 1
        if self.error or left < 0:
            return self.fail()
        major = buf[pos] >> 5
        info = n = buf[pos] & 31
        pos += 1
        if info > 23:
            if info == 31 and 4 <= major <= 5:
                n = _OPEN
            elif info > 27 or left < 1 << info - 24:
                return self.fail()
            else:
                left -= 1 << info - 24
                n = 0
                for _ in range(1 << info - 24):
                    n = n << 8 | buf[pos]
                    pos += 1
        if 2 <= major <= 5 and (n << 1 if major == 5 else n) > left:
            return self.fail()
        if major == 7 and info == 24 and n < 32:
            return self.fail()
        self.pos = pos
        self.info = info
        self.n = n
        return major

    def enter(self, kind):
        """Take the head of an array or map: a state for `step`, `_END` on an error."""
        return self.n if self.head() == kind else self.fail()

    def step(self, state):
        """Before each element (of a map: key) of what `state` belongs to: the next state, `_END`
        when there are no more."""
        if self.error or state < _OPEN:
            return _END
        if state == _OPEN:
            if self.pos >= self.end:
                return self.fail()
            if self.buf[self.pos] == 0xFF:
                self.pos += 1
                return _END
            return _OPEN
        return state - 1 if state else _END

    def skip(self, level=0):
        """Pass over one item, whatever it is."""
        major = self.head()
        if 2 <= major <= 3:
            self.pos += self.n
        elif 4 <= major <= 6:
            state = 1 if major == 6 else self.n
            if level == _NESTING:
                self.fail()
            while True:
                state = self.step(state)
                if state == _END:
                    return
                self.skip(level + 1)
                if major == 5:
                    self.skip(level + 1)

    def text(self):
        """Take a text string: its bytes."""
        if self.head() != 3:
            self.fail()
            return b""
        pos = self.pos
        self.pos = pos + self.n
        return bytes(self.buf[pos : self.pos])

    def number(self):
        """Pass over a number; anything else is an error."""
        major = self.head()
        if major == 6 and self.n == 4:
            self.fraction()
        elif major > 1 and not (major == 7 and 25 <= self.info <= 27):
            self.fail()

    def fraction(self):
        """Take a decimal fraction, whose tag 4 is taken (RFC 8949 §3.4.4): a float, or None."""
        exponent = mantissa = 0
        if self.enter(self.ARRAY) == 2:
            for _ in range(2):
                exponent = mantissa
                major = self.head()
                mantissa = -1 - self.n if major else self.n
                if major > 1:
                    self.fail()
            if not self.error and -1000 < exponent < 1000:
                value = float("%de%d" % (mantissa, exponent))
                if value - value == 0:  # finite
                    return value
        self.fail()
        return None

    def close(self):
        """Nothing may be left."""
        if self.pos != self.end:
            self.error = True

    def decode(self, kind):
        """The item at `pos` as a value of type `kind`, or None."""
        major = self.head()
        if kind == _TIME and major == 6 and self.n == 1:
            major = self.head()
        elif kind == _TIME and major == 6 and self.n == 0:
            from lwm2m.formats.date import seconds

            return seconds(self.text())
        n = self.n
        pos = self.pos
        if major < 0:
            return None
        if kind == _FLOAT and major == 6 and n == 4:
            return self.fraction()
        if 2 <= major <= 3:
            raw = bytes(self.buf[pos : pos + n])
            if major == 2:
                return raw if kind == _OPAQUE else None
            if is_text(kind):
                return text(raw)
            return objlnk(raw) if kind == _OBJLNK else None
        if kind == _BOOL:
            return self.info == 21 if major == 7 and 20 <= self.info <= 21 else None
        if is_text(kind) or kind == _OPAQUE or kind == _OBJLNK:
            return None
        if major < 2:
            if major:
                n = -1 - n
            return float(n) if kind == _FLOAT else whole(n, kind)
        if major != 7 or kind != _FLOAT:
            return None
        if self.info == 25:
            return _half(n)
        if self.info == 26:
            return struct.unpack_from(">f", self.buf, pos - 4)[0]
        if self.info == 27:
            value = struct.unpack_from(">d", self.buf, pos - 8)[0]
            # A port with single floats makes an infinity of what is too large for it.
            if value - value == 0 or n >> 52 & 0x7FF == 0x7FF:
                return value
        return None


def _half(n):
    # RFC 8949, Appendix D
    exponent = n >> 10 & 31
    value = float(n & 1023)
    if exponent == 31:
        value = float("nan") if n & 1023 else float("inf")
    elif exponent:
        value = (value + 1024) * 2.0 ** (exponent - 25)
    else:
        value *= 2.0**-24
    return -value if n & 0x8000 else value


class CborReader(CborParser):
    def open(self, buf, start, end, path, depth):
        self.begin(buf, start, end)
        self.error = depth < 3
        self.oid = path[0]
        self.iid = path[1]
        self.rid = path[2]
        self.riid = path[3] if depth == 4 else -1
        self.mark = start
        self.done = False

    def next(self):
        if self.done or self.error:
            return False
        self.done = True
        self.skip()
        self.close()
        return not self.error
