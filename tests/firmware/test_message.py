# matrix
"""Message: what RFC 7252 §3 says about a received datagram, at constant memory."""

from message_checks import IGNORE, OK, REJECT, SIZE1, SIZE2, UINTS, found
from testing import eq
from wire import (
    ACCEPT,
    ACK,
    CON,
    GET,
    NON,
    PUT,
    RST,
    URI_PATH,
    URI_QUERY,
    decode,
    encode,
    uint_bytes,
)

from lwm2m.coap.message import Message


def parse(b):
    m = Message()
    return m.parse(b, len(b)), m


def with_options(options, payload=b"", code=GET, token=b""):
    b = encode(CON, code, 7, token, options, payload)
    m = Message()
    eq(m.parse(b, len(b)), OK)
    return m


def path_of(*parts):
    m = with_options([(URI_PATH, part) for part in parts])
    return list(m.path[: m.depth]) if m.depth >= 0 else -1


# §3: header and token


def test_rfc7252_3_header_fields():
    for kind in (CON, NON, ACK, RST):
        for code in (1, 4, 31, 0x41, 0x45, 0x5F, 0x80, 0x9F, 0xA0, 0xBF):
            for mid in (0, 1, 255, 256, 0xFFFF):
                result, m = parse(encode(kind, code, mid))
                eq((result, m.type, m.code, m.mid), (OK, kind, code, mid))


def test_rfc7252_3_shorter_than_a_header_is_ignored():
    m = Message()
    for n in range(4):
        eq(m.parse(b"\x40\x01\x00\x00", n), IGNORE)
    eq(m.parse(b"", 0), IGNORE)


def test_rfc7252_3_other_versions_are_ignored():
    for version in (0, 2, 3):
        for first in range(64):
            b = bytes((version << 6 | first, 1, 0, 0)) + bytes(12)
            eq(parse(b)[0], IGNORE)


def test_rfc7252_3_token_lengths_0_to_8():
    for n in range(9):
        token = bytes(range(0xF0, 0xF0 + n))
        m = with_options([(URI_PATH, b"3")], b"p", token=token)
        eq(m.token_len, n)
        eq(bytes(m.buf[4 : 4 + n]), token)
        eq(bytes(m.buf[m.payload : m.end]), b"p")
        eq(found(m, URI_PATH), b"3")


def test_rfc7252_3_token_lengths_9_to_15_are_format_errors():
    for n in range(9, 16):
        result, m = parse(bytes((0x40 | n, 1, 0x12, 0x34)) + bytes(20))
        eq((result, m.type, m.mid), (REJECT, CON, 0x1234))


def test_rfc7252_3_token_cut_off():
    for n in range(1, 9):
        for short in range(n):
            eq(parse(bytes((0x40 | n, 1, 0, 0)) + bytes(short))[0], REJECT)


def test_rfc7252_3_reserved_classes_are_format_errors():
    for code in range(1, 256):
        result, m = parse(bytes((0x40, code, 0x12, 0x34)))
        eq((code, result), (code, REJECT if code >> 5 in (1, 6, 7) else OK))
        eq(m.mid, 0x1234)


def test_rfc7252_4_1_empty_message():
    for kind in (CON, NON, ACK, RST):
        result, m = parse(bytes((0x40 | kind << 4, 0, 1, 2)))
        eq((result, m.type, m.code, m.mid), (OK, kind, 0, 0x102))


def test_rfc7252_4_1_empty_message_with_bytes_behind_it():
    for b in (
        b"\x41\x00\x00\x00",
        b"\x41\x00\x00\x00a",
        b"\x40\x00\x00\x00\xff",
        b"\x40\x00\x00\x00a",
    ):
        eq(parse(b)[0], REJECT)


def test_parse_reads_no_further_than_n():
    b = encode(CON, GET, 7, b"", [(URI_PATH, b"3"), (URI_PATH, b"0")], b"payload")
    m = Message()
    eq(m.parse(b, 6), OK)
    eq((m.depth, m.path[0], m.payload, m.end), (1, 3, 6, 6))
    eq(m.parse(b, 5), REJECT)
    eq(m.parse(b, 9), REJECT)
    eq(m.parse(b, 10), OK)
    eq(bytes(m.buf[m.payload : m.end]), b"p")


def test_parse_takes_any_bytes_like_object():
    b = encode(CON, GET, 7, b"t", [(URI_PATH, b"3")], b"p")
    m = Message()
    for buf in (b, bytearray(b), memoryview(b)):
        eq(m.parse(buf, len(buf)), OK)
        eq((m.depth, m.path[0], bytes(m.buf[m.payload : m.end])), (1, 3, b"p"))


# §3.1: options


def test_rfc7252_3_1_option_delta_12():
    eq(found(with_options([(12, b"\x01")]), 12), b"\x01")


def test_rfc7252_3_1_option_delta_13():
    m = with_options([(13, b"x")])
    eq(bytes(m.buf[4:6]), b"\xd1\x00")
    eq((found(m, 13), m.bad_option), (b"x", 13))


