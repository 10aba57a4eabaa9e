"""A device that uses up all memory but `spare` bytes as soon as it is observed, and gives it back
after `scarce_ms`. It prints what it has lost by then.
"""

import gc
import time

from common import client_from, load
from lwm2m.coap.traffic import Traffic
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature

config = load()
client = client_from(config)
client.add_format(SenmlCbor())
client.add(Device(manufacturer="Acme"))
temperature = client.add(Temperature(value=20.0))
registration = client.registrations[0]
traffic = Traffic(registration.exchange)
ballast = []
until = None
while not client.ended:
    client.wait(min(client.step(), 20))
    if registration.reporting and registration.reporting.observations and until is None:
        until = time.ticks_add(time.ticks_ms(), config["scarce_ms"])
        gc.collect()
        size = 4096
        while size > 16:
            try:
                while gc.mem_free() - size > config["spare"]:
                    ballast.append(bytearray(size))
            except MemoryError:
                pass
            size //= 2
        print("scarce", gc.mem_free())
    if ballast and time.ticks_diff(until, time.ticks_ms()) < 0:
        ballast = []
        gc.collect()
        print("plenty, lost:", traffic.lost)
    try:
        temperature.value += 1
    except MemoryError:
        gc.collect()
