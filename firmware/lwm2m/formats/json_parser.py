"""Reading JSON (RFC 8259) value by value, strictly and at constant depth. Loaded with the first
write: MicroPython's own module takes what is no JSON, and builds everything at once.
"""

from micropython import const

from lwm2m.formats.reader import Parser
from lwm2m.formats.senml_reader import label_of
from lwm2m.formats.values import objlnk, text, whole

_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)

_VS = const(3)
_OTHER = const(10)

_END = const(-2)

# Levels of arrays and objects inside of a value that is passed over
_NESTING = const(8)
# The longest integer: -9223372036854775808, 18446744073709551615
_MOST_DIGITS = const(20)


class JsonParser(Parser):
    """A Reader over JSON: an item is a value; what is malformed sets `error`.

    `label` is the field of the value at `mark`; `LABELS` names the fields.
    """

    ARRAY = 91
    MAP = 123

    label = -1

    def fail(self):
        self.error = True
        return _END

    def peek(self):
        """The next character that is no blank, -1 at the end."""
        pos = self.pos
        buf = self.buf
        while pos < self.end and buf[pos] in b" \t\n\r":
            pos += 1
        self.pos = pos
        return buf[pos] if pos < self.end else -1

    def enter(self, kind):
        """Take the start of an array or object: a state for `step`, `_END` on an error."""
        if self.peek() != kind:
            return self.fail()
        self.pos += 1
        return kind + 2 << 1

    def step(self, state):
        """Before each element (of an object: key) of what `state` belongs to: the next state,
        `_END` when there are no more."""
        if self.error or state < 0:
            return _END
        c = self.peek()
        if c == state >> 1:
            self.pos += 1
            return _END
        if state & 1:
            if c != 44:
                return self.fail()
            self.pos += 1
        return state | 1

    def skip(self, level=0):
        """Pass over one value, whatever it is."""
        c = self.peek()
        if c == 34:
            self.text(False)
        elif c == 91 or c == 123:
            state = self.enter(c)
            if level == _NESTING:
                self.fail()
            while True:
                state = self.step(state)
                if state == _END:
                    return
                if c == 123:
                    self.text(False)
                    self.colon()
                self.skip(level + 1)
        elif c == 116:
            self.word(b"true")
        elif c == 102:
            self.word(b"false")
        elif c == 110:
            self.word(b"null")
        else:
            self.number()

    def word(self, word):
        pos = self.pos
        self.pos = pos + len(word)
        if self.pos > self.end or bytes(self.buf[pos : self.pos]) != word:
            self.pos = pos
            self.fail()

    def colon(self):
        if self.peek() != 58:
            self.fail()
        else:
            self.pos += 1

    def key(self):
        """Take a key and its colon: the label of the field."""
        name = self.text()
        self.colon()
        if name.endswith(b"_"):
            self.fail()  # must be understood (RFC 8428 §4.4)
        return self.LABELS.get(name, _OTHER)

    def digits(self):
        """Take digits, at least one."""
        first = self.pos
        buf = self.buf
        while self.pos < self.end and 48 <= buf[self.pos] <= 57:
            self.pos += 1
        if self.pos == first:
            self.fail()

    def number(self):
        """Pass over a number; anything else is an error. Returns True for an integer, that is
        without a point or an exponent."""
        if self.peek() == 45:
            self.pos += 1
        buf = self.buf
        first = self.pos
        self.digits()
        if self.pos > first + 1 and buf[first] == 48:
            self.fail()
        first = self.pos
        if self.pos < self.end and buf[self.pos] == 46:
            self.pos += 1
            self.digits()
        if self.pos < self.end and buf[self.pos] | 32 == 101:
            self.pos += 1
            if self.pos < self.end and (buf[self.pos] == 43 or buf[self.pos] == 45):
                self.pos += 1
            self.digits()
        return self.pos == first

    def text(self, keep=True):
        """Take a string: its bytes, unescaped; without `keep` just pass over it."""
        if self.error or self.peek() != 34:
            self.fail()
            return b""
        buf = self.buf
        end = self.end
        pos = start = self.pos + 1
        out = b""
        while pos < end and buf[pos] != 34 and buf[pos] > 31:
            if buf[pos] != 92:
                pos += 1
                continue
            if keep:
                out += bytes(buf[start:pos])
            self.pos = pos + 1
            code = self.escape()
            if code < 0:
                self.fail()
                return b""
            if keep:
                out += chr(code).encode()
            pos = start = self.pos
        self.pos = pos + 1
        if pos >= end or buf[pos] != 34:
            self.pos = end
            self.fail()
            return b""
        return out + bytes(buf[start:pos]) if keep else b""

    def escape(self):
        """Take what stands behind a backslash: its code point, or -1."""
        if self.pos >= self.end:
            return -1
        c = self.buf[self.pos]
        self.pos += 1
        if c != 117:
            i = b'"\\/bfnrt'.find(bytes((c,)))
            return b'"\\/\b\f\n\r\t'[i] if i >= 0 else -1
        code = self.hex4()
        if 0xD800 <= code < 0xDC00:
            # The first half of a pair: the second one must follow.
            pos = self.pos
            if self.end - pos < 6 or self.buf[pos] != 92 or self.buf[pos + 1] != 117:
                return -1
            self.pos = pos + 2
            low = self.hex4()
            if not 0xDC00 <= low < 0xE000:
                return -1
            return 0x10000 + (code - 0xD800 << 10) + low - 0xDC00
        return code if not 0xDC00 <= code < 0xE000 else -1

    def hex4(self):
        pos = self.pos
        if self.end - pos < 4:
            return -1
        self.pos = pos + 4
        code = 0
        for i in range(pos, pos + 4):
            c = self.buf[i] | 32
            if 48 <= c <= 57 and self.buf[i] == c:
                c -= 48
            elif 97 <= c <= 102:
                c -= 87
            else:
                return -1
            code = code << 4 | c
        return code

    def close(self):
        """Nothing may be left."""
        if self.peek() >= 0:
            self.error = True

    def decode(self, kind):
        """The value at `pos` as one of type `kind`, or None."""
        # Some servers write an object link as a text.
        if self.label != self.label_of(kind) and (kind != _OBJLNK or self.label != _VS):
            return None
        c = self.peek()
        if kind == _BOOL:
            return c == 116 if c == 116 or c == 102 else None
        if kind == _OPAQUE or kind == _OBJLNK or label_of(kind) == _VS:
            if c != 34:
                return None
            raw = self.text()
            if kind == _OPAQUE:
                return base64(raw)
            return objlnk(raw) if kind == _OBJLNK else text(raw)
        if c != 45 and not 48 <= c <= 57:
            return None
        first = self.pos
        is_whole = self.number()
        n = self.pos - first
        if kind == _FLOAT:
            value = float(str(self.buf[first : self.pos], "utf-8"))
            return value if value - value == 0 else None  # finite
        number = str(self.buf[first : self.pos], "utf-8")
        if not is_whole:
            from lwm2m.formats.json_integer import integer

            value = integer(number, _MOST_DIGITS)
            return None if value is None else whole(value, kind)
        return whole(int(number), kind) if n <= _MOST_DIGITS else None

    def label_of(self, kind):
        return label_of(kind)


def base64(raw):
    """The bytes that base64 stands for, None if it is not exactly that.

    RFC 8428 wants the alphabet of RFC 4648 §5 without padding; servers send that of §4 with it as
    well, so either is taken.
    """
    n = len(raw)
    if n and not n & 3 and raw[-1] == 61:
        n -= 2 if raw[-2] == 61 else 1
    if n & 3 == 1:
        return None
    out = bytearray(n * 3 >> 2)
    bits = at = 0
    for i in range(n):
        c = raw[i]
        if 65 <= c <= 90:
            c -= 65
        elif 97 <= c <= 122:
            c -= 71
        elif 48 <= c <= 57:
            c += 4
        elif c == 43 or c == 45:
            c = 62
        elif c == 47 or c == 95:
            c = 63
        else:
            return None
        bits = (bits << 6 | c) & 0xFFFF
        if i & 3:
            out[at] = bits >> (6 - 2 * (i & 3)) & 255
            at += 1
    # What is left over of the last character must be nothing.
    if n & 3 and bits & (15 if n & 3 == 2 else 3):
        return None
    return bytes(out)
