"""Refusals of what a request says of one resource, with a text that names it (RFC 7252 §5.5.2).
Loaded with the first of them.
"""

from micropython import const

from lwm2m.errors import Lwm2mError

_NOT_FOUND = const(0x84)
_NOT_ALLOWED = const(0x85)
_MULTI = const(0x80)

# By the numbers of types (lwm2m.types)
_TYPES = (
    "a value",
    "a text",
    "an integer",
    "an unsigned integer",
    "a number",
    "a boolean",
    "bytes",
    "a time",
    "an object link",
    "a link",
)


def refuse(code, instance, rid, reason=None):
    """Raise Lwm2mError(code) for the resource `rid` of `instance`, with `reason`, by default what
    the code means there. Allocates: the text."""
    if not reason:
        index = instance.index_of(rid)
        if code == _NOT_FOUND:
            reason = "no such resource"
        elif code == _NOT_ALLOWED:
            reason = "not writable"
        elif index < 0:
            reason = "malformed"
        else:
            flags = instance.RESOURCES[index + 1]
            many = " in each of its instances" if flags & _MULTI else ""
            reason = "takes %s%s" % (_TYPES[flags & 15], many)
    iid = "-" if instance.iid is None else instance.iid
    raise Lwm2mError(code, "/%d/%s/%d: %s" % (instance.OID, iid, rid, reason))
