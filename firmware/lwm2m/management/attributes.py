"""Write-Attributes (LwM2M 1.1 Core §6.3.4, §5.1.2): what a server wants to be notified of, kept
for each server and path, and which of it is in force for an observation. Loaded with the first.
"""

import gc
from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.formats.values import is_decimal

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_URI_QUERY = const(15)

_INT = const(2)
_UINT = const(3)
_FLOAT = const(4)
_BOOL = const(5)
_TIME = const(7)

_NUMBERS = ("pmin", "pmax", "epmin", "epmax", "hqmax")
_THRESHOLDS = ("gt", "lt", "st")
_SWITCHES = ("edge", "con")
# The versions of LwM2M that have brought attributes after 1.0
_VERSIONS = {"epmin": "1.1", "epmax": "1.1", "edge": "1.2", "con": "1.2", "hqmax": "1.2"}
_CONDITIONS = ("gt", "lt", "st", "edge")

# Paths for which the device sets attributes itself (reporting.assign). They are kept with none,
# too: what a server has unset does not return with the next start.
own = []


def write_attributes(peer, message, flags):
    """Set or unset the attributes in the query for the path of `message`, as `peer` wants it;
    `flags` are those of its resource. Returns the response code."""
    path = tuple(message.path[i] for i in range(message.depth))
    old = peer.attributes.get(path, {})
    merged = query(peer, message, flags & 15 if message.depth > 2 else 0, dict(old))
    if merged is None or not replace(peer, path, merged):
        return _BAD_REQUEST
    return _CHANGED


def replace(peer, path, merged):
    """Have `merged` in the place of the attributes of `path` for `peer`. False, and nothing is
    done, if they contradict each other, what they inherit, or what inherits them."""
    stored = peer.attributes
    old = stored.get(path)
    stored[path] = merged
    good = consistent(merged)
    for other in stored:
        if other[: len(path)] == path and not consistent(inherited(stored, other)):
            good = False
    store = peer.client.store
    if not good:
        if old is None:
            del stored[path]
        else:
            stored[path] = old
        return False
    if not merged and path not in own:
        del stored[path]
    if peer.reporting:
        try:
            for observation in peer.reporting.observations:
                resolve(observation)
        except MemoryError:
            gc.collect()
            stored[path] = old or {}
            for observation in peer.reporting.observations:
                resolve(observation)
            raise
    if store:
        store.save(peer.client)  # so that they outlive a restart
    return True


def query(peer, message, kind, merged):
    """Take the attributes in the query of `message` into the dict `merged` and return it; None if
    they cannot be together. Raises Lwm2mError for one that cannot be: for a resource of type
    `kind` (0: not a resource), in the version of `peer`."""
    for i in range(message.queries):
        message.option(_URI_QUERY, i)
        try:
            name, equals, text = str(message.text(), "utf-8").partition("=")
        except UnicodeError:
            return None
        value = parse(name, text if equals else None, kind)
        if value is False or peer.version < _VERSIONS.get(name, "1.0"):
            raise Lwm2mError(_BAD_REQUEST, name + ": no such attribute or value here")
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged if consistent(merged) else None


def inherited(stored, path):
    """The attributes in force for `path`: those of the root, which the device sets itself
    (reporting.assign), of the object, the instance, the resource, the resource instance, where a
    lower one goes before a higher one (§5.1.1)."""
    found = {}
    for i in range(len(path) + 1):
        found.update(stored.get(path[:i], {}))
    return found


def parse(name, text, kind):
    """The value of an attribute for a resource of type `kind` (0: not a resource); None if it is
    to be unset, False if it cannot be."""
    threshold = name in _THRESHOLDS
    if threshold and kind not in (_INT, _UINT, _FLOAT, _TIME):
        return False  # only a number has thresholds
    if name == "edge" and kind != _BOOL:
        return False
    if not threshold and name not in _NUMBERS and name not in _SWITCHES:
        return False
    if text is None:
        return None
    # int() and float() take more than a server may say. Looked at as bytes, because a character
    # that is taken out of a text stays in MicroPython's table of names for ever.
    for c in text.encode():
        if c not in b"0123456789+-.eE":
            return False
    if threshold and not is_decimal(text.encode()):
        return False
    try:
        value = float(text) if threshold else int(text)
    except ValueError:
        return False
    if threshold:
        if value - value != 0 or (name == "st" and value < 0):
            return False
        return int(value) if value == int(value) else value
    highest = 1 if name in _SWITCHES else 0x1FFFFFFF
    return value if 0 <= value <= highest else False


def consistent(attributes):
    """True if attributes can hold together: lt + 2 st < gt, epmin < epmax (§5.1.2)."""
    lt = attributes.get("lt")
    gt = attributes.get("gt")
    if lt is not None and gt is not None and not lt + 2 * attributes.get("st", 0) < gt:
        return False
    low = attributes.get("epmin")
    high = attributes.get("epmax")
    return low is None or high is None or low < high


def resolve(observation, request_attributes=None):
    """Have an observation follow the attributes that are in force now: those of its request, which
    are given when it begins, in the place of all others (1.2 §6.4.1); else those of the object,
    the instance, the resource (§5.1.1)."""
    stored = observation.registration.attributes
    if request_attributes is None:
        request_attributes = observation.request_attributes
    together = {}
    server_defaults = 0
    for observed in observation.parts or (observation,):
        path = observed.path
        if request_attributes is None:
            found = inherited(stored, path)
            # What is in a notification with something confirmable is confirmed (1.2 §5.1.2).
            for other in stored:
                if other[: len(path)] == path and stored[other].get("con"):
                    found["con"] = 1
        else:
            found = inherited(stored, ())
            found.update(request_attributes)
        conditions = {name: found[name] for name in _CONDITIONS if name in found}
        observed.use_conditions(conditions or None)
        if "pmin" not in found:
            server_defaults |= 1
        if "pmax" not in found:
            server_defaults |= 2
        # What several paths ask for together: no sooner than any of them allows, no later.
        for name in ("pmin", "epmin", "con", "hqmax"):
            if name in found:
                together[name] = max(together.get(name, 0), found[name])
        for name in ("pmax", "epmax"):
            if found.get(name):
                together[name] = min(together.get(name, found[name]), found[name])
    observation.use(together, server_defaults, request_attributes)
