"""Objects 1 and 3 with a value of each kind, and a temperature."""

from common import client_from, load, loop
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature


def reboot():
    print("rebooting")


config = load()
client = client_from(config)
client.add(
    Device(
        manufacturer="Open Mobile Alliance",
        model="Lightweight M2M Client",
        serial="345000123",
        firmware="1.0",
        battery_level=100,
        power_sources={0: 1, 1: 5},
        voltage_mv={0: 3800, 1: 5000},
        current_ma={0: 125, 1: 900},
        utc_offset="+02:00",
        timezone="Europe/Berlin",
        extensions={0: (3303, 0)},
        reboot=reboot,
    )
)
client.add(Temperature(value=21.5, unit="Cel"))
loop(client)
