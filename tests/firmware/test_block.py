# timeout: 300
# heapsize: 4m
"""Block-wise transfer (RFC 7959) both ways: requests that arrive in blocks, resources that take
them piece by piece, and what we send or get in blocks ourselves."""

import gc

from test_loopback import (
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    ACK,
    GET,
    LINK,
    LOCATION_PATH,
    OCTETS,
    POST,
    PUT,
    TEXT,
    TLV,
    URI_PATH,
    Bench,
    Far,
    decode,
    encode,
    segments,
)
from testing import allocated, eq

from lwm2m.client import Client
from lwm2m.coap.builder import Builder
from lwm2m.coap.exchange import Exchange
from lwm2m.coap.message import Message
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.objects.base import Lwm2mError, Object
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback
from lwm2m.types import INT, MANDATORY, OPAQUE, RW, STR, E, R, W

CONTINUE, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, INCOMPLETE = 0x5F, 0x80, 0x84, 0x85, 0x88
TOO_LARGE, UNSUPPORTED_FORMAT, INTERNAL = 0x8D, 0x8F, 0xA0
ETAG, SIZE2, SIZE1 = 4, 28, 60
LOCATION = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")]

LONG = bytes(97 + i * 7 % 26 for i in range(3000))


class Thing(Object):
    OID = 26241
    # fmt: off
    RESOURCES = (
        0, STR | RW | MANDATORY, "name",
        1, INT | RW, "level",
        3, OPAQUE | RW, "blob",
        5, E, "run",
    )
    # fmt: on

    def __init__(self, **values):
        self.name = "thing"
        self.level = 7
        self.blob = b"\x00\xff"
        self.runs = []
        super().__init__(**values)

    def run(self, args=None):
        self.runs.append(args)


class Sized(Bench):
    """A bench whose client has these limits."""

    def __init__(self, mtu=1152, ring=16, body_limit=2048, endpoint="dev"):
        self.clock = FakeClock()
        self.events = []
        self.client = Client(
            endpoint,
            mtu=mtu,
            ring=ring,
            body_limit=body_limit,
            clock=self.clock,
            on_event=self._event,
        )
        self.client.add_format(Text())
        self.client.add_format(Opaque())
        self.far = Far(self)
        self.server = self.add_server(self.far)
        self.registration = self.client.registrations[0]


def made(**limits):
    bench = Sized(**limits)
    bench.thing = bench.client.add(Thing())
    return bench.registered()


def state(bench):
    thing = bench.thing
    return thing.name, thing.level, thing.blob, list(thing.runs)


def block(bench, path, body, number, szx, format=OCTETS, method=PUT, mid=-1, options=(), far=None):
    """Send one block of `body`; its answer."""
    size = 16 << szx
    part = body[number * size : (number + 1) * size]
    more = 8 if (number + 1) * size < len(body) else 0
    options = [(BLOCK1, number << 4 | more | szx)] + list(options)
    far = far or bench.far
    return far.ask(method, path, part, format=format, mid=mid, options=options)


def count(body, szx):
    return (len(body) + (16 << szx) - 1) // (16 << szx)


def upload(bench, path, body, szx, format=OCTETS, method=PUT, first=0):
    """Send `body` from block `first` on: all answers."""
    return [
        block(bench, path, body, number, szx, format, method)
        for number in range(first, count(body, szx))
    ]


def codes(answers):
    return [answer.code for answer in answers]


def good(body, szx, first=0):
    return [CONTINUE] * (count(body, szx) - 1 - first) + [CHANGED]


def tlv(rid, value):
    """A resource in TLV (LwM2M 1.1 Core §7.4.4)."""
    n = len(value)
    first = 0xC0 | (0x20 if rid > 255 else 0)
    head = rid.to_bytes(2 if rid > 255 else 1, "big")
    if n < 8:
        first |= n
    else:
        width = 1 if n < 256 else 2 if n < 65536 else 3
        first |= width << 3
        head += n.to_bytes(width, "big")
    return bytes((first,)) + head + value


