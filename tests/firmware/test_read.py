"""Read and Discover (LwM2M 1.1 Core §6.3.1, §6.3.2), in blocks too."""

import sys

from bench import Bench
from management_bench import (
    BAD_REQUEST,
    BLOB,
    NOT_ACCEPTABLE,
    NOT_ALLOWED,
    NOT_FOUND,
    Serving,
    Thing,
    content,
    made,
    refused,
)
from testing import allocated, eq
from wire import BLOCK2, CON, CONTENT, GET, LINK, OCTETS, TEXT, TLV, decode, encode, segments

from lwm2m.objects.base import Object
from lwm2m.types import MULTI, STR, R


# Read


def test_read_resource_as_text_by_default():
    bench = made()
    eq(content(bench, "/26241/0/0"), (TEXT, b"thing"))
    eq(content(bench, "/26241/0/1"), (TEXT, b"7"))
    eq(content(bench, "/26241/0/2"), (TEXT, b"21.5"))
    eq(content(bench, "/26241/0/300"), (TEXT, b"300"))


def test_read_opaque_resource_as_octets_by_default():
    bench = made()
    eq(content(bench, "/26241/0/3"), (OCTETS, b"\x00\xff"))
    eq(content(bench, "/26241/0/10/1"), (OCTETS, b"one"))


def test_read_multiple_resource_as_tlv_by_default():
    eq(content(made(), "/26241/0/8"), (TLV, b"\x86\x08\x41\x00a\x41\x01b"))


def test_read_resource_instance():
    bench = made()
    eq(content(bench, "/26241/0/6/3"), (TEXT, b"13"))
    eq(content(bench, "/26241/0/8/1"), (TEXT, b"b"))
    eq(content(bench, "/26241/0/6/3", TLV), (TLV, b"\x41\x03\x0d"))


def test_read_instance():
    number, payload = content(made(levels={3: 13}, value=None), "/26241/0")
    eq(number, TLV)
    eq(
        payload,
        b"\xc5\x00thing\xc1\x01\x07\xc2\x03\x00\xff\x83\x06\x41\x03\x0d"
        b"\x86\x08\x41\x00a\x41\x01b\x85\x0a\x43\x01one\xe2\x01\x2c\x01\x2c",
    )


def test_read_object():
    bench = Bench()
    few = {"levels": None, "labels": None, "value": None, "blobs": None}
    bench.client.add(Thing(**few))
    bench.client.add(Thing(name="b", blob=None, **few))
    number, payload = content(bench.registered(), "/26241")
    first = b"\xc5\x00thing\xc1\x01\x07\xc2\x03\x00\xff\xe2\x01\x2c\x01\x2c"
    second = b"\xc1\x00b\xc1\x01\x07\xe2\x01\x2c\x01\x2c"
    eq(payload, b"\x08\x00\x13" + first + b"\x08\x01\x0b" + second)


def test_read_accepts_each_format_that_fits():
    bench = made()
    for accept, payload in ((TEXT, b"7"), (TLV, b"\xc1\x01\x07")):
        eq(content(bench, "/26241/0/1", accept), (accept, payload))
    for accept, payload in ((TEXT, b"AP8="), (TLV, b"\xc2\x03\x00\xff"), (OCTETS, b"\x00\xff")):
        eq(content(bench, "/26241/0/3", accept), (accept, payload))
    eq(content(bench, "/26241/0/6", TLV)[0], TLV)


def test_read_in_a_format_that_cannot_carry_it_is_4_06():
    bench = made()
    for path, accept in (
        ("/26241/0/0", OCTETS),
        ("/26241/0/1", OCTETS),
        ("/26241/0/6", TEXT),
        ("/26241/0/10", OCTETS),
        ("/26241/0", TEXT),
        ("/26241/0", OCTETS),
        ("/26241", TEXT),
        ("/26241/0/0", 60),
        ("/26241/0/0", 65535),
        ("/26241/0", 50),
    ):
        refused(bench, NOT_ACCEPTABLE, GET, path, accept=accept)


