"""Objects and steps that the tests of blockwise transfers (RFC 7959) share."""

from bench import Bench, ScriptedServer
from testing import eq
from wire import (
    BLOCK1,
    CHANGED,
    CON,
    CONTENT_FORMAT,
    LOCATION_PATH,
    OCTETS,
    PUT,
    decode,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.objects.base import Object
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.types import INT, MANDATORY, OPAQUE, RW, STR, E

CONTINUE, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, INCOMPLETE = 0x5F, 0x80, 0x84, 0x85, 0x88
TOO_LARGE, UNSUPPORTED_FORMAT, INTERNAL = 0x8D, 0x8F, 0xA0
ETAG, SIZE2, SIZE1 = 4, 28, 60
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]

LONG = bytes(97 + i * 7 % 26 for i in range(3000))


class Thing(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, STR | RW | MANDATORY, "name",
        1, INT | RW, "level",
        3, OPAQUE | RW, "blob",
        5, E, "run",
    )
    # fmt: on

    def __init__(self, **values):
        self.name = "thing"
        self.level = 7
        self.blob = b"\x00\xff"
        self.runs = []
        super().__init__(**values)

    def run(self, args=None):
        self.runs.append(args)


class Sized(Bench):
    """A bench whose client has these limits."""

    def __init__(self, mtu=1152, ring=16, body_limit=2048, endpoint="dev"):
        self.clock = FakeClock()
        self.events = []
        self.client = Client(
            endpoint,
            mtu=mtu,
            ring=ring,
            body_limit=body_limit,
            clock=self.clock,
            on_event=self._event,
        )
        self.client.add_format(Text())
        self.client.add_format(Opaque())
        self.far = ScriptedServer(self)
        self.server = self.add_server(self.far)
        self.registration = self.client.registrations[0]


def made(**limits):
    bench = Sized(**limits)
    bench.thing = bench.client.add(Thing())
    return bench.registered()


def block(bench, path, body, number, szx, format=OCTETS, method=PUT, mid=-1, options=(), far=None):
    """Send one block of `body`; its answer."""
    size = 16 << szx
    part = body[number * size : (number + 1) * size]
    more = 8 if (number + 1) * size < len(body) else 0
    options = [(BLOCK1, number << 4 | more | szx)] + list(options)
    far = far or bench.far
    return far.ask(method, path, part, format=format, mid=mid, options=options)


def count(body, szx):
    return (len(body) + (16 << szx) - 1) // (16 << szx)


def upload(bench, path, body, szx, format=OCTETS, method=PUT, first=0):
    """Send `body` from block `first` on: all answers."""
    return [
        block(bench, path, body, number, szx, format, method)
        for number in range(first, count(body, szx))
    ]


def codes(answers):
    return [answer.code for answer in answers]


def good(body, szx, first=0):
    return [CONTINUE] * (count(body, szx) - 1 - first) + [CHANGED]


def tlv(rid, value):
    """A resource in TLV (LwM2M 1.1 Core §7.4.4)."""
    n = len(value)
    first = 0xC0 | (0x20 if rid > 255 else 0)
    head = rid.to_bytes(2 if rid > 255 else 1, "big")
    if n < 8:
        first |= n
    else:
        width = 1 if n < 256 else 2 if n < 65536 else 3
        first |= width << 3
        head += n.to_bytes(width, "big")
    return bytes((first,)) + head + value


def repetition(body, number, mid, path="/26241/0/3"):
    more = 8 if (number + 1) * 16 < len(body) else 0
    options = segments(path) + [(CONTENT_FORMAT, OCTETS), (BLOCK1, number << 4 | more)]
    part = body[number * 16 : (number + 1) * 16]
    return encode(CON, PUT, mid, bytes((mid & 255, 0xA5, mid >> 8)), options, part)


def sent(bench):
    """The one datagram that the client has sent, undecoded, and decoded."""
    bench.client.step()
    queue = bench.far.end.queue
    eq(len(queue), 1)
    datagram = queue.pop()
    return datagram, decode(datagram)
