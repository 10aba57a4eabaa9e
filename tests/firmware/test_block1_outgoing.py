# heapsize: 4m
"""Outgoing Block1: the client's own requests in blocks."""

from block_bench import (
    BAD_REQUEST,
    CONTINUE,
    INCOMPLETE,
    INTERNAL,
    LOCATION,
    SIZE1,
    TOO_LARGE,
    Sized,
    count,
    sent,
)
from testing import eq
from wire import ACK, BLOCK1, CHANGED, CON, CONTENT_FORMAT, CREATED, GET, LINK, POST, encode

from lwm2m.objects.base import Object
from lwm2m.types import INT, R


class Plain(Object):
    RESOURCES = (0, INT | R, "level")
    level = 1

    def __init__(self, oid):
        self.OID = oid
        super().__init__()


def many(mtu, endpoint="dev", n=60):
    bench = Sized(mtu=mtu, endpoint=endpoint)
    for i in range(n):
        bench.client.add(Plain(27000 + i))
    return bench


def serve_blocks(bench, mtu, final=CREATED, shrink=None):
    """Be the server of one request in blocks: the request put together, and the blocks.

    `shrink(packet)` may return the size to ask for in the 2.31.
    """
    got = b""
    packets = []
    mids = set()
    while True:
        datagram, packet = sent(bench)
        assert len(datagram) <= mtu, (len(datagram), mtu)
        eq(packet.type, CON)
        assert packet.mid not in mids
        mids.add(packet.mid)
        packets.append(packet)
        value = packet.uint(BLOCK1)
        assert value >= 0, packet
        size = 16 << (value & 7)
        eq((value >> 4) * size, len(got))
        got += packet.payload
        if packets[0].options[:-1] != packet.options[:-1]:
            eq(packet.options[:-1], packets[0].options[:-1])
        assert packet.options[-1][0] == BLOCK1
        assert len(packets) < 200
        if not value & 8:
            assert 0 < len(packet.payload) <= size, (len(packet.payload), size)
            reply(bench, packet, final, LOCATION if final == CREATED else [])
            return got, packets
        eq(len(packet.payload), size)
        szx = shrink(packet) if shrink else value & 7
        reply(bench, packet, CONTINUE, [(BLOCK1, value & ~7 | szx)])


def reply(bench, packet, code, options=()):
    datagram = encode(ACK, code, packet.mid, packet.token, list(options))
    bench.far.end.send(datagram, len(datagram))
    bench.client.step()


def reference(n=60):
    packet = sent(many(1152, n=n))[1]
    eq(packet.uint(BLOCK1), -1)
    assert len(packet.payload) > 600 or n < 60
    return packet.payload


def test_rfc7959_2_5_register_in_blocks():
    whole = reference()
    for mtu, szx in ((128, 2), (200, 3), (256, 3), (400, 4), (576, 5)):
        bench = many(mtu)
        got, packets = serve_blocks(bench, mtu)
        eq(got, whole)
        eq((mtu, packets[0].uint(BLOCK1)), (mtu, 8 | szx))
        eq(len(packets), count(whole, szx))
        eq(packets[0].path(), b"/rd")
        eq((packets[0].code, packets[0].uint(CONTENT_FORMAT)), (POST, LINK))
        assert bench.client.registered
        eq((bench.events, bench.registration.location), (["registered"], [b"rd", b"5a3f"]))


def test_rfc7959_2_5_register_that_fits_is_not_in_blocks():
    packet = sent(many(1152))[1]
    eq(packet.uint(BLOCK1), -1)


def test_rfc7959_2_5_register_of_exactly_whole_blocks_has_no_empty_last_one():
    # Objects of one digit less or more tune the length.
    for n in range(20, 60):
        whole = reference(n)
        bench = many(128, n=n)
        got, packets = serve_blocks(bench, 128)
        eq((n, got), (n, whole))
        eq(len(packets), count(whole, 2))


