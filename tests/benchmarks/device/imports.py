"""Microseconds that the imports of a client take: `imports.py`."""

import time

start = time.ticks_us()
from lwm2m.client import Client  # noqa: E402, F401 - this is what is measured
from lwm2m.objects.device import Device  # noqa: E402, F401

print(time.ticks_diff(time.ticks_us(), start))
