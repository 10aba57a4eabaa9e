"""Heap of the imports and of a registered client: `footprint.py URI`."""

import gc
import sys

gc.collect()
empty = gc.mem_alloc()
from lwm2m.client import Client  # noqa: E402 - this is what is measured
from lwm2m.objects.device import Device  # noqa: E402

gc.collect()
imported = gc.mem_alloc()
client = Client("bench")
client.add_server(sys.argv[1], lifetime_s=300)
client.add(Device(manufacturer="Acme"))
while not client.registered:
    client.wait(min(client.step(), 10))
gc.collect()
registered = gc.mem_alloc()
print(imported - empty, registered - empty)
print(" ".join(sorted(name for name in sys.modules if name.startswith("lwm2m"))))