def test_rfc7959_2_5_register_in_blocks_beside_an_endpoint_name_of_any_length():
    whole = reference()
    for mtu in (128, 130):
        for n in range(1, 66):
            bench = many(mtu, "e" * n)
            bench.client.step()
            if not bench.far.end.queue:
                # Not even a block of 16 bytes fits.
                assert n > 55, n
                eq((bench.events, bench.registration.error), (["register_failed"], TOO_LARGE))
                continue
            try:
                got, packets = serve_blocks(bench, mtu)
            except AssertionError as e:
                raise AssertionError("mtu %d, name of %d: %s" % (mtu, n, e))
            eq((mtu, n, got), (mtu, n, whole))
            assert bench.client.registered


def test_rfc7959_2_3_server_wants_smaller_blocks_from_the_first_on():
    whole = reference()
    for szx in range(3):
        bench = many(256)
        got, packets = serve_blocks(bench, 256, shrink=lambda packet: szx)
        eq((szx, got), (szx, whole))
        eq(packets[0].uint(BLOCK1), 8 | 3)
        eq(packets[1].uint(BLOCK1) & ~8, 1 << 3 - szx << 4 | szx)
        assert bench.client.registered


def test_rfc7959_2_3_server_wants_smaller_blocks_again_and_again():
    whole = reference()
    bench = many(256)
    got, packets = serve_blocks(
        bench, 256, shrink=lambda packet: max(packet.uint(BLOCK1) & 7, 1) - 1
    )
    eq(got, whole)
    eq([packet.uint(BLOCK1) & 7 for packet in packets[:5]], [3, 2, 1, 0, 0])


def test_rfc7959_2_3_server_wants_larger_blocks_in_vain():
    whole = reference()
    got, packets = serve_blocks(many(128), 128, shrink=lambda packet: 6)
    eq(got, whole)
    eq(set(packet.uint(BLOCK1) & 7 for packet in packets), {2})


def test_rfc7959_2_9_3_4_13_with_a_smaller_size_starts_again():
    whole = reference()
    for szx in range(3):
        bench = many(256)
        first = sent(bench)[1]
        eq(first.uint(BLOCK1), 8 | 3)
        reply(bench, first, TOO_LARGE, [(BLOCK1, szx)])
        got, packets = serve_blocks(bench, 256)
        eq((szx, got, packets[0].uint(BLOCK1)), (szx, whole, 8 | szx))
        assert bench.client.registered
        eq(bench.events, ["registered"])


def test_rfc7959_2_9_3_4_13_in_the_middle_starts_again():
    bench = many(256)
    for _ in range(3):
        packet = sent(bench)[1]
        if packet.uint(BLOCK1) >> 4 < 2:
            reply(bench, packet, CONTINUE, [(BLOCK1, packet.uint(BLOCK1))])
    reply(bench, packet, TOO_LARGE, [(BLOCK1, 1)])
    got, packets = serve_blocks(bench, 256)
    eq((got, packets[0].uint(BLOCK1)), (reference(), 8 | 1))


def test_rfc7959_2_9_3_4_13_without_a_smaller_size_is_a_failure():
    for options in ([], [(BLOCK1, 3)], [(BLOCK1, 6)], [(SIZE1, 100)]):
        bench = many(256)
        packet = sent(bench)[1]
        reply(bench, packet, TOO_LARGE, options)
        eq((bench.events, bench.registration.error), (["register_failed"], TOO_LARGE))
        eq(bench.far.take(), [])


def test_rfc7959_2_9_1_2_31_to_the_last_block_is_a_failure():
    bench = many(256)
    numbers = []
    for _ in range(100):
        packet = sent(bench)[1]
        value = packet.uint(BLOCK1)
        numbers.append(value >> 4)
        reply(bench, packet, CONTINUE, [(BLOCK1, value)])
        if bench.events:
            break
    eq(numbers, list(range(count(reference(), 3))))
    eq((bench.events, bench.registration.error), (["register_failed"], CONTINUE))


