"""The device that is fuzzed: objects 0, 1, 3, two temperatures, and one with every type."""

import os
import sys

import lwm2m
from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.ports.fake_clock import FakeClock
from lwm2m.transport.loopback import Loopback


def load_all():
    """Import every module of the rooms: what loads at its first use would count as growth."""
    for room in ("coap", "formats", "interfaces"):
        for entry in os.ilistdir(lwm2m.__path__ + "/" + room):
            name = entry[0].rsplit(".", 1)
            if name[-1] in ("py", "mpy"):
                __import__("lwm2m." + room + "." + name[0])


load_all()

STR, INT, UINT, FLOAT, BOOL, OPAQUE, TIME, OBJLNK, CORELNK = range(1, 10)
R, W, RW, E, MULTI = 0x10, 0x20, 0x30, 0x40, 0x80

ENOUGH = 6  # answers that may be owed at once


class DeliberateError(Exception):
    """Raised by a handler that is there to raise it."""


class Pattern:
    """A large opaque value that is never in memory."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def readinto_at(self, offset, buf):
        for i in range(len(buf)):
            buf[i] = offset + i & 255


class Everything(Object):
    """Every type, single and multiple; handlers that refuse, raise, and take their time."""

    OID = 26241
    VERSION = "1.2"
    # fmt: off
    RESOURCES = (
        0, STR | RW, "text",
        1, INT | RW, "number",
        2, UINT | RW, "count",
        3, FLOAT | RW, "level",
        4, BOOL | RW, "flag",
        5, OPAQUE | RW, "data",
        6, TIME | RW, "when",
        7, OBJLNK | RW, "link",
        8, CORELNK | RW, "links",
        10, STR | RW | MULTI, "texts",
        11, INT | RW | MULTI, "numbers",
        12, UINT | RW | MULTI, "counts",
        13, FLOAT | RW | MULTI, "levels",
        14, BOOL | RW | MULTI, "flags",
        15, OPAQUE | RW | MULTI, "datas",
        17, OBJLNK | RW | MULTI, "objects",
        20, INT | W, "secret",
        21, STR | R, "fixed",
        22, E, "go",
        23, E, "refuse",
        24, E, "boom",
        25, E, "slow",
        26, OPAQUE | R, "big",
        27, OPAQUE | RW, "stream",
        28, OPAQUE | W, "sink",
        29, STR | R, "long",
        30, INT | RW, "fussy",
        31, STR | R, "absent",
        300, INT | RW, None,
    )
    STREAMS = (27, 28)
    LIMIT = 5
    INITIAL = (
        "text", "Grüße",
        "number", -5,
        "count", 4000000000,
        "level", 21.5,
        "flag", True,
        "data", b"\x00\x01\x02\x03",
        "when", 1700000000,
        "link", (3, 0),
        "links", "</3/0>",
        "texts", ("one", "two"),
        "numbers", (1, -300, 70000),
        "counts", (1, 2),
        "levels", (0.5,),
        "flags", (True, False),
        "datas", (b"ab", b"cd"),
        "objects", ((3, 0),),
        "secret", 0,
        "stream", b"s",
        "fussy", 1,
    )
    # fmt: on
    fixed = "fixed"
    long = "0123456789" * 40
    big = Pattern(5000)
    absent = None
    # Changes made, in all instances
    effects = [0]  # noqa: RUF012 - shared on purpose

    def restore(self):
        """Bring back the values of the beginning."""
        initial = self.INITIAL
        for i in range(0, len(initial), 2):
            setattr(self, initial[i], initial[i + 1])
        self.more = {300: 7}

    def check(self, rid, value):
        if rid == 30 and value > 100:
            raise Lwm2mError()

    def write(self, rid, name, value):
        self.effects[0] += 1
        if rid == 30 and value == 13:
            raise Lwm2mError(0x89)
        super().write(rid, name, value)

    def receive(self, rid, name, offset, data, more):
        self.effects[0] += 1
        if rid == 28 and offset + len(data) > 3000:
            raise Lwm2mError(0x8D)
        if rid == 28 and len(data) and data[0] == 0xEE:
            raise DeliberateError

    def execute(self, rid, name, args):
        self.effects[0] += 1
        super().execute(rid, name, args)

    def go(self, args=None):
        pass

    def refuse(self, args=None):
        raise Lwm2mError(0x83)

    def boom(self, args=None):
        raise DeliberateError

    def slow(self, args=None):
        if len(self.client.current.exchange.pending) >= ENOUGH:
            raise Lwm2mError(0xA3)
        later = self.client.later()
        if args and 1 in args:
            raise Lwm2mError(0x80)  # changes its mind
        self.client.after(700, lambda: later.answer(0x44, b"done", 0))


class Limited(Temperature):
    LIMIT = 6  # instances that servers may create


class Witness:
    """Stands in for `sys` in the firmware: sees each exception that would be printed."""

    def __init__(self):
        self.deliberate = 0
        self.unexpected = None

    def print_exception(self, exception, file=None):
        if isinstance(exception, DeliberateError):
            self.deliberate += 1
        else:
            self.unexpected = exception


class Subject:
    """A client, its server's end of the wire, and what is known about both."""

    def __init__(self, mtu):
        self.clock = FakeClock()
        self.wire, transport = Loopback.pair()
        self.transport = transport
        self.witness = Witness()
        for name in sys.modules:
            if name.startswith("lwm2m.") and hasattr(sys.modules[name], "sys"):
                sys.modules[name].sys = self.witness
        self.client = client = Client("fuzz", mtu=mtu, clock=self.clock)
        client.add_format(Text())
        client.add_format(Opaque())
        self.server = client.add_server("coap://192.0.2.1", transport=transport, lifetime_s=300)
        self.registration = client.registrations[0]
        # A Disable that lasts for years is harmless, but ends the fun.
        disable = self.registration.disable
        self.registration.disable = lambda s: disable(min(s, 60))
        self.reboots = 0
        self.device = client.add(
            Device(manufacturer="Acme", model="T", reboot=self.reboot, factory_reset=self.reboot)
        )
        self.things = [client.add(Everything()), client.add(Everything(iid=300))]
        self.sensors = [client.add(Limited(unit="Cel", value=20.5)) for _ in range(2)]
        client.allow_create(Everything)
        client.allow_create(Limited)
        self.objects = list(client.objects)
        self.restore()

    def reboot(self):
        self.reboots += 1

    @property
    def effects(self):
        """Changes that requests have made so far."""
        return Everything.effects[0] + self.client.revision

    def restore(self):
        """Bring back every instance and value that a server can change, so that heaps can be
        compared."""
        client = self.client
        for instance in list(client.objects):
            if instance not in self.objects:
                client.remove(instance)
        for instance in self.objects:
            if instance not in client.objects:
                client.add(instance)
        client.objects = list(client.objects)
        self.registration.created = []
        self.registration.attributes = None
        for thing in self.things:
            thing.restore()
        for sensor in self.sensors:
            sensor.min_measured = sensor.max_measured = 20.5
            sensor.application = "fuzz"
        server = self.server
        server.lifetime_s = 300
        server.pmin_s = server.pmax_s = server.disable_timeout_s = 60
        server.storing = False
        server.binding = "U"
        server.more = {10: (0, 0), 21: False, 22: "", 23: False}
        device = self.device
        device.time_offset_s = 0
        device.utc_offset = "+00:00"
        device.timezone = "Etc/UTC"
        device.error_codes = {0: 0}
