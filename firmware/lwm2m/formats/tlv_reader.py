"""Reading TLV, content format 11542 (LwM2M 1.1 Core §7.4.4). Loaded with the first write."""

import struct
from micropython import const

from lwm2m.formats.codec import is_text
from lwm2m.formats.reader import Reader
from lwm2m.formats.values import text

_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)

_INSTANCE = const(0)
_ITEM = const(0x40)
_MULTIPLE = const(0x80)
_RESOURCE = const(0xC0)


class TlvReader(Reader):
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
            elif kind == _INSTANCE and self.depth < 3 and self._instance_end < 0 > self._multi_end:
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
            value = text(buf[start:end])
            if value is None:
                self.error = True
            return value
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
