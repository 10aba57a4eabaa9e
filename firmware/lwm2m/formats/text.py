"""Plain text, content format 0 (LwM2M 1.1 Core §7.4.1): one value of one resource."""

import io
import struct
from micropython import const

from lwm2m.formats.base import SCRATCH, Codec, decimal, is_text, load_text

_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_MULTI = const(0x80)
_OBJLNK = const(8)

# Integers beyond this may be long ones on a 32-bit board, where arithmetic allocates.
_SMALL = const(0x3FFFFFFF)
_LONGEST = const(24)


class Text(Codec):
    FORMAT = 0

    def __init__(self):
        super().__init__()
        # print() into a buffer that is already there writes a float without a new object.
        self._stream = io.BytesIO(bytes(32))
        self._stream.write(b" ")

    def fits(self, depth, flags):
        return depth == 4 or (depth == 3 and not flags & _MULTI)

    def resource(self, out, rid, flags, value):
        kind = flags & 15
        if kind == _OPAQUE:
            import binascii

            out.put(binascii.b2a_base64(value)[:-1])
        elif is_text(kind):
            n = -1
            if isinstance(value, str):
                n = load_text(value)
                if n < 0:
                    value = value.encode()
            out.put(SCRATCH if n >= 0 else value, n)
        elif kind == _BOOL:
            out.byte(49 if value else 48)
        elif kind == _OBJLNK:
            decimal(out, value[0])
            out.byte(58)
            decimal(out, value[1])
        elif kind == _FLOAT:
            stream = self._stream
            stream.seek(0)
            print(value, end="", file=stream)
            n = stream.tell()
            stream.seek(0)
            stream.readinto(SCRATCH)
            out.put(SCRATCH, n)
        else:
            if value < 0:
                out.byte(45)
            if -_SMALL <= value <= _SMALL:
                decimal(out, value if value >= 0 else -value)
            else:
                _long_decimal(out, value)

    # Reading

    def value(self, flags):
        kind = flags & 15
        raw = bytes(self.buf[self.start : self.end])
        try:
            if is_text(kind):
                return str(raw, "utf-8")
            if kind == _OPAQUE:
                import binascii

                value = binascii.a2b_base64(raw)
                # Decoders skip what is not base64; a value that does not come out the same
                # was not one.
                if binascii.b2a_base64(value)[:-1] == raw:
                    return value
            elif kind == _BOOL:
                if raw == b"0" or raw == b"1":
                    return raw == b"1"
            elif kind == _OBJLNK:
                oid, iid = raw.split(b":")
                oid = _integer(oid)
                iid = _integer(iid)
                if 0 <= oid < 65536 and 0 <= iid < 65536:
                    return (oid, iid)
            elif kind == _FLOAT:
                if 0 < len(raw) <= 32 and _only(raw, b"0123456789+-.eE"):
                    return float(str(raw, "utf-8"))
            else:
                value = _integer(raw)
                if kind == _UINT:
                    if 0 <= value < 1 << 64:
                        return value
                elif -(1 << 63) <= value < 1 << 63:
                    return value
        except (ValueError, UnicodeError):
            pass
        self.error = True
        return None


def _only(raw, allowed):
    for b in raw:
        if b not in allowed:
            return False
    return True


def _integer(raw):
    # int() is more liberal than the format: no blanks, no "+", no underscores here.
    digits = raw[1:] if raw[:1] == b"-" else raw
    if not 0 < len(digits) < _LONGEST or not _only(digits, b"0123456789"):
        raise ValueError
    return int(str(raw, "utf-8"))


def _long_decimal(out, value):
    # Long division of the eight bytes by ten, as arithmetic on a long integer would allocate.
    b = SCRATCH
    if value < 0:
        struct.pack_into(">q", b, 0, value)
        carry = 1
        for i in range(7, -1, -1):
            carry += b[i] ^ 255
            b[i] = carry & 255
            carry >>= 8
    else:
        struct.pack_into(">Q", b, 0, value)
    end = 40
    while end > 8:
        rest = 0
        left = 0
        for i in range(8):
            rest = rest << 8 | b[i]
            b[i] = rest // 10
            left |= b[i]
            rest %= 10
        end -= 1
        b[end] = 48 + rest
        if not left:
            break
    for i in range(end, 40):
        out.byte(b[i])
