"""A device to be read; executing /26241/0/0 prints the heap taken since it was last executed."""

import gc
import sys

from lwm2m.client import Client
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device


class Mark(Object):
    OID = 26241
    RESOURCES = (0, 0x40, "mark")
    last = 0

    def mark(self, args=None):
        print(gc.mem_alloc() - self.last)
        gc.collect()
        gc.disable()
        self.last = gc.mem_alloc()


client = Client("bench")
client.add_server(sys.argv[1], lifetime_s=300)
client.add(Device(manufacturer="Acme"))
client.add(Mark())
while True:
    client.wait(client.step())
