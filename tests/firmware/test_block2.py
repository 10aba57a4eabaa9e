# heapsize: 4m
"""Block2 (RFC 7959): answers in blocks, to the client and from it."""

from block_bench import (
    BAD_REQUEST,
    ETAG,
    LOCATION,
    LONG,
    NOT_FOUND,
    SIZE2,
    Sized,
    Thing,
    codes,
    count,
    made,
    sent,
    upload,
)
from testing import eq
from wire import (
    ACK,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    GET,
    LINK,
    PUT,
    TEXT,
    TLV,
    URI_PATH,
    decode,
    encode,
)

from lwm2m.coap.builder import Builder
from lwm2m.coap.exchange import Exchange
from lwm2m.coap.message import Message
from lwm2m.objects.base import Object
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from lwm2m.types import INT, R


class Getter:
    """An owner that gets something large: so many pieces of it, then it says `wish`."""

    wish = False

    def __init__(self, pieces=100):
        self.clock = FakeClock()
        self.message = Message()
        self.builder = Builder(256)
        self.block_size = 3
        self.nstart = 1
        self.ring = 4
        self.body_limit = 64
        near, self.far = Loopback.pair()
        self.exchange = Exchange(near, self, self)
        self.got = []
        self.failures = []
        self.pieces = pieces
        self.then = None

    def on_build(self, out, outgoing):
        out.option(URI_PATH, outgoing.tag)
        outgoing.payload(out)

    def on_reply(self, message, tag):
        payload = bytes(message.body[message.payload : message.end])
        self.got.append((message.code, message.block2, payload))
        if len(self.got) == self.pieces:
            self.exchange.cancel()
            if self.then:
                self.then()
            return self.wish
        return True

    def on_failure(self, tag, reason):
        self.failures.append((tag, reason))

    def take(self):
        packets = [decode(datagram) for datagram in self.far.queue]
        self.far.queue.clear()
        return packets

    def send(self, datagram):
        self.far.send(datagram, len(datagram))
        while self.exchange.poll():
            pass
        self.exchange.step()

    def reply(self, packet, code, options=(), payload=b""):
        self.send(encode(ACK, code, packet.mid, packet.token, options, payload))


# Block2 in the answers to our requests


def test_rfc7959_2_4_answer_in_blocks_is_fetched_in_order():
    for szx in (0, 3, 6):
        getter = Getter()
        assert getter.exchange.request(GET, getter, b"fw")
        body = LONG[:1500]
        tokens = set()
        for number in range(count(body, szx)):
            packets = getter.take()
            eq(len(packets), 1)
            packet = packets[0]
            eq((packet.type, packet.code, packet.path()), (CON, GET, b"/fw"))
            eq(packet.uint(BLOCK2), number << 4 | szx if number else -1)
            eq(packet.payload, b"")
            assert packet.mid not in tokens
            tokens.add(packet.mid)
            part = body[number * (16 << szx) :][: 16 << szx]
            more = 8 if number < count(body, szx) - 1 else 0
            getter.reply(packet, CONTENT, [(BLOCK2, number << 4 | more | szx)], part)
            eq(len(getter.got), number + 1)
            eq(getter.got[-1], (CONTENT, number << 4 | more | szx, part))
        eq(getter.take(), [])
        eq(b"".join(got[2] for got in getter.got), body)
        assert getter.exchange.free()


def test_rfc7959_2_4_answer_in_one_block():
    getter = Getter()
    getter.exchange.request(GET, getter, b"fw")
    getter.reply(getter.take()[0], CONTENT, [(BLOCK2, 6)], b"all")
    eq((getter.got, getter.take()), ([(CONTENT, 6, b"all")], []))
    assert getter.exchange.free()


