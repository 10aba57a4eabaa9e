"""Writing JSON (RFC 8259) without garbage: the base of `senml_json` and `json`."""

from micropython import const

from lwm2m.formats.codec import SCRATCH
from lwm2m.formats.senml_writer import Records
from lwm2m.formats.text import Text

_STR = const(1)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_CORELNK = const(9)

# Characters of the syntax
_QUOTE = const(34)
_ZERO = const(48)
_EQUALS = const(61)
_BACKSLASH = const(92)
# The first character that a string may hold as it is, and what makes "a" of 10
_SPACE = const(32)
_HEX = const(87)

_INFINITE = float("inf")
_NEGATIVE = float("-inf")

# What is read of a large opaque value at once; a multiple of 3, and SCRATCH holds it.
_CHUNK = const(48)

_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
URL = _DIGITS + b"-_"
STANDARD = _DIGITS + b"+/"

NUMBERS = Text()


def number(out, kind, value):
    """Write a number or the text of an objlnk, as the text format does. Raises ValueError for
    what JSON has no number for: infinities and NaN."""
    if kind == _FLOAT and not _NEGATIVE < value < _INFINITE:
        raise ValueError("JSON has no such number")
    NUMBERS.resource(out, 0, kind, value)


def string(codec, out, value):
    """Write a str, or bytes in UTF-8, with its quotes."""
    n = codec.load(value)
    src = codec.src
    out.byte(_QUOTE)
    start = 0
    while start < n and _SPACE <= src[start] != _QUOTE and src[start] != _BACKSLASH:
        start += 1
    if start == n:
        out.put(src, n)
    else:
        for i in range(n):
            c = src[i]
            if c == _QUOTE or c == _BACKSLASH:
                out.byte(_BACKSLASH)
            if c < _SPACE:
                out.put(b"\\u00")
                out.byte(_ZERO + (c >> 4))
                c &= 15
                c += _ZERO if c < 10 else _HEX
            out.byte(c)
    out.byte(_QUOTE)


def base64(out, value, alphabet, padded):
    """Write an opaque value, bytes or an object with `readinto_at`, in quotes (RFC 4648).

    What the window has passed over is not read. Allocates: nothing for bytes.
    """
    n = len(value)
    out.byte(_QUOTE)
    whole = out.skip >> 2
    if whole > n // 3:
        whole = n // 3
    out.skip -= whole << 2
    i = whole * 3
    src = value
    at = 0 if hasattr(value, "readinto_at") else -1
    while i < n and not out.more:
        if at < 0:
            j = i
        else:
            j = at % _CHUNK
            if not j:
                src = SCRATCH
                left = min(_CHUNK, n - i)
                value.readinto_at(i, memoryview(SCRATCH)[:left])
            at += 3
        left = n - i
        bits = src[j] << 16
        if left > 1:
            bits |= src[j + 1] << 8
        if left > 2:
            bits |= src[j + 2]
        out.byte(alphabet[bits >> 18])
        out.byte(alphabet[bits >> 12 & 63])
        if left > 1:
            out.byte(alphabet[bits >> 6 & 63])
        elif padded:
            out.byte(_EQUALS)
        if left > 2:
            out.byte(alphabet[bits & 63])
        elif padded:
            out.byte(_EQUALS)
        i += 3
    out.byte(_QUOTE)


class JsonRecords(Records):
    """Records whose values are fields of a JSON object. A subclass names the fields, with their
    colons: `TEXT`, `BOOL`, `OPAQUE`, `OBJLNK`; and has `ALPHABET` and `PADDED` for base64."""

    def field(self, out, kind, value):
        """Write the value and the name of its field."""
        if kind == _STR or kind == _CORELNK:
            out.put(self.TEXT)
            string(self, out, value)
        elif kind == _BOOL:
            out.put(self.BOOL)
            out.put(b"true" if value else b"false")
        elif kind == _OPAQUE:
            out.put(self.OPAQUE)
            base64(out, value, self.ALPHABET, self.PADDED)
        elif kind == _OBJLNK:
            out.put(self.OBJLNK)
            out.byte(_QUOTE)
            number(out, kind, value)
            out.byte(_QUOTE)
        else:
            out.put(b'"v":')
            number(out, kind, value)
