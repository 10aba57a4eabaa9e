"""Objects: a class is an object, an instance of it an object instance, an attribute a resource.

    from lwm2m.objects.base import Object
    from lwm2m.types import BOOL, E, INT, R, RW

    class Valve(Object):
        OID = 26241
        RESOURCES = (
            # resource id, type | operations | flags, attribute
            5850, BOOL | RW, "open",
            5536, INT | R, "flow",
            5523, E, "flush",
        )
        open = False
        flow = 0

        def flush(self):
            ...

The table is one flat tuple, so that from frozen code it costs no RAM at all.
"""

from micropython import const

from lwm2m.errors import Lwm2mError

_NOT_FOUND = const(0x84)
_R = const(0x10)
_MULTI = const(0x80)


class Object:
    """Base of all objects. Keyword arguments set resources, and `iid`.

    `OID` object id, `VERSION` object version when it is not "1.0", `RESOURCES` the table,
    `STREAMS` the ids of opaque resources that are written piece by piece: the class then has a
    method `receive(rid, name, offset, data, more)`. `data`, a memoryview valid until it returns,
    stands at `offset` (0: anew); `more` is False for the last piece.
    A value may be an attribute, a property, or a function without arguments. None means that
    the resource does not exist here. Values by type: str, int, float, bool, bytes (opaque),
    seconds since 1970 (time), `(oid, iid)` (objlnk); a large opaque one is any object with
    `len()` and `readinto_at(offset, buf)`, which fills buf; multiple resources are a dict
    `{riid: value}` or a tuple. A resource without a name in the table is kept in `more[rid]`: a
    name that nobody uses would cost 40 bytes. Raises ValueError for an unknown name.
    """

    OID = -1
    VERSION = None
    RESOURCES = ()
    STREAMS = ()
    iid = client = more = None

    def __init__(self, **values):
        for name in values:
            if name not in ("iid", "more") and name not in self.RESOURCES:
                raise ValueError("%d: no resource '%s'" % (self.OID, name))
            setattr(self, name, values[name])

    # Hooks, in the order in which an application may want to override them

    def read(self, rid, name):
        """The value of a resource. Refuse with `Lwm2mError`."""
        if name:
            value = getattr(self, name, None)
        else:
            value = self.more.get(rid) if self.more else None
        return value() if callable(value) else value

    def check(self, rid, value):
        """Look at a value before a write changes anything. Refuse with `Lwm2mError`."""

    def write(self, rid, name, value):
        """Take a value that `check` has passed; bytes and dicts are the object's to keep."""
        if name:
            setattr(self, name, value)
        else:
            self.more = self.more or {}
            self.more[rid] = value

    def changed(self, rid):
        """Called by an object when a value has changed and no server has written it: who observes
        it is told. Override it to react too. Allocates: nothing."""
        if self.client:
            self.client.notify(self.OID, self.iid, rid)

    def clear(self, rid, name):
        """Take the value away: a replacing write of the instance did not mention it."""
        self.write(rid, name, None)

    def execute(self, rid, name, args):
        """Run an executable resource: its method is called without an argument when the server
        sent none, else with the dict `{0..9: str or None}` (LwM2M 1.1 Core §6.3.5)."""
        method = getattr(self, name, None)
        if method is None:
            raise Lwm2mError(_NOT_FOUND)
        if args:
            method(args)
        else:
            method()

    # For the client and the operations

    def attach(self, client):
        """Take a place among the instances of `client`, which are ordered by object id and
        instance id; without an `iid`, with the lowest free one. None: give the place up. Raises
        ValueError if the id is taken."""
        if not client:
            self.client.objects.remove(self)
            self.client = None
            return
        oid = self.OID
        iid = self.iid
        objects = client.objects
        i = free = 0
        for other in objects:
            if other.OID == oid:
                if other.iid == iid:
                    raise ValueError("/%d/%d: is there already" % (oid, iid))
                if other.iid == free:
                    free += 1
            if other.OID < oid or (other.OID == oid and (iid is None or other.iid < iid)):
                i += 1
        if iid is None:
            self.iid = free
            while i and objects[i - 1].OID == oid and objects[i - 1].iid > free:
                i -= 1
        objects.insert(i, self)
        self.client = client

    def index_of(self, rid):
        """The index of `rid` in RESOURCES, or -1. Allocates: nothing."""
        table = self.RESOURCES
        for i in range(0, len(table), 3):
            if table[i] == rid:
                return i
        return -1

    def locate(self, path, depth):
        """The index in RESOURCES of the resource that `path[:depth]` names: -1 if it names none,
        -2 if there is none of that id. Allocates: nothing."""
        if depth < 3:
            return -1
        # As index_of does, without the call: every read passes here.
        rid = path[2]
        table = self.RESOURCES
        for i in range(0, len(table), 3):
            if table[i] == rid:
                return -2 if depth > 3 and not table[i + 1] & _MULTI else i
        return -2

    def value_at(self, i):
        """The value of the resource at index `i` of the table, None if it does not exist."""
        table = self.RESOURCES
        return self.read(table[i], table[i + 2])

    def visit(self, codec, out):
        """Write every readable resource that exists through `codec`."""
        table = self.RESOURCES
        for i in range(0, len(table), 3):
            flags = table[i + 1]
            if flags & _R:
                value = self.read(table[i], table[i + 2])
                if value is not None:
                    codec.resource(out, table[i], flags, value)
                    if out.more:
                        return