def test_rfc7959_2_4_lost_get_of_a_block_is_retransmitted_as_it_was():
    getter = Getter()
    getter.exchange.request(GET, getter, b"fw")
    getter.reply(getter.take()[0], CONTENT, [(BLOCK2, 8 | 2)], LONG[:64])
    first = list(getter.far.queue)
    getter.take()
    getter.clock.advance(3100)
    getter.exchange.step()
    eq((len(first), list(getter.far.queue)), (1, first))


def test_cancel_in_the_middle_of_an_answer_in_blocks_stops_it():
    for pieces in (1, 2, 3):
        getter = Getter(pieces)
        getter.exchange.request(GET, getter, b"fw")
        for number in range(pieces):
            getter.reply(getter.take()[0], CONTENT, [(BLOCK2, number << 4 | 8)], LONG[:16])
        eq((len(getter.got), getter.take(), getter.failures), (pieces, [], []))
        assert getter.exchange.free()
        for _ in range(10):
            getter.clock.advance(20000)
            getter.exchange.step()
        eq(getter.take(), [])


def test_other_request_instead_of_the_next_block_is_sent_once():
    for wish in (False, True):
        other_request(wish)


def other_request(wish):
    getter = Getter(1)
    getter.wish = wish
    getter.then = lambda: getter.exchange.request(GET, getter, b"other")
    getter.exchange.request(GET, getter, b"fw")
    getter.reply(getter.take()[0], CONTENT, [(BLOCK2, 8)], LONG[:16])
    packets = getter.take()
    eq([(p.path(), p.uint(BLOCK2)) for p in packets], [(b"/other", -1)])


def test_rfc7252_4_4_without_ids_for_the_next_block_the_owner_learns_it():
    getter = Getter()
    getter.exchange.request(GET, getter, b"fw")
    while getter.exchange.message_ids.next() >= 0:
        pass
    getter.reply(getter.take()[0], CONTENT, [(BLOCK2, 8)], LONG[:16])
    eq((len(getter.got), len(getter.failures), getter.take()), (1, 1, []))
    assert getter.exchange.free()


def test_refusal_of_a_later_block_reaches_the_owner():
    getter = Getter()
    getter.exchange.request(GET, getter, b"fw")
    getter.reply(getter.take()[0], CONTENT, [(BLOCK2, 8)], LONG[:16])
    getter.reply(getter.take()[0], NOT_FOUND)
    eq([got[0] for got in getter.got], [CONTENT, NOT_FOUND])
    eq(getter.take(), [])
    assert getter.exchange.free()


def test_server_that_answers_a_registration_in_blocks_does_no_harm():
    # Its diagnostic payload might be long (RFC 7252 §5.5.2).
    for more in (8, 0):
        for code in (NOT_FOUND, BAD_REQUEST, 0x8C, 0xA3, CHANGED, CREATED):
            bench = made()
            bench.client.update()
            update = sent(bench)[1]
            bench.far.reply(update, code, [(BLOCK2, more | 2)], LONG[:64])
            for _ in range(20):
                bench.client.step()
                for packet in bench.far.take():
                    if packet.path() == b"/rd":
                        bench.far.reply(packet, CREATED, LOCATION)
                    elif packet.code:
                        bench.far.reply(packet, CHANGED)
                bench.clock.advance(30000)
            assert bench.client.registered, (more, code)


def test_server_that_refuses_a_register_in_blocks_does_no_harm():
    for code in (0x8C, BAD_REQUEST, 0xA3):
        bench = Sized()
        bench.thing = bench.client.add(Thing())
        first = sent(bench)[1]
        bench.far.reply(first, code, [(BLOCK2, 8 | 2)], LONG[:64])
        for _ in range(20):
            bench.client.step()
            for packet in bench.far.take():
                bench.far.reply(packet, CREATED, LOCATION)
            bench.clock.advance(30000)
        assert bench.client.registered, code


def large():
    bench = made()
    bench.thing.blob = LONG
    return bench


# Block2: reads


