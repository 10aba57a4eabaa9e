"""Reading records: what the two forms of SenML (RFC 8428) and the JSON of LwM2M 1.0 share.
Loaded with the first write.

A parser has `ARRAY`, `MAP`, `enter`, `step`, `skip`, `text`, `number`, `close`; and `key()` gives
one of the labels below: those of SenML CBOR (§6), and three of ours.
"""

from micropython import const

_BVER = const(-1)
_BN = const(-2)
_BT = const(-3)
_BV = const(-5)
_BS = const(-6)
_N = const(0)
_V = const(2)
_VS = const(3)
_VB = const(4)
_T = const(6)
_UT = const(7)
_VD = const(8)
_VLO = const(9)
_OTHER = const(10)

_STR = const(1)
_BOOL = const(5)
_OPAQUE = const(6)
_OBJLNK = const(8)
_CORELNK = const(9)

_END = const(-2)


def label_of(kind):
    """The field that holds a value of type `kind`."""
    if kind == _STR or kind == _CORELNK:
        return _VS
    return _VB if kind == _BOOL else _VD if kind == _OPAQUE else _VLO if kind == _OBJLNK else _V


def begin(reader, path, depth):
    """Take the start of the pack, for records at or below `path[:depth]`."""
    reader.depth = depth
    reader.path = path
    reader.base = b""
    # Whether a name that begins with a slash stands without the base name
    reader.optional_base = False
    reader.oid = reader.iid = reader.rid = reader.riid = -1
    if depth > 1:
        # Without a record this still says where.
        reader.iid = path[1]
    reader.state = reader.enter(reader.ARRAY)


def step(reader):
    """Step to the next record: False at the end or on an error."""
    while True:
        if reader.state == _END:
            return False
        reader.state = reader.step(reader.state)
        if reader.state == _END:
            if not reader.error:
                reader.close()
            return False
        seen = _record(reader)
        if seen and reader.depth and not reader.has_value and not seen & 1 << _N + 6:
            continue  # nothing but base fields
        if seen and reader.has_value and (reader.rid < 0 or reader.riid < -1):
            seen = 0
        if seen and reader.depth and not reader.has_value:
            seen = 0
        if not seen:
            reader.error = True
            reader.state = _END
        return seen != 0


def _record(reader):
    # Take a record. Returns the set of its fields, 0 on an error.
    state = reader.enter(reader.MAP)
    seen = 0
    name = b""
    reader.has_value = False
    while True:
        state = reader.step(state)
        if state == _END:
            break
        label = reader.key()
        if reader.error:
            return 0
        if label < _OTHER:
            if seen & 1 << label + 6:
                return 0
            seen |= 1 << label + 6
        if label == _N:
            name = reader.text()
        elif label == _BN:
            reader.base = reader.text()
        elif _V <= label <= _VB or label == _VD or label == _VLO:
            if reader.has_value:
                return 0
            reader.has_value = True
            reader.label = label
            reader.mark = reader.pos
            reader.skip()
        elif label == _T or label == _BT or label == _UT or label == _BVER:
            reader.number()  # LwM2M has no use for the time of a value that is written
        elif label == _BV or label == _BS:
            return 0  # values would have to be added: LwM2M does not do that
        else:
            reader.skip()
    if not (reader.optional_base and name[:1] == b"/"):
        name = reader.base + name
    if reader.error or not seen or not _resolve(reader, name):
        return 0
    return seen


def _resolve(reader, name):
    # "/3/0/1" becomes oid, iid, rid, riid.
    ids = [-1, -1, -1, -1]
    depth = reader.depth
    end = len(name)
    if end > 1 and name[-1] == 47:
        end -= 1
    i = count = 0
    if end == 1 and name[0] == 47:
        i = 1  # the root
    elif not end:
        return False
    while i < end:
        if name[i] != 47 or count == 4:
            return False
        i += 1
        first = i
        value = 0
        while i < end and name[i] != 47:
            c = name[i] - 48
            if not 0 <= c <= 9:
                return False
            value = value * 10 + c
            if value > 65535:
                return False
            i += 1
        if i == first or (i > first + 1 and name[first] == 48):
            return False
        if count < depth and value != reader.path[count]:
            return False
        ids[count] = value
        count += 1
    if count < depth and reader.has_value:
        return False
    reader.oid, reader.iid, reader.rid, reader.riid = ids
    return True
