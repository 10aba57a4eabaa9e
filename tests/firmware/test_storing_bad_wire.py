# replaces time
"""Stored notifications over a wire that loses a third of everything, with a blackout of ten
minutes."""

import random

import lwm2m.reporting.storing as notification_storing
from bench import Bench
from reporting_bench import SENML_CBOR, SENML_JSON, Probe
from storing_bench import EPOCH_S, LEVEL, Time, pack
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    GET,
    LOCATION_PATH,
    OBSERVE,
    POST,
    RST,
    TEXT,
    URI_QUERY,
    decode,
    encode,
    segments,
)

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson


class Wire:
    """One end of a wire that loses, while `rate` percent of the datagrams and in a blackout all.
    The end that belongs to the client delivers what the server sends, and the other way round."""

    secure = False
    ready = True
    renewals = 0
    sock = None

    def __init__(self, sim):
        self.sim = sim
        self.queue = []
        self.data = b""

    def open(self, poller=None):
        pass

    def step(self):
        return 3600000

    def close(self):
        self.queue.clear()

    def receive(self):
        if not self.queue:
            return -1
        self.data = self.queue.pop(0)
        return len(self.data)

    def send(self, buf, n):
        if not self.sim.lost():
            self.sim.inbox.append(bytes(buf[:n]))


class Simulation:
    """A device that measures, a wire, and a server: written here, of nothing but the codec of
    test_loopback. It acknowledges, takes a message once, answers Update with 4.04 after the
    lifetime, and observes whoever registers."""

    START_S = 120
    BLACKOUT_S = 600

    def __init__(self, seed, storing, lifetime_s, format, own=()):
        random.seed(seed)
        self.inbox = []
        self.wire = Wire(self)
        self.bench = Bench(lifetime_s=lifetime_s, near=self.wire, storing=storing)
        self.client = self.bench.client
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        notification_storing.time = Time(self.bench.clock)
        self.clock = self.bench.clock
        self.format = format
        self.own = [(URI_QUERY, option) for option in own]
        self.lifetime_s = lifetime_s
        self.probe = self.client.add(Probe(iid=0, level=0.0))
        self.statuses = []
        # What was in flight when an observation came to its end: it comes again with the next
        self.again = []
        self.client.on_notification = self.note_status
        # What the server knows
        self.location = None
        self.until_s = 0
        self.registers = self.observes = 0
        self.tokens = 0
        self.mid = random.getrandbits(16)
        self.answered = {}
        self.request = None
        self.token = None
        self.numbers = []
        # What it was told: notifications [(now_ms, number, payload)], and answers to Observe
        self.told = []
        self.newest = None
        # What was measured when, and what of it while it was observed
        self.made = {0.0: 0}
        self.stored = []
        self.quiet = False

    def note_status(self, status, observation):
        self.statuses.append(status)
        if status == "cancelled" and observation.stored:
            stored = observation.stored
            for s, ms, payload in stored.samples[: stored.unacknowledged]:
                self.again.append((EPOCH_S + s) * 1000 + ms)

    def blackout(self):
        return self.START_S <= self.clock.s < self.START_S + self.BLACKOUT_S

    def lost(self):
        return self.blackout() or random.getrandbits(16) % 100 < 30

    def now(self):
        return self.clock.s * 1000 + self.clock.ms

    def send(self, datagram):
        if not self.lost():
            self.wire.queue.append(datagram)

    def serve(self):
        """Everything that has arrived at the server."""
        while self.inbox:
            packet = decode(self.inbox.pop(0))
            if packet.type == RST:
                continue
            if packet.type == ACK:
                self.reply(packet)
                continue
            old = self.answered.get(packet.mid)
            if old and self.clock.s - old[0] < 247:
                if packet.type == CON:
                    self.send(old[1])
                continue
            answer = self.handle(packet)
            self.answered[packet.mid] = (self.clock.s, answer)
            if packet.type == CON or answer[0] & 0x30 == 0x30:
                self.send(answer)

    def handle(self, packet):
        if packet.code == POST:
            if packet.path() == b"/rd":
                self.registers += 1
                self.location = b"%d" % self.registers
                self.until_s = self.clock.s + self.lifetime_s
                self.token = None
                self.numbers = []
                self.tokens += 1
                self.request = [b"t%d" % self.tokens, 0, self.now(), 0]
                options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, self.location)]
                return encode(ACK, CREATED, packet.mid, packet.token, options)
            code = 0x84
            if packet.path() == b"/rd/" + (self.location or b"") and self.clock.s < self.until_s:
                self.until_s = self.clock.s + self.lifetime_s
                code = CHANGED
            return encode(ACK, code, packet.mid, packet.token)
        known = packet.token == self.token and self.clock.s < self.until_s
        if self.request and packet.token == self.request[0]:
            known = True  # a notification may come before the answer to the Observe
        if not known:
            return encode(RST, 0, packet.mid)
        eq(packet.code, CONTENT)
        number = packet.uint(OBSERVE)
        assert number >= 0
        if number not in self.numbers:
            self.numbers.append(number)
            self.told.append((self.now(), number, packet.payload))
        return encode(ACK, 0, packet.mid)

    def reply(self, packet):
        request = self.request
        if request and packet.mid == request[1] and packet.token == request[0]:
            eq(packet.code, CONTENT)
            assert packet.uint(OBSERVE) >= 0
            self.token = request[0]
            self.request = None
            self.newest = self.value(packet.payload)
            self.told.append((self.now(), -1, packet.payload))

    def ask(self):
        """Observe, again and again until there is an answer."""
        request = self.request
        if request and self.now() >= request[2]:
            if request[3] % 5 == 0:
                self.mid = self.mid + 1 & 0xFFFF
                request[1] = self.mid
            request[2] = self.now() + (2500 << request[3] % 5)
            request[3] += 1
            self.observes += 1
            options = segments(LEVEL) + [(OBSERVE, 0), (ACCEPT, self.format)] + self.own
            self.send(encode(CON, GET, request[1], request[0], options))

    def value(self, payload):
        if self.format == TEXT:
            return float(payload)
        return pack(payload, self.format)[-1][2]

    def run(self, seconds, pause_s=20):
        """Let the device measure every `pause_s` seconds or a little more, then be still."""
        value = 0.0
        next_ms = 10000
        end_ms = seconds * 1000
        while self.now() < end_ms:
            if self.now() >= next_ms and self.now() < end_ms - 600000:
                value += 1.0
                self.probe.put("level", value)
                self.client.step()
                self.made[value] = EPOCH_S * 1000 + self.now()
                reporting = self.bench.registration.reporting
                if reporting and reporting.observations:
                    self.stored.append((EPOCH_S * 1000 + self.now(), value))
                next_ms = self.now() + pause_s * 1000 + random.getrandbits(13)
            self.serve()
            self.ask()
            due = self.client.step()
            self.serve()
            if self.wire.queue or self.inbox:
                continue
            due = min(due or 1, 1000)
            if next_ms > self.now():
                due = min(due, next_ms - self.now())
            self.clock.advance(due)
        return value


