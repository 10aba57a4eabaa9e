"""A program that derives from, overrides and replaces what the documents allow: it prints the same
whichever way a board has the package. `test_board_ways` runs it, in MicroPython."""

from lwm2m.client import Client
from lwm2m.errors import Lwm2mError
from lwm2m.formats.codec import Codec
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.types import INT, RW, STR, E


class Wire:
    """A transport of one's own: the contract of transport.base, and nothing of ours."""

    secure = False
    ready = False
    renewals = 0
    sock = None
    data = b""

    def __init__(self):
        self.sent = []
        self.waiting = []

    def open(self, poller=None):
        self.ready = True

    def close(self):
        self.ready = False

    def step(self):
        return 1000

    def receive(self):
        if not self.waiting:
            return -1
        self.data = self.waiting.pop(0)
        return len(self.data)

    def send(self, buf, n):
        self.sent.append(bytes(buf[:n]))


class Valve(Object):
    """An object of one's own that overrides everything."""

    OID = 26241
    RESOURCES = (0, INT | RW, "turns", 1, E, "spin", 2, STR | RW, "label")
    turns = 3
    label = "main"
    count = 0

    def read(self, rid, name):
        value = super().read(rid, name)
        return value * 2 if rid == 0 else value

    def check(self, rid, value):
        if rid == 0 and value > 9:
            raise Lwm2mError(0x80)

    def write(self, rid, name, value):
        self.count += 1
        super().write(rid, name, value)

    def execute(self, rid, name, args):
        self.count += 10
        super().execute(rid, name, args)

    def spin(self, args=None):
        if args:
            raise Lwm2mError(0x83)
        self.turns += 1


class Clocked(Device):
    """A Device with a resource that is computed."""

    @property
    def current_time(self):
        return 1_000_000


class Warm(Temperature):
    offset = 5

    def read(self, rid, name):
        value = super().read(rid, name)
        return value + self.offset if rid == 5700 else value


class Words(Codec):
    """A format of one's own, for one value."""

    FORMAT = 65000

    def fits(self, depth, flags, value):
        return depth == 3

    def resource(self, out, rid, flags, value):
        out.put(f"<{value}>".encode())


def names_of(thing):
    return sorted(name for name in ("turns", "label", "spin") if hasattr(thing, name))


def request(code, path, payload=b"", accept=b""):
    mids.append(len(mids))
    parts = path[1:].split("/")
    data = bytes((0x40, code, 0x40, len(mids))) + bytes((0xB0 | len(parts[0]),))
    data += parts[0].encode()
    for part in parts[1:]:
        data += bytes((len(part),)) + part.encode()
    number = 11
    if payload:
        data += b"\x10"  # text
        number = 12
    if accept:
        data += bytes(((17 - number) << 4 | len(accept),)) + accept
    wire.waiting.append(data + (b"\xff" + payload if payload else b""))
    del wire.sent[:]
    client.step()
    answer = wire.sent[-1]
    body = answer.partition(b"\xff")[2]
    print(path, hex(answer[1]), body)


woken = []
events = []
mids = []
wire = Wire()
client = Client("own", on_event=lambda event, registration: events.append(event))
client.wake = lambda: woken.append(1)
client.add_server("coap://192.0.2.1", transport=wire, lifetime_s=60)
client.add(Clocked(manufacturer="Acme"))
valve = client.add(Valve())
warm = client.add(Warm(unit="Cel"))
warm.value = 20.5
client.add_format(Words())
from lwm2m.formats.text import Text  # noqa: E402

client.add_format(Text())
client.step()
print("asked", hex(wire.sent[0][1]), b"ep=own" in wire.sent[0])
register = wire.sent[0]
wire.waiting.append(
    bytes((0x60 | register[0] & 15, 0x41)) + register[2 : 4 + (register[0] & 15)] + b"\x82rd\x011"
)
client.step()
print(client.registered, events)

request(1, "/26241/0/0", accept=b"\xfd\xe8")
request(3, "/26241/0/0", b"7")
request(3, "/26241/0/0", b"12")
request(2, "/26241/0/1")
request(2, "/26241/0/1", b"5")
print(valve.turns, valve.count, names_of(valve))
request(1, "/3303/0/5700", accept=b"\xfd\xe8")
request(1, "/3/0/13", accept=b"\xfd\xe8")
warm.offset = 1
Valve.count = 50  # of a class of one's own
print(warm.read(5700, "value"), Valve().count)
real = client.emit
client.emit = lambda event, registration: (events.append("seen"), real(event, registration))
client.notify("/26241/0/0")
print(bool(woken), isinstance(valve, Object), type(warm).__bases__[0] is Temperature)

# What is forbidden fails with a word, and nothing else does.
for name in ("_no_such_name", "nonsense"):
    try:
        getattr(client, name)
    except AttributeError as error:
        print(name in str(error))
for wrong in (lambda: Device(nonsense=1), lambda: Client(""), lambda: client.add(valve)):
    try:
        wrong()
    except ValueError as error:
        print(error)
