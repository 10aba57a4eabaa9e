"""A device whose accounts come and go: object 26241 removes one and adds one."""

from common import client_from, load, loop
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.objects.access_control import READ, WRITE, Access, AccessControl, protect
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Humidity, Temperature
from lwm2m.types import E


class Accounts(Object):
    OID = 26241
    RESOURCES = (1, E, "remove", 2, E, "append")

    def remove(self, args):
        self.client.remove_server(int(args[0]))

    def append(self, args):
        self.client.add_server(args[0], lifetime_s=60)


config = load()
client = client_from(config)
client.add_format(SenmlCbor())
client.access = Access()
client.add(Device())
client.add(Temperature(value=21.5, unit="Cel"))
client.add(Humidity(value=40.0, unit="%RH"))
client.add(Accounts())
client.add(AccessControl(target_oid=3303, target_iid=0, owner=1, acl={1: 31, 2: READ | WRITE}))
client.add(AccessControl(target_oid=3304, target_iid=0, owner=1))
protect(client, {0: 31}, owner=2)
loop(client)
