"""Builder: a message is written in place (RFC 7252 §3), through a window, at constant memory."""

from testing import eq, heap_locked
from wire import ACK, CON, CONTENT, GET, URI_PATH, decode, encode, uint_bytes

from lwm2m.coap.builder import Builder


def started(size=256, token=b""):
    out = Builder(size)
    out.begin(CON, GET, 0x1234, token, 0, len(token))
    return out


def finished(out):
    n = out.finish()
    return bytes(out.buf[:n])


def test_rfc7252_3_header_and_token():
    token = b"..12345678"
    for kind in range(4):
        for n in range(9):
            out = Builder(64)
            out.begin(kind, 0xA5, 0xFEDC, token, 2, n)
            eq(finished(out), encode(kind, 0xA5, 0xFEDC, token[2 : 2 + n]))


def test_rfc7252_3_1_option_deltas():
    for number in (0, 1, 12, 13, 14, 268, 269, 270, 1000, 65534, 65535):
        out = started()
        out.option(number, b"v")
        eq(finished(out), encode(CON, GET, 0x1234, b"", [(number, b"v")]))


def test_rfc7252_3_1_option_lengths():
    for n in (0, 1, 12, 13, 14, 31, 32, 33, 34, 254, 255, 256, 257, 268, 269, 270, 1000):
        value = bytes(i & 255 for i in range(n))
        out = started(2048)
        out.option(11, value)
        out.option(12, b"!")
        eq(finished(out), encode(CON, GET, 0x1234, b"", [(11, value), (12, b"!")]))


def test_rfc7252_3_1_option_length_65804():
    out = started(65820)
    out.option(2048, bytes(65804))
    n = out.finish()
    eq((n, out.more), (4 + 5 + 65804, False))
    eq(bytes(out.buf[4:9]), b"\xee\x06\xf3\xff\xff")


def test_rfc7252_3_1_deltas_add_up():
    options = [
        (11, b"3"),
        (11, b"0"),
        (12, b"\x28"),
        (24, b""),
        (37, b"x"),
        (306, b"y"),
        (2000, b"z"),
    ]
    out = started()
    for number, value in options:
        out.option(number, value)
    eq(decode(finished(out)).options, options)


def test_rfc7252_3_2_integers_are_shortest():
    for value in (0, 1, 255, 256, 65535, 65536, 0xFFFFFF, 0x1000000, 0x3FFFFFFF):
        out = started()
        out.uint(60, value)
        eq(decode(finished(out)).options, [(60, uint_bytes(value))])


def test_text_is_taken_where_it_is_ascii():
    for n in (0, 1, 12, 13, 32, 33, 64, 255, 256, 300):
        out = started(1024)
        out.option(15, "x" * n)
        out.payload()
        out.put("y" * n)
        packet = decode(finished(out))
        eq((packet.options, packet.payload), ([(15, b"x" * n)], b"y" * n))


def test_text_at_the_end_of_the_buffer():
    for n in (1, 5, 31, 32, 33, 100, 255, 256):
        for spare in (0, 1, 31, 32, 33, 200, 254, 255):
            out = started(5 + n + spare)
            out.payload()
            out.put("y" * n)
            eq((n, spare, out.more), (n, spare, False))
            eq(decode(finished(out)).payload, b"y" * n)


def test_text_across_the_edges_of_the_window():
    out = started(64)
    out.payload(3, 4)
    out.put("0123456789")
    eq(decode(finished(out)).payload, b"3456")


def test_rfc7252_3_payload_follows_a_marker():
    out = started()
    out.option(11, b"3")
    out.payload()
    out.put(b"\xff\x00")
    eq(finished(out), encode(CON, GET, 0x1234, b"", [(11, b"3")], b"\xff\x00"))


def test_rfc7252_3_payload_of_nothing_has_no_marker():
    out = started()
    out.option(11, b"3")
    out.payload()
    eq(finished(out), encode(CON, GET, 0x1234, b"", [(11, b"3")]))


def test_rfc7252_3_payload_that_ended_before_the_window_has_no_marker():
    out = started()
    out.payload(64, 64)
    out.put(b"x" * 64)
    eq(finished(out), encode(CON, GET, 0x1234))


def test_finish_twice():
    out = started()
    out.payload()
    eq((out.finish(), out.finish()), (4, 4))
    out = started()
    out.payload()
    out.byte(1)
    eq((out.finish(), out.finish()), (6, 6))


def test_put_with_a_length():
    src = bytes(range(256)) + b"tail"
    for n in (0, 1, 31, 32, 33, 34, 254, 255, 256, 257, 260):
        for kind in (bytes, bytearray, memoryview):
            out = started(512)
            out.payload()
            out.byte(65)
            out.put(kind(src), n)
            out.byte(66)
            eq(decode(finished(out)).payload, b"A" + src[:n] + b"B")


def test_put_around_32_and_255_near_the_end_of_the_buffer():
    src = bytes(i * 7 & 255 for i in range(300))
    for n in (0, 1, 2, 30, 31, 32, 33, 34, 253, 254, 255, 256, 257, 300):
        for spare in (0, 1, 2, 30, 31, 32, 33, 254, 255, 256):
            out = started(5 + n + spare)
            out.payload()
            out.put(src[:n])
            eq((n, spare, out.more), (n, spare, False))
            eq(decode(finished(out)).payload, src[:n])


def test_put_writes_nothing_behind_the_buffer():
    for size in range(8, 48):
        out = started(size)
        out.payload()
        out.put(b"\xaa" * 40)
        eq(len(out.buf), size)
        eq(out.more, size < 45)


# Overflow


