# heapsize: 4m
"""Incoming Block1 to a resource that takes its bytes as they come."""

import gc

from block_bench import (
    BAD_REQUEST,
    CONTINUE,
    INCOMPLETE,
    INTERNAL,
    LONG,
    NOT_ALLOWED,
    UNSUPPORTED_FORMAT,
    Sized,
    block,
    codes,
    count,
    good,
    repetition,
    tlv,
    upload,
)
from testing import allocated, eq
from wire import (
    BLOCK1,
    CHANGED,
    CON,
    CONTENT_FORMAT,
    GET,
    LINK,
    OCTETS,
    PUT,
    TEXT,
    TLV,
    encode,
    segments,
)

from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.types import INT, OPAQUE, RW, R, W


class Sink(Object):
    OID = 26250
    # fmt: off
    RESOURCES = (
        0, OPAQUE | W, "package",
        1, INT | RW, "level",
        2, OPAQUE | R, "fixed",
        300, OPAQUE | RW, "wide",
    )
    # fmt: on
    STREAMS = (0, 2, 300)
    level = 1
    fixed = wide = b"here"
    failure = None
    fail_at = 0

    def __init__(self):
        super().__init__()
        self.pieces = []

    def receive(self, rid, name, offset, data, more):
        if self.failure and offset >= self.fail_at:
            raise self.failure
        self.pieces.append((rid, name, offset, bytes(data), more))


def streaming(**limits):
    bench = Sized(**limits)
    bench.sink = bench.client.add(Sink())
    return bench.registered()


def joined(sink):
    """What has been received; offsets and `more` must fit."""
    at = 0
    for rid, name, offset, data, more in sink.pieces:
        eq((rid, name, offset), (sink.pieces[0][0], sink.pieces[0][1], at))
        at += len(data)
    eq([piece[4] for piece in sink.pieces], [True] * (len(sink.pieces) - 1) + [False])
    return b"".join([piece[3] for piece in sink.pieces])


def test_stream_takes_each_block_as_it_arrives():
    for szx in range(7):
        bench = streaming(body_limit=16)
        body = LONG + LONG
        for number in range(count(body, szx)):
            answer = block(bench, "/26250/0/0", body, number, szx)
            eq(len(bench.sink.pieces), number + 1)
            last = number == count(body, szx) - 1
            eq(answer.code, CHANGED if last else CONTINUE)
            eq(answer.uint(BLOCK1), number << 4 | (0 if last else 8) | szx)
        eq(joined(bench.sink), body)
        eq(bench.sink.pieces[0][:2], (0, "package"))


def test_stream_in_tlv_comes_without_its_header():
    for rid, path in ((0, "/26250/0/0"), (300, "/26250/0/300")):
        for n in (1, 7, 8, 16, 255, 256, 3000):
            for szx in (0, 2, 6):
                bench = streaming()
                body = tlv(rid, LONG[:n])
                eq(codes(upload(bench, path, body, szx, TLV)), good(body, szx))
                eq((rid, n, szx, joined(bench.sink)), (rid, n, szx, LONG[:n]))
                eq(bench.sink.pieces[0][0], rid)


def test_stream_in_tlv_with_a_length_of_three_bytes():
    bench = streaming()
    body = tlv(0, LONG * 24)
    assert body[0] == 0xD8
    eq(codes(upload(bench, "/26250/0/0", body, 6, TLV)), good(body, 6))
    eq(sum(len(piece[3]) for piece in bench.sink.pieces), 72000)
    eq(joined(bench.sink)[-3000:], LONG)


