"""An object that fills many datagrams."""

from common import client_from, load, loop
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.types import OPAQUE, STR, R

COUNT = 60


class Log(Object):
    OID = 26242
    RESOURCES = (0, OPAQUE | R, "dump")

    def dump(self):
        return bytes(i & 255 for i in range(1500))


class Lines(Object):
    OID = 26243
    RESOURCES = tuple(item for rid in range(COUNT) for item in (rid, STR | R, "line" + str(rid)))

    def read(self, rid, name):
        return "line " + str(rid) + ": " + "abcdefghijklmnop"[: rid % 16]


client = client_from(load())
client.add(Device())
client.add(Log())
client.add(Lines())
loop(client)