def test_read_of_what_is_not_there_is_4_04():
    bench = made()
    for path in (
        "/9",
        "/9/0",
        "/9/0/0",
        "/26241/1",
        "/26241/1/0",
        "/26241/0/11",
        "/26241/0/7",
        "/26241/0/6/1",
        "/26241/0/8/2",
        "/26241/0/0/0",
        "/26241/65534",
        "/26241/65535",
        "/rd",
        "/26241/0/0/0/0",
        "/.well-known/core",
        "/26241/00",
    ):
        for accept in (-1, TLV):
            refused(bench, NOT_FOUND, GET, path, accept=accept)


def test_read_of_what_cannot_be_read_is_4_05():
    bench = made()
    refused(bench, NOT_ALLOWED, GET, "/26241/0/4")
    refused(bench, NOT_ALLOWED, GET, "/26241/0/5")
    refused(bench, NOT_ALLOWED, GET, "/3/0/4")


def test_read_of_an_instance_leaves_out_what_cannot_be_read():
    bench = made()
    assert b"secret" not in content(bench, "/26241/0")[1]
    assert b"secret" not in content(bench, "/26241")[1]


def test_read_of_the_root_is_4_05():
    refused(made(), NOT_ALLOWED, GET, "/")


# Discover


def test_discover_at_each_level():
    bench = made()
    eq(content(bench, "/26241/0/0", LINK), (LINK, b"</26241/0/0>"))
    links = b"</26241/0/6>;dim=2,</26241/0/6/0>,</26241/0/6/3>"
    eq(content(bench, "/26241/0/6", LINK), (LINK, links))
    links = b",".join(
        [b"</26241/0/%d>" % rid for rid in (0, 1, 2, 3, 4, 5, 6)]
        + [b"</26241/0/8>", b"</26241/0/10>"]
    )
    links += b",</26241/0/300>"
    links = links.replace(b"/6>", b"/6>;dim=2").replace(b"/8>", b"/8>;dim=2")
    links = links.replace(b"/10>", b"/10>;dim=1")
    eq(content(bench, "/26241", LINK), (LINK, b"</26241>,</26241/0>," + links))
    eq(content(bench, "/26241/0", LINK), (LINK, b"</26241/0>," + links))


def test_discover_of_what_is_not_there_is_4_04():
    bench = made()
    for path in ("/9", "/9/0", "/26241/1", "/26241/0/7", "/26241/0/9", "/26241/0/11", "/x"):
        refused(bench, NOT_FOUND, GET, path, accept=LINK)


def test_discover_below_a_resource_is_refused():
    bench = made()
    answer = bench.ask(GET, "/26241/0/6/0", accept=LINK)
    assert answer.code in (NOT_FOUND, NOT_ALLOWED, BAD_REQUEST), answer


def blocks(bench, path, szx, accept=-1):
    """The payload fetched in blocks of that size, and how many there were."""
    got = b""
    number = 0
    while True:
        answer = bench.ask(GET, path, accept=accept, options=[(BLOCK2, number << 4 | szx)])
        eq(answer.code, CONTENT)
        block2 = answer.uint(BLOCK2)
        assert block2 >= 0, "no Block2 in the answer"
        eq((block2 >> 4, block2 & 7), (number, szx))
        got += answer.payload
        number += 1
        if not block2 & 8:
            assert 0 < len(answer.payload) <= 16 << szx, len(answer.payload)
            return got, number
        eq(len(answer.payload), 16 << szx)


# Block2 (RFC 7959)


def test_rfc7959_block2_of_each_size():
    bench = made(blob=BLOB)
    for szx in range(7):
        got, number = blocks(bench, "/26241/0/3", szx)
        eq(got, BLOB)
        eq(number, (3000 + (16 << szx) - 1) // (16 << szx))


def test_rfc7959_block2_of_tlv_and_links():
    bench = made(blob=BLOB)
    whole = None
    for szx in (0, 3, 6):
        got, _ = blocks(bench, "/26241", szx)
        whole = whole or got
        eq(got, whole)
        assert BLOB in got and b"thing" in got
    links, _ = blocks(bench, "/26241/0", 0, LINK)
    eq(links, content(bench, "/26241/0", LINK)[1])


def test_rfc7959_block2_of_an_exact_multiple_has_no_empty_last_block():
    bench = made(blob=BLOB[:1024])
    for szx in range(7):
        eq(blocks(bench, "/26241/0/3", szx), (BLOB[:1024], 1024 >> szx + 4))


def test_rfc7959_large_answer_is_cut_unasked():
    bench = made(blob=BLOB)
    answer = bench.ask(GET, "/26241/0/3")
    block2 = answer.uint(BLOCK2)
    eq((answer.code, block2 >> 3), (CONTENT, 1))
    eq(answer.payload, BLOB[: 16 << (block2 & 7)])
    second = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, 1 << 4 | block2 & 7)])
    eq(second.payload, BLOB[16 << (block2 & 7) :][: 16 << (block2 & 7)])


