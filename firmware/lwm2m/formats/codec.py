"""What every content format shares: the codec interface and writing without garbage.

A codec has two halves. Writing: `emit` walks the data model and calls `instance(out, instance)`
and `resource(out, rid, flags, value)` with the `Builder` to write to. Reading: a `reader()` is
opened on a payload, `next` steps through the records, each with `iid`, `rid`, `riid` (-1: not
said), and `value(flags)` decodes it. What does not decode sets `error`; nothing is ever raised
for bytes from outside.
"""

import struct
from micropython import const

_STR = const(1)
_CORELNK = const(9)
_MULTI = const(0x80)
_READ = const(1)

# A str of up to this many bytes is encoded without an allocation.
_SHORT = const(64)
SCRATCH = bytearray(_SHORT)


def decimal(out, value):
    """Append a small non-negative integer in decimal. Allocates: nothing."""
    if value > 9:
        decimal(out, value // 10)
    out.byte(48 + value % 10)


class Codec:
    """One content format; `FORMAT` is its number in the IANA registry."""

    FORMAT = -1

    src = SCRATCH

    # Writing

    def load(self, value):
        """Make `src[:n]` the bytes of a str or of bytes, and return n.

        struct copies the UTF-8 form of a str and pads with zeros; the padding tells where it
        ends. Allocates: nothing for bytes, nor for a str below 64 bytes.
        """
        n = len(value)
        self.src = value
        if isinstance(value, str):
            if n < _SHORT and "\0" not in value:
                struct.pack_into("64s", SCRATCH, 0, value)
                while n < _SHORT and SCRATCH[n]:
                    n += 1
                if n < _SHORT:
                    self.src = SCRATCH
                    return n
            self.src = value.encode()
            n = len(self.src)
        return n

    def fits(self, depth, flags, value=None):
        """Whether this format can carry a read at `depth` (of a resource with `flags`)."""
        return True

    def represent(self, out, client, path, depth, flags, value):
        """Write what `path[:depth]` names: `value` if it is a resource, else what is below."""
        if value is None:
            self.emit(out, client, path, depth)
        elif depth == 4:
            self.item(out, path[3], flags, value[path[3]])
        else:
            self.resource(out, path[2], flags, value)

    def emit(self, out, client, path, depth):
        """Write the object or the instance that `path[:depth]` names, which exists."""
        for instance in client.objects:
            oid = instance.OID
            if oid != path[0] or (depth > 1 and instance.iid != path[1]):
                continue
            if client.access and not client.access.allowed(client, oid, instance.iid, _READ):
                continue
            if depth == 1:
                self.instance(out, instance)
            else:
                instance.visit(self, out)
            if out.more:
                return

    def item(self, out, riid, flags, value):
        """Write one resource instance that was read on its own."""
        self.resource(out, riid, flags & ~_MULTI, value)

    # Reading

    def reader(self):
        """A Reader of this format. Allocates: the Reader."""
        from lwm2m.formats.reader import Reader

        return Reader(self)


def instances(value):
    """The instance ids of a multiple resource, whose value is a dict or a tuple."""
    return value if isinstance(value, dict) else range(len(value))


def is_text(flags):
    """True for the types that are UTF-8 text."""
    kind = flags & 15
    return kind == _STR or kind == _CORELNK
