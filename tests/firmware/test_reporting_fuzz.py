# replaces sys
# heapsize: 2m
"""Servers, applications and wires that do anything at any time: nothing raises, nothing is told
that nobody observes, and in the end everything has been given back."""

import random
import sys

import lwm2m.dispatch as dispatch
import lwm2m.reporting.observation as observation_module
import lwm2m.reporting.scheduler as scheduler
from bench import Bench
from reporting_bench import SENML_CBOR, SENML_JSON, Probe
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETED,
    FETCH,
    GET,
    LOCATION_PATH,
    NON,
    OBSERVE,
    PUT,
    RST,
    TEXT,
    TLV,
    URI_QUERY,
    encode,
    segments,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson

LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
PATHS = (
    "/26250",
    "/26250/0",
    "/26250/1",
    "/26250/0/0",
    "/26250/0/1",
    "/26250/1/1",
    "/26250/0/6",
    "/26250/0/6/1",
    "/26250/0/3",
    "/1/0",
    "/1/0/1",
    "/9/9",
)
QUERIES = (b"pmin=3", b"pmax=9", b"gt=25", b"st=2", b"con=1", b"epmin=4", b"epmax=8", b"hqmax=2")
FATES = ("sent", "acknowledged", "timed_out", "dropped", "cancelled", "rejected")


class Printed:
    """In the place of the module `sys`: what is printed and forgotten is remembered here."""

    def __init__(self):
        self.count = 0

    def print_exception(self, e, file=None):
        self.count += 1
        sys.print_exception(e)


def chance(n):
    return random.getrandbits(16) % n


class Storm:
    def __init__(self, seed):
        random.seed(seed)
        self.bench = Bench(lifetime_s=600, storing=bool(seed & 1), mtu=(128, 300, 1152)[seed % 3])
        self.client = self.bench.client
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        self.far = self.bench.far
        self.count = 0
        self.client.on_notification = self.note_status
        self.probes = [self.client.add(Probe(iid=0)), None]
        self.mid = 0
        self.pending = []
        self.ended = []

    def note_status(self, status, observation):
        assert status in FATES, status
        if status == "cancelled":
            assert observation not in self.ended, "cancelled twice"
            self.ended.append(observation)
        self.count += 1

    def send(self, datagram):
        self.far.end.send(datagram, len(datagram))

    def request(self, code, path, options=(), payload=b""):
        self.mid = self.mid + 1 & 0xFFFF
        token = bytes((chance(6),)) * chance(4)
        kind = NON if not chance(5) else CON
        self.send(encode(kind, code, self.mid, token, segments(path) + list(options), payload))

    def act(self):
        what = chance(16)
        path = PATHS[chance(len(PATHS))]
        accept = (TEXT, TLV, SENML_JSON, SENML_CBOR, 9999)[chance(5)]
        if what < 4:
            options = [(OBSERVE, 0 if chance(4) else chance(3))]
            if chance(2):
                options.append((ACCEPT, accept))
            for _ in range(chance(3)):
                options.append((URI_QUERY, QUERIES[chance(len(QUERIES))]))
            self.request(GET, path, options)
        elif what == 4:
            names = [
                b'{"n":"%s"}' % PATHS[chance(len(PATHS))].encode() for _ in range(1 + chance(3))
            ]
            payload = b"[" + b",".join(names) + b"]"
            if not chance(3):
                at = chance(len(payload))
                payload = payload[:at] + bytes((chance(256),)) + payload[at + 1 :]
            options = [(OBSERVE, 0 if chance(3) else 1), (CONTENT_FORMAT, SENML_JSON)]
            self.request(FETCH, "/", options, payload)
        elif what == 5:
            options = [(URI_QUERY, QUERIES[chance(len(QUERIES))].split(b"=")[0])]
            if chance(3):
                options = [(URI_QUERY, QUERIES[chance(len(QUERIES))])]
            self.request(PUT, path, options)
        elif what == 6:
            rid = (2, 3, 6)[chance(3)]
            text = b"%d" % (chance(2) if rid == 6 else chance(12))
            self.request(PUT, "/1/0/%d" % rid, [(CONTENT_FORMAT, TEXT)], text)
        elif what < 11:
            probe = self.probes[chance(2)]
            if probe:
                name, value = (
                    ("level", float(chance(50))),
                    ("count", chance(50)),
                    ("list", {i: chance(9) for i in range(chance(4))}),
                    ("text", "x" * chance(400)),
                    ("level", None),
                )[chance(5)]
                probe.put(name, value)
        elif what == 11:
            i = chance(2)
            if self.probes[i]:
                self.client.remove(self.probes[i])
                self.probes[i] = None
            else:
                self.probes[i] = self.client.add(Probe(iid=i))
        elif what == 12:
            (self.client.update, self.client.reconnect)[chance(8) == 0]()
        elif what == 13:
            self.bench.clock.advance((10, 1000, 3000, 20000, 100000, 3600000)[chance(6)])
        elif what == 14:
            self.send(bytes(random.getrandbits(8) for _ in range(chance(40))))
        else:
            probe = self.probes[chance(2)]
            if probe:
                self.client.send("/26250/%d" % probe.iid)

    def answer(self):
        for packet in self.far.take():
            if packet.code == CONTENT and packet.uint(OBSERVE) >= 0:
                assert packet.uint(OBSERVE) < 1 << 24
            if packet.type > NON or not packet.code:
                continue
            self.pending.append(packet)
        while self.pending and chance(3):
            packet = self.pending.pop(chance(len(self.pending)))
            luck = chance(10)
            if luck == 0:
                continue
            if packet.code >= 64:
                kind = RST if luck == 1 else ACK
                if packet.type == CON or kind == RST:
                    self.send(encode(kind, 0, packet.mid))
            else:
                code = CHANGED
                options = []
                if packet.code == 4:
                    code = DELETED
                elif packet.path() == b"/rd":
                    code, options = CREATED, LOCATION
                if packet.all(27):
                    options = options + [(27, packet.uint(27))]
                    if packet.uint(27) & 8:
                        code = 0x5F
                if luck == 1:
                    code, options = 0x84, []
                self.send(encode(ACK, code, packet.mid, packet.token, options))

    def check(self):
        reporting = self.bench.registration.reporting
        if not reporting:
            return
        paths_observed = 0
        for observation in reporting.observations:
            assert not observation.ended
            paths_observed += len(observation.parts or (1,))
            if observation.stored:
                stored = observation.stored
                assert stored.unacknowledged <= len(stored.samples)
                assert len(stored.samples) <= reporting.HISTORY + stored.unacknowledged
        found = 0
        for level in reporting.index.chains.values():
            for observed in level.values():
                while observed:
                    assert observed.observation in reporting.observations
                    found += 1
                    observed = observed.next
        eq(found, paths_observed)
        tokens = [observation.token for observation in reporting.observations]
        eq(len(set(tokens)), len(tokens))
        for one in reporting.observations:
            for other in reporting.observations:
                if one is not other and one.same(other):
                    assert one.request_attributes != other.request_attributes

    def run(self, n):
        for _ in range(n):
            self.act()
            due = self.client.step()
            assert 0 <= due <= 3600000, due
            self.answer()
            self.client.step()
            self.check()
        return self

    def peace(self, seconds, token=None):
        """The wind drops and every answer comes: the payloads that are sent with `token`."""
        seen = []
        end = self.bench.clock.s + seconds
        while self.bench.clock.s < end:
            due = self.client.step()
            packets = self.far.take()
            for packet in packets:
                if packet.type <= NON and packet.code:
                    if packet.token == token:
                        seen.append(packet.payload)
                    self.settle(packet)
            if not packets:
                self.bench.clock.advance(min(due, 1000))
        return seen

    def settle(self, packet):
        if packet.code >= 64:
            if packet.type == CON:
                self.send(encode(ACK, 0, packet.mid))
            return
        code, options = CHANGED, []
        if packet.path() == b"/rd":
            code, options = CREATED, LOCATION
        if packet.all(27):
            options = options + [(27, packet.uint(27))]
            if packet.uint(27) & 8:
                code = 0x5F
        self.send(encode(ACK, code, packet.mid, packet.token, options))