def test_rfc7959_2_4_blocks_in_any_order():
    bench = large()
    for szx in (2, 4, 6):
        last = count(LONG, szx) - 1
        got = {}
        for number in (last, 0, 1, last - 1, 1, last // 2, 0) + tuple(range(last, -1, -1)):
            answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, number << 4 | szx)])
            eq((answer.code, answer.uint(BLOCK2) & ~8), (CONTENT, number << 4 | szx))
            eq(answer.uint(BLOCK2) & 8, 8 if number < last else 0)
            got[number] = answer.payload
        eq(b"".join(got[number] for number in range(last + 1)), LONG)


def etags(bench, path, szx=4, accept=-1):
    """The ETags of all blocks."""
    found = []
    number = 0
    while True:
        answer = bench.ask(GET, path, accept=accept, options=[(BLOCK2, number << 4 | szx)])
        eq(answer.code, CONTENT)
        found.append(answer.one(ETAG))
        assert 1 <= len(found[-1]) <= 8, found[-1]
        if not answer.uint(BLOCK2) & 8:
            return found
        number += 1


def test_rfc7959_2_4_etag_is_the_same_while_nothing_changes():
    bench = large()
    for path, accept in (("/26241/0/3", -1), ("/26241/0", TLV), ("/26241", TLV)):
        first = etags(bench, path, accept=accept)
        assert len(first) > 5
        eq(len(set(first)), 1)
        eq(set(etags(bench, path, accept=accept)), set(first))


def test_rfc7959_2_4_etag_differs_after_a_write():
    bench = large()
    seen = set(etags(bench, "/26241/0", accept=TLV))
    for path, body in (("/26241/0/1", b"8"), ("/26241/0/1", b"9"), ("/26241/0/0", b"other")):
        eq(bench.ask(PUT, path, body, format=TEXT).code, CHANGED)
        now = etags(bench, "/26241/0", accept=TLV)
        eq(len(set(now)), 1)
        assert now[0] not in seen, (path, body)
        seen.add(now[0])
    # In blocks as well
    eq(codes(upload(bench, "/26241/0/3", LONG[500:2500], 6))[-1], CHANGED)
    assert etags(bench, "/26241/0", accept=TLV)[0] not in seen


def test_rfc7252_5_10_6_etag_is_not_empty():
    bench = made()
    bench.thing.blob = b""
    answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, 6)])
    eq((answer.code, answer.payload), (CONTENT, b""))
    for value in answer.all(ETAG):
        assert 1 <= len(value) <= 8, value


def test_rfc7959_4_size2_when_asked_and_only_then():
    bench = large()
    for number in (0, 1, 5):
        options = [(BLOCK2, number << 4 | 4)]
        eq(bench.ask(GET, "/26241/0/3", options=options).uint(SIZE2), -1)
        answer = bench.ask(GET, "/26241/0/3", options=options + [(SIZE2, 0)])
        eq((answer.code, answer.uint(SIZE2)), (CONTENT, 3000))
        eq(answer.payload, LONG[number << 8 :][:256])


def test_rfc7959_2_4_large_discover_in_blocks():
    class Broad(Object):
        OID = 26253
        RESOURCES = tuple(x for rid in range(200) for x in (rid, INT | R, "level"))
        level = 1

    bench = Sized()
    bench.client.add(Broad())
    bench.registered()
    for szx in (2, 5, 6):
        got = b""
        number = 0
        while True:
            answer = bench.ask(GET, "/26253/0", accept=LINK, options=[(BLOCK2, number << 4 | szx)])
            eq((answer.code, answer.uint(CONTENT_FORMAT)), (CONTENT, LINK))
            got += answer.payload
            number += 1
            if not answer.uint(BLOCK2) & 8:
                break
        links = got.split(b",")
        eq(links[0].split(b";")[0], b"</26253/0>")
        eq(links[1:], [b"</26253/0/%d>" % rid for rid in range(200)])
    # Cut without being asked
    answer = bench.ask(GET, "/26253/0", accept=LINK)
    eq((answer.uint(BLOCK2), answer.payload), (8 | 6, got[:1024]))
