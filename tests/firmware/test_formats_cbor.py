"""CBOR, content format 60 (LwM2M 1.1 Core §7.4.3, RFC 8949), both ways."""

import struct

from format_checks import (
    ALL,
    DOUBLE,
    Large,
    bench_of,
    check_errors,
    check_no_allocation,
    check_round_trips,
    represented,
    single,
    state,
    value_of,
)
from format_model import hexed
from testing import eq, raises
from vectors_cbor import MALFORMED
from wire import CHANGED, CONTENT, GET, PUT

from lwm2m.formats.cbor import Cbor
from lwm2m.types import BOOL, CORELNK, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

CODEC = Cbor()

# RFC 8949, Appendix A
VECTORS = (
    (INT, 0, "00"),
    (INT, 1, "01"),
    (INT, 10, "0a"),
    (INT, 23, "17"),
    (INT, 24, "1818"),
    (INT, 25, "1819"),
    (INT, 100, "1864"),
    (INT, 1000, "1903e8"),
    (INT, 1000000, "1a000f4240"),
    (INT, 1000000000000, "1b000000e8d4a51000"),
    (UINT, 18446744073709551615, "1bffffffffffffffff"),
    (INT, -1, "20"),
    (INT, -10, "29"),
    (INT, -100, "3863"),
    (INT, -1000, "3903e7"),
    (INT, -(1 << 63), "3b7fffffffffffffff"),
    (BOOL, False, "f4"),
    (BOOL, True, "f5"),
    (OPAQUE, b"", "40"),
    (OPAQUE, b"\x01\x02\x03\x04", "4401020304"),
    (STR, "", "60"),
    (STR, "IETF", "6449455446"),
    (STR, '"\\', "62225c"),
    (STR, "\u00fc", "62c3bc"),
    (STR, "\u6c34", "63e6b0b4"),
    (STR, chr(0x10151), "64f0908591"),
    (TIME, 1363896240, "c11a514b67b0"),
    (OBJLNK, (66, 1), "6436363a31"),
    (CORELNK, "</1>", "643c2f313e"),
)

# Read alone: other forms of the same values
OTHER_FORMS = (
    (INT, 1, "1b0000000000000001"),
    (INT, 24, "190018"),
    (TIME, 1363896240, "1a514b67b0"),
    (FLOAT, 0.0, "f90000"),
    (FLOAT, 1.0, "f93c00"),
    (FLOAT, 1.5, "f93e00"),
    (FLOAT, 65504.0, "f97bff"),
    (FLOAT, 2.0**-24, "f90001"),
    (FLOAT, 2.0**-14, "f90400"),
    (FLOAT, -4.0, "f9c400"),
    (FLOAT, 100000.0, "fa47c35000"),
    (FLOAT, -4.0, "fbc010000000000000"),
    (FLOAT, 7.0, "07"),
    (FLOAT, -7.0, "26"),
    (FLOAT, 4294967296.0, "1b0000000100000000"),
)


def test_vectors_of_rfc8949():
    for flags, value, raw in VECTORS:
        eq((value, single(CODEC, flags, value)), (value, hexed(raw)))
        eq((raw, value_of(CODEC, hexed(raw), flags)), (raw, value))


def test_other_forms_are_read():
    for flags, value, raw in OTHER_FORMS:
        eq((raw, value_of(CODEC, hexed(raw), flags)), (raw, value))


def test_floats_are_as_wide_as_the_port():
    raw = b"\xfb" + struct.pack(">d", 21.5) if DOUBLE else b"\xfa" + struct.pack(">f", 21.5)
    eq(single(CODEC, FLOAT, 21.5), raw)
    eq(single(CODEC, FLOAT, 21), b"\xfb" + struct.pack(">d", 21) if DOUBLE else raw[:0] or raw)


def test_infinities_and_nan():
    inf = float("inf")
    for value in (inf, -inf):
        eq(value_of(CODEC, single(CODEC, FLOAT, value), FLOAT), value)
    nan = value_of(CODEC, single(CODEC, FLOAT, float("nan")), FLOAT)
    assert nan != nan
    for raw, value in (("f97c00", inf), ("f9fc00", -inf), ("fa7f800000", inf)):
        eq(value_of(CODEC, hexed(raw), FLOAT), value)
    for raw in ("f97e00", "fa7fc00000", "fb7ff8000000000000"):
        value = value_of(CODEC, hexed(raw), FLOAT)
        assert value != value, raw


def test_every_value_survives_its_way():
    check_round_trips(CODEC)


