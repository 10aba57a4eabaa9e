"""The conditions on which a value is notified, and the periods (LwM2M 1.1 Core §5.1.2). Loaded
with the first Observe.

A value is notified when it has crossed `gt` or `lt` in either direction, when it is `st` or more
away from the value notified last, when it has risen (`edge` 1) or fallen (`edge` 0); without any
of these, when it has changed.
"""

from micropython import const

from lwm2m.formats.codec import instances

_NEVER_MS = const(3600000)
_LONGEST_S = const(3600)
# 17 years, as none
_FOREVER_S = const(0x1FFFFFFF)

# Bits of `Observation.server_defaults`
_PMIN = const(1)
_PMAX = const(2)

# A tuple that is made during a comparison would allocate.
_MANY = (dict, tuple)
_MUTABLE = (dict, bytearray, list)


class ObservedPath:
    """A path that an observation covers. Allocates: about 100 bytes."""

    # One to four ids, from object to resource instance; None if `observation.parts` have them
    path = None
    # Instance at `path`, None if there is none
    instance = None
    # Place of the resource in the table of the instance, -1 for an object or an instance
    index = -1
    # Type and operations of the resource (objects.base)
    flags = 0
    # The attributes gt, lt, st and edge in force, None if there are none
    conditions = None
    # Value notified last
    notified = None
    # Value seen last
    seen = None
    # Bounds that are `st` away from `notified`, None without st
    high = None
    low = None
    # Reported as changed since the last evaluation
    changed = False
    # Next path with the same key in the index
    next = None

    def __init__(self, observation, path):
        self.observation = observation
        self.path = path
        self.changed = False

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
            self.seen = self.read()
            return self.seen is not None
        return True

    def read(self):
        """The present value, None if there is none any more."""
        if not self.instance.client:
            return None
        value = self.instance.value_at(self.index)
        if len(self.path) > 3 and value is not None:
            riid = self.path[3]
            value = value[riid] if riid in instances(value) else None
        return value

    def mark_changed(self):
        """Have the observation look at this path in the next step. Allocates: nothing."""
        self.changed = True
        # The observation of a single path is this object itself.
        observation = self.observation
        observation.changed = True
        observation.reporting.push(observation)

    def evaluate_again(self):
        """Have the next look evaluate it: the last one found no memory. Allocates: nothing."""
        self.changed = True

    def evaluate(self):
        """Read the value; True if it is to be notified. Allocates: nothing for a number."""
        changed = self.changed
        self.changed = False
        last = self.seen
        if self.instance and not self.instance.client or (self.index < 0 and len(self.path) > 2):
            # The instance has come back, or another one has come in its place.
            self.place(self.observation.reporting.client)
        if self.index < 0:
            return changed
        value = self.read()
        if self.conditions and isinstance(value, dict):
            value = dict(value)
        hit = self._differs(value, last)
        self.seen = value
        return hit

    def _differs(self, value, last):
        # True if a value, after `last`, is to be notified
        if value is last and isinstance(value, _MUTABLE):
            return True  # It may have been changed in place.
        if value is None or last is None or not self.conditions:
            return value != last
        if not isinstance(value, _MANY):
            return self._meets(value, last, self.notified)
        # The conditions hold for each of the instances; one that comes or goes is notified.
        found = instances(value)
        if len(found) != len(instances(last)):
            return True
        notified = self.notified
        for riid in found:
            if riid not in instances(last):
                return True
            known = notified[riid] if notified and riid in instances(notified) else None
            self._set_bounds(known)
            if self._meets(value[riid], last[riid], known):
                return True
        return False

    def _meets(self, value, last, notified):
        # True if a value, after `last` and `notified`, meets one of the conditions
        conditions = self.conditions
        limit = conditions.get("gt")
        if limit is not None and (value > limit) != (last > limit):
            return True
        limit = conditions.get("lt")
        if limit is not None and (value < limit) != (last < limit):
            return True
        if self.high is not None and (value >= self.high or value <= self.low):
            return value != notified
        return (not value) != (not last) and conditions.get("edge", 2) == (1 if value else 0)

    def mark_notified(self):
        """Note that the value seen last is the one notified last."""
        self._set_bounds(self.seen)
        self.notified = self.seen

    def use_conditions(self, conditions):
        """Take `conditions`, a dict or None, into force."""
        self.conditions = conditions
        self._set_bounds(self.notified)

    def _set_bounds(self, value):
        # Arithmetic with floats allocates, a comparison does not: so it is done beforehand.
        step = self.conditions and self.conditions.get("st")
        if step is None or value is None or isinstance(value, _MANY):
            self.high = None
        else:
            high = value + step
            self.low = value - step
            self.high = high

    def content(self):
        """The value of a resource, a dict for a resource instance, None for an object or an
        instance. A value that has just gone is written once more: that it has gone follows."""
        if self.index < 0:
            return None
        value = self.read()
        if value is None:
            value = self.notified
        else:
            self.seen = value
        return {self.path[3]: value} if len(self.path) > 3 else value

    def precede(self, other):
        """Stand before `other` in the index. Returns this path."""
        self.next = other
        return self


def due_ms(observation, clock, server):
    """Milliseconds until an observation is to be notified as pmin and pmax say, those of `server`
    included: 0 now. Allocates: nothing."""
    attributes = observation.attributes
    pmin = attributes.get("pmin") or 0
    if observation.server_defaults & _PMIN:
        pmin = max(pmin, server.pmin_s or 0)
    s = observation.notified_s
    ms = observation.notified_ms
    if observation.due:
        return left(clock, s, ms, pmin)
    pmax = attributes.get("pmax") or _FOREVER_S
    if observation.server_defaults & _PMAX:
        pmax = min(pmax, server.pmax_s or pmax)
    return left(clock, s, ms, pmax) if pmax >= pmin else _NEVER_MS


def left(clock, s, ms, period_s):
    """Milliseconds until `period_s` seconds after the time (s, ms), at most an hour. Allocates:
    nothing."""
    s += period_s - clock.s
    if s > _LONGEST_S:
        return _NEVER_MS
    ms += s * 1000 - clock.ms
    return ms if ms > 0 else 0
