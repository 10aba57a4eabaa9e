# timeout: 400
"""Notifications for a server that is away (1/x/6, LwM2M 1.1 Core §6.4.5, RFC 8428): what is kept,
how it is packed, and a wire that loses a third of everything, with a blackout of ten minutes."""

import json
import random
import struct

import lwm2m.reporting.storing as samples
from test_loopback import (
    ACCEPT,
    ACK,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    FETCH,
    GET,
    LOCATION_PATH,
    OBSERVE,
    POST,
    PUT,
    RST,
    TEXT,
    URI_QUERY,
    Bench,
    decode,
    encode,
    segments,
)
from test_reporting_bench import FOREVER, SENML_CBOR, SENML_JSON, Probe
from testing import eq

from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.objects.device import Device

LEVEL = "/26250/0/1"
COUNT = "/26250/0/0"
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"1")]
EPOCH_S = 1767225600

LABELS = {-3: "bt", -2: "bn", 0: "n", 2: "v", 3: "vs", 4: "vb", 6: "t", 8: "vd"}


class Time:
    """In the place of the module `time`: the time of day, which follows a clock."""

    def __init__(self, clock, start_s=EPOCH_S):
        self.clock = clock
        self.start_s = start_s

    def time(self):
        return self.start_s + self.clock.s

    def gmtime(self, s):
        return (1970, 1, 1, 0, 0, 0, 3, 1)


def cbor(b, at=0):
    """(value, where it ends) of one item, as RFC 8949 §3 says."""
    kind = b[at] >> 5
    n = b[at] & 31
    at += 1
    if kind == 7:
        if n in (20, 21):
            return n == 21, at
        size = {25: 2, 26: 4, 27: 8}[n]
        raw = b[at : at + size]
        if size == 2:
            half = raw[0] << 8 | raw[1]
            assert half >> 10 & 31 not in (0, 31) or not half & 0x3FF
            value = (1 + (half & 0x3FF) / 1024) * 2 ** ((half >> 10 & 31) - 15)
            return (0.0 if not half & 0x7FFF else -value if half >> 15 else value), at + 2
        return struct.unpack(">f" if size == 4 else ">d", raw)[0], at + size
    if n > 23:
        size = {24: 1, 25: 2, 26: 4, 27: 8}[n]
        n = int.from_bytes(b[at : at + size], "big")
        at += size
    if kind == 0:
        return n, at
    if kind == 1:
        return -1 - n, at
    if kind in (2, 3):
        raw = bytes(b[at : at + n])
        assert len(raw) == n
        return (raw if kind == 2 else raw.decode()), at + n
    if kind == 4:
        items = []
        for _ in range(n):
            item, at = cbor(b, at)
            items.append(item)
        return items, at
    assert kind == 5, kind
    found = {}
    for _ in range(n):
        key, at = cbor(b, at)
        value, at = cbor(b, at)
        assert key not in found, "twice in a map"
        found[key] = value
    return found, at


def pack(payload, format):
    """[(ms or None, path, value)] of a pack in SenML (RFC 8428 §4): base names and base times
    resolved."""
    if format == SENML_JSON:
        records = json.loads(payload)
    else:
        records, end = cbor(payload)
        eq(end, len(payload))
        records = [{LABELS[key]: record[key] for key in record} for record in records]
    base = ""
    base_time = None
    found = []
    for record in records:
        base = record.get("bn", base)
        base_time = record.get("bt", base_time)
        values = [record[key] for key in ("v", "vs", "vb", "vd") if key in record]
        eq(len(values), 1)
        s = record.get("t", 0) + (base_time or 0)
        ms = None if base_time is None and "t" not in record else int(s * 1000 + 0.5)
        if s < 0:
            ms = -int(-s * 1000 + 0.5)
        found.append((ms, base + record.get("n", ""), values[0]))
    return found