def test_rfc7959_2_9_refusal_in_the_middle_is_a_failure():
    for code in (BAD_REQUEST, INCOMPLETE, INTERNAL, 0x82):
        bench = many(256)
        packet = sent(bench)[1]
        reply(bench, packet, CONTINUE, [(BLOCK1, packet.uint(BLOCK1))])
        packet = sent(bench)[1]
        reply(bench, packet, code)
        eq((bench.events, bench.registration.error), (["register_failed"], code))
        # And the next attempt begins with block 0.
        bench.clock.advance(60000)
        got, _ = serve_blocks(bench, 256)
        eq(got, reference())


def test_rfc7252_4_2_lost_block_is_retransmitted_as_it_was():
    bench = many(256)
    number = 0
    while True:
        datagram, packet = sent(bench)
        for _ in range(3):
            bench.clock.advance(24001)
            eq(sent(bench)[0], datagram)
            bench.client.step()
        value = packet.uint(BLOCK1)
        eq(value >> 4, number)
        number += 1
        if not value & 8:
            break
        reply(bench, packet, CONTINUE, [(BLOCK1, value)])
    eq(number, count(reference(), 3))
    reply(bench, packet, CREATED, LOCATION)
    assert bench.client.registered


def test_rfc7252_4_2_repeated_2_31_does_not_go_on_twice():
    bench = many(256)
    first = sent(bench)[1]
    for _ in range(3):
        reply(bench, first, CONTINUE, [(BLOCK1, first.uint(BLOCK1))])
    second = sent(bench)[1]
    eq(second.uint(BLOCK1), 1 << 4 | 8 | 3)


def test_block_that_is_never_answered_is_a_failure():
    bench = many(256)
    first = sent(bench)[1]
    reply(bench, first, CONTINUE, [(BLOCK1, first.uint(BLOCK1))])
    bench.watch(110)
    assert "register_failed" in bench.events


def test_rfc7252_5_2_2_separate_2_31():
    bench = many(256)
    first = sent(bench)[1]
    bench.far.send(encode(ACK, 0, first.mid))
    options = [(BLOCK1, first.uint(BLOCK1))]
    answers = bench.far.send(encode(CON, CONTINUE, 0x7777, first.token, options))
    eq([(a.type, a.code) for a in answers], [(ACK, 0), (CON, POST)])
    eq(answers[1].uint(BLOCK1), 1 << 4 | 8 | 3)


def test_rfc7959_2_5_update_with_links_in_blocks():
    bench = many(256)
    serve_blocks(bench, 256)
    bench.client.add(Plain(28000))
    got, packets = serve_blocks(bench, 256, CHANGED)
    eq(got, reference() + b",</28000/0>")
    eq((packets[0].code, packets[0].path()), (POST, b"/rd/5a3f"))
    eq(packets[0].uint(CONTENT_FORMAT), LINK)
    eq(bench.events, ["registered", "updated"])
    eq(bench.far.take(), [])


def test_requests_are_served_between_our_blocks():
    bench = many(256)
    serve_blocks(bench, 256)
    bench.client.update(True)
    first = sent(bench)[1]
    eq(bench.ask(GET, "/27000/0/0").payload, b"1")
    reply(bench, first, CONTINUE, [(BLOCK1, first.uint(BLOCK1))])
    second = sent(bench)[1]
    eq(second.uint(BLOCK1), 1 << 4 | 8 | 3)


def test_f_05_object_added_between_our_blocks_starts_the_list_anew():
    bench = many(256)
    first = sent(bench)[1]
    bench.client.add(Plain(29000))
    bench.client.step()
    packet = sent(bench)[1]
    assert packet.token != first.token
    eq(packet.uint(BLOCK1) >> 4, 0)
    payload = packet.payload
    while packet.uint(BLOCK1) & 8:
        reply(bench, packet, CONTINUE, [(BLOCK1, packet.uint(BLOCK1))])
        packet = sent(bench)[1]
        payload += packet.payload
    reply(bench, packet, CREATED, LOCATION)
    eq(payload, reference() + b",</29000/0>")
    assert bench.client.registered
