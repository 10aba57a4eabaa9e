"""A device for Leshan: objects 1, 3 and 3303, and two instances of one with each type of value.

The argument is a JSON file: endpoint, uri, lifetime_s. Ctrl-C de-registers it and ends it.
"""

import json
import sys

from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.types import (
    BOOL,
    FLOAT,
    INT,
    MANDATORY,
    MULTI,
    OBJLNK,
    OPAQUE,
    RW,
    STR,
    TIME,
    UINT,
    E,
    R,
    W,
)


class Everything(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, STR | RW | MANDATORY, "text",
        1, INT | RW, "integer",
        2, UINT | RW, "unsigned",
        3, FLOAT | RW, "real",
        4, BOOL | RW, "boolean",
        5, OPAQUE | RW, "opaque",
        6, TIME | RW, "when",
        7, OBJLNK | RW, "link",
        8, STR | RW | MULTI, "texts",
        9, INT | RW | MULTI, "integers",
        10, STR | R, "fixed",
        11, STR | W, "secret",
        12, E, "act",
    )
    # fmt: on

    def act(self, args=None):
        print("executed", self.iid, args and [(i, args[i]) for i in sorted(args)])


def add_formats(client):
    """Speak everything else that Leshan speaks."""
    from lwm2m.formats.cbor import Cbor
    from lwm2m.formats.json import Json
    from lwm2m.formats.senml_cbor import SenmlCbor
    from lwm2m.formats.senml_json import SenmlJson

    for codec in (Cbor(), Json(), SenmlJson(), SenmlCbor()):
        client.add_format(codec)


def tell(event, registration):
    print("event", event, registration.error)


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)
    client = Client(config["endpoint"], mtu=config.get("mtu", 640), on_event=tell)
    client.add_format(Text())
    client.add_format(Opaque())
    if config.get("formats"):
        add_formats(client)
    server = client.add_server(config["uri"], lifetime_s=config["lifetime_s"])
    server.pmin_s = 1
    client.add(
        Device(
            manufacturer="MicroPython",
            model="unix",
            serial="345000123",
            firmware="1.0",
            battery_level=100,
            power_sources={0: 1, 1: 5},
            voltage_mv={0: 3800, 1: 70000},
            utc_offset="+02:00",
            timezone="Europe/Berlin",
            extensions={0: (3303, 0)},
            reboot=lambda: print("rebooting"),
        )
    )
    client.add(Temperature(value=21.5, unit="Cel"))
    client.add(
        Everything(
            text="grüß Gott",
            integer=-9007199254740993,
            unsigned=9223372036854775807,
            real=0.1,
            boolean=True,
            opaque=b"\x00\x01\xfe\xff",
            when=4102444800,
            link=(3303, 0),
            texts={0: "zero", 300: "three hundred"},
            integers={0: -1, 1: 128},
            fixed="read only",
        )
    )
    client.add(Everything(text="second"))
    if config.get("creatable"):
        client.allow_create(Everything)
    try:
        while True:
            client.wait(client.step())
    except KeyboardInterrupt:
        client.stop()
    print("stopped")


main()
