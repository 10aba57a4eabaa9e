"""TLV, content format 11542 (LwM2M 1.1 Core §7.4.4).

Integers leave in 1, 2, 4 or 8 bytes, the shortest that holds the signed value. Read are integers
of 1 to 8 bytes, as some gateways send them at minimal length, and floats of 4 or 8.
"""

import struct
from micropython import const

from lwm2m.formats.base import SCRATCH, Codec, instances, is_text

_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_MULTI = const(0x80)
_OBJLNK = const(8)

_INSTANCE = const(0)
_ITEM = const(0x40)
_MULTIPLE = const(0x80)
_RESOURCE = const(0xC0)

# Floats leave as wide as the port keeps them: single on most boards, double on unix.
_FLOAT_CODE = ">d" if 1.0 + 1e-9 != 1.0 else ">f"

# A skip that no content reaches: what is written under it is only counted.
_MEASURE = const(0x3FFFFFF)


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
            self._scalar(out, _RESOURCE, rid, flags & 15, value)
            return
        skip = out.skip
        out.skip = _MEASURE
        self._items(out, flags & 15, value)
        n = _MEASURE - out.skip
        out.skip = skip
        self._header(out, _MULTIPLE, rid, n)
        self._items(out, flags & 15, value)

    def item(self, out, riid, flags, value):
        self._scalar(out, _ITEM, riid, flags & 15, value)

    def _items(self, out, kind, value):
        for riid in instances(value):
            self._scalar(out, _ITEM, riid, kind, value[riid])

    def _header(self, out, kind, number, n):
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

    def _scalar(self, out, record, number, kind, value):
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
        elif kind == _OPAQUE or is_text(kind):
            n = self.load(value)
            src = self.src
        elif -128 <= value <= 127:
            struct.pack_into(">b", src, 0, value)
            n = 1
        elif -32768 <= value <= 32767:
            struct.pack_into(">h", src, 0, value)
            n = 2
        elif -0x80000000 <= value <= 0x7FFFFFFF:
            struct.pack_into(">i", src, 0, value)
            n = 4
        else:
            struct.pack_into(">Q" if value > 0x7FFFFFFFFFFFFFFF else ">q", src, 0, value)
            n = 8
        self._header(out, record, number, n)
        out.put(src, n)

    # Reading

    def open(self, buf, start, end, path, depth):
        self.error = False
        self.iid = path[1] if depth > 1 else -1
        self.rid = path[2] if depth > 2 else -1
        self.riid = -1
        self.buf = buf
        self.pos = start
        self.end = end
        self.depth = depth
        self._instance_end = self._multi_end = -1

    def next(self):
        buf = self.buf
        while True:
            pos = self.pos
            if pos == self._multi_end:
                self._multi_end = -1
            if pos == self._instance_end:
                self._instance_end = -1
            if pos >= self.end:
                return False
            limit = self.end
            if self._multi_end >= 0:
                limit = self._multi_end
            elif self._instance_end >= 0:
                limit = self._instance_end
            first = buf[pos]
            wide = first >> 5 & 1
            extra = first >> 3 & 3
            if pos + 2 + wide + extra > limit:
                self.error = True
                return False
            number = buf[pos + 1]
            pos += 2
            if wide:
                number = number << 8 | buf[pos]
                pos += 1
            n = first & 7
            if extra:
                n = 0
                while extra:
                    n = n << 8 | buf[pos]
                    pos += 1
                    extra -= 1
            if pos + n > limit:
                self.error = True
                return False
            kind = first & 0xC0
            if kind == _RESOURCE and self._multi_end < 0:
                self.rid = number
                self.riid = -1
            elif kind == _ITEM and (self._multi_end >= 0 or self.depth > 2):
                self.riid = number
            elif kind == _MULTIPLE and self._multi_end < 0:
                self.rid = number
                self.pos = pos
                if n:
                    self._multi_end = pos + n
                    continue
                self.riid = -2  # a multiple resource without instances
                return True
            elif kind == _INSTANCE and self._instance_end < 0 and self._multi_end < 0:
                if self.depth > 1 and number != self.iid:
                    self.error = True
                    return False
                self.iid = number
                self.pos = pos
                if n:
                    self._instance_end = pos + n
                continue
            else:
                self.error = True
                return False
            self.pos = pos + n
            self.start = pos
            return True

    def value(self, flags):
        buf = self.buf
        start = self.start
        end = self.pos
        n = end - start
        kind = flags & 15
        if is_text(kind):
            try:
                return str(buf[start:end], "utf-8")
            except UnicodeError:
                self.error = True
                return None
        if kind == _OPAQUE:
            return bytes(buf[start:end])
        if kind == _FLOAT:
            if n == 4:
                return struct.unpack_from(">f", buf, start)[0]
            if n == 8:
                return struct.unpack_from(">d", buf, start)[0]
        elif kind == _BOOL:
            if n == 1 and buf[start] < 2:
                return buf[start] == 1
        elif kind == _OBJLNK:
            if n == 4:
                return struct.unpack_from(">HH", buf, start)
        elif 0 < n < 9:
            value = 0
            for i in range(start, end):
                value = value << 8 | buf[i]
            # Widths that the format does not have come from gateways that know no sign.
            if kind != _UINT and n & n - 1 == 0 and buf[start] > 127:
                value -= 1 << (n << 3)
            return value
        self.error = True
        return None
