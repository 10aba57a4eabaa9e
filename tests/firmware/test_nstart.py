"""What is in flight: NSTART (RFC 7252 §4.7), retransmission with tunables (§4.2, §4.8), and the
supply of message ids (§4.4)."""

from array import array

from bench import Bench, ScriptedServer
from testing import eq, heap_locked
from wire import (
    ACK,
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CREATED,
    DELETE,
    GET,
    LOCATION_PATH,
    NON,
    POST,
    PUT,
    RST,
    TEXT,
    URI_PATH,
    decode,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.coap.builder import Builder
from lwm2m.coap.exchange import Exchange
from lwm2m.coap.message import Message, MessageIds
from lwm2m.formats.text import Text
from lwm2m.objects.base import Object
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from lwm2m.types import INT, OPAQUE, RW, E, R

LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]


class Asker:
    """An owner with an exchange of its own; a tag is the path that is asked for."""

    block_size = 3
    ring = 4
    body_limit = 64

    def __init__(self, nstart):
        self.clock = FakeClock()
        self.message = Message()
        self.builder = Builder(256)
        self.nstart = nstart
        near, self.far = Loopback.pair()
        self.exchange = Exchange(near, self, self)
        self.fates = []

    def ask(self, tag):
        assert self.exchange.request(GET, self, tag)
        packets = self.take()
        eq([(p.type, p.code, p.all(URI_PATH)) for p in packets], [(CON, GET, [tag])])
        return packets[0]

    def on_build(self, out, outgoing):
        out.option(URI_PATH, outgoing.tag)
        outgoing.payload(out)

    def on_reply(self, message, tag):
        self.fates.append((tag, message.code))

    def on_failure(self, tag, reason):
        self.fates.append((tag, ("timeout", "reset")[reason]))

    def take(self):
        packets = [decode(datagram) for datagram in self.far.queue]
        self.far.queue.clear()
        return packets

    def send(self, datagram):
        self.far.send(datagram, len(datagram))
        while self.exchange.poll():
            pass
        return self.take()

    def watch(self, seconds):
        """[(ms, Packet)] of what is sent when, as a driver would have it."""
        end = self.clock.s + seconds
        seen = []
        steps = 0
        while self.clock.s < end:
            due = self.exchange.step()
            for packet in self.take():
                seen.append((self.clock.s * 1000 + self.clock.ms, packet))
            steps += 1
            assert steps < 1000
            self.clock.advance(min(due, (end - self.clock.s) * 1000))
        return seen


# NSTART


def test_rfc7252_4_7_nstart_1_has_one_slot():
    asker = Asker(1)
    first = asker.ask(b"a")
    eq(asker.exchange.free(), None)
    asker.send(encode(ACK, CONTENT, first.mid, first.token))
    assert asker.exchange.free()
    eq(asker.fates, [(b"a", CONTENT)])


def test_rfc7252_4_7_nstart_2_has_two_in_flight():
    asker = Asker(2)
    first = asker.ask(b"a")
    assert asker.exchange.free()
    second = asker.ask(b"b")
    eq(asker.exchange.free(), None)
    assert first.mid != second.mid
    assert first.token != second.token


def test_rfc7252_5_3_2_two_in_flight_are_matched_each_by_its_own():
    for order in ((0, 1), (1, 0)):
        asker = Asker(2)
        packets = (asker.ask(b"a"), asker.ask(b"b"))
        # The token of one with the message id of the other is an answer to neither.
        asker.send(encode(ACK, CONTENT, packets[0].mid, packets[1].token))
        asker.send(encode(ACK, CONTENT, packets[1].mid, packets[0].token))
        eq(asker.fates, [])
        for i in order:
            asker.send(encode(ACK, 0x80 + i, packets[i].mid, packets[i].token))
            # A copy is not an answer to the other one.
            asker.send(encode(ACK, 0x80 + i, packets[i].mid, packets[i].token))
        eq(asker.fates, [((b"a", b"b")[i], 0x80 + i) for i in order])
        assert asker.exchange.free()
        eq(asker.watch(200), [])


def test_rfc7252_5_2_2_two_in_flight_with_separate_responses():
    for kind in (CON, NON):
        asker = Asker(2)
        first, second = asker.ask(b"a"), asker.ask(b"b")
        eq(asker.send(encode(ACK, 0, second.mid)), [])
        # Only the first is still retransmitted.
        eq(set(p.mid for _, p in asker.watch(10)), {first.mid})
        eq(asker.send(encode(ACK, 0, first.mid)), [])
        eq(asker.watch(10), [])
        acks = asker.send(encode(kind, CONTENT, 0x7001, second.token))
        acks += asker.send(encode(kind, CONTENT, 0x7002, first.token))
        eq([(p.type, p.mid) for p in acks], [(ACK, 0x7001), (ACK, 0x7002)] if kind == CON else [])
        eq(asker.fates, [(b"b", CONTENT), (b"a", CONTENT)])