def test_anything_at_any_time_raises_nothing_and_leaks_nothing():
    told = 0
    printed = Printed()
    for module in (scheduler, observation_module, dispatch):
        module.sys = printed
    for seed in range(60):
        storm = Storm(seed)
        storm.run(200)
        told += storm.count
        storm.peace(1000)
        assert storm.client.registered, seed
        # It still works: a new observation is told of a change.
        probe = storm.probes[0] or storm.client.add(Probe(iid=0))
        probe.put("level", 1.0)
        storm.bench.registration.attributes.clear()
        storm.bench.server.pmin_s = storm.bench.server.pmax_s = None
        storm.bench.server.storing = False
        storm.peace(30)
        options = [(OBSERVE, 0), (ACCEPT, TEXT)]
        storm.send(encode(CON, GET, 0xFFF0, b"last", segments("/26250/0/1") + options))
        storm.client.step()
        answers = [packet for packet in storm.far.take() if packet.token == b"last"]
        eq((seed, hex(answers[0].code)), (seed, "0x45"))
        probe.put("level", 2.0)
        eq((seed, storm.peace(30, b"last")[-1]), (seed, b"2.0"))
        eq((seed, printed.count), (seed, 0))
        # Leaving gives everything back.
        for observation in list(storm.bench.registration.reporting.observations):
            storm.bench.registration.reporting.forget(observation)
        eq((seed, storm.bench.registration.reporting.index.chains), (seed, {}))
    assert told > 1000, told


def test_datagrams_by_chance_around_an_observation():
    # Bytes of good requests, some of them changed
    random.seed(7)
    bench = Bench(lifetime_s=500000000)
    bench.client.add_format(SenmlJson())
    bench.client.add_format(SenmlCbor())
    probe = bench.client.add(Probe(iid=0))
    bench.registered()
    good = [
        encode(CON, GET, 1, b"a", segments("/26250/0/1") + [(OBSERVE, 0), (URI_QUERY, b"gt=5")]),
        encode(CON, GET, 2, b"a", segments("/26250/0/1") + [(OBSERVE, 1)]),
        encode(
            CON,
            FETCH,
            3,
            b"b",
            [(OBSERVE, 0), (CONTENT_FORMAT, SENML_JSON), (ACCEPT, SENML_CBOR)],
            b'[{"n":"/26250/0/1"},{"n":"/26250/0/6"}]',
        ),
        encode(CON, PUT, 4, b"c", segments("/26250/0/1") + [(URI_QUERY, b"pmin=1")]),
        encode(RST, 0, 5),
        encode(ACK, 0, 6),
    ]
    for i in range(6000):
        b = bytearray(good[chance(len(good))])
        for _ in range(chance(4)):
            b[chance(len(b))] = random.getrandbits(8)
        b = bytes(b[: chance(len(b)) + 1]) if not chance(4) else bytes(b)
        bench.far.end.send(b, len(b))
        if not chance(3):
            probe.put("level", float(chance(20)))
        bench.client.step()
        bench.far.take()
        if not chance(20):
            bench.clock.advance(1000)
    reporting = bench.registration.reporting
    assert len(reporting.observations) <= reporting.LIMIT
