"""The bench of the tests of Send: a device with a Probe, and one server or two."""

import lwm2m.reporting.storing as storing
from bench import Bench, ScriptedServer
from reporting_bench import FOREVER, SENML_CBOR, Probe
from storing_bench import EPOCH_S, Time, pack
from testing import eq
from wire import CON, CONTENT_FORMAT, CREATED, LOCATION_PATH, POST

from lwm2m.objects.base import Object
from lwm2m.types import OPAQUE, STR, E, R
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson

LEVEL = "/26250/0/1"
COUNT = "/26250/0/0"
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
BLOCK1 = 27


class Blob(Object):
    OID = 26252
    RESOURCES = (0, OPAQUE | R, "blob", 1, STR | R, "text", 2, E, "run")
    blob = b""
    text = ""

    def run(self, args=None):
        pass


class Stage:
    def __init__(self, *codecs, register=True, mtu=1152, start_s=EPOCH_S, second=False, **terms):
        self.bench = Bench(lifetime_s=FOREVER, mtu=mtu, **terms)
        self.client = self.bench.client
        for codec in codecs or (SenmlCbor(), SenmlJson()):
            self.client.add_format(codec)
        storing.time = Time(self.bench.clock, start_s)
        self.probe = self.client.add(Probe(iid=0, level=20.0))
        self.far = self.bench.far
        self.registration = self.bench.registration
        self.second = None
        if second:
            self.second = ScriptedServer(self.bench)
            self.bench.add_server(self.second, lifetime_s=FOREVER)
        if register:
            self.register()

    def register(self):
        self.client.step()
        for far in (self.far, self.second):
            if far:
                eq(far.reply(self.only(far.take()), CREATED, LOCATION), [])

    def only(self, packets):
        eq(len(packets), 1)
        return packets[0]

    def step(self, ms=0, far=None):
        self.bench.clock.advance(ms)
        self.client.step()
        return (far or self.far).take()

    def sent(self, packets=None, format=SENML_CBOR):
        """The one Send among these: its packet and its records."""
        packet = self.only(self.step() if packets is None else packets)
        eq((packet.type, packet.code, packet.path()), (CON, POST, b"/dp"))
        eq(packet.uint(CONTENT_FORMAT), format)
        return packet, pack(packet.payload, format)
