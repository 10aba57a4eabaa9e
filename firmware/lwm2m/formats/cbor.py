"""CBOR, content format 60 (LwM2M 1.1 Core §7.4.3, RFC 8949): one value of one resource.

Integers leave in their shortest form, floats as wide as the port keeps them, a time with tag 1,
an objlnk as the text "oid:iid". Allocates: nothing for a scalar, a str of 64 bytes and more is
copied.
"""

import struct
from micropython import const

from lwm2m.formats.codec import SCRATCH, Codec, decimal, is_text

_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_TIME = const(7)
_OBJLNK = const(8)
_MULTI = const(0x80)

_NEGATIVE = const(1)
_BYTES = const(2)
_TEXT_STRING = const(3)

# Whole heads: tag 1, simple values, floats
_EPOCH_TIME = const(0xC1)
_FALSE = const(0xF4)
_TRUE = const(0xF5)
_FLOAT_4 = const(0xFA)
_FLOAT_8 = const(0xFB)
_COLON = const(58)

_DOUBLE = 1.0 + 1e-9 != 1.0
_LARGEST = 0xFFFFFFFFFFFFFFFF
_SMALLEST = -0x8000000000000000


class Cbor(Codec):
    FORMAT = 60
    VERSION = "1.1"

    def fits(self, depth, flags, value=None):
        return depth == 4 or (depth == 3 and not flags & _MULTI)

    def resource(self, out, rid, flags, value):
        if flags & 15 == _TIME:
            out.byte(_EPOCH_TIME)
        scalar(self, out, flags & 15, value)

    def reader(self):
        from lwm2m.formats.cbor_reader import CborReader

        return CborReader(self)


def head(out, major, n):
    """Write the head of an item with a small argument: a length, a count, an id."""
    major <<= 5
    if n < 24:
        out.byte(major | n)
        return
    if n < 256:
        out.byte(major | 24)
    else:
        if n < 65536:
            out.byte(major | 25)
        else:
            out.byte(major | 26)
            out.byte(n >> 24)
            out.byte(n >> 16 & 255)
        out.byte(n >> 8 & 255)
    out.byte(n & 255)


def digits(n):
    """The number of digits of an id."""
    return 1 + (n > 9) + (n > 99) + (n > 999) + (n > 9999)


def scalar(codec, out, kind, value):
    """Write a value of type `kind`; `codec` gives `load`. Raises ValueError for an integer
    beyond 64 bits."""
    if kind == _FLOAT:
        if _DOUBLE:
            out.byte(_FLOAT_8)
            struct.pack_into(">d", SCRATCH, 0, value)
            out.put(SCRATCH, 8)
        else:
            out.byte(_FLOAT_4)
            struct.pack_into(">f", SCRATCH, 0, value)
            out.put(SCRATCH, 4)
    elif kind == _BOOL:
        out.byte(_TRUE if value else _FALSE)
    elif kind == _OPAQUE:
        n = len(value)
        head(out, _BYTES, n)
        out.pull(value, n)
    elif is_text(kind):
        n = codec.load(value)
        head(out, _TEXT_STRING, n)
        out.put(codec.src, n)
    elif kind == _OBJLNK:
        head(out, _TEXT_STRING, digits(value[0]) + 1 + digits(value[1]))
        decimal(out, value[0])
        out.byte(_COLON)
        decimal(out, value[1])
    elif 0 <= value < 0x10000000:
        head(out, 0, value)
    else:
        _integer(out, value)


def _integer(out, value):
    # Through eight bytes, because arithmetic with long integers allocates.
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueError("an integer beyond 64 bits")
    b = SCRATCH
    major = 0
    if value < 0:
        struct.pack_into(">q", b, 0, value)
        major = _NEGATIVE << 5
        for i in range(8):
            b[i] ^= 255  # -1 - value
    else:
        struct.pack_into(">Q", b, 0, value)
    i = 0
    if not (b[0] | b[1] | b[2] | b[3]):
        i = 4
        if not b[4] | b[5]:
            i = 6
            if not b[6]:
                i = 7
    if i == 7 and b[7] < 24:
        out.byte(major | b[7])
        return
    out.byte(major | (27 if not i else 26 if i == 4 else 25 if i == 6 else 24))
    while i < 8:
        out.byte(b[i])
        i += 1
