"""Discover (LwM2M 1.1 Core §6.3.2). Loaded with the first of them."""

from micropython import const

from lwm2m.formats.base import decimal

_MULTI = const(0x80)


def discover(link, out, client, path, depth):
    """Write the links of what is at or below `path[:depth]`, with the codec `link`."""
    link.state = True
    instances = 0
    for instance in client.objects:
        if instance.OID != path[0] or (depth > 1 and instance.iid != path[1]):
            continue
        if depth == 1 and not instances:
            link.object(out, instance)
        instances += 1
        if depth < 3:
            link.open(out, instance.OID, instance.iid)
            out.byte(62)
        table = instance.RESOURCES
        for i in range(0, len(table), 3):
            if (depth < 3 or table[i] == path[2]) and instance.exists_at(i):
                link.open(out, instance.OID, instance.iid, table[i])
                out.byte(62)
                if table[i + 1] & _MULTI and depth > 1:
                    out.put(b";dim=")
                    decimal(out, len(instance.value_at(i)))
                if out.more:
                    return
