"""Write-Attributes (LwM2M 1.1 Core §6.3.4, §5.1.2): what a server wants to be notified of, kept
for each server and path. Loaded with the first of them.
"""

from micropython import const

_CHANGED = const(0x44)
_BAD_REQUEST = const(0x80)
_URI_QUERY = const(15)

_INT = const(2)
_UINT = const(3)
_FLOAT = const(4)
_TIME = const(7)

_NUMBERS = ("pmin", "pmax", "epmin", "epmax", "hqmax")
_THRESHOLDS = ("gt", "lt", "st")
_SWITCHES = ("edge", "con")


def write_attributes(registration, message, flags):
    """Set or unset the attributes in the query for the path of `message`; `flags` are those of its
    resource. Returns the response code."""
    depth = message.depth
    path = tuple(message.path[i] for i in range(depth))
    if registration.attributes is None:
        registration.attributes = {}
    merged = dict(registration.attributes.get(path, {}))
    kind = flags & 15 if depth > 2 else 0
    for i in range(message.queries):
        message.option(_URI_QUERY, i)
        try:
            name, equals, text = str(message.text(), "utf-8").partition("=")
        except UnicodeError:
            return _BAD_REQUEST
        value = parse(name, text if equals else None, kind)
        if value is False:
            return _BAD_REQUEST
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    if not consistent(merged):
        return _BAD_REQUEST
    if merged:
        registration.attributes[path] = merged
    else:
        registration.attributes.pop(path, None)
    return _CHANGED


def parse(name, text, kind):
    """The value of an attribute for a resource of type `kind` (0: not a resource); None if it is
    to be unset, False if it cannot be."""
    threshold = name in _THRESHOLDS
    if threshold and kind not in (_INT, _UINT, _FLOAT, _TIME):
        return False  # only a number has thresholds
    if not threshold and name not in _NUMBERS and name not in _SWITCHES:
        return False
    if text is None:
        return None
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
    """Whether they can hold together: lt + 2 st < gt, epmin < epmax (§5.1.2)."""
    lt = attributes.get("lt")
    gt = attributes.get("gt")
    if lt is not None and gt is not None and not lt + 2 * attributes.get("st", 0) < gt:
        return False
    low = attributes.get("epmin")
    high = attributes.get("epmax")
    return low is None or high is None or low < high