def test_rfc7252_3_1_option_delta_268():
    m = with_options([(268, b"x")])
    eq(bytes(m.buf[4:6]), b"\xd1\xff")
    eq((found(m, 268), m.bad_option), (b"x", 0))


def test_rfc7252_3_1_option_delta_269():
    m = with_options([(269, b"x")])
    eq(bytes(m.buf[4:7]), b"\xe1\x00\x00")
    eq((found(m, 269), m.bad_option), (b"x", 269))


def test_rfc7252_3_1_option_delta_65535():
    m = with_options([(65535, b"x")])
    eq((found(m, 65535), m.bad_option), (b"x", 65535))


def test_rfc7252_3_1_option_number_above_65535_is_a_format_error():
    for b in (
        b"\x40\x01\x00\x07\xe0\xfe\xf3",  # 65536
        b"\x40\x01\x00\x07\xe0\xff\xff",  # 65804
        b"\x40\x01\x00\x07\xe0\xfe\xf2\x10",  # 65535, then 65536
    ):
        eq(parse(b)[0], REJECT)


def test_rfc7252_3_1_option_lengths():
    for n in (0, 1, 12, 13, 14, 255, 256, 268, 269, 270, 1024):
        m = with_options([(2048, bytes(n)), (2050, b"!")], b"p")
        eq(found(m, 2048), bytes(n))
        eq(found(m, 2050), b"!")
        eq(bytes(m.buf[m.payload : m.end]), b"p")


def test_rfc7252_3_1_option_length_65804():
    m = with_options([(2048, bytes(65804))], b"p")
    assert m.option(2048)
    eq(m.stop - m.start, 65804)
    eq(m.end - m.payload, 1)
    eq(m.parse(m.buf, m.end - 3), REJECT)


def test_rfc7252_3_1_nibble_15_is_a_format_error():
    for first in range(0xF0, 0xFF):
        eq(parse(bytes((0x40, 1, 0, 7, first)) + bytes(40))[0], REJECT)
    for first in range(0x0F, 0xFF, 16):
        eq(parse(bytes((0x40, 1, 0, 7, first)) + bytes(40))[0], REJECT)


def test_rfc7252_3_1_extended_fields_longer_than_needed_are_read():
    # Delta 11 cannot be written as 13 + x, but length 300 with 14 and delta 13 with 13 can.
    eq(found(parse(b"\x40\x01\x00\x07\xdd\x00\x00" + b"z" * 13)[1], 13), b"z" * 13)


def test_rfc7252_3_1_truncated_at_every_byte():
    whole = encode(
        CON,
        PUT,
        7,
        b"token",
        [(URI_PATH, b"3303"), (URI_PATH, b"0"), (300, b"a" * 20), (2000, b"b" * 300)],
        b"payload",
    )
    m = Message()
    rejected = 0
    for n in range(len(whole)):
        try:
            decode(whole[:n])
            expected = OK
        except ValueError as e:
            expected = REJECT if str(e) == "reject" else IGNORE
        eq((n, m.parse(whole, n)), (n, expected))
        eq((n, m.parse(whole[:n], n)), (n, expected))
        rejected += expected == REJECT
    assert rejected > 300, rejected


def test_rfc7252_3_marker_with_nothing_behind():
    for options in ((), [(URI_PATH, b"3")], [(300, b"x")]):
        eq(parse(encode(CON, PUT, 7, b"t", options) + b"\xff")[0], REJECT)


def test_rfc7252_3_payload_may_hold_anything():
    m = with_options([(URI_PATH, b"3")], b"\xff\xff\x00\xdd", PUT)
    eq(bytes(m.buf[m.payload : m.end]), b"\xff\xff\x00\xdd")
    eq(found(m, 14), None)


def test_no_payload():
    m = with_options([(URI_PATH, b"3")])
    eq(m.end - m.payload, 0)


def test_option_finds_each_repetition():
    m = with_options([(8, b"rd"), (8, b""), (8, b"x" * 20), (20, b"q")], b"p")
    eq([found(m, 8, i) for i in range(4)], [b"rd", b"", b"x" * 20, None])
    eq(found(m, 20), b"q")
    for number in (0, 7, 9, 21, 65535):
        eq(found(m, number), None)


# Uri-Path: numbers as LwM2M 1.1 §7.3 has them


def test_uri_path_of_every_depth():
    eq(path_of(), [])
    eq(path_of(b"3"), [3])
    eq(path_of(b"3", b"0"), [3, 0])
    eq(path_of(b"3", b"0", b"11"), [3, 0, 11])
    eq(path_of(b"65534", b"65534", b"65534", b"65534"), [65534] * 4)
    eq(path_of(b"0", b"0", b"0", b"0"), [0] * 4)


def test_uri_path_numbers():
    for text, value in ((b"0", 0), (b"9", 9), (b"10", 10), (b"99", 99), (b"100", 100)):
        eq(path_of(text), [value])
    for text, value in ((b"999", 999), (b"10241", 10241), (b"32769", 32769), (b"65534", 65534)):
        eq(path_of(text), [value])


