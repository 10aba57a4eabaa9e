"""Discover (LwM2M 1.1 Core §6.3.2). Loaded with the first of them."""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.formats.codec import decimal, instances

_BAD_REQUEST = const(0x80)
_URI_QUERY = const(15)
_ZERO = const(0x30)

_W = const(0x20)
_RW = const(0x30)
_E = const(0x40)
_MULTI = const(0x80)

_SLASH = const(0x2F)
_GREATER = const(0x3E)

# In the order of LwM2M 1.2 Core, table 7.3.2-1
_ATTRIBUTES = ("pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax")


def levels_of(peer, message):
    """The value of `depth` in the query of a Discover (1.2): how many levels below the path it
    asks for; None without one. Raises Lwm2mError for one that cannot be. Allocates: the query."""
    found = None
    for i in range(message.queries):
        message.option(_URI_QUERY, i)
        text = message.text()
        if text[:6] == b"depth=":
            digit = text[6] - _ZERO if len(text) == 7 else -1
            if found is not None or not 0 <= digit <= 3 or peer.version < "1.2":
                raise Lwm2mError(_BAD_REQUEST, "depth: 0 to 3, with LwM2M 1.2")
            found = digit
    return found


def discover(peer, link, out, path, depth, levels=None):
    """Write the links of what is at or below `path[:depth]`, with the codec `link`: versions,
    dimensions, and the attributes that the asking server has written; the link of `path` has those
    that it inherits, too. `levels` below it are shown, by default the resources, or the instances
    of the resource that is asked for, which 1.0 has not."""
    link.begin()
    deepest = depth + levels if levels is not None else 4 if depth == 3 else 3
    if peer.version == "1.0":
        deepest = 3
    client = peer.client
    oid = path[0]
    attributes = peer.attributes
    if depth == 1:
        link.object(out, client.find(oid) or client.classes[oid])
        if attributes:
            _attach(out, attributes, (oid,), True)
    for instance in client.objects:
        iid = instance.iid
        if deepest < 2 or instance.OID != oid or (depth > 1 and iid != path[1]):
            continue
        if depth < 3:
            link.open(out, oid, iid)
            out.byte(_GREATER)
            if attributes:
                _attach(out, attributes, (oid, iid), depth == 2)
        table = instance.RESOURCES
        for i in range(0, len(table) if deepest > 2 else 0, 3):
            rid = table[i]
            if (depth < 3 or rid == path[2]) and exists(instance, i):
                link.open(out, oid, iid, rid)
                out.byte(_GREATER)
                if table[i + 1] & _MULTI:
                    out.put(b";dim=")
                    decimal(out, len(instance.value_at(i) or ()))
                if attributes:
                    _attach(out, attributes, (oid, iid, rid), depth == 3)
                if deepest > 3 and table[i + 1] & _MULTI:
                    for riid in instances(instance.value_at(i) or ()):
                        link.open(out, oid, iid, rid)
                        out.byte(_SLASH)
                        decimal(out, riid)
                        out.byte(_GREATER)
                        if attributes:
                            _attach(out, attributes, (oid, iid, rid, riid), False)
                if out.more:
                    return


def exists(instance, i):
    """True when the resource at index `i` of the table is there: it has a value, or a method to
    execute, or can only be written, or takes a stream."""
    table = instance.RESOURCES
    flags = table[i + 1]
    if flags & _E:
        return getattr(instance, table[i + 2], None) is not None
    if flags & _RW == _W or table[i] in instance.STREAMS:
        return True
    return instance.value_at(i) is not None


def _attach(out, attributes, path, is_asked):
    # Append the attributes of a path, in the order of the specification.
    found = attributes.get(path, ())
    if is_asked:
        from lwm2m.management.attributes import inherited

        found = inherited(attributes, path)
    for name in _ATTRIBUTES:
        if name in found:
            out.put(";%s=%s" % (name, found[name]))