# Incoming Block1: what is done with a request in blocks


def test_rfc7959_2_5_long_text_in_blocks():
    for szx in range(7):
        bench = made()
        eq(codes(upload(bench, "/26241/0/0", LONG[:1500], szx, TEXT)), good(LONG[:1500], szx))
        eq(bench.thing.name, LONG[:1500].decode())


def test_rfc7959_2_5_partial_update_of_an_instance_in_blocks():
    body = tlv(0, LONG[:300]) + tlv(3, bytes(range(256)))
    for szx in (0, 2, 5):
        bench = made()
        eq(codes(upload(bench, "/26241/0", body, szx, TLV, POST)), good(body, szx))
        eq(state(bench), (LONG[:300].decode(), 7, bytes(range(256)), []))


def test_rfc7959_2_5_execute_with_arguments_in_blocks():
    bench = made()
    body = b"0='" + LONG[:200] + b"',7"
    eq(codes(upload(bench, "/26241/0/5", body, 1, -1, POST)), good(body, 1))
    eq(bench.thing.runs, [{0: LONG[:200].decode(), 7: None}])


def test_rfc7959_2_5_body_of_exactly_whole_blocks():
    bench = made()
    for szx in (0, 3, 6):
        bench.thing.blob = b""
        eq(codes(upload(bench, "/26241/0/3", LONG[:2048], szx)), good(LONG[:2048], szx))
        eq(bench.thing.blob, LONG[:2048])


def test_rfc7959_2_3_every_answer_says_which_block_it_is_for():
    for szx in range(7):
        bench = made()
        answers = upload(bench, "/26241/0/3", LONG[:1500], szx)
        last = len(answers) - 1
        for number in range(last):
            eq(
                answers[number].options,
                [(BLOCK1, (number << 4 | 8 | szx).to_bytes(2, "big").lstrip(b"\0"))],
            )
            eq(answers[number].payload, b"")
        eq((answers[last].code, answers[last].uint(BLOCK1)), (CHANGED, last << 4 | szx))


def test_rfc7959_2_3_refusal_of_the_whole_says_its_block():
    bench = made()
    answers = upload(bench, "/26241/0/9", LONG[:40], 0)
    eq((answers[2].code, answers[2].uint(BLOCK1)), (NOT_FOUND, 2 << 4))


def test_rfc7959_2_5_nothing_changes_before_the_last_block():
    bench = made()
    before = state(bench)
    for path, body, format, method in (
        ("/26241/0/3", LONG[:40], OCTETS, PUT),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]), TLV, POST),
        ("/26241/0/5", b"0='" + LONG[:40] + b"'", -1, POST),
    ):
        for number in range(count(body, 0) - 1):
            eq(block(bench, path, body, number, 0, format, method).code, CONTINUE)
            eq(state(bench), before)
            eq(bench.ask(GET, "/26241/0/3").payload, before[2])


def test_reads_and_writes_go_on_while_an_upload_does():
    bench = made()
    for number in range(count(LONG[:100], 0)):
        answer = block(bench, "/26241/0/3", LONG[:100], number, 0)
        eq(bench.ask(GET, "/26241/0/1").code, CONTENT)
        eq(bench.ask(PUT, "/26241/0/1", b"%d" % number, format=TEXT).code, CHANGED)
    eq((answer.code, bench.thing.blob, bench.thing.level), (CHANGED, LONG[:100], 6))


def test_value_written_in_blocks_is_kept_when_the_buffer_is_used_again():
    bench = made()
    upload(bench, "/26241/0/3", LONG[:100], 0)
    upload(bench, "/26241/0/0", b"z" * 100, 0, TEXT)
    eq((bench.thing.blob, bench.thing.name), (LONG[:100], "z" * 100))
    # A shorter one shows nothing of the longer one before.
    upload(bench, "/26241/0/3", b"short" * 4, 0)
    eq(bench.thing.blob, b"short" * 4)