def test_rfc7959_small_answer_has_no_block2_unasked():
    eq(made().ask(GET, "/26241/0/0").uint(BLOCK2), -1)


def test_rfc7959_small_answer_has_block2_when_asked():
    answer = made().ask(GET, "/26241/0/0", options=[(BLOCK2, 6)])
    eq((answer.code, answer.uint(BLOCK2) & 8, answer.payload), (CONTENT, 0, b"thing"))


def test_rfc7959_block_behind_the_end_is_4_00():
    bench = made(blob=BLOB)
    for szx in range(7):
        last = (3000 - 1) // (16 << szx)
        answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, last << 4 | szx)])
        eq(answer.code, CONTENT)
        for number in (last + 1, last + 2, 5000, 0xFFFFF):
            answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, number << 4 | szx)])
            eq((szx, number, answer.code), (szx, number, BAD_REQUEST))
    refused(made(), BAD_REQUEST, GET, "/26241/0/0", options=[(BLOCK2, 1 << 4)])


def test_rfc7959_block_at_the_very_end_is_4_00():
    bench = made(blob=BLOB[:1024])
    for szx in range(7):
        answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, 1024 >> szx + 4 << 4 | szx)])
        eq((szx, answer.code), (szx, BAD_REQUEST))


def test_rfc7959_szx_7_is_4_00():
    refused(made(), BAD_REQUEST, GET, "/26241/0/0", options=[(BLOCK2, 7)])


def test_rfc7959_block_larger_than_ours_is_served_smaller():
    for mtu, ours in ((128, 2), (200, 3), (400, 4), (640, 5)):
        bench = Bench(mtu=mtu)
        bench.client.add(Thing(blob=BLOB))
        bench.registered()
        for szx in range(ours, 7):
            answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, szx)])
            eq((mtu, szx, answer.uint(BLOCK2)), (mtu, szx, 8 | ours))
            eq(answer.payload, BLOB[: 16 << ours])
            # Number 1 of the larger size is the same place in smaller blocks.
            answer = bench.ask(GET, "/26241/0/3", options=[(BLOCK2, 1 << 4 | szx)])
            eq(answer.uint(BLOCK2), 1 << szx - ours << 4 | 8 | ours)
            eq(answer.payload, BLOB[16 << szx :][: 16 << ours])
        eq(blocks(bench, "/26241/0/3", ours)[0], BLOB)
        eq(blocks(bench, "/26241/0/3", 0)[0], BLOB)


def test_rfc7959_no_answer_is_longer_than_the_mtu():
    for mtu in (128, 129, 160, 200, 300, 640):
        bench = Bench(mtu=mtu)
        bench.client.add(Thing(blob=BLOB))
        bench.registered()
        for path in ("/26241/0/3", "/26241/0", "/26241"):
            for options in ([], [(BLOCK2, 6)], [(BLOCK2, 0)]):
                datagram = encode(CON, GET, 77, b"12345678", segments(path) + options)
                bench.far.end.send(datagram, len(datagram))
                bench.client.step()
                answer = bench.far.end.queue.pop()
                assert len(answer) <= mtu, (mtu, len(answer))
                eq(decode(answer).code, CONTENT)


def test_rfc7959_64_kb_are_read_at_constant_memory():
    class Large(Object):
        OID = 26245
        RESOURCES = (0, STR | R | MULTI, "rows")
        rows = (b"r" * 250,) * 260

    bench = Bench()
    bench.client.add(Large())
    bench.registered()
    serving = Serving(bench.client, GET, "/26245/0/0", [(BLOCK2, 60 << 4 | 6)])
    serving()
    taken = allocated(serving)
    assert taken < (2000 if sys.maxsize < 1 << 32 else 4000), taken
    eq(serving.code, CONTENT)
    got, number = blocks(bench, "/26245/0/0", 6)
    assert len(got) > 65000, len(got)