def test_rfc7252_4_2_reset_of_one_leaves_the_other():
    asker = Asker(2)
    first, second = asker.ask(b"a"), asker.ask(b"b")
    asker.send(encode(RST, 0, first.mid))
    eq(asker.fates, [(b"a", "reset")])
    eq(set(p.mid for _, p in asker.watch(20)), {second.mid})
    asker.send(encode(ACK, CONTENT, second.mid, second.token))
    eq(asker.fates[1:], [(b"b", CONTENT)])


def test_rfc7252_4_2_two_in_flight_are_retransmitted_independently():
    asker = Asker(2)
    asker.exchange.ack_random = 0
    first = asker.ask(b"a")
    asker.clock.advance(1000)
    second = asker.ask(b"b")
    seen = asker.watch(120)
    eq([at for at, p in seen if p.mid == first.mid], [2000, 6000, 14000, 30000])
    eq([at for at, p in seen if p.mid == second.mid], [3000, 7000, 15000, 31000])
    for _, p in seen:
        eq(
            (p.token, p.all(URI_PATH)),
            (first.token, [b"a"]) if p.mid == first.mid else (second.token, [b"b"]),
        )
    eq(asker.fates, [(b"a", "timeout"), (b"b", "timeout")])


def test_nstart_3_slot_in_the_middle_is_used_again():
    asker = Asker(3)
    packets = [asker.ask(tag) for tag in (b"a", b"b", b"c")]
    eq(asker.exchange.free(), None)
    asker.send(encode(ACK, CONTENT, packets[1].mid, packets[1].token))
    again = asker.ask(b"d")
    for packet, tag in ((packets[2], b"c"), (again, b"d"), (packets[0], b"a")):
        asker.send(encode(ACK, CONTENT, packet.mid, packet.token))
        eq(asker.fates[-1], (tag, CONTENT))


class Slow(Object):
    OID = 26241
    RESOURCES = (0, INT | RW, "level", 1, E, "run", 2, OPAQUE | R, "blob")
    level = 0
    blob = None
    later = None

    def run(self, args=None):
        self.later = self.client.defer()


class Wide(Bench):
    """A bench whose client has so many in flight."""

    def __init__(self, nstart=1, mtu=1152):
        self.clock = FakeClock()
        self.events = []
        self.client = Client("dev", mtu=mtu, nstart=nstart, clock=self.clock, on_event=self._event)
        self.client.add_format(Text())
        self.far = ScriptedServer(self)
        self.server = self.add_server(self.far)
        self.registration = self.client.registrations[0]
        self.slow = self.client.add(Slow())


def update_and_answer(nstart):
    """An Update in flight, and an answer that is owed: the Update, and what is sent besides."""
    bench = Wide(nstart).registered()
    bench.far.send(encode(CON, POST, 77, b"tk", segments("/26241/0/1")))
    bench.client.update()
    bench.client.step()
    update = bench.far.take()
    eq([p.path() for p in update], [b"/rd/5a3f"])
    bench.slow.later.answer()
    for _ in range(3):
        bench.client.step()
    return bench, update[0], bench.far.take()


def test_nstart_2_answer_leaves_beside_an_update():
    bench, update, sent = update_and_answer(2)
    eq([(p.type, p.code, p.token) for p in sent], [(CON, CHANGED, b"tk")])
    bench.far.send(encode(ACK, 0, sent[0].mid))
    eq((bench.slow.later.done, bench.events), (True, ["registered"]))
    bench.far.reply(update, CHANGED)
    eq(bench.events, ["registered", "updated"])


def test_nstart_2_answer_leaves_once():
    bench = Wide(2).registered()
    bench.far.send(encode(CON, POST, 77, b"tk", segments("/26241/0/1")))
    bench.slow.later.answer()
    for _ in range(5):
        bench.client.step()
    eq([(p.type, p.code, p.token) for p in bench.far.take()], [(CON, CHANGED, b"tk")])


def test_nstart_1_answer_waits_for_the_update():
    bench, update, sent = update_and_answer(1)
    eq((sent, bench.slow.later.done), ([], None))
    sent = bench.far.reply(update, CHANGED)
    bench.client.step()
    sent += bench.far.take()
    eq([(p.type, p.code, p.token) for p in sent], [(CON, CHANGED, b"tk")])
    eq(bench.events, ["registered", "updated"])