class Stage:
    """A registered client that stores for its server, which observes the level of a Probe."""

    def __init__(self, format=SENML_JSON, own=(), path=LEVEL, mtu=1152, start_s=EPOCH_S):
        self.bench = Bench(lifetime_s=FOREVER, storing=True, mtu=mtu)
        self.client = self.bench.client
        self.far = self.bench.far
        self.client.add_format(SenmlJson())
        self.client.add_format(SenmlCbor())
        samples.time = Time(self.bench.clock, start_s)
        self.fates = []
        self.client.on_notification = lambda fate, observation: self.fates.append(fate)
        self.probe = self.client.add(Probe(iid=0, level=20.0))
        self.path = path
        self.format = format
        self.own = [(URI_QUERY, option) for option in own]
        self.bench.registered()
        self.answer = self.observe()

    def observe(self, token=b"tk"):
        self.far.mid += 1
        options = [(OBSERVE, 0), (ACCEPT, self.format)] + self.own
        payload = b""
        code = GET
        if isinstance(self.path, str):
            options += segments(self.path)
        else:
            code = FETCH
            payload = json.dumps([{"n": path} for path in self.path]).encode()
            options.append((CONTENT_FORMAT, SENML_JSON))
        sent = self.far.send(encode(CON, code, self.far.mid, token, options, payload))
        answer = sent[0]
        eq((answer.code, answer.token), (CONTENT, token))
        assert answer.uint(OBSERVE) >= 0
        self.later = sent[1:]
        return answer

    def away(self, values, seconds=10):
        """Set the values, one every `seconds`, while nothing arrives: [(ms, value)] and all that
        was sent."""
        kept = []
        sent = []
        for value in values:
            self.probe.put("level", value)
            kept.append((EPOCH_S * 1000 + self.bench.now_ms(), LEVEL, value))
            sent += [packet for _, packet in self.bench.watch(seconds)]
        return kept, sent

    def back(self, seconds=700):
        """The server hears us again: every notification from now on, each once."""
        heard = []
        mids = []
        sent = self.later
        self.later = []
        end = self.bench.clock.s + seconds
        while self.bench.clock.s < end:
            due = self.client.step()
            sent += self.far.take()
            if not sent:
                self.bench.clock.advance(min(due, (end - self.bench.clock.s) * 1000))
            for packet in sent:
                if packet.code == POST:
                    code = CREATED if packet.path() == b"/rd" else CHANGED
                    options = LOCATION if code == CREATED else []
                    reply = encode(ACK, code, packet.mid, packet.token, options)
                    self.far.end.send(reply, len(reply))
                    continue
                eq((packet.code, packet.type), (CONTENT, CON))
                if packet.mid not in mids:
                    mids.append(packet.mid)
                    heard.append(packet)
                self.far.end.send(encode(ACK, 0, packet.mid), 4)
            sent = []
        return heard

    def read(self, packets):
        found = []
        for packet in packets:
            eq((packet.token, packet.uint(CONTENT_FORMAT)), (b"tk", self.format))
            assert packet.uint(OBSERVE) >= 0
            found += pack(packet.payload, self.format)
        return found


def test_decoder_knows_the_examples_of_rfc8949_appendix_a():
    for text, value in (
        ("00", 0),
        ("1818", 24),
        ("1b000000e8d4a51000", 1000000000000),
        ("3903e7", -1000),
        ("f93c00", 1.0),
        ("f93e00", 1.5),
        ("fb3ff199999999999a", 1.1),
        ("fbc010666666666666", -4.1),
        ("f5", True),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("6161", "a"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
    ):
        eq(cbor(bytes.fromhex(text)), (value, len(text) // 2))


def test_samples_of_an_outage_arrive_once_and_in_order():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format)
        kept, sent = stage.away([30.0 + i for i in range(8)])
        got = stage.read(stage.back())
        eq(got, kept)
        eq([fate for fate in stage.fates if fate == "dropped"], [])
        eq(stage.back(100), [])


def test_samples_have_milliseconds():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format)
        kept = []
        for ms in (1, 37, 250, 999, 1000, 1001):
            stage.bench.advance(ms)
            stage.far.take()
            stage.probe.put("level", stage.probe.level + 1)
            stage.client.step()
            kept.append((EPOCH_S * 1000 + stage.bench.now_ms(), LEVEL, stage.probe.level))
        eq(stage.read(stage.back()), kept)


def test_clock_that_is_not_set_counts_from_now_on_back():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format, start_s=1000)
        kept, sent = stage.away([30.0, 31.0, 32.0])
        seen = []
        for _ in range(40):
            stage.client.step()
            now = stage.bench.now_ms() + EPOCH_S * 1000
            for packet in stage.far.take():
                if packet.code == CONTENT:
                    seen += [(now + ms, path, v) for ms, path, v in pack(packet.payload, format)]
                    stage.far.send(encode(ACK, 0, packet.mid))
            stage.bench.clock.advance(1500)
        # The first was sent at once; a retransmission of it may say so by a new distance.
        eq(sorted(set(seen)), kept)