def test_decimal_fractions_are_floats():
    for raw, value in (
        ("c4 82 21 19 6ab3", 273.15),
        ("c4 82 01 38 63", -1000.0),
        ("c4 82 00 00", 0.0),
        ("c4 82 39 03e6 1b ffffffffffffffff", 0.0),
    ):
        eq((raw, value_of(CODEC, hexed(raw), FLOAT)), (raw, value))
        eq((raw, value_of(CODEC, hexed(raw), INT)), (raw, "error"))
    for raw in (
        "c4 82 19 0190 01",
        "c4 82 1903e8 00",
        "c4 81 01",
        "c4 83 00 00 00",
        "c4 9f 00 01 ff",
    ):
        eq((raw, value_of(CODEC, hexed(raw), FLOAT)), (raw, "error"))
    for raw in (
        "c4 01",
        "c4",
        "c4 82 00",
        "c4 82 00 f5",
        "c4 82 61 31 01",
        "c5 82 00 01",
        "c4 a1 00 00",
    ):
        eq((raw, value_of(CODEC, hexed(raw), FLOAT)), (raw, "error"))


def test_integers_out_of_range_are_refused():
    for flags, raw in (
        (INT, "1b8000000000000000"),
        (TIME, "1bffffffffffffffff"),
        (INT, "3b8000000000000000"),
        (UINT, "20"),
        (UINT, "3bffffffffffffffff"),
        (INT, "c249010000000000000000"),  # bignum
    ):
        eq((raw, value_of(CODEC, hexed(raw), flags)), (raw, "error"))
    for value in (1 << 64, -(1 << 63) - 1):
        raises(ValueError, single, CODEC, INT, value)


def test_other_types_are_refused():
    for flags, value in ALL:
        b = single(CODEC, flags, value)
        for other in (INT, UINT, FLOAT, BOOL, OPAQUE, TIME, OBJLNK, STR):
            numbers = (INT, UINT, TIME)
            if other == flags or (flags in numbers and other in numbers + (FLOAT,)):
                continue
            if other == STR and flags in (OBJLNK, CORELNK):
                continue
            if other == OBJLNK and flags in (STR, CORELNK):
                continue
            if other in (OPAQUE,) and flags == OPAQUE:
                continue
            eq((flags, other, value_of(CODEC, b, other)), (flags, other, "error"))


def test_malformed_is_an_error():
    for flags in (INT, UINT, FLOAT, BOOL, OPAQUE, TIME, OBJLNK, STR):
        check_errors(CODEC, MALFORMED, flags)


def test_nesting_is_bounded():
    for b in (b"\x81" * 1000, b"\x9f" * 1000, b"\xc1" * 1000, b"\xbf\x01" * 1000, b"\xa1" * 999):
        check_errors(CODEC, (b, b + b"\x01"), INT)


def test_objlnk_that_is_none():
    for raw in (b"", b"1", b"1:", b":1", b"1:2:3", b"65536:0", b"0:65536", b"01:1", b"1:00"):
        check_errors(CODEC, [bytes((0x60 | len(raw),)) + raw], OBJLNK)
    for raw in (b"-1:0", b" 1:0", b"1:0 ", b"a:b", b"1/0"):
        check_errors(CODEC, [bytes((0x60 | len(raw),)) + raw], OBJLNK)


def test_only_single_values_fit():
    eq([CODEC.fits(depth, INT) for depth in (1, 2, 3, 4)], [False, False, True, True])
    eq((CODEC.fits(3, INT | MULTI), CODEC.fits(4, INT | MULTI)), (False, True))
    eq(value_of(CODEC, b"\x01", INT, 2), "error")


def test_scalars_allocate_nothing():
    check_no_allocation(CODEC)


def test_large_opaque_is_streamed():
    large = Large(5000)
    whole = b"\x59\x13\x88" + large.whole()
    eq(represented(CODEC, None, (9999, 0, 5, 0), 3, OPAQUE, large, size=6000), whole)
    b = b""
    while len(b) < len(whole):
        b += represented(CODEC, None, (9999, 0, 5, 0), 3, OPAQUE, large, len(b), 512)
    eq(b, whole)


def test_read_and_write_through_a_client():
    bench, part = bench_of(CODEC)
    bench.registered()
    answer = bench.ask(GET, "/9999/0/1", accept=60)
    eq((answer.code, answer.uint(12), answer.payload), (CONTENT, 60, b"\x01"))
    eq(bench.ask(GET, "/9999/0/8/2", accept=60).payload, b"\x07")
    eq(bench.ask(GET, "/9999/0/8", accept=60).code, 0x86)
    eq(bench.ask(GET, "/9999/0", accept=60).code, 0x86)
    eq(bench.ask(PUT, "/9999/0/1", b"\x38\x63", format=60).code, CHANGED)
    eq(part.number, -100)
    eq(bench.ask(PUT, "/9999/0/8/2", b"\x09", format=60).code, CHANGED)
    eq(part.list, {0: 5, 2: 9})
    eq(bench.ask(PUT, "/9999/0/6", hexed("c11a514b67b0"), format=60).code, CHANGED)
    eq(part.since, 1363896240)
    old = state(part)
    eq(bench.ask(PUT, "/9999/0/8", b"\x81\x01", format=60).code, 0x8F)
    eq(bench.ask(PUT, "/9999/0", b"\x01", format=60).code, 0x8F)
    for b in MALFORMED:
        if b:
            eq((b, bench.ask(PUT, "/9999/0/1", b, format=60).code), (b, 0x80))
    eq(state(part), old)
