"""Writing the formats that are a list of records, each with a name that is the path of a value:
SenML and the JSON of LwM2M 1.0.

What was asked for is the base name; the names of the records go on from there.
"""

from array import array
from micropython import const

from lwm2m.formats.codec import Codec, decimal, instances

_MULTI = const(0x80)
_SLASH = const(47)


class Records(Codec):
    """A subclass has `start(out, total)`, `record(out, depth, kind, value)` and `end(out)`.

    During `record`, `path[:depth]` is where the value belongs, `base` how much of it the base name
    says (0: there is none) and `count` how many records there are with this one. `nested` tells
    whether the records are below the base name.
    """

    FRAMED = True
    COUNTED = False

    def __init__(self):
        self.path = array("H", (0, 0, 0, 0))
        self.base = self.count = 0
        self.nested = self.counting = False

    def begin_count(self, path, depth):
        """Count the records that follow, and write none of them."""
        self.counting = True
        self.count = 0
        self._ask(path, depth)

    def begin(self, out, path, depth, nested, total):
        """Write what comes before `total` records."""
        self.counting = False
        self.count = 0
        self.nested = nested
        self._ask(path, depth)
        self.start(out, total)

    def _ask(self, path, depth):
        # What was asked for, and so the base name
        self.base = depth
        for i in range(depth):
            self.path[i] = path[i]

    def locate(self, oid, iid, rid=0):
        """Take /oid/iid/rid as the place of what follows."""
        path = self.path
        path[0] = oid
        path[1] = iid
        path[2] = rid

    def instance(self, out, instance):
        self.path[1] = instance.iid
        instance.visit(self, out)

    def resource(self, out, rid, flags, value):
        self.path[2] = rid
        if not flags & _MULTI:
            self._record(out, 3, flags, value)
            return
        for riid in instances(value):
            self.item(out, riid, flags, value[riid])
            if out.more:
                return

    def item(self, out, riid, flags, value):
        self.path[3] = riid
        self._record(out, 4, flags, value)

    def _record(self, out, depth, flags, value):
        self.count += 1
        if not self.counting:
            self.record(out, depth, flags & 15, value)

    def spell(self, out, first, last, slash):
        """Write `path[first:last]` with slashes between, and before if `slash`."""
        while first < last:
            if slash:
                out.byte(_SLASH)
            slash = True
            decimal(out, self.path[first])
            first += 1
