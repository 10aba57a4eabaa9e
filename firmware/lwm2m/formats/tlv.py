"""TLV, content format 11542 (LwM2M 1.1 Core §7.4.4). Loaded with the client's list of formats.

Integers leave in 1, 2, 4 or 8 bytes, the shortest that holds the signed value. Read are integers
of 1 to 8 bytes, as some gateways send them at minimal length, and floats of 4 or 8.
"""

import struct
from micropython import const

from lwm2m.formats.codec import SCRATCH, Codec, instances

_STR = const(1)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_MULTI = const(0x80)
_OBJLNK = const(8)
_CORELNK = const(9)

_INSTANCE = const(0)
_ITEM = const(0x40)
_MULTIPLE = const(0x80)
_RESOURCE = const(0xC0)

# Floats leave as wide as the port keeps them: single on most boards, double on unix.
_FLOAT_CODE = ">d" if 1.0 + 1e-9 != 1.0 else ">f"

# A skip that no content reaches: what is written under it is only counted.
_MEASURE = const(0x3FFFFFFF)


class Tlv(Codec):
    FORMAT = 11542

    # Writing. Allocates nothing for scalars; multiple resources and long texts do.

    def instance(self, out, instance):
        skip = out.skip
        out.skip = _MEASURE
        instance.visit(self, out)
        n = _MEASURE - out.skip
        out.skip = skip
        self._header(out, _INSTANCE, instance.iid, n)
        before = out.pos - out.skip
        instance.visit(self, out)
        if out.pos - out.skip - before != n and not out.more:
            # A value changed its width between the two passes: the caller starts again.
            out.broken = True

    def resource(self, out, rid, flags, value):
        if not flags & _MULTI:
            self.write(out, _RESOURCE, rid, flags & 15, value)
            return
        skip = out.skip
        out.skip = _MEASURE
        self.items(out, flags & 15, value)
        n = _MEASURE - out.skip
        out.skip = skip
        self._header(out, _MULTIPLE, rid, n)
        self.items(out, flags & 15, value)

    def item(self, out, riid, flags, value):
        self.write(out, _ITEM, riid, flags & 15, value)

    def items(self, out, kind, value):
        for riid in instances(value):
            self.write(out, _ITEM, riid, kind, value[riid])

    def _header(self, out, kind, number, n):
        if n < 8 and number < 256:
            out.byte(kind | n)
            out.byte(number)
            return
        kind |= n if n < 8 else 8 if n < 256 else 16 if n < 65536 else 24
        if number > 255:
            out.byte(kind | 0x20)
            out.byte(number >> 8)
        else:
            out.byte(kind)
        out.byte(number & 255)
        if n > 65535:
            out.byte(n >> 16)
        if n > 255:
            out.byte(n >> 8 & 255)
        if n > 7:
            out.byte(n & 255)

    def write(self, out, mode, number, kind, value):
        src = SCRATCH
        if kind == _FLOAT:
            struct.pack_into(_FLOAT_CODE, src, 0, value)
            n = struct.calcsize(_FLOAT_CODE)
        elif kind == _BOOL:
            src[0] = 1 if value else 0
            n = 1
        elif kind == _OBJLNK:
            struct.pack_into(">HH", src, 0, value[0], value[1])
            n = 4
        elif kind == _OPAQUE or kind == _STR or kind == _CORELNK:
            n = self.load(value)
            src = self.src
        else:
            n = 1
            if not -128 <= value <= 127:
                n = 2 if -32768 <= value <= 32767 else 4
                if not -0x80000000 <= value <= 0x7FFFFFFF:
                    n = 8
            struct.pack_into(">Q" if value > 0x7FFFFFFFFFFFFFFF else ">q", src, 0, value)
            for i in range(n):
                src[i] = src[8 - n + i]
        self._header(out, mode, number, n)
        if kind == _OPAQUE:
            out.pull(src, n)
        else:
            out.put(src, n)

    def reader(self):
        from lwm2m.formats.tlv_reader import TlvReader

        return TlvReader(self)
