"""A device that takes and gives a megabyte in blocks: /26241/0/2 is written, /26241/0/3 is read.

Executing /26241/0/0 prints the heap that is taken without garbage, and the most that was seen in
a hook since the last time; from then on every 16th call of a hook looks. /26241/0/1: no more.
"""

import gc
import sys

from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.objects.base import Object


class Mass(Object):
    OID = 26241
    RESOURCES = (0, 0x40, "mark", 1, 0x40, "rest", 2, 0x36, "up", 3, 0x16, "down")
    STREAMS = (2,)
    looking = False
    calls = most = received = 0
    up = b""

    def __len__(self):
        return 1 << 20

    @property
    def down(self):
        return self

    def look(self):
        self.calls += 1
        if self.looking and not self.calls & 15:
            gc.collect()
            self.most = max(self.most, gc.mem_alloc())

    def receive(self, rid, name, offset, data, more):
        self.received = offset + len(data)
        self.look()

    def readinto_at(self, offset, buf):
        buf[0] = offset >> 10 & 255
        self.look()

    def mark(self, args=None):
        gc.collect()
        print(gc.mem_alloc(), self.most, self.received)
        self.most = 0
        self.looking = True

    def rest(self, args=None):
        self.looking = False


client = Client("bench", mtu=1152)
client.add_format(Opaque())
client.add_server(sys.argv[1], lifetime_s=86400)
client.add(Mass())
while True:
    client.wait(client.step())
