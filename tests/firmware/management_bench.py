"""An object with a resource of every type, and requests to it."""

from bench import Bench
from testing import eq
from wire import CON, CONTENT, CONTENT_FORMAT, GET, TLV, decode, encode, segments

from lwm2m.coap.builder import Builder
from lwm2m.coap.message import Message
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.types import BOOL, FLOAT, INT, MANDATORY, MULTI, OPAQUE, RW, STR, E, R, W

BAD_REQUEST, UNAUTHORIZED, BAD_OPTION, NOT_FOUND, NOT_ALLOWED = 0x80, 0x81, 0x82, 0x84, 0x85
CONTINUE, NOT_ACCEPTABLE, TOO_LARGE, UNSUPPORTED_FORMAT = 0x5F, 0x86, 0x8D, 0x8F
INTERNAL, NOT_IMPLEMENTED, PROXYING = 0xA0, 0xA1, 0xA5


class Thing(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, STR | RW | MANDATORY, "name",
        1, INT | RW, "level",
        2, FLOAT | R, "value",
        3, OPAQUE | RW, "blob",
        4, STR | W, "password",
        5, E, "run",
        6, INT | RW | MULTI, "levels",
        7, BOOL | RW, "missing",
        8, STR | R | MULTI, "labels",
        9, E, "absent",
        10, OPAQUE | RW | MULTI, "blobs",
        300, INT | RW, "wide",
    )
    # fmt: on

    def __init__(self, **values):
        self.name = "thing"
        self.level = 7
        self.value = 21.5
        self.blob = b"\x00\xff"
        self.password = "secret"
        self.levels = {0: 10, 3: 13}
        self.labels = ("a", "b")
        self.blobs = {1: b"one"}
        self.wide = 300
        self.runs = []
        super().__init__(**values)

    def run(self, args=None):
        self.runs.append(args)


def made(**values):
    """A registered client with a Device and one Thing."""
    bench = Bench()
    bench.client.add(Device(manufacturer="Acme"))
    bench.thing = bench.client.add(Thing(**values))
    return bench.registered()


def code(bench, method, path, payload=b"", **more):
    return bench.ask(method, path, payload, **more).code


def content(bench, path, accept=-1):
    answer = bench.ask(GET, path, accept=accept)
    eq(answer.code, CONTENT)
    return answer.uint(CONTENT_FORMAT), answer.payload


def everything(bench):
    """All that can be read of the thing, and what cannot."""
    thing = bench.thing
    return content(bench, "/26241/0", TLV), thing.password, list(thing.runs)


def refused(bench, expected, method, path, payload=b"", **more):
    """The request gets this code, a text for people, and nothing has changed."""
    before = everything(bench)
    answer = bench.ask(method, path, payload, **more)
    eq((path, payload, hex(answer.code)), (path, payload, hex(expected)))
    eq(answer.options, [])
    assert 0 < len(str(answer.payload, "utf-8")) <= 64, answer.payload
    eq(everything(bench), before)


PARTIAL = b"\xc1\x00n\xc1\x01\x2a\x83\x06\x41\x05\x01\xc3\x04new\xc1\x07\x01\xe1\x01\x2c\x05"

BLOB = bytes(i * 7 & 255 for i in range(3000))


class Serving:
    """One request as its peer serves it, for a measurement."""

    def __init__(self, client, method, path, options=(), payload=b""):
        self.client = client
        datagram = encode(CON, method, 1, b"tok", segments(path) + list(options), payload)
        self.datagram = datagram
        self.message = Message()
        self.out = Builder(client.mtu)
        self.code = 0

    def __call__(self):
        message, out = self.message, self.out
        message.parse(self.datagram, len(self.datagram))
        out.begin(2, 0, 1, self.datagram, 4, 3)
        self.code = self.client.registrations[0].on_request(message, out)

    def answer(self):
        self.out.buf[1] = self.code
        return decode(bytes(self.out.buf[: self.out.finish()]))