def test_sample_sent_at_once_is_at_no_distance():
    stage = Stage(start_s=1000)
    stage.probe.put("level", 21.0)
    stage.client.step()
    packet = stage.far.take()[0]
    eq(pack(packet.payload, SENML_JSON), [(0, LEVEL, 21.0)])


def test_time_that_is_set_meanwhile():
    stage = Stage(start_s=1000)
    stage.probe.put("level", 21.0)
    stage.client.step()
    stage.far.take()
    stage.bench.watch(20)
    samples.time = Time(stage.bench.clock)
    stage.probe.put("level", 22.0)
    at = EPOCH_S * 1000 + stage.bench.now_ms()
    stage.client.step()
    got = stage.read(stage.back())
    eq(got[-1], (at, LEVEL, 22.0))
    eq([value for _, _, value in got], [21.0, 22.0])


def test_time_that_a_server_has_set_counts():
    stage = Stage(start_s=1000)
    reports = stage.bench.registration.reporting
    clock = stage.bench.clock
    eq(samples.stamp_ms(reports, clock.s, clock.ms), 0)
    device = stage.client.add(Device())
    device.time_offset_s = EPOCH_S - 1000
    eq(samples.stamp_ms(reports, clock.s, clock.ms), EPOCH_S * 1000 + stage.bench.now_ms())


def test_other_formats_have_a_message_for_each_sample():
    stage = Stage(TEXT)
    stage.away([30.0 + i for i in range(6)])
    packets = stage.back()
    eq([packet.payload for packet in packets], [b"%.1f" % (30.0 + i) for i in range(6)])
    numbers = [packet.uint(OBSERVE) for packet in packets]
    eq(sorted(set(numbers)), numbers)


def test_many_samples_take_several_messages_that_fit():
    for mtu in (128, 200, 576):
        for format in (SENML_JSON, SENML_CBOR):
            stage = Stage(format, mtu=mtu)
            kept, _ = stage.away([30.0 + i for i in range(40)], 2)
            heard = stage.back()
            eq(stage.read(heard), kept)
            for packet in heard:
                assert len(packet.payload) < mtu
            assert len(heard) > 2


def test_no_more_samples_are_kept_than_hqmax():
    stage = Stage(own=(b"hqmax=3",))
    kept, _ = stage.away([30.0 + i for i in range(8)])
    got = stage.read(stage.back())
    # the first one is in flight; of the others the three newest stay, or two beside it
    eq(got[0], kept[0])
    rest = got[1:]
    assert rest in (kept[-3:], kept[-2:]), rest
    eq(stage.fates.count("dropped"), 8 - len(got))


def test_no_more_samples_are_kept_than_the_default():
    stage = Stage()
    history = stage.bench.registration.reporting.HISTORY
    n = history + 30
    kept, _ = stage.away([30.0 + i for i in range(n)], 1)
    got = stage.read(stage.back())
    eq(got[0], kept[0])
    assert history <= len(got) <= history + 1
    eq(got[1:], kept[n - len(got) + 1 :])
    eq(stage.fates.count("dropped"), n - len(got))


def test_newest_is_kept_when_all_places_are_in_flight():
    # hqmax=1, and that one is on its way: the newest is not the one to go.
    for hqmax in (1, 2):
        stage = Stage(own=(b"hqmax=%d" % hqmax,))
        kept, _ = stage.away([30.0 + i for i in range(4)])
        got = stage.read(stage.back())
        eq((hqmax, got[-1]), (hqmax, kept[-1]))


def test_hqmax_0_stores_nothing():
    stage = Stage(own=(b"hqmax=0",))
    stage.away([30.0 + i for i in range(8)])
    got = stage.back()
    eq([pack(packet.payload, SENML_JSON) for packet in got], [[(None, LEVEL, 37.0)]])


