"""LwM2M CBOR, content format 11544 (LwM2M 1.2 Core §7.4.7): maps within maps, from the root on.

In a composite answer each value has its whole path, an array, as its key. Maps whose size is not
known beforehand have none (RFC 8949 §3.2.2). Allocates: nothing for a scalar resource.
"""

from array import array
from micropython import const

from lwm2m.formats.codec import Codec, instances
from lwm2m.formats.cbor import head, scalar

_TIME = const(7)
_MULTI = const(0x80)

_ARRAY = const(4)
_MAP = const(5)
_EPOCH_TIME = const(0xC1)
_OPEN_MAP = const(0xBF)
_BREAK = const(0xFF)


class Lwm2mCbor(Codec):
    FORMAT = ANSWER_FORMAT = 11544
    VERSION = "1.2"
    FRAMED = carries_paths = True
    COUNTED = False

    def __init__(self):
        self.path = array("H", (0, 0, 0, 0))
        self.base = 0

    def begin(self, out, path, depth, nested, total):
        self.base = depth
        for i in range(min(depth, 3 if depth > 3 else 2)):
            head(out, _MAP, 1)
            head(out, 0, path[i])
        if depth > 2:
            head(out, _MAP, 1)
        else:
            out.byte(_OPEN_MAP)

    def end(self, out):
        if self.base < 3:
            out.byte(_BREAK)

    def locate(self, oid, iid, rid=0):
        path = self.path
        path[0] = oid
        path[1] = iid
        path[2] = rid

    def instance(self, out, instance):
        head(out, 0, instance.iid)
        out.byte(_OPEN_MAP)
        instance.visit(self, out)
        out.byte(_BREAK)

    def resource(self, out, rid, flags, value):
        if not flags & _MULTI:
            self.value(out, rid, flags, value)
            return
        self._key(out, rid, 3)
        head(out, _MAP, len(value))
        for riid in instances(value):
            head(out, 0, riid)
            self._leaf(out, flags, value[riid])
            if out.more:
                return

    def item(self, out, riid, flags, value):
        self._key(out, riid, 4)
        self._leaf(out, flags, value)

    def value(self, out, rid, flags, value):
        self._key(out, rid, 3)
        self._leaf(out, flags, value)

    def _key(self, out, number, depth):
        # In a composite answer the whole path, else the id alone
        if not self.base:
            head(out, _ARRAY, depth)
            for i in range(depth - 1):
                head(out, 0, self.path[i])
        head(out, 0, number)

    def _leaf(self, out, flags, value):
        if flags & 15 == _TIME:
            out.byte(_EPOCH_TIME)
        scalar(self, out, flags & 15, value)

    def reader(self):
        from lwm2m.formats.lwm2m_cbor_reader import Lwm2mCborReader

        return Lwm2mCborReader(self)