# Incoming Block1: what is refused


def test_rfc7959_2_2_block_of_the_wrong_size_is_4_00():
    for szx in range(7):
        size = 16 << szx
        for n, more in ((size - 1, 8), (size + 1, 8), (0, 8), (size + 1, 0)):
            if n > 1100:
                continue
            bench = made()
            before = state(bench)
            answer = bench.ask(
                PUT, "/26241/0/3", LONG[:n], format=OCTETS, options=[(BLOCK1, more | szx)]
            )
            eq((szx, n, answer.code), (szx, n, BAD_REQUEST))
            eq(state(bench), before)


def test_rfc7959_2_2_block_of_the_wrong_size_in_the_middle_is_4_00():
    bench = made()
    body = LONG[:60]
    block(bench, "/26241/0/3", body, 0, 0)
    answer = bench.ask(
        PUT, "/26241/0/3", body[16:31], format=OCTETS, options=[(BLOCK1, 1 << 4 | 8)]
    )
    eq(answer.code, BAD_REQUEST)
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=1))[-1], CHANGED)
    eq(bench.thing.blob, body)


def test_rfc7959_2_2_szx_7_is_4_00():
    for value in (7, 15, 1 << 4 | 7, 1 << 4 | 15):
        bench = made()
        before = state(bench)
        answer = bench.ask(PUT, "/26241/0/3", b"x", format=OCTETS, options=[(BLOCK1, value)])
        eq((value, answer.code), (value, BAD_REQUEST))
        eq(state(bench), before)


def test_rfc7959_2_9_2_missing_block_is_4_08_and_the_right_one_goes_on():
    for szx in (0, 3):
        bench = made()
        body = LONG[: 16 * 5 + 3 << szx]
        for number in range(2):
            eq(block(bench, "/26241/0/3", body, number, szx).code, CONTINUE)
        for wrong in (3, 4, 5, 1, 0xFFFF):
            part = body[: 16 << szx]
            answer = bench.ask(
                PUT, "/26241/0/3", part, format=OCTETS, options=[(BLOCK1, wrong << 4 | 8 | szx)]
            )
            eq((wrong, answer.code), (wrong, INCOMPLETE))
        eq(codes(upload(bench, "/26241/0/3", body, szx, first=2)), good(body, szx, 2))
        eq(bench.thing.blob, body)


def test_rfc7959_2_9_2_block_without_a_first_one_is_4_08():
    bench = made()
    before = state(bench)
    for value in (1 << 4, 1 << 4 | 8, 0xFFFFF0, 0xFFFFFE):
        part = LONG[: 16 << (value & 7)]
        answer = bench.ask(PUT, "/26241/0/3", part, format=OCTETS, options=[(BLOCK1, value)])
        eq((value, answer.code), (value, INCOMPLETE))
    upload(bench, "/26241/0/3", LONG[:40], 0)
    # After the last block it is over.
    eq(block(bench, "/26241/0/3", LONG[:100], 3, 0).code, INCOMPLETE)
    eq(block(bench, "/26241/0/3", LONG[:40], 2, 0).code, INCOMPLETE)
    upload(bench, "/26241/0/3", LONG[:32], 0)
    eq(block(bench, "/26241/0/3", LONG[:40], 2, 0).code, INCOMPLETE)
    upload(bench, "/26241/0/3", LONG[:40], 0)
    eq(state(bench), (before[0], before[1], LONG[:40], []))


def test_rfc7959_2_5_other_path_or_method_in_the_middle_is_4_08():
    for path, method in (
        ("/26241/0/0", PUT),
        ("/26241/0", PUT),
        ("/26241/0/3/0", PUT),
        ("/26241/1/3", PUT),
        ("/26242/0/3", PUT),
        ("/26241/0/3", POST),
    ):
        for number in (1, 2):
            bench = made()
            body = LONG[:40]
            for i in range(number):
                block(bench, "/26241/0/3", body, i, 0)
            answer = block(bench, path, body, number, 0, OCTETS, method)
            eq((path, method, number, answer.code), (path, method, number, INCOMPLETE))
            eq(codes(upload(bench, "/26241/0/3", body, 0, first=number)), good(body, 0, number))
            eq((bench.thing.blob, bench.thing.name), (body, "thing"))