def test_stream_in_tlv_of_something_else_is_4_00():
    for path, body in (
        ("/26250/0/0", tlv(1, LONG[:40])),
        ("/26250/0/0", tlv(256, LONG[:40])),
        ("/26250/0/300", tlv(44, LONG[:40])),
        ("/26250/0/0", b"\x88\x00\x28" + LONG[:40]),
        ("/26250/0/0", b"\x08\x00\x28" + LONG[:40]),
        ("/26250/0/0", b"\x48\x00\x28" + LONG[:40]),
    ):
        bench = streaming()
        eq((body, block(bench, path, body, 0, 0, TLV).code), (body, BAD_REQUEST))
        eq(block(bench, path, body, 1, 0, TLV).code, INCOMPLETE)
        eq(bench.ask(PUT, path, body, format=TLV).code, BAD_REQUEST)
        eq(bench.sink.pieces, [])
    for body in (b"", b"\xc0", b"\xe0\x00", b"\xd8\x00\x00\x00"):
        eq((body, streaming().ask(PUT, "/26250/0/0", body, format=TLV).code), (body, BAD_REQUEST))


def test_stream_in_one_datagram():
    for options in ((), [(BLOCK1, 6)], [(BLOCK1, 5)]):
        for format, body in ((OCTETS, LONG[:500]), (TLV, tlv(0, LONG[:500]))):
            bench = streaming(body_limit=16)
            answer = bench.ask(PUT, "/26250/0/0", body, format=format, options=options)
            eq(answer.code, CHANGED)
            eq(bench.sink.pieces, [(0, "package", 0, LONG[:500], False)])


def test_stream_restarts_at_block_0():
    bench = streaming()
    for number in range(3):
        block(bench, "/26250/0/0", b"x" * 100, number, 0)
    bench.sink.pieces.clear()
    eq(codes(upload(bench, "/26250/0/0", LONG[:100], 0)), good(LONG[:100], 0))
    eq(joined(bench.sink), LONG[:100])


def test_stream_gets_a_repeated_block_once():
    bench = streaming()
    body = LONG[:100]
    for number in range(count(body, 0)):
        for _ in range(3):
            answer = block(bench, "/26250/0/0", body, number, 0, mid=100 + number)
    eq((answer.code, joined(bench.sink)), (CHANGED, body))


def test_stream_does_not_begin_again_for_an_old_copy_of_block_0():
    body = LONG[:100]
    for at in range(1, 7):
        bench = streaming()
        for number in range(7):
            if number == at:
                bench.far.send(repetition(body, 0, 100, "/26250/0/0"))
            block(bench, "/26250/0/0", body, number, 0, mid=100 + number)
        eq((at, joined(bench.sink)), (at, body))


def test_stream_does_not_begin_again_for_a_copy_that_comes_after_the_end():
    body = LONG[:100]
    for old in range(7):
        bench = streaming()
        for number in range(7):
            block(bench, "/26250/0/0", body, number, 0, mid=100 + number)
        bench.clock.advance(60000)
        eq(len(bench.far.send(repetition(body, old, 100 + old, "/26250/0/0"))), 1)
        eq((old, joined(bench.sink)), (old, body))


def test_rfc7252_4_4_block_0_with_a_message_id_of_long_ago_starts_anew():
    for done in (1, 3, 7):
        bench = streaming()
        for number in range(done):
            block(bench, "/26250/0/0", LONG[:100], number, 0, mid=100 + number)
        bench.clock.advance(300000)
        bench.sink.pieces.clear()
        for number in range(7):
            block(bench, "/26250/0/0", LONG[100:200], number, 0, mid=100 + number)
        eq((done, joined(bench.sink)), (done, LONG[100:200]))


def test_stream_gets_nothing_of_a_missing_or_wrong_block():
    bench = streaming()
    body = LONG[:100]
    block(bench, "/26250/0/0", body, 0, 0)
    eq(block(bench, "/26250/0/0", body, 2, 0).code, INCOMPLETE)
    eq(block(bench, "/26250/0/300", body, 1, 0).code, INCOMPLETE)
    eq(codes(upload(bench, "/26250/0/0", body, 0, first=1)), good(body, 0, 1))
    eq(joined(bench.sink), body)