def test_uri_path_that_is_no_number():
    for text in (
        b"65535",
        b"65536",
        b"99999",
        b"100000",
        b"4294967296",
        b"",
        b"00",
        b"03",
        b"0000",
        b"-1",
        b"+1",
        b"-0",
        b" 3",
        b"3 ",
        b"3.",
        b"0x3",
        b"1_0",
        b"/",
        b":",
        b"a",
        b"rd",
        b"1a",
        b"a1",
        b"\x00",
        b"\xff",
        b"\xb2",
        b"3" * 300,
    ):
        eq((text, path_of(text)), (text, -1))
        eq((text, path_of(b"3", text)), (text, -1))
        eq((text, path_of(text, b"3")), (text, -1))
        eq((text, path_of(b"3", b"0", b"1", text)), (text, -1))


def test_uri_path_of_more_than_four_segments():
    eq(path_of(b"3", b"0", b"1", b"0", b"0"), -1)
    eq(path_of(*[b"1"] * 40), -1)


def test_uri_path_of_an_earlier_message_is_forgotten():
    m = Message()
    for parts, depth in (((b"3", b"0"), 2), ((), 0), ((b"x",), -1), ((b"1",), 1)):
        b = encode(CON, GET, 7, b"", [(URI_PATH, p) for p in parts])
        eq(m.parse(b, len(b)), OK)
        eq(m.depth, depth)


# Options that hold integers


def test_integer_options_are_absent():
    m = with_options([(URI_PATH, b"3")])
    for _, name, _ in UINTS:
        eq(getattr(m, name), -1)


def test_integer_options_of_every_width():
    for number, name, longest in UINTS:
        for value in (0, 1, 40, 255, 256, 11542, 65535, 65536, 0xFFFFFF, 0x1000000, 0x3FFFFFFF):
            if len(uint_bytes(value)) <= longest:
                m = with_options([(number, value)])
                eq((name, getattr(m, name), m.bad_option), (name, value, 0))


def test_integer_options_with_leading_zeros():
    # RFC 7252 §3.2: a recipient must be prepared to process them.
    for number, name, longest in UINTS:
        m = with_options([(number, bytes(longest - 1) + b"\x05")])
        eq((name, getattr(m, name), m.bad_option), (name, 5, 0))
        m = with_options([(number, bytes(longest))])
        eq((name, getattr(m, name), m.bad_option), (name, 0, 0))


def test_integer_options_too_long_are_not_understood():
    for number, name, longest in UINTS:
        for n in range(longest + 1, 20):
            m = with_options([(number, bytes(n))])
            eq((name, getattr(m, name)), (name, -1))
            eq((name, m.bad_option), (name, number if number & 1 else 0))


def test_rfc7252_5_4_5_repeated_options_are_not_understood():
    for number, name, _ in UINTS:
        m = with_options([(number, 1), (number, 2)])
        eq((name, getattr(m, name)), (name, 1))
        eq((name, m.bad_option), (name, number if number & 1 else 0))


def test_sizes_above_small_integers_are_held_down():
    for number, name in ((SIZE2, "size2"), (SIZE1, "size1")):
        for raw in (b"\x40\x00\x00\x00", b"\xff\xff\xff\xff"):
            m = with_options([(number, raw)])
            assert getattr(m, name) >= 0x3FFFFFFF, getattr(m, name)


def test_integer_options_of_an_earlier_message_are_forgotten():
    m = Message()
    b = encode(CON, GET, 7, b"", [(number, 5) for number, _, _ in UINTS] + [(URI_QUERY, b"a")])
    eq(m.parse(b, len(b)), OK)
    eq((m.queries, m.size1), (1, 5))
    b = encode(CON, GET, 7)
    eq(m.parse(b, len(b)), OK)
    for _, name, _ in UINTS:
        eq(getattr(m, name), -1)
    eq(m.queries, 0)


def test_queries_are_counted():
    m = with_options([(URI_QUERY, b"pmin=1"), (URI_QUERY, b""), (URI_QUERY, b"x" * 300)])
    eq((m.queries, m.bad_option), (3, 0))
    eq(found(m, URI_QUERY, 0), b"pmin=1")


# §5.4.1: critical and elective


def test_rfc7252_5_4_1_unknown_critical_options():
    for number in (1, 5, 9, 13, 19, 21, 35, 39, 257, 65001, 65535):
        eq(with_options([(number, b"")]).bad_option, number)


def test_rfc7252_5_4_1_first_unknown_critical_option_is_told():
    eq(with_options([(9, b""), (35, b"x"), (2001, b"")]).bad_option, 9)
    eq(with_options([(ACCEPT, b"abc"), (35, b"x")]).bad_option, ACCEPT)


def test_rfc7252_5_4_1_elective_options_are_ignored():
    for number in (2, 4, 8, 10, 14, 16, 18, 20, 252, 258, 292, 65000):
        eq(with_options([(number, b"whatever")]).bad_option, 0)


def test_uri_host_and_uri_port_are_understood():
    eq(with_options([(3, b"localhost"), (7, 5683), (URI_PATH, b"3")]).bad_option, 0)


def test_bad_option_of_an_earlier_message_is_forgotten():
    m = with_options([(9, b"")])
    b = encode(CON, GET, 7)
    m.parse(b, len(b))
    eq(m.bad_option, 0)
