"""A device as OMA's enabler tests want it: objects 1 and 3 as in their configurations, the other
core objects of device management, and every content format."""

from common import client_from, load, loop
from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.objects.access_control import CREATE, READ, Access, AccessControl, protect
from lwm2m.objects.binary_app_data import BinaryAppDataContainer
from lwm2m.objects.connectivity_monitoring import ConnectivityMonitoring
from lwm2m.objects.connectivity_statistics import ConnectivityStatistics
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.objects.location import Location
from lwm2m.objects.portfolio import Portfolio
from lwm2m.objects.test_object import TestObject


class Proven(Portfolio):
    def prove(self, args=None):
        return {0: b"proof of " + (args[0] if args else "nothing").encode()}


config = load()
client = client_from(config)
for make in Cbor, Json, SenmlJson, SenmlCbor, SenmlEtchJson, SenmlEtchCbor, Lwm2mCbor:
    client.add_format(make())
device = client.add(
    Device(
        manufacturer="Open Mobile Alliance",
        model="Lightweight M2M Client",
        serial="345000123",
        firmware="1.0",
        battery_level=100,
        power_sources={0: 1, 1: 5},
        voltage_mv={0: 3800, 1: 5000},
        current_ma={0: 125, 1: 900},
        reboot=lambda: print("rebooting"),
        factory_reset=lambda: print("resetting"),
    )
)
client.add(
    ConnectivityMonitoring(
        bearer=21, bearers={0: 21, 1: 41}, rssi_dbm=-61, addresses={0: "192.0.2.1"}
    )
)
client.add(Location()).fix(47.5, 8.25, altitude=408, timestamp=1700000000)
statistics = client.add(ConnectivityStatistics())
for registration in client.registrations:
    statistics.measure(registration)
client.add(
    Proven(
        identity={
            0: "Host Device ID #1",
            1: "Host Device Manufacturer #1",
            2: "Host Device Model #1",
            3: "Host Device Software Version #1",
        }
    )
)
client.add(Temperature(value=21.5, unit="Cel"))
client.add(TestObject())
for cls in Portfolio, BinaryAppDataContainer, TestObject:
    client.allow_create(cls)

if config.get("access"):
    # Server 1 owns what is here and others may read it, except /16/0, of which nothing is told
    # to others; everybody may create containers, only server 1 test objects.
    client.access = Access()
    client.add(AccessControl(target_oid=16, target_iid=0, owner=1))
    client.add(AccessControl(target_oid=3442, owner=1, acl={1: CREATE}))
    client.add(AccessControl(target_oid=19, acl={0: CREATE}))
    client.add(AccessControl(target_oid=1, target_iid=1, owner=2, acl={0: READ}))
    protect(client, {0: READ}, owner=1)
if config.get("error"):
    device.report_error(config["error"])
loop(client)
