"""Plain text, content format 0 (LwM2M 1.1 Core §7.4.1 and Appendix C), both ways."""

import binascii

from format_model import PATH, Model, thing
from testing import eq, heap_locked

from lwm2m.coap.builder import Builder
from lwm2m.formats.text import Text
from lwm2m.management.walk import represent
from lwm2m.types import BOOL, CORELNK, FLOAT, INT, MULTI, OBJLNK, OPAQUE, STR, TIME, UINT

CODEC = Text()


def emit_into(out, model):
    out.rewind()
    out.payload()
    represent(model, CODEC, out, PATH, 2, 0, None)


def write(flags, value, size=2048):
    out = Builder(size)
    out.begin(0, 0x45, 1, b"", 0, 0)
    emit_into(out, Model(thing((5, flags, value))))
    assert not out.more
    n = out.finish()
    return bytes(out.buf[5:n])


def read(flags, raw):
    """The value of `raw`, or "error"."""
    b = b"<<" + raw + b">>"
    codec = CODEC.reader()
    codec.open(b, 2, 2 + len(raw), PATH, 3)
    assert codec.next()
    eq((codec.rid, codec.riid), (5, -1))
    value = codec.value(flags)
    assert not codec.next()
    return "error" if codec.error else value


EDGES = [0, 9, 10, 127, 128, 255, 256, 32768, 99999, 65536, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF]
EDGES += [1 << 31, (1 << 32) - 1, 1 << 32, 10**10, 10**18, (1 << 62) - 1, (1 << 63) - 1]


def test_integers():
    for value in EDGES:
        for flags in (INT, TIME, UINT):
            eq(write(flags, value), str(value).encode())
            eq(read(flags, str(value).encode()), value)
        eq(write(INT, -value), str(-value).encode())
        eq(read(INT, str(-value).encode()), -value)
    eq(write(INT, -(1 << 63)), b"-9223372036854775808")
    eq(read(INT, b"-9223372036854775808"), -(1 << 63))


def test_powers_of_ten_and_their_neighbours():
    for exponent in range(19):
        for value in (10**exponent - 1, 10**exponent, 10**exponent + 1):
            eq(write(INT, value), str(value).encode())
            eq(write(INT, -value), str(-value).encode())


def test_unsigned_integers_to_64_bits():
    for value in (1 << 63, (1 << 64) - 1, 10**19):
        eq(write(UINT, value), str(value).encode())
        eq(read(UINT, str(value).encode()), value)


def test_integers_out_of_range_are_errors():
    eq(read(INT, b"9223372036854775808"), "error")
    eq(read(INT, b"-9223372036854775809"), "error")
    eq(read(TIME, b"9223372036854775808"), "error")
    eq(read(UINT, b"18446744073709551616"), "error")
    eq(read(UINT, b"-1"), "error")
    eq(read(INT, b"9" * 23), "error")
    eq(read(INT, b"9" * 1000), "error")


def test_what_is_no_integer_is_an_error():
    for raw in (b"", b"-", b"+", b"0x10", b"1.0", b"1e3", b"--1", b"1-", b"true", b"None"):
        for flags in (INT, UINT, TIME):
            eq((raw, read(flags, raw)), (raw, "error"))
    for raw in (b"\x00", b"1\x00", b"\xff", b"\xd9\xa3", b"1 2", b"1,2", b"9" * 400):
        for flags in (INT, UINT, TIME):
            eq((raw, read(flags, raw)), (raw, "error"))


def test_integers_have_no_blanks_and_no_underscores():
    # int() takes them, LwM2M 1.1 Core Appendix C does not.
    for raw in (b" 1", b"1 ", b"1\n", b"\t1", b"1_000"):
        for flags in (INT, UINT, TIME):
            eq((raw, read(flags, raw)), (raw, "error"))


def test_floats():
    for value, text in ((21.5, b"21.5"), (-40.25, b"-40.25"), (0.0, b"0.0"), (1e100, b"1e+100")):
        eq(write(FLOAT, value), text)
        eq(read(FLOAT, text), value)
    eq(float(write(FLOAT, 21.3)), 21.3)
    eq(float(write(FLOAT, 21)), 21.0)


def test_floats_one_after_the_other_leave_nothing_behind():
    for value in (-1.2345678901234e-100, 1.5, 123456.789, 2.0):
        assert abs(float(write(FLOAT, value)) - value) <= abs(value) * 1e-12, value


def test_floats_of_other_spellings():
    for raw, value in (
        (b"1", 1.0),
        (b"-1", -1.0),
        (b"1e3", 1000.0),
        (b"1.5E-1", 0.15),
        (b"+2.5", 2.5),
    ):
        eq((raw, read(FLOAT, raw)), (raw, value))