def test_nstart_1_update_waits_for_the_answer():
    bench = Wide().registered()
    bench.far.send(encode(CON, POST, 77, b"tk", segments("/26241/0/1")))
    bench.slow.later.answer()
    bench.client.step()
    answer = bench.far.take()[0]
    bench.client.update()
    for _ in range(3):
        bench.client.step()
    eq(bench.far.take(), [])
    sent = bench.far.send(encode(ACK, 0, answer.mid))
    bench.client.step()
    sent += bench.far.take()
    eq([(p.code, p.path()) for p in sent], [(POST, b"/rd/5a3f")])


def test_nstart_2_one_registration_request_at_a_time():
    bench = Wide(2).registered()
    bench.client.update()
    bench.client.step()
    update = bench.far.take()[0]
    bench.client.update()
    bench.client.deregister()
    bench.client.step()
    eq(bench.far.take(), [])
    sent = bench.far.reply(update, CHANGED)
    bench.client.step()
    eq([(p.code, p.path()) for p in sent + bench.far.take()], [(DELETE, b"/rd/5a3f")])


def transmissions(ack_timeout_ms, ack_random, max_retransmit):
    """When a message that nobody answers is sent, and when that is given up."""
    asker = Asker(1)
    asker.exchange.ack_timeout_ms = ack_timeout_ms
    asker.exchange.ack_random = ack_random
    asker.exchange.max_retransmit = max_retransmit
    packet = asker.ask(b"a")
    times = [0]
    while not asker.fates:
        asker.clock.advance(asker.exchange.step())
        for again in asker.take():
            eq((again.mid, again.token, again.options), (packet.mid, packet.token, packet.options))
            times.append(asker.clock.s * 1000 + asker.clock.ms)
        if not asker.fates:
            asker.exchange.step()
            for again in asker.take():
                times.append(asker.clock.s * 1000 + asker.clock.ms)
    eq(asker.fates, [(b"a", "timeout")])
    assert asker.exchange.free()
    return times, asker.clock.s * 1000 + asker.clock.ms


# Retransmission


def test_rfc7252_4_8_tunables_are_honoured():
    eq(transmissions(2000, 0, 4), ([0, 2000, 6000, 14000, 30000], 62000))
    eq(transmissions(500, 0, 2), ([0, 500, 1500], 3500))
    eq(transmissions(10000, 0, 1), ([0, 10000], 30000))
    eq(transmissions(1000, 0, 0), ([0], 1000))
    eq(transmissions(100, 0, 8), ([0] + [100 * (2 << i) - 100 for i in range(8)], 51100))


def test_rfc7252_4_8_first_interval_is_random_within_its_factor():
    for timeout, factor in ((2000, 50), (2000, 0), (500, 100), (3000, 20)):
        seen = set()
        longest = timeout + timeout * factor // 100
        for _ in range(200):
            times, end = transmissions(timeout, factor, 4)
            eq(len(times), 5)
            gap = times[1]
            assert timeout <= gap <= longest, (timeout, factor, gap)
            # The rest follows from it.
            eq((times, end), ([0, gap, 3 * gap, 7 * gap, 15 * gap], 31 * gap))
            seen.add(gap)
        if factor:
            assert len(seen) > 20, seen
            # Both ends are within reach.
            assert min(seen) < timeout + timeout * factor // 1000, min(seen)
            assert max(seen) > longest - timeout * factor // 1000, max(seen)


def test_rfc7252_4_8_2_defaults():
    exchange = Asker(1).exchange
    eq((exchange.ack_timeout_ms, exchange.ack_random, exchange.max_retransmit), (2000, 50, 4))


# Message ids


def test_rfc7252_4_4_all_65536_ids_within_256_s_and_no_more():
    clock = FakeClock()
    ring = MessageIds(clock, 4)
    first = ring.next()
    for i in range(1, 0x10000):
        mid = ring.next()
        if mid != first + i & 0xFFFF:
            # The last of them may be kept back.
            assert i == 0xFFFF and mid == -1, (i, mid)
    for _ in range(3):
        eq(ring.next(), -1)
    clock.advance(247000)
    eq(ring.next(), -1)
    clock.advance(53000)
    eq(ring.next(), -1)
    clock.advance((512 - 300) * 1000)
    assert 0 <= ring.next() <= 0xFFFF


def test_rfc7252_4_4_id_is_never_used_again_within_the_exchange_lifetime():
    # Seconds at which each was used last, + 1
    for burst, start_s in (
        (3000, 0),
        (700, 250),
        (0xFFFF, 255),
        (20000, 500),
        (0xFFFF, 230),
        (40000, 230),
    ):
        clock = FakeClock()
        clock.advance(start_s * 1000)
        ring = MessageIds(clock, 4)
        used = array("H", bytes(2 * 0x10000))
        got = refused = 0
        for _ in range(60):
            clock.advance(17000)
            for _ in range(burst):
                mid = ring.next()
                if mid < 0:
                    refused += 1
                    break
                got += 1
                if used[mid]:
                    assert clock.s + 1 - used[mid] >= 247, (burst, mid, clock.s, used[mid])
                used[mid] = clock.s + 1
        assert got > 30000, got
        if burst > 5000:
            assert refused, burst


