"""A device that keeps account of what was done to it, so that nothing done twice stays unseen."""

from common import client_from, load, loop
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.objects.device import Device
from lwm2m.types import INT, OPAQUE, RW, E, R, W

SIZE = 20000


def pattern(i, salt):
    return (i * 7 + (i >> 8) + salt) & 255


class Dump:
    """20 kB that are never in memory."""

    def __len__(self):
        return SIZE

    def readinto_at(self, offset, buf):
        for i in range(len(buf)):
            buf[i] = pattern(offset + i, 0)


class Account(Object):
    """What came: each counter value, argument of an Execute and upload is a number of its own."""

    OID = 26250
    # fmt: off
    RESOURCES = (
        0, INT | RW, "counter",
        1, E, "bump",
        2, INT | R, "executions",
        3, INT | R, "writes",
        4, INT | R, "doubles",
        5, OPAQUE | R, "dump",
        6, OPAQUE | W, "sink",
        7, INT | R, "uploads",
        8, INT | R, "torn",
    )
    # fmt: on
    STREAMS = (6,)
    counter = executions = writes = doubles = uploads = torn = 0
    dump = Dump()
    number = good = end = 0

    def __init__(self):
        self.seen = set()

    def once(self, kind, number):
        if (kind, number) in self.seen:
            self.doubles += 1
            print("done twice:", kind, number)
        self.seen.add((kind, number))

    def write(self, rid, name, value):
        self.once("write", value)
        self.counter = value
        self.writes += 1

    def bump(self, args=None):
        self.once("execute", int(args[0]))
        self.executions += 1

    def receive(self, rid, name, offset, data, more):
        start = 0
        if not offset:
            self.number = int.from_bytes(data[:4], "big")
            self.good = True
            self.end = 0
            start = 4
        if offset != self.end:
            self.good = False
        for i in range(start, len(data)):
            if data[i] != pattern(offset + i, self.number):
                self.good = False
                break
        self.end = offset + len(data)
        if not more:
            self.once("upload", self.number)
            self.uploads += 1
            if not self.good or self.end != SIZE:
                self.torn += 1
                print("torn:", self.number, self.end)
                raise Lwm2mError(0x80)


client = client_from(load())
client.add(Device(manufacturer="Acme"))
client.add(Account())
loop(client)
