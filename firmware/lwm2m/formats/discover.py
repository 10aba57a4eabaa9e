"""Discover (LwM2M 1.1 Core §6.3.2). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.base import decimal

_MULTI = const(0x80)


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
            if (depth < 3 or rid == path[2]) and instance.exists_at(i):
                link.open(out, oid, iid, rid)
                out.byte(62)
                if table[i + 1] & _MULTI and depth > 1:
                    out.put(b";dim=")
                    decimal(out, len(instance.value_at(i) or ()))
                if attributes:
                    _attach(out, attributes, (oid, iid, rid))
                if out.more:
                    return


def _attach(out, attributes, path):
    if path in attributes:
        found = attributes[path]
        for name in found:
            out.put(";%s=%s" % (name, found[name]))