def test_rfc7959_2_9_3_body_beyond_the_limit_is_4_13_with_the_limit_in_size1():
    for limit, szx in ((2048, 6), (2048, 0), (100, 0), (64, 2), (1000, 5)):
        bench = made(body_limit=limit)
        before = state(bench)
        answers = []
        for number in range(count(LONG, szx)):
            answers.append(block(bench, "/26241/0/3", LONG, number, szx))
            if answers[-1].code != CONTINUE:
                break
        eq((answers[-1].code, answers[-1].uint(SIZE1)), (TOO_LARGE, limit))
        eq(len(answers) - 1, limit // (16 << szx))
        # It is over: neither this one nor the next goes on.
        if len(answers) > 1:
            eq(block(bench, "/26241/0/3", LONG, len(answers) - 1, szx).code, INCOMPLETE)
        eq(block(bench, "/26241/0/3", LONG, len(answers), szx).code, INCOMPLETE)
        eq(state(bench), before)
        # A body that just fits
        eq(codes(upload(bench, "/26241/0/3", LONG[:limit], szx)), good(LONG[:limit], szx))
        eq(bench.thing.blob, LONG[:limit])


def test_rfc7959_4_size1_that_announces_too_much_is_4_13_at_once():
    bench = made(body_limit=256)
    before = state(bench)
    for size1 in (257, 5000, 0x3FFFFFFF, 0xFFFFFFFF):
        answer = block(bench, "/26241/0/3", LONG, 0, 0, options=[(SIZE1, size1)])
        eq((size1, answer.code, answer.uint(SIZE1)), (size1, TOO_LARGE, 256))
        eq(block(bench, "/26241/0/3", LONG, 1, 0).code, INCOMPLETE)
    eq(state(bench), before)
    eq(block(bench, "/26241/0/3", LONG[:256], 0, 0, options=[(SIZE1, 256)]).code, CONTINUE)
    eq(codes(upload(bench, "/26241/0/3", LONG[:256], 0, first=1))[-1], CHANGED)


def test_rfc7959_2_5_body_with_a_mistake_is_4_00_and_nothing_is_half_written():
    for path, body, format, method in (
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + b"\xc5\x00ab", TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + tlv(0, b"\xff\xfe"), TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]) + tlv(1, b""), TLV, POST),
        ("/26241/0", tlv(1, b"\x2a") + tlv(3, LONG[:40]), TLV, PUT),
        ("/26241/0/1", b"1" * 40 + b"x", TEXT, PUT),
        ("/26241/0/0", b"\xff" * 40, TEXT, PUT),
        ("/26241/0/5", b"0='" + LONG[:40], -1, POST),
    ):
        bench = made()
        before = state(bench)
        answers = upload(bench, path, body, 0, format, method)
        eq(codes(answers[:-1]), [CONTINUE] * (len(answers) - 1))
        eq((body, answers[-1].code), (body, BAD_REQUEST))
        eq(answers[-1].uint(BLOCK1), len(answers) - 1 << 4)
        eq(state(bench), before)


# Incoming Block1: restarts and repetitions


def test_rfc7959_2_5_block_0_restarts():
    for done in (1, 2, 3):
        bench = made()
        for number in range(done):
            eq(block(bench, "/26241/0/3", b"x" * 100, number, 0).code, CONTINUE)
        eq(codes(upload(bench, "/26241/0/3", LONG[:40], 0)), good(LONG[:40], 0))
        eq(bench.thing.blob, LONG[:40])


