"""Discover (LwM2M 1.1 Core §6.3.2). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.codec import decimal, instances

_W = const(0x20)
_RW = const(0x30)
_E = const(0x40)
_MULTI = const(0x80)

_TLV = const(11542)


def discover(link, out, client, path, depth):
    """Write the links of what is at or below `path[:depth]`, with the codec `link`: versions,
    dimensions, and the attributes that the asking server has written."""
    link.state = True
    oid = path[0]
    registration = client.current
    attributes = registration.attributes if registration else None
    if depth == 1:
        link.object(out, client.find(oid) or client.classes[oid])
        if attributes:
            _attach(out, attributes, (oid,))
    for instance in client.objects:
        iid = instance.iid
        if instance.OID != oid or (depth > 1 and iid != path[1]):
            continue
        if depth < 3:
            link.open(out, oid, iid)
            out.byte(62)
            if attributes:
                _attach(out, attributes, (oid, iid))
        table = instance.RESOURCES
        for i in range(0, len(table), 3):
            rid = table[i]
            if (depth < 3 or rid == path[2]) and exists(instance, i):
                link.open(out, oid, iid, rid)
                out.byte(62)
                if table[i + 1] & _MULTI and depth > 1:
                    out.put(b";dim=")
                    decimal(out, len(instance.value_at(i) or ()))
                if attributes:
                    _attach(out, attributes, (oid, iid, rid))
                if depth == 3 and table[i + 1] & _MULTI:
                    for riid in instances(instance.value_at(i) or ()):
                        link.open(out, oid, iid, rid)
                        out.byte(47)
                        decimal(out, riid)
                        out.byte(62)
                        if attributes:
                            _attach(out, attributes, (oid, iid, rid, riid))
                if out.more:
                    return


def exists(instance, i):
    """Whether the resource at index `i` of its table is there: it has a value, or a method to
    execute, or can only be written, or takes a stream."""
    table = instance.RESOURCES
    flags = table[i + 1]
    if flags & _E:
        return getattr(instance, table[i + 2], None) is not None
    if flags & _RW == _W or table[i] in instance.STREAMS:
        return True
    return instance.value_at(i) is not None


def root(link, out, client):
    """Write the root link of a registration, with the formats that a server may ask for, if there
    are more than the ones every server expects (§6.2.1: without it, TLV)."""
    formats = ""
    for codec in client.codecs:
        if codec.FORMAT > 42 and codec.FORMAT != _TLV:
            formats += "%d " % codec.FORMAT
    if formats:
        out.put('</>;rt="oma.lwm2m";ct="%s%d"' % (formats, _TLV))
        link.state = False


def _attach(out, attributes, path):
    if path in attributes:
        found = attributes[path]
        for name in found:
            out.put(";%s=%s" % (name, found[name]))
