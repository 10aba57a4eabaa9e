"""A device that de-registers and ends after its second Update: `cycle.py URI`."""

import sys

from lwm2m.client import Client
from lwm2m.objects.device import Device

updates = 0


def on_event(event, registration):
    global updates
    if event == "updated":
        updates += 1


client = Client("bench", on_event=on_event)
client.add_server(sys.argv[1], lifetime_s=300)
client.add(Device(manufacturer="Acme"))
while updates < 2:
    client.wait(min(client.step(), 10))
client.deregister()
while not client.ended:
    client.wait(min(client.step(), 10))