def test_rfc7959_2_5_block_0_restarts_with_another_request_or_size():
    bench = made()
    block(bench, "/26241/0/3", b"x" * 100, 0, 0)
    eq(codes(upload(bench, "/26241/0/0", LONG[:150], 2, TEXT)), good(LONG[:150], 2))
    eq((bench.thing.name, bench.thing.blob), (LONG[:150].decode(), b"\x00\xff"))


def test_rfc7252_4_5_repeated_block_0_does_not_restart():
    bench = made()
    body = LONG[:70]
    for _ in range(3):
        answer = block(bench, "/26241/0/3", body, 0, 0, mid=5)
        eq((answer.code, answer.uint(BLOCK1)), (CONTINUE, 8))
    eq(block(bench, "/26241/0/3", body, 1, 0, mid=6).code, CONTINUE)
    # A copy that comes late: what has arrived since is not lost.
    bench.far.send(repetition(body, 0, 5))
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=2)), good(body, 0, 2))
    eq(bench.thing.blob, body)


def repetition(body, number, mid, path="/26241/0/3"):
    more = 8 if (number + 1) * 16 < len(body) else 0
    options = segments(path) + [(CONTENT_FORMAT, OCTETS), (BLOCK1, number << 4 | more)]
    part = body[number * 16 : (number + 1) * 16]
    return encode(CON, PUT, mid, bytes((mid & 255, 0xA5, mid >> 8)), options, part)


def test_rfc7252_4_5_repeated_block_is_answered_again_and_appended_once():
    bench = made()
    body = LONG[:70]
    for number in range(count(body, 0)):
        mid = 100 + number
        last = number == count(body, 0) - 1
        for _ in range(4):
            answer = block(bench, "/26241/0/3", body, number, 0, mid=mid)
            eq(answer.code, CHANGED if last else CONTINUE)
            eq(answer.uint(BLOCK1), number << 4 | (0 if last else 8))
    eq(bench.thing.blob, body)


def test_old_copy_of_an_earlier_block_does_no_harm():
    body = LONG[:150]
    last = count(body, 0) - 1
    for old in range(last):
        for at in range(old + 1, last + 1):
            bench = made()
            for number in range(last + 1):
                if number == at:
                    bench.far.send(repetition(body, old, 100 + old))
                answer = block(bench, "/26241/0/3", body, number, 0, mid=100 + number)
                eq(
                    (old, at, number, answer.code),
                    (old, at, number, (CONTINUE, CHANGED)[number == last]),
                )
            eq(bench.thing.blob, body)


def test_old_copies_after_the_end_do_no_harm():
    bench = made()
    body = LONG[:70]
    for number in range(count(body, 0)):
        block(bench, "/26241/0/3", body, number, 0, mid=100 + number)
    bench.thing.blob = b"since"
    for number in range(count(body, 0)):
        eq(len(bench.far.send(repetition(body, number, 100 + number))), 1)
    eq(bench.thing.blob, b"since")


def test_repeated_last_block_of_an_execute_runs_it_once():
    bench = made()
    body = b"0='" + LONG[:40] + b"'"
    for number in range(count(body, 0)):
        for _ in range(3):
            answer = block(bench, "/26241/0/5", body, number, 0, -1, POST, mid=50 + number)
    eq((answer.code, len(bench.thing.runs)), (CHANGED, 1))


def test_large_upload_leaves_earlier_changes_in_memory():
    bench = made(ring=4)
    eq(bench.ask(POST, "/26241/0/5", mid=5).code, CHANGED)
    body = LONG[:2000]
    eq(codes(upload(bench, "/26241/0/3", body, 0)), good(body, 0))
    eq(bench.ask(POST, "/26241/0/5", mid=5).code, CHANGED)
    eq((len(bench.thing.runs), bench.thing.blob), (1, body))


# Incoming Block1: sizes and servers