def test_timed_out_batch_is_repeated_as_it_was():
    stage = Stage()
    stage.probe.put("level", 30.0)
    sent = [packet for _, packet in stage.bench.watch(1)]
    stage.probe.put("level", 31.0)
    stage.probe.put("level", 32.0)
    # No longer than that: the Update which follows gives up in its turn.
    while not stage.fates and stage.bench.clock.s < 200:
        sent += [packet for _, packet in stage.bench.watch(1)]
    first = [packet for packet in sent if packet.code == CONTENT]
    eq(len(first), 5)
    eq(stage.fates, ["timed_out"])
    heard = stage.back()
    again = heard[0]
    assert again.mid != first[0].mid  # a message of its own
    eq((again.uint(OBSERVE), again.payload), (first[0].uint(OBSERVE), first[0].payload))
    eq([value for _, _, value in stage.read(heard)], [30.0, 32.0])


def test_what_is_in_flight_does_not_grow():
    stage = Stage()
    stage.probe.put("level", 30.0)
    first = stage.bench.watch(1)[0][1]
    stage.probe.put("level", 31.0)
    seen = [packet for _, packet in stage.bench.watch(50)]
    for packet in seen:
        for name in ("mid", "options", "payload"):
            eq(getattr(packet, name), getattr(first, name))


def test_samples_survive_a_register_when_observed_again():
    for token in (b"tk", b"new"):
        stage = Stage()
        kept, _ = stage.away([30.0, 31.0, 32.0])
        stage.client.reconnect()
        stage.client.step()
        register = stage.far.take()[0]
        eq(register.path(), b"/rd")
        eq(stage.far.reply(register, CREATED, LOCATION), [])
        eq(stage.fates, ["cancelled"])
        answer = stage.observe(token)
        eq(pack(answer.payload, SENML_JSON), [(None, LEVEL, 32.0)])
        heard = stage.back()
        eq([packet.token for packet in heard], [token] * len(heard))
        got = []
        for packet in heard:
            assert packet.uint(OBSERVE) > answer.uint(OBSERVE)
            got += pack(packet.payload, SENML_JSON)
        # and the newest once more at the end, for a server that takes the last one for it
        eq(got[:3], kept)
        eq([value for _, _, value in got[3:]], [32.0] * (len(got) - 3))


def test_samples_that_nobody_asks_for_again_are_dropped_with_the_next_register():
    stage = Stage()
    stage.away([30.0, 31.0])
    samples_kept = []
    reports = stage.bench.registration.reporting
    for _ in range(2):
        stage.client.reconnect()
        stage.client.step()
        eq(stage.far.reply(stage.far.take()[0], CREATED, LOCATION), [])
        samples_kept.append(len(reports.kept))
    eq(samples_kept, [1, 0])
    eq(stage.fates, ["cancelled", "dropped", "dropped"])


def test_samples_of_another_path_are_not_mixed_up():
    stage = Stage()
    stage.away([30.0, 31.0])
    stage.client.reconnect()
    stage.client.step()
    stage.far.reply(stage.far.take()[0], CREATED, LOCATION)
    stage.path = COUNT
    stage.observe()
    eq(stage.back(), [])
    stage.probe.put("count", 9)
    eq([value for _, _, value in stage.read(stage.back())], [9])


def test_storing_that_is_switched_off_tells_the_newest():
    stage = Stage()
    _, sent = stage.away([30.0 + i for i in range(4)])
    number = [packet for packet in sent if packet.code == CONTENT][-1].uint(OBSERVE)
    options = segments("/1/0/6") + [(CONTENT_FORMAT, TEXT)]
    sent = stage.far.send(encode(CON, PUT, 77, b"w", options, b"0"))
    eq(sent[0].code, CHANGED)
    stage.probe.put("level", 50.0)
    heard = stage.back()
    last = heard[-1]
    eq(pack(last.payload, SENML_JSON)[-1][1:], (LEVEL, 50.0))
    assert last.uint(OBSERVE) > number
    # never an older value after a newer one
    values = [record[2] for packet in heard for record in pack(packet.payload, SENML_JSON)]
    eq(values, sorted(values))


def test_storing_that_is_switched_on_keeps_from_then_on():
    stage = Stage(own=(b"con=1",))
    stage.bench.server.storing = False
    stage.away([30.0, 31.0])
    stage.bench.server.storing = True
    kept, _ = stage.away([32.0, 33.0])
    got = [record for packet in stage.back() for record in pack(packet.payload, SENML_JSON)]
    # What has a time is whole and in order; the newest may come once more behind it.
    timed = [record for record in got if record[0] is not None]
    eq(timed[:2], kept)
    eq([value for _, _, value in timed[2:]], [33.0] * (len(timed) - 2))


