"""The index of observed paths: a change finds the observations that cover it. Loaded with the
first Observe.
"""


class PathIndex:
    """The observed paths of one server. Allocates: about 100 bytes for each."""

    def __init__(self):
        # {oid, -1 for the root: {key of iid and rid: first ObservedPath of a chain}}
        self.chains = {}

    def add(self, observed):
        """Add an ObservedPath."""
        oid = observed.path[0] if observed.path else -1
        level = self.chains.get(oid)
        if level is None:
            level = self.chains[oid] = {}
        key = _key(observed.path)
        level[key] = observed.precede(level.get(key))

    def remove(self, observed):
        """Remove an ObservedPath; nothing if it was not added."""
        oid = observed.path[0] if observed.path else -1
        level = self.chains.get(oid)
        if not level:
            return
        key = _key(observed.path)
        other = level.get(key)
        if other is not observed:
            while other and other.next is not observed:
                other = other.next
            if other:
                other.precede(observed.next)
        elif observed.next:
            level[key] = observed.next
        else:
            del level[key]
            if not level:
                del self.chains[oid]

    def mark(self, oid, iid, rid):
        """Mark the paths that cover /oid/iid/rid, or what is below it (-1), as changed.
        Allocates: nothing."""
        level = self.chains.get(-1)
        if level:
            _mark(level[0])  # The root covers everything.
        level = self.chains.get(oid)
        if not level:
            return
        if rid < 0:
            for key in level:
                if iid < 0 or not key or key >> 16 == iid + 1:
                    _mark(level[key])
        else:
            key = iid + 1 << 16
            _mark(level.get(key + rid + 1))
            _mark(level.get(key))
            _mark(level.get(0))


def _mark(observed):
    while observed:
        observed.mark_changed()
        observed = observed.next


def _key(path):
    # One number for the resource, the instance, or the object (0) that a path names
    depth = len(path)
    if depth < 2:
        return 0
    return (path[1] + 1 << 16) + (path[2] + 1 if depth > 2 else 0)


def parse_path(path):
    """[oid, iid, rid, riid] of "/3303/0/5700", -1 for each id that it does not have. Raises
    ValueError."""
    found = [-1, -1, -1, -1]
    parts = path.split("/")
    if not 1 < len(parts) < 6 or parts[0]:
        raise ValueError("path: /oid/iid/rid/riid is needed")
    for i in range(1, len(parts)):
        if not parts[i].isdigit() or len(parts[i]) > 5:
            raise ValueError("path: /oid/iid/rid/riid is needed")
        found[i - 1] = int(parts[i])
    return found
