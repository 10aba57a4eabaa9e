"""Octet stream, content format 42 (LwM2M 1.1 Core §7.4.2): the bytes of one opaque resource."""

from micropython import const

from lwm2m.formats.codec import Codec

_OPAQUE = const(6)
_MULTI = const(0x80)


class Opaque(Codec):
    FORMAT = 42

    def fits(self, depth, flags, value=None):
        return flags & 15 == _OPAQUE and (depth == 4 or (depth == 3 and not flags & _MULTI))

    def resource(self, out, rid, flags, value):
        out.pull(value, len(value))

    def decode(self, raw, flags):
        """The bytes, None for a resource that is not opaque."""
        return raw if flags & 15 == _OPAQUE else None
