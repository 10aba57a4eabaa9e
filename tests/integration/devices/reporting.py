"""A device that reports, and says what it does: what it stores, and what becomes of each
notification.

Values change at the word of a test (object 26251), or by themselves every `sample_ms`. Beyond the
configuration of common.py: `sample_ms`, `sample_count`, `store` (a file), `sensors` (how many),
`portfolio` (that there is one), `senml` (which of its two formats).
"""

import lwm2m.reporting.storing as storing
from common import client_from, load, loop
from lwm2m.formats.cbor import Cbor
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.formats.senml_json import SenmlEtchJson, SenmlJson
from lwm2m.objects.base import Object
from lwm2m.objects.connectivity_monitoring import ConnectivityMonitoring
from lwm2m.objects.connectivity_statistics import ConnectivityStatistics
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.objects.location import Location
from lwm2m.objects.portfolio import Portfolio
from lwm2m.reporting.send import SendRequest
from lwm2m.types import STR, E, R


class Lines(Object):
    """So much text that it needs several blocks."""

    OID = 26243
    RESOURCES = tuple(item for rid in range(60) for item in (rid, STR | R, "line" + str(rid)))
    turn = 0

    def read(self, rid, name):
        return f"turn {self.turn} line {rid}: " + "abcdefghijklmnop"[: rid % 16]


class Control(Object):
    """What happens on the device itself, at the word of a test."""

    OID = 26251
    # fmt: off
    RESOURCES = (
        0, E, "voltage",
        1, E, "current",
        2, E, "temperature",
        3, E, "send",
        4, E, "collect",
        5, E, "turn",
        6, E, "move",
        7, E, "signal",
        8, E, "stop",
    )
    # fmt: on
    sampling = True

    def voltage(self, args):
        device.voltage_mv = {i: int(args[i]) for i in args}
        device.changed(7)

    def current(self, args):
        device.current_ma = {i: int(args[i]) for i in args}
        device.changed(8)

    def temperature(self, args):
        """Values of thermometers one after the other, so that none is passed over: `0='5,6,7'`."""
        values = [(i, float(text)) for i in sorted(args) for text in args[i].split(",")]

        def change():
            if values:
                i, value = values.pop(0)
                thermometers[i].value = value
                client.after(2, change)
            else:
                print("temperatures set")

        client.after(1, change)

    def send(self, args):
        """Send now, with argument 9 before the answer to this Execute has left."""
        paths = args[0].split(",")
        if 9 in args:
            SendRequest(client, *paths, done=tell_result).send()
        else:
            client.after(1, lambda: SendRequest(client, *paths, done=tell_result).send())

    def collect(self):
        """Three samples at different times in one report."""
        report = SendRequest(client, done=tell_result)

        def take():
            thermometers[0].value += 1
            report.add("/3303/0/5700")
            if len(report.samples[client.registrations[0]]) < 3:
                client.after(30, take)
            else:
                report.send()

        client.after(1, take)

    def turn(self):
        lines.turn += 1
        lines.client.notify(lines.OID, 0)

    def move(self, args):
        location.fix(float(args[0]), float(args[1]), timestamp=int(args[2]))

    def signal(self, args):
        monitoring.rssi_dbm = int(args[0])
        monitoring.changed(2)

    def stop(self):
        self.sampling = False


def tell_result(report, ssid):
    print("report", report.results)


def tell_status(status, observation):
    """Say what has become of a notification, and when it was told, by the client's clock."""
    path = observation.path or observation.paths()
    told_ms = observation.notified_s * 1000 + observation.notified_ms
    print("status", status, path, "to", observation.registration.server.ssid, "told at", told_ms)


def store(observation, original=storing.store):
    """Say what is stored, with the time that the server will see."""
    before = observation.stored.samples[-1] if observation.stored else None
    result = original(observation)
    newest = observation.stored.samples[-1] if observation.stored else None
    if newest is not before:
        time_ms = storing.clock_of(observation.reporting)(newest[0], newest[1])
        print("stored", observation.registration.server.ssid, observation.notified, time_ms)
    return result


def sample():
    thermometers[0].value += 1
    print("sampled", thermometers[0].value)
    if control.sampling and thermometers[0].value < config.get("sample_count", 1000000):
        client.after(config["sample_ms"], sample)
    else:
        print("sampled all")


storing.store = store
config = load()
client = client_from(config)
client.on_notification = tell_status
for make in Cbor, SenmlEtchJson, SenmlEtchCbor:
    client.add_format(make())
for name, make in (("senml-json", SenmlJson), ("senml-cbor", SenmlCbor)):
    if name in config.get("senml", (name,)):
        client.add_format(make())
device = client.add(
    Device(
        manufacturer="Open Mobile Alliance",
        power_sources={0: 1, 1: 5},
        voltage_mv={0: 3800, 1: 5000},
        current_ma={0: 125, 1: 900},
    )
)
monitoring = client.add(
    ConnectivityMonitoring(
        bearer=21, bearers={0: 21, 1: 41}, rssi_dbm=-61, addresses={0: "192.0.2.1"}
    )
)
location = client.add(Location())
location.fix(47.5, 8.25, timestamp=1700000000)
statistics = client.add(ConnectivityStatistics())
for registration in client.registrations:
    statistics.measure(registration)
if config.get("portfolio"):
    client.add(Portfolio(identity={0: "Host Device ID #1"}))
client.allow_create(Portfolio)
thermometers = [client.add(Temperature()) for _ in range(config.get("sensors", 1))]
lines = client.add(Lines())
control = client.add(Control())
if config.get("store"):
    from lwm2m.store import Store

    Store(config["store"]).restore(client)
if config.get("sample_ms"):
    sample()
loop(client)