def test_stream_that_refuses_in_the_middle_ends_it():
    for error, code in (
        (Lwm2mError(0x86), 0x86),
        (Lwm2mError(0x8D), 0x8D),
        (Lwm2mError(), BAD_REQUEST),
        (ValueError("x"), INTERNAL),
        (OSError(28), INTERNAL),
        (MemoryError(), 0xA3),
    ):
        for fail_at in (0, 32, 96):
            bench = streaming()
            bench.sink.failure = error
            bench.sink.fail_at = fail_at
            for number in range(fail_at // 16):
                eq(block(bench, "/26250/0/0", LONG[:100], number, 0).code, CONTINUE)
            answer = block(bench, "/26250/0/0", LONG[:100], fail_at // 16, 0)
            eq(answer.code, code)
            # It is over, even if the next one would be taken; and the loop lives.
            bench.sink.failure = None
            if fail_at:
                answer = block(bench, "/26250/0/0", LONG[:100], fail_at // 16, 0)
                eq(answer.code, INCOMPLETE)
            eq(block(bench, "/26250/0/0", LONG[:200], fail_at // 16 + 1, 0).code, INCOMPLETE)
            bench.sink.pieces.clear()
            eq(codes(upload(bench, "/26250/0/0", LONG[:100], 0)), good(LONG[:100], 0))
            eq(joined(bench.sink), LONG[:100])


def test_stream_without_a_handler_is_a_failure_of_ours():
    class Bare(Object):
        OID = 26251
        RESOURCES = (0, OPAQUE | W, "package")
        STREAMS = (0,)

    bench = Sized()
    bench.client.add(Bare())
    bench.registered()
    eq(bench.ask(PUT, "/26251/0/0", b"x", format=OCTETS).code >> 5, 5)
    eq(block(bench, "/26251/0/0", LONG, 0, 6).code >> 5, 5)
    eq(block(bench, "/26251/0/0", LONG, 1, 6).code, INCOMPLETE)


def test_stream_in_another_format_is_4_15():
    for format in (TEXT, LINK, -1, 60, 11543):
        bench = streaming()
        answer = bench.ask(PUT, "/26250/0/0", b"x", format=format)
        eq((format, answer.code), (format, UNSUPPORTED_FORMAT))
        answer = block(bench, "/26250/0/0", LONG, 0, 0, format)
        eq((format, answer.code), (format, UNSUPPORTED_FORMAT))
        eq(bench.sink.pieces, [])


def test_stream_that_is_read_only_is_4_05():
    bench = streaming()
    eq(bench.ask(PUT, "/26250/0/2", b"x", format=OCTETS).code, NOT_ALLOWED)
    eq(block(bench, "/26250/0/2", LONG, 0, 0).code, NOT_ALLOWED)
    eq(bench.sink.pieces, [])
    eq(bench.ask(GET, "/26250/0/2").payload, b"here")


def test_other_resources_beside_a_stream_are_written_as_ever():
    bench = streaming()
    eq(codes(upload(bench, "/26250/0/1", b"1" * 17, 0, TEXT)), [CONTINUE, CHANGED])
    eq((bench.sink.level, bench.sink.pieces), (11111111111111111, []))


def test_stream_of_200_kb_at_constant_memory():
    class Drain(Object):
        OID = 26252
        RESOURCES = (0, OPAQUE | W, "package")
        STREAMS = (0,)
        at = 0

        def receive(self, rid, name, offset, data, more):
            if offset != self.at:
                raise ValueError
            self.at += len(data)

    bench = Sized()
    drain = bench.client.add(Drain())
    bench.registered()
    body = bytes(1024)
    levels = []
    taken = []
    for number in range(200):
        options = segments("/26252/0/0") + [
            (CONTENT_FORMAT, OCTETS),
            (BLOCK1, number << 4 | (8 if number < 199 else 0) | 6),
        ]
        datagram = encode(CON, PUT, 1000 + number, b"tok", options, body)
        bench.far.end.send(datagram, len(datagram))
        datagram = options = None
        used = allocated(bench.client.step)
        eq(bench.far.take()[0].code, CONTINUE if number < 199 else CHANGED)
        gc.collect()
        if 4 < number < 199:
            levels.append(gc.mem_alloc())
            taken.append(used)
    eq(drain.at, 200 * 1024)
    # The lists of this test itself grow by a few words.
    assert levels[-1] - levels[0] < 8 * 2 * 256 + 512, levels[-1] - levels[0]
    assert max(taken) < 512, max(taken)
