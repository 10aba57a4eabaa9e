"""Plain text, content format 0 (LwM2M 1.1 Core §7.4.1): one value of one resource."""

import io
import struct
from micropython import const

from lwm2m.formats.codec import SCRATCH, Codec, is_text

_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_MULTI = const(0x80)
_MINUS = const(45)

# Integers beyond this may be long ones on a 32-bit board, where arithmetic allocates.
_SMALL = const(0x3FFFFFFF)


class Text(Codec):
    FORMAT = 0

    def __init__(self):
        # print() into a buffer that is already there writes a number without a new object.
        self.stream = io.BytesIO(bytes(32))
        self.stream.write(b" ")

    def fits(self, depth, flags, value=None):
        # A large opaque value would have to be in memory for its base64.
        return (
            depth > 2 and (depth == 4 or not flags & _MULTI) and not hasattr(value, "readinto_at")
        )

    def resource(self, out, rid, flags, value):
        kind = flags & 15
        if kind == _OPAQUE:
            import binascii

            out.put(binascii.b2a_base64(value)[:-1])
        elif is_text(kind):
            n = self.load(value)
            out.put(self.src, n)
        elif kind != _OBJLNK and kind != _FLOAT and not -_SMALL < value < _SMALL:
            _long_decimal(out, value)
        else:
            stream = self.stream
            stream.seek(0)
            if kind == _OBJLNK:
                print(value[0], value[1], sep=":", end="", file=stream)
            else:
                print(value if kind == _FLOAT else value * 1, end="", file=stream)
            n = stream.tell()
            stream.seek(0)
            stream.readinto(SCRATCH)
            out.put(SCRATCH, n)

    def decode(self, raw, flags):
        """The value of a resource from its text, None if it is not one of its type."""
        kind = flags & 15
        try:
            if not is_text(kind) and kind != _OPAQUE:
                # int() and float() are more liberal than the format: blanks, underscores.
                for b in raw:
                    if b not in b"0123456789+-.:eE":
                        return None
            if kind == _OPAQUE:
                import binascii

                value = binascii.a2b_base64(raw)
                # Decoders skip what is not base64: what does not come out the same was not.
                if binascii.b2a_base64(value)[:-1] == raw:
                    return value
            else:
                from lwm2m.formats.values import is_decimal, text

                if is_text(kind):
                    return text(raw)
                number = str(raw, "utf-8")
                if kind == _OBJLNK:
                    oid, iid = number.split(":")
                    oid = int(oid)
                    iid = int(iid)
                    if oid >> 16 == iid >> 16 == 0:
                        return (oid, iid)
                elif kind == _FLOAT:
                    value = float(number)
                    if value - value == 0 and is_decimal(raw):  # not infinite
                        return value
                else:
                    value = int(number)
                    if kind == _BOOL:
                        if raw == b"0" or raw == b"1":
                            return value == 1
                    elif kind == _UINT:
                        if value >> 64 == 0:
                            return value
                    elif -1 <= value >> 63 <= 0:
                        return value
        except ValueError:
            pass
        return None


def _long_decimal(out, value):
    # Long division of the eight bytes by ten.
    b = SCRATCH
    struct.pack_into(">Q" if value > 0 else ">q", b, 0, value)
    if value < 0:
        out.byte(_MINUS)
        carry = 1
        for i in range(7, -1, -1):
            carry += b[i] ^ 255
            b[i] = carry & 255
            carry >>= 8
    end = 40
    left = 1
    while left:
        rest = left = 0
        for i in range(8):
            rest = rest << 8 | b[i]
            b[i] = rest // 10
            left |= b[i]
            rest %= 10
        end -= 1
        b[end] = 48 + rest
    while end < 40:
        out.byte(b[end])
        end += 1