def test_what_is_no_float_is_an_error():
    for raw in (b"", b"abc", b"1,5", b"1.5.5", b"0x1p3", b"e", b"-", b"1e", b"--1", b"\xff"):
        eq((raw, read(FLOAT, raw)), (raw, "error"))
    for raw in (b"nan", b"inf", b"-inf", b"infinity", b"1e999"):
        eq((raw, read(FLOAT, raw)), (raw, "error"))


def test_floats_have_no_blanks_and_no_underscores():
    # float() takes them, LwM2M 1.1 Core Appendix C does not.
    for raw in (b" 1.5", b"1.5 ", b"1.5\n", b"1_0.5", b"."):
        eq((raw, read(FLOAT, raw)), (raw, "error"))


def test_bool():
    eq((write(BOOL, True), write(BOOL, False)), (b"1", b"0"))
    eq((read(BOOL, b"1"), read(BOOL, b"0")), (True, False))
    for raw in (b"", b"2", b"01", b"true", b"1 ", b"\x01", b"-1"):
        eq((raw, read(BOOL, raw)), (raw, "error"))


def test_objlnk():
    eq(write(OBJLNK, (3303, 0)), b"3303:0")
    eq(write(OBJLNK, (65535, 65535)), b"65535:65535")
    eq(read(OBJLNK, b"3303:0"), (3303, 0))
    eq(read(OBJLNK, b"65535:65535"), (65535, 65535))
    for raw in (
        b"",
        b":",
        b"3",
        b"3:",
        b":0",
        b"3:0:0",
        b"65536:0",
        b"0:65536",
        b"-1:0",
        b"3:-1",
        b"a:b",
        b"/3/0",
        b"\xff:0",
    ):
        eq((raw, read(OBJLNK, raw)), (raw, "error"))


def test_strings():
    for n in (0, 1, 31, 32, 33, 62, 63, 64, 65, 255, 256, 1000):
        for text in ("x" * n, "ü" * (n // 2), "€" * (n // 3)):
            for flags in (STR, CORELNK):
                eq((n, write(flags, text)), (n, text.encode()))
                eq((n, read(flags, text.encode())), (n, text))
    eq(write(STR, b"bytes"), b"bytes")


def test_string_with_a_zero_inside():
    for text in ("a\x00b", "\x00", "abc\x00"):
        eq((text, write(STR, text)), (text, text.encode()))


def test_string_beyond_ascii_that_ends_with_a_zero():
    for text in ("ü\x00", "€\x00\x00", "ü" * 20 + "\x00"):
        eq((text, write(STR, text)), (text, text.encode()))


def test_string_that_is_not_utf8_is_an_error():
    for raw in (b"\xff", b"abc\x80", b"\xc3"):
        eq((raw, read(STR, raw)), (raw, "error"))


def test_opaque_is_base64():
    for n in (0, 1, 2, 3, 4, 47, 48, 49, 57, 58, 100, 300):
        raw = bytes(i * 37 & 255 for i in range(n))
        text = binascii.b2a_base64(raw)[:-1]
        eq((n, write(OPAQUE, raw)), (n, text))
        eq((n, read(OPAQUE, text)), (n, raw))


def test_what_is_no_base64_is_an_error():
    for raw in (
        b"A",
        b"AA",
        b"AAA",
        b"AA=A",
        b"====",
        b"AAA=\n",
        b"AA AA",
        b"AA\n==",
        b"A-_A",
        b"AB==",
    ):
        eq((raw, read(OPAQUE, raw)), (raw, "error"))


def test_fits_single_values_only():
    eq((CODEC.fits(3, INT), CODEC.fits(4, INT | MULTI)), (True, True))
    eq((CODEC.fits(3, INT | MULTI), CODEC.fits(2, 0), CODEC.fits(1, 0)), (False, False, False))


def test_scalars_allocate_nothing():
    out = Builder(1152)
    out.begin(0, 0x45, 1, b"", 0, 0)
    cases = [(INT, value) for value in EDGES] + [(INT, -value) for value in EDGES[:11]]
    cases += [(TIME, 1893456000), (UINT, (1 << 64) - 1)]
    cases += [(FLOAT, value) for value in (0.0, 21.5, 21.3, -1.5e300, float("inf"))]
    cases += [(STR, value) for value in ("", "x", "ü" * 10, "x" * 63, b"", b"x" * 255)]
    cases += [(BOOL, True), (BOOL, False), (OBJLNK, (65535, 0))]
    for flags, value in cases:
        model = Model(thing((5, flags, value)))
        expected = write(flags, value)
        heap_locked(emit_into, out, model)
        n = out.finish()
        eq(bytes(out.buf[5:n]), expected)


def test_long_negative_integers_allocate_nothing():
    out = Builder(1152)
    out.begin(0, 0x45, 1, b"", 0, 0)
    for value in EDGES[11:]:
        heap_locked(emit_into, out, Model(thing((5, INT, -value))))