def test_rfc7252_4_4_ids_come_back_after_a_long_silence():
    for silence_s in (512, 600, 86400, 400 * 86400):
        clock = FakeClock()
        ring = MessageIds(clock, 4)
        while ring.next() >= 0:
            pass
        for _ in range(silence_s // 3600):
            clock.advance(3600000)
        clock.advance(silence_s % 3600 * 1000)
        for _ in range(1000):
            assert ring.next() >= 0


def test_next_id_allocates_nothing():
    ring = MessageIds(FakeClock(), 4)
    heap_locked(ring.next)


def exhaust(bench):
    ring = bench.registration.exchange.message_ids
    while ring.next() >= 0:
        pass


def test_rfc7252_4_4_without_ids_non_requests_go_unanswered():
    bench = Wide().registered()
    read = segments("/26241/0/0")
    exhaust(bench)
    for mid in range(5):
        eq(bench.far.send(encode(NON, GET, mid, b"t", read)), [])
        eq(bench.far.send(encode(NON, PUT, 10 + mid, b"t", read, b"5")), [])
    # A confirmable one is answered under its own id.
    eq(bench.ask(GET, "/26241/0/0", accept=TEXT).code, CONTENT)
    eq(bench.ask(PUT, "/26241/0/0", b"6", format=TEXT).code, CHANGED)
    bench.clock.advance(512000)
    eq(bench.ask(GET, "/26241/0/0", kind=NON).code, CONTENT)
    eq(bench.slow.level, 6)


def test_rfc7252_4_4_without_ids_nothing_of_ours_is_sent_until_time_passes():
    bench = Wide().registered()
    exhaust(bench)
    bench.client.update()
    seen = []
    for _ in range(25):
        bench.client.step()
        seen += bench.far.take()
        bench.clock.advance(10000)
    eq(seen, [])
    bench.watch(600, answer=lambda packet: answer(bench, packet))
    assert bench.client.registered


def answer(bench, packet):
    if packet.path() == b"/rd":
        bench.far.reply(packet, CREATED, LOCATION)
    elif packet.code:
        bench.far.reply(packet, CHANGED)


def test_rfc7252_4_4_without_ids_an_answer_waits():
    bench = Wide().registered()
    bench.far.send(encode(CON, POST, 77, b"tk", segments("/26241/0/1")))
    exhaust(bench)
    bench.slow.later.answer()
    bench.client.step()
    eq(bench.far.take(), [])
    sent = bench.watch(700)
    # Late, but it is given, or at least the handler learns that it was not.
    if sent:
        eq(sent[0][1].token, b"tk")
    else:
        eq(bench.slow.later.done, False)
        eq(bench.registration.exchange.separate, [])


def test_rfc7252_4_4_without_ids_an_answer_waits_also_after_a_read_in_blocks():
    # What did not fit into another message says nothing about this one.
    bench = Wide().registered()
    bench.far.send(encode(CON, POST, 77, b"tk", segments("/26241/0/1")))
    exhaust(bench)
    assert bench.ask(GET, "/26241", options=[(BLOCK2, 0)]).code == CONTENT
    bench.slow.blob = b"x" * 40
    assert bench.ask(GET, "/26241/0/2", options=[(BLOCK2, 0)]).uint(BLOCK2) == 8
    bench.slow.later.answer(0x83)
    sent = bench.watch(700)
    eq([(p.code, p.token) for _, p in sent[:1]], [(0x83, b"tk")])


class Plain(Object):
    RESOURCES = (0, INT | R, "level")
    level = 1

    def __init__(self, oid):
        self.OID = oid
        super().__init__()


def test_without_ids_in_the_middle_of_our_blocks_the_client_starts_anew():
    bench = Wide(mtu=128)
    for i in range(60):
        bench.client.add(Plain(27000 + i))
    bench.client.step()
    first = bench.far.take()[0]
    exhaust(bench)
    bench.far.reply(first, 0x5F, [(BLOCK1, first.uint(BLOCK1))])

    def go_on(packet):
        value = packet.uint(BLOCK1)
        if value & 8:
            bench.far.reply(packet, 0x5F, [(BLOCK1, value)])
        else:
            answer(bench, packet)

    bench.watch(1500, answer=go_on)
    assert bench.client.registered, "waits for ever"
