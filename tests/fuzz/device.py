"""The device that is fuzzed: objects 0, 1, 3, two temperatures, and one with every type."""

import gc
import os
import sys

import lwm2m
from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.formats.text import Text
from lwm2m.management.composite_blocks import reads
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback


def load_all():
    """Import every module of the rooms: what loads at its first use would count as growth.

    What each leaves behind is collected at once, or the heap would be in pieces from the start.
    A character that was once taken out of a text is kept for ever: all of ASCII, from now on.
    """
    for i in range(128):
        str(chr(i))[0]
    for room in ("coap", "formats", "registration", "management", "reporting"):
        for entry in os.ilistdir("firmware/lwm2m/" + room):
            name = entry[0].rsplit(".", 1)
            if name[-1] == "py":
                gc.collect()
                __import__("lwm2m." + room + "." + name[0])
    __import__("lwm2m.timers")


load_all()

import lwm2m.reporting.scheduler  # noqa: E402
import lwm2m.reporting.storing  # noqa: E402

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
    sink = None
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
        for registration in self.client.registrations:
            exchange = registration.exchange
            if exchange.serving and len(exchange.separate) >= ENOUGH:
                raise Lwm2mError(0xA3)
        later = self.client.defer()
        if args and 1 in args:
            raise Lwm2mError(0x80)  # changes its mind
        self.client.after(700, lambda: later.answer(0x44, b"done", 0))


class Limited(Temperature):
    LIMIT = 6  # instances that servers may create


_Reporting = lwm2m.reporting.scheduler.Reporting


def wrapping(registration):
    """A Reporting whose sequence numbers wrap before long (RFC 7641 §4.4)."""
    reporting = _Reporting(registration)
    reporting.number = 0xFFFFC0
    return reporting


class Board(Device):
    """What a heap has left is nothing that a seed decides."""

    memory_free = memory_total = 64


class Time:
    """Stands in for `time` of samples and of the device: it goes as the client's clock does, and
    is a time of day only when it is `set`."""

    def __init__(self, clock):
        self.clock = clock
        self.set = True

    def time(self):
        return self.clock.s + (1767225600 if self.set else 5)

    @staticmethod
    def gmtime(s):
        return (1970, 1, 1, 0, 0, 0, 3, 1)


class Witness:
    """Stands in for `sys` in the firmware: sees each exception that would be printed."""

    def __init__(self):
        self.deliberate = 0
        self.unexpected = None

    def print_exception(self, exception, file=None):
        # Infinity, which a server may write, has no form in JSON.
        if isinstance(exception, DeliberateError) or "JSON has no such number" in exception.args:
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
        lwm2m.reporting.scheduler.Reporting = wrapping
        self.time = Time(self.clock)
        lwm2m.reporting.storing.time = lwm2m.objects.device.time = self.time
        # One message in flight, or two
        nstart = 1 if mtu > 256 else 2
        self.client = client = Client("fuzz", mtu=mtu, clock=self.clock, nstart=nstart)
        client.on_notification = self.on_notification
        for codec in (Text, Opaque, SenmlCbor, SenmlEtchCbor, SenmlJson):
            client.add_format(codec())
        self.server = client.add_server(
            "coap://192.0.2.1", transport=transport, lifetime_s=300, lwm2m="1.2"
        )
        self.registration = client.registrations[0]
        # A Disable that lasts for years is harmless, but ends the fun.
        disable = self.registration.disable
        self.registration.disable = lambda s: disable(min(s, 60))
        self.reboots = 0
        # What has become of notifications; tokens of those that were not sent; Sends in flight
        self.statuses = {}
        self.dropped = []
        self.sends = []
        self.device = client.add(
            Board(manufacturer="Acme", model="T", reboot=self.reboot, factory_reset=self.reboot)
        )
        self.things = [client.add(Everything()), client.add(Everything(iid=300))]
        self.sensors = [client.add(Limited(unit="Cel", value=20.5)) for _ in range(2)]
        client.allow_create(Everything)
        client.allow_create(Limited)
        self.objects = list(client.objects)
        for instance in self.objects:
            for i in range(2, len(instance.RESOURCES), 3):
                # A long name is interned when it is used first, and stays.
                getattr(instance, instance.RESOURCES[i] or "iid", None)
        self.restore()

    def reboot(self):
        self.reboots += 1

    def on_notification(self, status, observation):
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == "dropped":
            self.dropped.append(observation.token)

    def stir(self, way, n):
        """Change something that may be observed, as an application does: values mostly."""
        client = self.client
        thing = self.things[n & 1]
        if way < 6:
            self.sensors[n & 1].value = 10.0 + (n >> 1 & 127) * 0.25
        elif way < 9:
            thing.number = (n & 127) - 50
            thing.changed(1)
        elif way == 9:
            thing.texts = {i: str(n + i) for i in range(n >> 1 & 3)}
            thing.changed(10)
        elif way == 10:
            thing.numbers = dict.fromkeys(range(3), 0)
            thing.numbers[n >> 1 & 3] = n  # and once more in place
            thing.changed(11)
        elif way == 11:
            # A resource that comes and goes
            thing.count = None if n & 2 else n
            thing.changed(2)
        elif way == 12:
            thing.text = "t" * (n & 63)  # of any length
            client.notify(thing.OID, thing.iid)
        elif way == 13:
            client.notify((3, 3303, 26241, 9)[n & 3])
        elif n & 7:
            self.report(n >> 3)
        elif self.sensors[1].client:
            client.remove(self.sensors[1])
        elif not client.find(3303, 1):
            client.add(self.sensors[1])

    def report(self, n):
        """Send values (LwM2M 1.1 Core §6.4.6): some, or all of an object in blocks."""
        paths = (("/3303/0/5700", "/26241/0/1"), ("/26241/300",), ("/3303",), ("/26241/0/2",))
        if len(self.sends) > 2:
            return
        try:
            request = self.client.send(*paths[n & 3])
        except ValueError:
            return  # there is nothing now
        self.sends.append(request)

    def settled(self):
        """Forget the Sends whose outcome is known: True if that is all."""
        self.sends = [request for request in self.sends if None in request.results.values()]
        return not self.sends

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
        reads.clear()
        self.registration.attributes.clear()
        for thing in self.things:
            thing.restore()
        for sensor in self.sensors:
            sensor.value = sensor.min_measured = sensor.max_measured = 20.5
            sensor.application = "fuzz"
        server = self.server
        server.lifetime_s = 300
        server.pmin_s = 0
        server.pmax_s = server.disable_timeout_s = 60
        server.storing = False
        server.binding = "U"
        server.more = {10: (0, 0), 21: False, 22: "", 23: False}
        device = self.device
        device.time_offset_s = 0
        device.utc_offset = "+00:00"
        device.timezone = "Etc/UTC"
        device.error_codes = {0: 0}