def test_rfc7959_2_3_smaller_blocks_are_asked_for_and_accepted():
    for mtu, ours in ((128, 2), (256, 3), (400, 4)):
        for szx in range(ours + 1, 7):
            bench = made(mtu=mtu)
            body = LONG[:2000]
            answer = block(bench, "/26241/0/3", body, 0, szx)
            eq((answer.code, answer.uint(BLOCK1)), (CONTINUE, 8 | ours))
            first = 1 << szx - ours
            answers = upload(bench, "/26241/0/3", body, ours, first=first)
            eq(codes(answers), good(body, ours, first))
            eq(answers[0].uint(BLOCK1), first << 4 | 8 | ours)
            eq(bench.thing.blob, body)


def test_rfc7959_2_3_size_may_shrink_on_the_way():
    bench = made()
    body = LONG[:2000]
    block(bench, "/26241/0/3", body, 0, 5)
    block(bench, "/26241/0/3", body, 4, 3)
    block(bench, "/26241/0/3", body, 40, 0)
    eq(codes(upload(bench, "/26241/0/3", body, 0, first=41)), good(body, 0, 41))
    eq(bench.thing.blob, body)


def test_blocks_that_are_larger_than_ours_are_taken_all_the_same():
    bench = made(mtu=256)
    eq(codes(upload(bench, "/26241/0/3", LONG[:2000], 6)), good(LONG[:2000], 6))
    eq(bench.thing.blob, LONG[:2000])


def test_two_servers_upload_at_the_same_time():
    bench = Sized()
    other = Far(bench)
    bench.thing = bench.client.add(Thing())
    bench.add_server(other)
    bench.far.accept_register()
    other.reply(other.take()[0], CREATED, LOCATION)
    assert bench.client.registered
    ours, theirs = LONG[:70], LONG[1000:1070]
    for number in range(5):
        # The same path and message ids: only the peer tells them apart.
        a = block(bench, "/26241/0/3", ours, number, 0, mid=40 + number)
        if number == 4:
            eq((a.code, bench.thing.blob), (CHANGED, ours))
        b = block(bench, "/26241/0/3", theirs, number, 0, mid=40 + number, far=other)
    eq((b.code, bench.thing.blob), (CHANGED, theirs))


# Streams


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
        (MemoryError(), INTERNAL),
    ):
        for fail_at in (0, 32, 96):
            bench = streaming()
            bench.sink.failure = error
            bench.sink.fail_at = fail_at
            for number in range(fail_at // 16):
                eq(block(bench, "/26250/0/0", LONG[:100], number, 0).code, CONTINUE)
            answer = block(bench, "/26250/0/0", LONG[:100], fail_at // 16, 0)
            eq((answer.code, answer.payload), (code, b""))
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


# Outgoing Block1


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


def sent(bench):
    """The one datagram that the client has sent, undecoded, and decoded."""
    bench.client.step()
    queue = bench.far.end.queue
    eq(len(queue), 1)
    datagram = queue.pop()
    return datagram, decode(datagram)


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
        bench.clock.advance(10000)
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
    first = sent(bench)[1]
    eq(bench.ask(GET, "/27000/0/0").payload, b"1")
    reply(bench, first, CONTINUE, [(BLOCK1, first.uint(BLOCK1))])
    second = sent(bench)[1]
    eq(second.uint(BLOCK1), 1 << 4 | 8 | 3)


def test_object_added_between_our_blocks_is_told_in_the_end():
    bench = many(256)
    first = sent(bench)[1]
    bench.client.add(Plain(29000))
    reply(bench, first, CONTINUE, [(BLOCK1, first.uint(BLOCK1))])
    while True:
        packet = sent(bench)[1]
        value = packet.uint(BLOCK1)
        if not value & 8:
            break
        reply(bench, packet, CONTINUE, [(BLOCK1, value)])
    reply(bench, packet, CREATED, LOCATION)
    got, _ = serve_blocks(bench, 256, CHANGED)
    eq(got, reference() + b",</29000/0>")


# Block2 in the answers to our requests


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


# Block2: reads


def large():
    bench = made()
    bench.thing.blob = LONG
    return bench


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
