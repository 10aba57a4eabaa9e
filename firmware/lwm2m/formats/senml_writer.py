"""Writing the formats that are a list of records, each with a name that is the path of a value:
SenML and the JSON of LwM2M 1.0.

What was asked for is the base name; the names of the records go on from there.
"""

from array import array
from micropython import const

from lwm2m.formats.codec import Codec, decimal, instances

_MULTI = const(0x80)


class Records(Codec):
    """A subclass has `begin(out, total)`, `record(out, depth, kind, value)` and `end(out)`.

    During `record`, `path[:depth]` is where the value belongs, `base` how much of it the base name
    says (0: there is none) and `count` how many records there are with this one. `nested` tells
    whether the records are below the base name.
    """

    # True: `begin` needs to know the number of records, so they are counted first.
    COUNTED = False

    def __init__(self):
        self.path = array("H", (0, 0, 0, 0))
        self.base = self.count = 0
        self.nested = self.counting = False

    def represent(self, out, client, path, depth, flags, value):
        for i in range(depth):
            self.path[i] = path[i]
        self.base = depth
        self.nested = value is None or (depth == 3 and flags & _MULTI)
        self.count = total = 0
        if self.COUNTED:
            self.counting = True
            self._walk(out, client, path, depth, flags, value)
            total = self.count
            self.count = 0
        self.counting = False
        self.begin(out, total)
        self._walk(out, client, path, depth, flags, value)
        self.end(out)
        if self.COUNTED and self.count != total and not out.more:
            # A value came or went between the two passes: the caller starts again.
            out.broken = True

    def _walk(self, out, client, path, depth, flags, value):
        if not depth:
            from lwm2m.management.walk import gather

            gather(self, out, client, path)
        elif value is None:
            self.emit(out, client, path, depth)
        elif depth == 4:
            self.item(out, path[3], flags, value[path[3]])
        else:
            self.resource(out, path[2], flags, value)

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
                out.byte(47)
            slash = True
            decimal(out, self.path[first])
            first += 1
