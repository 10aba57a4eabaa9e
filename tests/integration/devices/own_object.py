"""An object of one's own, as the documentation shows it: a value of each type, and a method."""

from common import client_from, load, loop
from lwm2m.codes import FORBIDDEN
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.types import BOOL, FLOAT, INT, MULTI, OBJLNK, OPAQUE, RW, STR, TIME, UINT, E, R, W


class Valve(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, BOOL | RW, "open",
        1, INT | RW, "flow",
        2, UINT | RW, "counter",
        3, FLOAT | RW, "level",
        4, STR | RW, "name",
        5, OPAQUE | RW, "key",
        6, TIME | RW, "serviced",
        7, OBJLNK | RW, "sensor",
        8, INT | RW | MULTI, "limits",
        9, E, "flush",
        10, STR | R, "flushed",
        11, STR | W, "secret",
        12, E, "explode",
        13, INT | R, "broken",
        14, INT | RW, "guarded",
        15, INT | R, "flushes",
    )
    # fmt: on
    open = False
    flow = counter = serviced = guarded = flushes = 0
    level = 0.0
    name = flushed = ""
    key = b""
    sensor = (3, 0)
    secret = None

    def flush(self, args=None):
        self.flushes += 1
        self.flushed = "nothing" if args is None else repr(sorted(args.items()))

    def explode(self, args=None):
        raise RuntimeError("boom")

    @property
    def broken(self):
        if self.counter == 13:
            raise RuntimeError("no reading")
        return 0

    def check(self, rid, value):
        if rid == 14 and value < 0:
            raise Lwm2mError(FORBIDDEN)


config = load()
client = client_from(config)
client.add(Device(manufacturer="Acme"))
client.add(Valve(limits={0: 10, 5: 20}))
client.add(Valve(iid=7, limits={}))
loop(client)
