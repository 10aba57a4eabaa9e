"""A walk through the data model: what the representation of a path, or of several, consists of, as
far as a peer may read it. Loaded with the first read.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.formats.codec import instances

_LINK = const(40)
_R = const(0x10)
_MULTI = const(0x80)
_READ = const(1)


def represent(peer, codec, out, path, depth, flags, value):
    """Write through `codec` what `path[:depth]` names, as far as `peer` may read it: `value` of a
    resource with `flags`, or, when that is None, what is below. Depth 0 is a composite: `path` is
    then a list of paths. Allocates: nothing by itself."""
    show = content if depth else walk
    if not codec.FRAMED:
        show(peer, codec, out, path, depth, flags, value)
        return
    if codec.FORMAT == _LINK:
        from lwm2m.management.discover import discover

        discover(peer, codec, out, path, depth, value)
        return
    total = 0
    if codec.COUNTED:
        codec.begin_count(path, depth)
        show(peer, codec, out, path, depth, flags, value)
        total = codec.count
    nested = depth and (value is None or (depth == 3 and flags & _MULTI))
    codec.begin(out, path, depth, nested, total)
    show(peer, codec, out, path, depth, flags, value)
    codec.end(out)
    if codec.COUNTED and codec.count != total and not out.more:
        # A value came or went between the two passes: the caller starts again.
        out.broken = True


def content(peer, codec, out, path, depth, flags, value):
    """Write what is at or below `path[:depth]`, without a frame."""
    if depth == 4:
        codec.item(out, path[3], flags, value[path[3]])
        return
    if value is not None:
        codec.resource(out, path[2], flags, value)
        return
    for instance in peer.client.objects:
        oid = instance.OID
        if oid != path[0] or (depth > 1 and instance.iid != path[1]):
            continue
        if not peer.allowed(oid, instance.iid, _READ):
            continue
        if depth == 1:
            codec.instance(out, instance)
        else:
            instance.visit(codec, out)
        if out.more:
            return


def walk(peer, codec, out, paths, depth, flags, value):
    """Write what is at or below each of `paths`, tuples of up to four ids, through `codec`.

    What does not exist, is not readable or is refused is left out; what two paths name is written
    once.
    """
    for k in range(len(paths)):
        path = paths[k]
        depth = len(path)
        if _covered(paths, k):
            continue
        for instance in peer.client.objects:
            oid = instance.OID
            iid = instance.iid
            if (depth and path[0] != oid) or (depth > 1 and path[1] != iid):
                continue
            if not peer.allowed(oid, iid, _READ):
                continue
            codec.locate(oid, iid)
            table = instance.RESOURCES
            for i in range(0, len(table), 3):
                rid = table[i]
                flags = table[i + 1]
                if not flags & _R or (depth > 2 and path[2] != rid):
                    continue
                try:
                    value = instance.value_at(i)
                except Lwm2mError:
                    continue
                if value is None:
                    continue
                if depth < 4:
                    codec.resource(out, rid, flags, value)
                elif flags & _MULTI and path[3] in instances(value):
                    codec.locate(oid, iid, rid)
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