SEEDS = range(1, 25)


def simulate_storing(seed, lifetime_s, format):
    sim = Simulation(seed, True, lifetime_s, format)
    sim.run(2400)
    what = "seed %d, lifetime %d, format %d: " % (seed, lifetime_s, format)
    assert len(sim.stored) > 50, what + "%d stored" % len(sim.stored)
    got = []
    for _, number, payload in sim.told:
        if number < 0:
            continue
        if format == TEXT:
            got.append((None, float(payload)))
        else:
            got += [(ms, value) for ms, path, value in pack(payload, format)]
    eq((what, sim.statuses.count("dropped")), (what, 0))
    # Nobody can know whether what was in flight at a Register has arrived: it comes once more,
    # with the same time. And behind what was kept comes the newest once more.
    times = {value: ms for ms, value in sim.stored}
    wanted = [value for _, value in sim.stored]
    once = []
    extra = 0
    for ms, value in got:
        if format != TEXT and ms != times.get(value):
            # the value of that moment, whether it was kept or came while nobody observed
            made = sim.made
            assert made[value] <= ms <= made.get(value + 1, ms), what + "%r" % ((ms, value),)
            extra += 1
        elif value not in once and value in wanted:
            once.append(value)
        elif times.get(value) not in sim.again:
            assert value >= once[-1], what + "%r after %r" % (value, once[-1])
            extra += 1
    assert extra <= sim.observes, what + "%d too many" % extra
    got = once
    eq((what, len(got), got), (what, len(wanted), wanted))
    eq((what, sim.probe.level), (what, wanted[-1]))
    return sim


def test_storing_over_a_bad_wire_with_a_blackout_lifetime_longer():
    for seed in SEEDS:
        simulate_storing(seed, 3600, SENML_CBOR)


def test_storing_over_a_bad_wire_with_a_blackout_lifetime_shorter():
    for seed in SEEDS:
        sim = simulate_storing(seed, 300, SENML_CBOR)
        assert sim.registers > 1


def test_storing_over_a_bad_wire_in_json():
    for seed in range(101, 107):
        simulate_storing(seed, 300 if seed & 1 else 3600, SENML_JSON)


def test_storing_over_a_bad_wire_as_text():
    for seed in range(201, 207):
        simulate_storing(seed, 300 if seed & 1 else 3600, TEXT)


def test_not_storing_over_a_bad_wire_with_a_blackout():
    for lifetime_s in (3600, 300):
        for seed in SEEDS:
            sim = Simulation(seed, False, lifetime_s, TEXT, (b"con=1",))
            values = {}
            real = sim.probe.put

            def put(name, value, real=real, sim=sim, values=values):
                values[value] = sim.now()
                real(name, value)

            sim.probe.put = put
            last = sim.run(2400)
            what = (lifetime_s, seed)
            told = [(ms, float(payload)) for ms, number, payload in sim.told]
            eq((what, told[-1][1]), (what, last))
            previous = -1
            for ms, value in told:
                # the newest: the next value was not there yet
                newer = values.get(value + 1)
                assert newer is None or newer >= ms, (what, ms, value, newer)
                assert value >= previous, (what, ms, value)
                previous = value
            # of the blackout nothing but the end
            first = sim.START_S * 1000
            after = first + sim.BLACKOUT_S * 1000
            held = [value for value in values if first <= values[value] < after - 30000]
            known = [value for _, value in told]
            eq((what, [value for value in held[1:] if value in known]), (what, []))
            assert not [f for f in sim.statuses if f == "dropped"]
