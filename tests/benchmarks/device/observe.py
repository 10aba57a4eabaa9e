"""Time and heap of being observed, without a network: prints lines of JSON.

A step is one change of a value and what `Client.step` makes of it, a notification that is not
confirmable. It is timed with 1 and with 100 observations, of 100 instances with a resource each
and of one instance with 100 resources, all in one process and in turns.
"""

import gc
import json
import time

from lwm2m.client import Client
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.objects.base import Object
from lwm2m.testing.loopback import Loopback

MANY = 100
INT_R = 0x12

_LOOPS = 200
_ROUNDS = 15
_SAMPLES = 20


class Thin(Object):
    OID = 26241
    RESOURCES = (0, INT_R, "value")
    value = 0


class Thick(Object):
    OID = 26241
    RESOURCES = tuple(item for rid in range(MANY) for item in (rid, INT_R, "value"))
    value = 0


def segment(number, last):
    text = str(number).encode()
    return bytes((11 - last << 4 | len(text),)) + text


class Bench:
    """A registered client whose server is this program: `count` observations of MANY values."""

    def __init__(self, thick, count=0):
        self.wire, transport = Loopback.pair()
        # All of the Register in one datagram
        self.client = Client("bench", mtu=576 if thick else 4096)
        self.client.add_format(SenmlCbor())
        self.server = self.client.add_server("coap://192.0.2.1", transport=transport)
        if thick:
            self.things = [self.client.add(Thick())]
        else:
            self.things = [self.client.add(Thin()) for _ in range(MANY)]
        self.thick = thick
        self.mid = 0
        while not self.client.registered:
            self.client.step()
            for data in self.wire.queue:
                created = b"ep=" in data
                code = b"\x64\x41" if created else b"\x64\x44"
                self.say(code + data[2:8] + (b"\x82rd\x011" if created else b""))
            self.wire.queue.clear()
        # Whatever `add` has asked for is said.
        for _ in range(5):
            self.client.step()
        for i in range(count):
            self.observe(i)

    def say(self, data):
        self.wire.send(data, len(data))

    def observe(self, i):
        """Have value `i` observed. Raises ValueError."""
        self.mid += 1
        iid, rid = (0, i) if self.thick else (i, 0)
        data = bytes((0x44, 1, self.mid >> 8, self.mid & 255, 0x6F, 0, 0, i)) + b"\x60"
        data += segment(26241, 6) + segment(iid, 11) + segment(rid, 11)
        self.say(data + b"\x62\x2d\x16")
        self.client.step()
        for data in self.wire.queue:
            if data[0] == 0x64 and data[1] == 0x45 and data[8] >> 4 == 6:
                self.wire.queue.clear()
                return
        raise ValueError("not observed")

    def silence(self):
        """Nobody takes copies of what is sent any more: only the client is measured."""
        self.client.registrations[0].transport.peer = None

    def change(self, i, value):
        """Change value `i`, and let the client tell it."""
        if self.thick:
            self.things[0].value = value
            self.things[0].changed(i)
        else:
            self.things[i].value = value
            self.things[i].changed(0)
        self.client.step()

    def check(self):
        """A change is told, once. Raises ValueError."""
        self.client.step()
        self.wire.queue.clear()
        self.change(0, 77)
        sent = self.wire.queue
        if len(sent) != 1 or sent[0][:2] != b"\x54\x45" or sent[0][-1] != 77:
            raise ValueError(f"not told: {sent}")
        sent.clear()


def loop_us(bench):
    change = bench.change
    start = time.ticks_us()
    for i in range(_LOOPS):
        change(0, i & 63)
    return time.ticks_diff(time.ticks_us(), start) / _LOOPS


def heap(fn, *args):
    """Bytes that stay after a call, and that it takes in all."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    fn(*args)
    taken = gc.mem_alloc() - before
    gc.enable()
    gc.collect()
    return gc.mem_alloc() - before, taken


def measure_heap():
    bench = Bench(False)
    first, _ = heap(bench.observe, 0)
    # Tables and lists grow in steps: the mean of many.
    rest, _ = heap(lambda: [bench.observe(i) for i in range(1, MANY)] and None)
    one = rest / (MANY - 1)
    print(json.dumps({"observation.heap_bytes": one, "observation.module_bytes": first - one}))
    bench.check()
    bench.silence()
    bench.change(0, 1)

    def change():
        for i in range(1000):
            bench.change(0, i & 63)

    _, taken = heap(change)
    print(json.dumps({"notify.core.heap_bytes": taken / 1000}))
    # Samples: an Update that nobody answers keeps the client from telling
    bench.server.storing = True
    bench.client.update()
    bench.client.step()
    first, _ = heap(bench.change, 0, 1)
    kept, _ = heap(lambda: [bench.change(0, i) for i in range(2, 2 + _SAMPLES)] and None)
    observations = bench.client.registrations[0].reporting.observations
    if [len(other.stored.samples) for other in observations if other.stored] != [1 + _SAMPLES]:
        raise ValueError("samples are missing")
    one = kept / _SAMPLES
    print(json.dumps({"sample.heap_bytes": one, "sample.module_bytes": first - one}))


def measure_send():
    bench = Bench(True)

    def report():
        bench.client.send("/26241/0/0")
        bench.client.step()
        data = bench.wire.queue.pop()
        if data[1] != 2 or b"\xb2dp" not in data:
            raise ValueError("not sent")
        bench.say(b"\x64\x44" + data[2:8])
        bench.client.step()

    def copies():
        # What the server's end takes by itself: the request, its copy, and both of the answer
        data = bytes(40)
        bench.say(b"\x64\x44" + data[2:8])
        bench.client.step()

    first, _ = heap(report)
    kept, taken = heap(lambda: [report() for _ in range(20)] and None)
    _, alone = heap(lambda: [copies() for _ in range(20)] and None)
    best = 1e9
    for _ in range(_ROUNDS):
        start = time.ticks_us()
        for _ in range(20):
            report()
        best = min(best, time.ticks_diff(time.ticks_us(), start) / 20)
    print(
        json.dumps(
            {
                "send.module_bytes": first,
                "send.kept_bytes": kept / 20,
                "send.heap_bytes": (taken - alone) / 20,
                "send.us": best,
            }
        )
    )


def measure_time():
    benches = [Bench(thick, count) for thick in (False, True) for count in (1, MANY)]
    best = [1e9] * 4
    for bench in benches:
        bench.check()
        bench.silence()
    for _ in range(_ROUNDS):
        for i in range(4):
            gc.collect()
            best[i] = min(best[i], loop_us(benches[i]))
    found = {
        "observe.1.step_us": min(best[0], best[2]),
        "observe.100.instances.step_us": best[1],
        "observe.100.resources.step_us": best[3],
        "observe.100.step_us": max(best[1], best[3]),
        "observe.100.ratio": max(best[1] / best[0], best[3] / best[2]),
    }
    print(json.dumps(found))


measure_heap()
measure_send()
measure_time()
