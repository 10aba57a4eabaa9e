"""Link format, content format 40 (RFC 6690): what Register and Discover carry.

Whoever writes a list of links calls `begin`, and then, in their order, `object`, or `open` and
what follows the path of a link.
"""

from micropython import const

from lwm2m.formats.codec import Codec, decimal

_COMMA = const(0x2C)
_SLASH = const(0x2F)
_LESS = const(0x3C)
_GREATER = const(0x3E)


class Link(Codec):
    FORMAT = 40
    FRAMED = True

    def begin(self):
        """Begin a list; `state` is True until its first link."""
        self.state = True

    def object(self, out, instance):
        """Write the link of an object, with its version."""
        self.open(out, instance.OID)
        out.byte(_GREATER)
        if instance.VERSION:
            out.put(b";ver=")
            out.put(instance.VERSION)

    def open(self, out, oid=-1, iid=-1, rid=-1):
        """Write a link as far as its path, "/" without an id. Allocates: nothing."""
        if not self.state:
            out.byte(_COMMA)
        self.state = False
        out.byte(_LESS)
        out.byte(_SLASH)
        if oid >= 0:
            decimal(out, oid)
        if iid >= 0:
            out.byte(_SLASH)
            decimal(out, iid)
        if rid >= 0:
            out.byte(_SLASH)
            decimal(out, rid)