def test_overflow_is_sticky():
    out = started(8)
    out.option(11, b"12345678")
    assert out.more
    out.option(12, b"")
    out.byte(0)
    out.put(b"")
    assert out.more
    assert out.finish() <= 8


def test_overflow_at_every_size():
    whole = encode(
        CON, GET, 0x1234, b"tk", [(11, b"3303"), (300, b"x" * 40), (2000, b"")], b"p" * 50
    )
    for size in range(6, len(whole) + 3):
        out = Builder(size)
        out.begin(CON, GET, 0x1234, b"tk", 0, 2)
        out.option(11, b"3303")
        out.option(300, b"x" * 40)
        out.uint(2000, 0)
        out.payload()
        out.put(b"p" * 50)
        eq((size, out.more), (size, size < len(whole)))
        n = out.finish()
        assert n <= size, (n, size)
        if not out.more:
            eq(bytes(out.buf[:n]), whole)


def test_rewind_forgets_everything_behind_the_token():
    out = Builder(32)
    out.begin(ACK, CONTENT, 9, b"tok", 0, 3)
    out.option(300, b"x")
    out.payload(5, 2)
    out.put(b"y" * 100)
    assert out.more
    out.rewind()
    assert not out.more
    eq(bytes(out.buf[: out.finish()]), encode(ACK, CONTENT, 9, b"tok"))
    out.rewind()
    out.option(4, b"e")
    out.payload()
    out.put(b"z")
    eq(finished(out), encode(ACK, CONTENT, 9, b"tok", [(4, b"e")], b"z"))


def test_begin_forgets_everything():
    out = started(16, b"12345678")
    out.payload(1, 1)
    out.put(b"xxxxxxxxxxxxxxx")
    out.begin(CON, GET, 1, b"", 0, 0)
    out.option(11, b"3")
    eq((finished(out), out.more), (encode(CON, GET, 1, b"", [(URI_PATH, b"3")]), False))


# The window

PIECES = (
    b"",
    b"a",
    b"0123456789",
    b"x" * 31,
    b"y" * 32,
    b"z" * 33,
    b"w" * 100,
    b"v" * 255,
    b"u" * 256,
)
WHOLE = b"A" + b"B".join(PIECES) + b"CC"


def write(out):
    out.byte(65)
    for i in range(len(PIECES)):
        if i:
            out.byte(66)
        out.put(PIECES[i])
    out.put(b"CCC", 2)


def test_window_wide_open():
    out = started(2000)
    out.payload()
    write(out)
    eq((decode(finished(out)).payload, out.more), (WHOLE, False))


def test_windows_of_any_size_add_up():
    out = started(2000)
    for room in (1, 2, 3, 7, 16, 31, 32, 33, 64, 100, 128, 255, 256, 257, 512, 1000):
        got = b""
        while True:
            out.rewind()
            out.payload(len(got), room)
            write(out)
            more = out.more
            part = decode(finished(out)).payload
            got += part
            if not more:
                break
            eq((room, len(part)), (room, room))
            assert len(got) < len(WHOLE), (room, len(got))
        eq(got, WHOLE)


def test_windows_bounded_by_the_buffer_add_up():
    for size in (6, 7, 37, 69, 300):
        out = started(size)
        got = b""
        while True:
            out.rewind()
            out.payload(len(got))
            write(out)
            more = out.more
            got += decode(finished(out)).payload
            if not more:
                break
            assert len(got) < len(WHOLE)
        eq(got, WHOLE)


def test_every_window_of_a_small_payload():
    out = started(64)
    for skip in range(13):
        for room in range(13):
            out.rewind()
            out.payload(skip, room)
            out.put(b"0123")
            out.byte(52)
            out.put(b"56789")
            expected = b"0123456789"[skip : skip + room]
            more = skip + room < 10
            eq((skip, room, out.more), (skip, room, more))
            eq(decode(finished(out)).payload, expected)


def test_room_wider_than_the_buffer_is_cut():
    out = started(16)
    out.payload(0, 1000)
    out.put(b"x" * 50)
    eq((out.finish(), out.more), (16, True))


# Memory


def build_short(out, token, text):
    out.begin(CON, GET, 0xFFFF, token, 0, 8)
    out.option(URI_PATH, b"3303")
    out.option(URI_PATH, text)
    out.uint(12, 11542)
    out.uint(60, 0x3FFFFFFF)
    out.option(300, token)
    out.payload()
    out.byte(255)
    out.put(token)
    out.put(token, 3)
    out.put(text)
    return out.finish()


def test_short_messages_allocate_nothing():
    out = Builder(1152)
    n = heap_locked(build_short, out, b"12345678", "abc")
    packet = decode(bytes(out.buf[:n]))
    eq(packet.payload, b"\xff12345678123abc")
    heap_locked(build_short, Builder(100), b"12345678", b"abc")


def put_all(out, values):
    for value in values:
        out.rewind()
        out.payload()
        out.put(value)


def test_put_below_256_bytes_allocates_nothing():
    values = [bytes(n) for n in (0, 1, 31, 32, 33, 128, 254, 255)]
    for size in (260, 261, 300, 600):
        heap_locked(put_all, started(size), values)


def put_passed_over(out, value):
    out.rewind()
    out.payload(1000, 16)
    for _ in range(4):
        out.put(value)
        out.byte(1)
        out.put(value, 100)


def test_what_the_window_passes_over_allocates_nothing():
    heap_locked(put_passed_over, started(100), b"x" * 110)


def test_overflow_by_bytes_allocates_nothing():
    def overflow(out):
        out.rewind()
        for i in range(100):
            out.byte(i)

    out = started(20)
    heap_locked(overflow, out)
    assert out.more
