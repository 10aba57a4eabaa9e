"""What the tests of the content formats share: values of every type, and checks that hold for
every codec."""

from bench import Bench
from format_model import DEVICE_VALUES, Model, thing
from testing import eq, heap_locked
from wire import CHANGED, POST, PUT

from lwm2m.coap.builder import Builder
from lwm2m.management.walk import represent
from lwm2m.objects.base import Object
from lwm2m.types import (
    BOOL,
    CORELNK,
    FLOAT,
    INT,
    MANDATORY,
    MULTI,
    OBJLNK,
    OPAQUE,
    RW,
    STR,
    TIME,
    UINT,
    R,
    W,
)

DOUBLE = 1.0 + 1e-9 != 1.0
MEASURE = 0x3FFFFFFF

# Edges of every width, in all formats
EDGES = (0, 1, 9, 10, 23, 24, 99, 100, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 999999)
EDGES += ((1 << 28) - 1, 1 << 28, (1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, 4000000000)
EDGES += ((1 << 32) - 1, 1 << 32, 10**12, (1 << 62) + 1, (1 << 63) - 1)
INTS = EDGES + tuple(-n for n in EDGES[1:]) + (-(1 << 63),)
UINTS = EDGES + (1 << 63, (1 << 64) - 1)
FLOATS = (0.0, 1.0, -1.0, 21.5, -40.25, 0.125, 65536.0, 3.0e8)
STRINGS = ("", "x", "ü€𝄞", 'a"b\\c/d', "\x00\x01\n\t\x1f\x7f", "x" * 62, "x" * 63, "x" * 64)
STRINGS += ("ü" * 40, "0123456789" * 30, "}]{[,:")
BYTES = tuple(bytes(i * 37 & 255 for i in range(n)) for n in (0, 1, 2, 3, 4, 5, 33, 255, 300))
LINKS = ((0, 0), (3, 0), (66, 10), (65535, 65535), (9999, 100))

ALL = (
    [(INT, v) for v in INTS]
    + [(TIME, v) for v in INTS]
    + [(UINT, v) for v in UINTS]
    + [(FLOAT, v) for v in FLOATS]
    + [(STR, v) for v in STRINGS]
    + [(CORELNK, "</3/0>;ver=1.1,</1>")]
    + [(OPAQUE, v) for v in BYTES]
    + [(BOOL, True), (BOOL, False)]
    + [(OBJLNK, v) for v in LINKS]
)


class Large:
    """A large opaque value that is never in memory as a whole."""

    def __init__(self, n):
        self.n = n
        self.reads = 0

    def __len__(self):
        return self.n

    def readinto_at(self, offset, buf):
        self.reads += 1
        for i in range(len(buf)):
            buf[i] = (offset + i) * 7 & 255

    def whole(self):
        return bytes(i * 7 & 255 for i in range(self.n))


def client_of(*instances):
    return Model(*instances)


def represented(codec, client, path, depth, flags=0, value=None, skip=0, count=-1, size=8192):
    """The payload of a read of `path`, or what a window shows of it."""
    out = Builder(size)
    out.begin(0, 0x45, 1, b"", 0, 0)
    out.payload(skip, count)
    represent(client or Model(), codec, out, path, depth, flags, value)
    eq(out.broken, False)
    n = out.finish()
    return bytes(out.buf[5:n])


def single(codec, flags, value, path=(9999, 0, 5, 0), depth=3):
    return represented(codec, None, path, depth, flags, value)


def read(codec, b, kinds, depth=2, path=(9999, 0, 5, 0)):
    """[(path, value)] of the records, path as far as it is said, "error" at the end if so."""
    reader = codec.reader()
    pad = b"\x83[{\"'"  # what lies around the payload must not matter
    reader.open(pad + b + pad, len(pad), len(pad) + len(b), path, depth)
    found = []
    while reader.next():
        where = [reader.oid, reader.iid, reader.rid, reader.riid]
        while where and where[-1] == -1:
            where.pop()
        value = None
        if reader.has_value and reader.riid != -2:
            value = reader.value(kinds.get(reader.rid, OPAQUE))
        found.append((tuple(where), value))
        assert len(found) <= len(b), "no end"
    if reader.error:
        found.append("error")
    eq(reader.next(), False)
    return found


def value_of(codec, b, flags, depth=3):
    """What the payload of a write of /9999/0/5 is as a value of this type, or "error"."""
    found = read(codec, b, {5: flags}, depth)
    return "error" if "error" in found or len(found) != 1 else found[0][1]


def check_round_trips(codec):
    """Every value of every type survives writing and reading."""
    for flags, value in ALL:
        got = value_of(codec, single(codec, flags, value), flags)
        eq((flags, got, type(got)), (flags, value, type(value)))
        b = single(codec, flags | MULTI, {3: value}, (9999, 0, 5, 3), 4)
        found = read(codec, b, {5: flags}, 4, (9999, 0, 5, 3))
        eq([v if v == "error" else v[1] for v in found], [value])


def check_no_allocation(codec, skip=()):
    """A scalar is written without an allocation, what a long str takes aside."""
    out = Builder(1152)
    out.begin(0, 0x45, 1, b"", 0, 0)
    peer = Model()

    def write(codec, flags, value):
        out.rewind()
        out.payload()
        # A closure over more than two names would allocate at its call.
        represent(peer, codec, out, (9999, 0, 5, 0), 3, flags, value)

    for flags, value in ALL:
        if flags in skip or (
            isinstance(value, str) and (len(value.encode()) > 62 or "\0" in value)
        ):
            continue
        if len(value) > 250 if isinstance(value, bytes) else False:
            continue
        try:
            heap_locked(write, codec, flags, value)
        except AssertionError as e:
            raise AssertionError("%d %r: %s" % (flags, value, e))
        n = out.finish()
        eq(bytes(out.buf[5:n]), single(codec, flags, value))


def check_windows(codec, extra=()):
    """A representation is the same through every window: object, instance, resources."""
    values = DEVICE_VALUES + ((20, OPAQUE, BYTES[7]), (21, STR, 'quo"ted' * 12)) + tuple(extra)
    client = client_of(thing(*values), thing(*values, iid=300))
    cases = [((9999, 0, 0, 0), 1, 0, None), ((9999, 300, 0, 0), 2, 0, None)]
    for rid, flags, value in values:
        if codec.fits(3, flags, value):
            cases.append(((9999, 0, rid, 0), 3, flags, value))
    for path, depth, flags, value in cases:
        if not codec.fits(depth, flags, value):
            continue
        whole = represented(codec, client, path, depth, flags, value)
        for size in (16, 32, 64):
            b = b""
            while True:
                part = represented(codec, client, path, depth, flags, value, len(b), size)
                b += part
                if len(part) < size:
                    break
            eq(b, whole)
        out = Builder(128)
        out.skip = MEASURE
        represent(client, codec, out, path, depth, flags, value)
        eq(MEASURE - out.skip, len(whole))


def check_truncations(codec, b, kinds, depth=2, path=(9999, 0, 5, 0)):
    """Every beginning of a payload is an error, and nothing wrong comes before."""
    whole = read(codec, b, kinds, depth, path)
    assert "error" not in whole, whole
    for n in range(len(b)):
        got = read(codec, b[:n], kinds, depth, path)
        eq((n, got[-1:]), (n, ["error"]))
        eq((n, got[:-1]), (n, whole[: len(got) - 1]))


def check_errors(codec, payloads, flags, depth=3):
    """Each of `payloads` is an error, and none raises."""
    for b in payloads:
        eq((b, value_of(codec, b, flags, depth)), (b, "error"))


class Part(Object):
    """An object with every type, to be written."""

    OID = 9999
    RESOURCES = (
        0,
        STR | RW,
        "text",
        1,
        INT | RW | MANDATORY,
        "number",
        2,
        UINT | RW,
        "count",
        3,
        FLOAT | RW,
        "level",
        4,
        BOOL | RW,
        "on",
        5,
        OPAQUE | RW,
        "raw",
        6,
        TIME | RW,
        "since",
        7,
        OBJLNK | RW,
        "link",
        8,
        INT | RW | MULTI,
        "list",
        9,
        STR | R,
        "fixed",
        10,
        STR | W,
        "secret",
        11,
        CORELNK | RW,
        "core",
    )
    text = "old"
    number = 1
    count = 2
    level = 0.5
    on = False
    raw = b"\x01"
    since = 1767225600
    link = (3, 0)
    list = {0: 5, 2: 7}  # noqa: RUF012 - replaced, never changed
    fixed = "fixed"
    secret = None
    core = "</1>"


NEW = (
    (0, STR, "nü\n"),
    (1, INT, -(1 << 40)),
    (2, UINT, (1 << 64) - 1),
    (3, FLOAT, 21.5),
    (4, BOOL, True),
    (5, OPAQUE, BYTES[6]),
    (6, TIME, 1 << 31),
    (7, OBJLNK, (9999, 0)),
    (8, INT | MULTI, {2: 8, 300: -9}),
    (11, CORELNK, "</2>"),
)
NAMES = ("text", "number", "count", "level", "on", "raw", "since", "link", "list", "fixed")
NAMES += ("secret", "core")


def state(part):
    return [getattr(part, name) for name in NAMES]


def bench_of(*codecs):
    """A registered client with those formats and a Part."""
    bench = Bench()
    for codec in codecs:
        bench.client.add_format(codec)
    part = bench.client.add(Part())
    part.list = {0: 5, 2: 7}
    return bench, part


def check_writes(codec, records, single_payload, bad):
    """Write through a client: replace, in part, one resource, one of its instances, and what is
    bad and must change nothing.

    `records(values)` is the payload of a write to /9999/0 of (rid, flags, value);
    `single_payload(flags, value, path, depth)` that of one resource; `bad` payloads for /9999/0.
    """
    format = codec.FORMAT
    bench, part = bench_of(codec)
    bench.registered()

    def put(code, path, payload):
        return bench.ask(code, path, payload, format=format).code

    old = state(part)
    for b in bad:
        for code in (PUT, POST):
            answer = put(code, "/9999/0", b)
            assert answer >> 5 == 4, (b, hex(answer))
            eq((b, state(part)), (b, old))
    # in part: the instances of a multiple resource join those that are there
    eq(put(POST, "/9999/0", records(NEW)), CHANGED)
    values = {rid: value for rid, flags, value in NEW}
    for i in range(len(NAMES)):
        if i == 8:
            eq(part.list, {0: 5, 2: 8, 300: -9})
        elif i in values:
            eq((NAMES[i], getattr(part, NAMES[i])), (NAMES[i], values[i]))
    # replace: what is not said is gone
    eq(put(PUT, "/9999/0", records(NEW[1:])), CHANGED)
    eq((part.text, part.list), (None, {2: 8, 300: -9}))
    eq(put(PUT, "/9999/0", records(NEW[:1])), 0x80)  # a mandatory one is missing
    eq(part.number, -(1 << 40))
    # resources and resource instances
    for rid, flags, value in NEW:
        path = (9999, 0, rid, 0)
        b = single_payload(flags, value, path, 3)
        eq(put(PUT, "/9999/0/%d" % rid, b), CHANGED)
        eq(getattr(part, NAMES[rid]), value)
        if not flags & MULTI:
            for n in range(len(b)):
                code = put(PUT, "/9999/0/%d" % rid, b[:n])
                assert code in (0x80, CHANGED), hex(code)
            part.__init__(**{NAMES[rid]: value})
    b = single_payload(INT | MULTI, {300: 70}, (9999, 0, 8, 300), 4)
    eq(put(PUT, "/9999/0/8/300", b), CHANGED)
    eq(part.list, {2: 8, 300: 70})
    # another resource than that of the path, of another type, or not to be written
    b = single_payload(STR, "x", (9999, 0, 0, 0), 3)
    eq(put(PUT, "/9999/0/1", b), 0x80)
    eq(put(PUT, "/9999/0/9", b), 0x85)
    return bench, part
