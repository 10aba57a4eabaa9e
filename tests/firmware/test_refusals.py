"""Requests that are refused whatever they say, and hostile ones."""

from bench import Bench
from management_bench import (
    BAD_OPTION,
    NOT_ALLOWED,
    PARTIAL,
    PROXYING,
    UNAUTHORIZED,
    code,
    made,
    refused,
)
from testing import eq
from wire import (
    BLOCK2,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    DELETE,
    FETCH,
    GET,
    IPATCH,
    LINK,
    PATCH,
    POST,
    PUT,
    TEXT,
    TLV,
    URI_QUERY,
    Packet,
    encode,
    segments,
)

from lwm2m.objects.base import Object
from lwm2m.types import OPAQUE, RW


# What is refused whatever it says


def test_security_and_oscore_are_4_01():
    class Oscore(Object):
        OID = 21
        RESOURCES = (0, OPAQUE | RW, "secret")
        secret = b"secret"

    bench = Bench()
    bench.client.add(Oscore())
    bench.registered()
    for oid in (0, 21):
        for path in ("/%d", "/%d/0", "/%d/0/0", "/%d/0/5", "/%d/9", "/%d/0/0/0"):
            path = path % oid
            for accept in (-1, TEXT, LINK, TLV):
                eq((path, code(bench, GET, path, accept=accept)), (path, UNAUTHORIZED))
            eq((path, code(bench, PUT, path, b"x", format=TEXT)), (path, UNAUTHORIZED))
            eq((path, code(bench, POST, path, b"x", format=TEXT)), (path, UNAUTHORIZED))
            assert code(bench, DELETE, path) in (UNAUTHORIZED, NOT_ALLOWED)


def test_unknown_methods_are_4_05():
    bench = made()
    for method in (FETCH, PATCH, IPATCH, 8, 16, 31):
        refused(bench, NOT_ALLOWED, method, "/26241/0/1", b"1", format=TEXT)


def test_delete_and_create_are_4_05():
    bench = made()
    refused(bench, NOT_ALLOWED, DELETE, "/26241/0")
    refused(bench, NOT_ALLOWED, DELETE, "/3/0")
    refused(bench, NOT_ALLOWED, DELETE, "/26241")
    refused(bench, NOT_ALLOWED, DELETE, "/26241/0/1")
    refused(bench, NOT_ALLOWED, POST, "/26241", b"\xc1\x00x", format=TLV)
    refused(bench, NOT_ALLOWED, PUT, "/26241", b"\xc1\x00x", format=TLV)
    refused(bench, NOT_ALLOWED, POST, "/", b"x", format=TLV)


def test_unknown_critical_option_is_4_02():
    bench = made()
    for number in (1, 5, 9, 2049):
        refused(bench, BAD_OPTION, GET, "/26241/0/1", options=[(number, b"x")])
        refused(bench, BAD_OPTION, PUT, "/26241/0/1", b"1", format=TEXT, options=[(number, b"x")])


def test_proxy_options_are_5_05():
    bench = made()
    refused(bench, PROXYING, GET, "/26241/0/1", options=[(35, b"coap://elsewhere")])
    refused(bench, PROXYING, GET, "/26241/0/1", options=[(39, b"coap")])


def test_unknown_elective_options_are_ignored():
    eq(code(made(), GET, "/26241/0/1", options=[(2, b"x"), (2048, b"y")]), CONTENT)


# Hostile requests: whatever comes, there is one answer or none, and the loop lives


def test_mutated_requests():
    bench = made()
    seeds = (
        encode(CON, PUT, 1, b"t", segments("/26241/0") + [(CONTENT_FORMAT, TLV)], PARTIAL),
        encode(CON, POST, 2, b"t", segments("/26241/0/5"), b"0='x',1"),
        encode(CON, GET, 3, b"t", segments("/26241/0/6/3") + [(BLOCK2, 0x16)]),
        encode(CON, PUT, 4, b"t", segments("/26241/0/1") + [(URI_QUERY, b"pmin=1")], b"12"),
    )
    x = 0x7331
    for i in range(1500):
        b = bytearray(seeds[i & 3])
        for _ in range(1 + i % 3):
            x = (x ^ x << 7) & 0xFFFF
            x ^= x >> 9
            x = (x ^ x << 8) & 0xFFFF
            b[x % len(b)] = x >> 8
        b[3] = i & 255
        answers = bench.far.send(bytes(b))
        assert len(answers) <= 1, answers
    assert isinstance(bench.ask(GET, "/3/0/0"), Packet)