def test_pmin_holds_for_samples():
    stage = Stage(own=(b"pmin=30",))
    stage.away([30.0 + i for i in range(9)], 10)
    got = stage.read(stage.back())
    base = EPOCH_S * 1000
    eq(
        got,
        [(base + 30000, LEVEL, 33.0), (base + 60000, LEVEL, 36.0), (base + 90000, LEVEL, 38.0)],
    )


def test_pmax_makes_samples():
    stage = Stage(own=(b"pmax=30",))
    stage.bench.watch(100)
    got = stage.read(stage.back(100))
    base = EPOCH_S * 1000
    eq(got[:5], [(base + 30000 * i, LEVEL, 20.0) for i in (1, 2, 3, 4, 5)])


def test_instance_is_packed_with_its_names():
    for format in (SENML_JSON, SENML_CBOR):
        stage = Stage(format, path="/26250/0")
        kept, _ = stage.away([30.0, 31.0, 32.0])
        got = stage.read(stage.back())
        eq([record for record in got if record[1] == LEVEL], kept)
        for ms, path, _ in got:
            assert path.startswith("/26250/0/"), path


def test_composite_is_packed_with_its_names():
    stage = Stage(path=[LEVEL, COUNT])
    stage.away([30.0, 31.0])
    stage.probe.put("count", 7)
    stage.bench.watch(10)
    got = [(path, v) for _, path, v in stage.read(stage.back())]
    eq(
        got,
        [
            (LEVEL, 30.0),
            (COUNT, 0),
            (LEVEL, 31.0),
            (COUNT, 0),
            (LEVEL, 31.0),
            (COUNT, 7),
        ],
    )


def test_composite_that_is_empty_for_a_while():
    stage = Stage(path=[LEVEL, COUNT])
    stage.away([30.0])
    stage.probe.level = None
    stage.probe.put("count", None)
    stage.probe.changed(1)
    stage.bench.watch(10)
    stage.probe.level = 32.0
    stage.probe.put("count", 5)
    stage.probe.changed(1)
    got = [(path, v) for _, path, v in stage.read(stage.back())]
    eq(got[:2], [(LEVEL, 30.0), (COUNT, 0)])
    eq(got[-2:], [(LEVEL, 32.0), (COUNT, 5)])


def test_value_that_goes_ends_the_queue_too():
    stage = Stage()
    stage.away([30.0, 31.0])
    stage.probe.put("level", None)
    heard = []
    for _ in range(40):
        stage.client.step()
        for packet in stage.far.take():
            heard.append(packet)
            if packet.code == POST:
                stage.far.send(encode(ACK, CHANGED, packet.mid, packet.token))
            elif packet.type == CON:
                stage.far.send(encode(ACK, 0, packet.mid))
        stage.bench.clock.advance(5000)
    eq(heard[-1].code, 0x84)
    eq(stage.bench.registration.reporting.observations, [])


def test_queue_costs_no_more_than_its_samples():
    import gc

    stage = Stage(SENML_CBOR)
    stage.away([30.0 + i for i in range(50)], 1)
    stage.fates.clear()
    gc.collect()
    before = gc.mem_alloc()
    for i in range(200):
        stage.probe.put("level", 100.0 + i)
        stage.bench.watch(1, keep=False)
        stage.fates.clear()
    gc.collect()
    assert gc.mem_alloc() - before < 6000, gc.mem_alloc() - before


# A bad wire


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
        samples.time = Time(self.bench.clock)
        self.clock = self.bench.clock
        self.format = format
        self.own = [(URI_QUERY, option) for option in own]
        self.lifetime_s = lifetime_s
        self.probe = self.client.add(Probe(iid=0, level=0.0))
        self.fates = []
        # What was in flight when an observation came to its end: it comes again with the next
        self.again = []
        self.client.on_notification = self.fate
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

    def fate(self, fate, observation):
        self.fates.append(fate)
        if fate == "cancelled" and observation.queue:
            for s, ms, payload in observation.queue[: observation.tried]:
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
                reports = self.bench.registration.reporting
                if reports and reports.observations:
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
    eq((what, sim.fates.count("dropped")), (what, 0))
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
            assert not [f for f in sim.fates if f == "dropped"]
