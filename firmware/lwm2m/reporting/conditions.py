"""What observations wait for (LwM2M 1.1 Core §5.1.2), found by what has changed. Loaded with the
first Observe.

A value is to be told when it has crossed `gt` or `lt` in either direction, when it is `st` or more
away from what was told last, when it has risen (`edge` 1) or fallen (`edge` 0); and without any of
these, when it has changed.
"""

from lwm2m.formats.codec import instances

# Here, because a tuple that is made while looking allocates
_MANY = (dict, tuple)
_MUTABLE = (dict, bytearray, list)


class Watch:
    """A path that an observation waits for: `path`, its `instance`, the `index` and `flags` of
    its resource (-1: it is an object or an instance), the `terms` gt, lt, st, edge if any; `value`
    was told last, `last` was seen last. Allocates: about 100 bytes."""

    instance = terms = value = last = next = high = low = None
    index = -1
    flags = 0
    changed = False

    def place(self, client):
        """Find what `path` names; False if there is nothing."""
        path = self.path
        depth = len(path)
        instance = client.find(path[0], path[1] if depth > 1 else -1) if depth else None
        if not instance:
            return depth < 2 and (not depth or path[0] in client.classes)
        self.instance = instance
        if depth > 2:
            index = instance.locate(path, depth)
            if index < 0:
                return False
            self.index = index
            self.flags = instance.RESOURCES[index + 1]
            self.last = self.read()
            return self.last is not None
        return True

    def read(self):
        """The value, None if there is none (any more)."""
        if not self.instance.client:
            return None
        value = self.instance.value_at(self.index)
        if len(self.path) > 3 and value is not None:
            riid = self.path[3]
            value = value[riid] if riid in instances(value) else None
        return value

    def evaluate(self):
        """Look at the value: whether what has happened is to be told. Allocates: nothing for a
        number."""
        changed = self.changed
        self.changed = False
        last = self.last
        if self.instance and not self.instance.client or (self.index < 0 and len(self.path) > 2):
            self.place(self.owner.reports.client)  # it, or another one in its place, has come
        if self.index < 0:
            return changed
        value = self.read()
        if self.terms and isinstance(value, dict):
            value = dict(value)
        self.last = value
        if value is last and isinstance(value, _MUTABLE):
            return True  # changed in place: nobody knows whether
        if value is None or last is None or not self.terms:
            return value != last
        if not isinstance(value, _MANY):
            return self.crosses(value, last, self.value)
        # The terms hold for each of the instances; one that comes or goes is told.
        found = instances(value)
        if len(found) != len(instances(last)):
            return True
        told = self.value
        for riid in found:
            if riid not in instances(last):
                return True
            known = told[riid] if told and riid in instances(told) else None
            self.limit(known)
            if self.crosses(value[riid], last[riid], known):
                return True
        return False

    def crosses(self, value, last, told):
        """Whether a value, after `last` and `told`, meets one of the terms."""
        terms = self.terms
        limit = terms.get("gt")
        if limit is not None and (value > limit) != (last > limit):
            return True
        limit = terms.get("lt")
        if limit is not None and (value < limit) != (last < limit):
            return True
        if self.high is not None and (value >= self.high or value <= self.low):
            return value != told
        return (not value) != (not last) and terms.get("edge", 2) == (1 if value else 0)

    def tell(self):
        """Take note that the value seen last is told."""
        self.value = self.last
        self.limit(self.last)

    def limit(self, value):
        """Work out from where on a value is `st` away from `value`."""
        step = self.terms and self.terms.get("st")
        if step is None or value is None or isinstance(value, _MANY):
            self.high = None
        else:
            # Here, because arithmetic with floats allocates, and comparing them does not.
            self.high = value + step
            self.low = value - step


class Index:
    """The watches of one server by what they watch, so that a change finds its own.
    Allocates: about 100 bytes for each path."""

    def __init__(self):
        # {oid: {key of iid and rid: the first of a chain}}
        self.chains = {}

    def add(self, watch):
        oid = watch.path[0] if watch.path else -1
        level = self.chains.get(oid)
        if level is None:
            level = self.chains[oid] = {}
        key = key_of(watch.path)
        watch.next = level.get(key)
        level[key] = watch

    def remove(self, watch):
        oid = watch.path[0] if watch.path else -1
        level = self.chains[oid]
        key = key_of(watch.path)
        other = level[key]
        if other is not watch:
            while other.next is not watch:
                other = other.next
            other.next = watch.next
        elif watch.next:
            level[key] = watch.next
        else:
            del level[key]
            if not level:
                del self.chains[oid]

    def mark(self, oid, iid, rid):
        """Something has changed: /oid/iid/rid, or with -1 all below. Allocates: nothing."""
        level = self.chains.get(-1)
        if level:
            _mark(level[0])  # the root: everything
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


def _mark(watch):
    while watch:
        watch.changed = True
        owner = watch.owner
        owner.touched = True
        owner.reports.push(owner)
        watch = watch.next


def key_of(path):
    """What stands for the resource, the instance or the object that `path` names in an index."""
    depth = len(path)
    if depth < 2:
        return 0
    return (path[1] + 1 << 16) + (path[2] + 1 if depth > 2 else 0)


def ids(path):
    """(oid, iid, rid, riid) of "/3303/0/5700", -1 for what it does not say. Raises ValueError."""
    found = [-1, -1, -1, -1]
    parts = path.split("/")
    if not 1 < len(parts) < 6 or parts[0]:
        raise ValueError("path: /oid/iid/rid/riid is needed")
    for i in range(1, len(parts)):
        if not parts[i].isdigit() or len(parts[i]) > 5:
            raise ValueError("path: /oid/iid/rid/riid is needed")
        found[i - 1] = int(parts[i])
    return found
