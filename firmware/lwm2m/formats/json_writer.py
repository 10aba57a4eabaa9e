"""Writing JSON (RFC 8259) without garbage; what `senml_json` and `json` share."""

from micropython import const

from lwm2m.formats.codec import SCRATCH
from lwm2m.formats.text import Text

_FLOAT = const(4)
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
    out.byte(34)
    start = 0
    while start < n and 32 <= src[start] != 34 and src[start] != 92:
        start += 1
    if start == n:
        out.put(src, n)
    else:
        for i in range(n):
            c = src[i]
            if c == 34 or c == 92:
                out.byte(92)
            if c < 32:
                out.put(b"\\u00")
                out.byte(48 + (c >> 4))
                c &= 15
                c += 48 if c < 10 else 87
            out.byte(c)
    out.byte(34)


def base64(out, value, alphabet, padded):
    """Write an opaque value, bytes or an object with `readinto_at`, in quotes (RFC 4648).

    What the window has passed over is not read. Allocates: nothing for bytes.
    """
    n = len(value)
    out.byte(34)
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
            out.byte(61)
        if left > 2:
            out.byte(alphabet[bits & 63])
        elif padded:
            out.byte(61)
        i += 3
    out.byte(34)
