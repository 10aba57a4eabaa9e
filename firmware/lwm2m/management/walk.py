"""Composite answers (LwM2M 1.1 Core §6.3.8): values from here and there. Loaded with the first."""

from micropython import const

from lwm2m.formats.codec import instances

_R = const(0x10)
_MULTI = const(0x80)
_READ = const(1)


def gather(codec, out, client, paths):
    """Write what is at or below each of `paths`, tuples of up to four ids, through `codec`, which
    has `path` and `resource`, `item` (`formats.senml_writer`).

    What does not exist, is not readable or is refused is left out; what two paths name is written
    once.
    """
    for k in range(len(paths)):
        path = paths[k]
        depth = len(path)
        if _covered(paths, k):
            continue
        for instance in client.objects:
            oid = instance.OID
            iid = instance.iid
            if (
                not oid
                or oid == 21
                or (depth and path[0] != oid)
                or (depth > 1 and path[1] != iid)
            ):
                continue
            if client.access and not client.access.allowed(client, oid, iid, _READ):
                continue
            codec.path[0] = oid
            codec.path[1] = iid
            table = instance.RESOURCES
            for i in range(0, len(table), 3):
                rid = table[i]
                flags = table[i + 1]
                if not flags & _R or (depth > 2 and path[2] != rid):
                    continue
                try:
                    value = instance.value_at(i)
                except instance.Refused:
                    continue
                if value is None:
                    continue
                if depth < 4:
                    codec.resource(out, rid, flags, value)
                elif flags & _MULTI and path[3] in instances(value):
                    codec.path[2] = rid
                    codec.item(out, path[3], flags, value[path[3]])
                if out.more:
                    return


def _covered(paths, k):
    # Whether another path is above the one at k, or the same one came before.
    path = paths[k]
    for j in range(len(paths)):
        other = paths[j]
        if len(other) < len(path) or (j < k and len(other) == len(path)):
            if other == path[: len(other)]:
                return True
    return False
