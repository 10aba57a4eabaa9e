"""A device whose free memory is measured after a collection, for a test of its flatness."""

import gc

from common import client_from, load, loop
from lwm2m.objects.device import Device


class Measured(Device):
    @property
    def memory_free(self):
        gc.collect()
        return gc.mem_free() >> 10


client = client_from(load())
client.add(Measured(manufacturer="Acme"))
loop(client)
