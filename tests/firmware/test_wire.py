"""The CoAP codec of the tests."""

from testing import eq, raises
from wire import ACK, CON, CONTENT, GET, URI_PATH, decode, encode


def test_decode_is_the_inverse_of_encode():
    options = [(1, b""), (11, b"3"), (11, b"0"), (300, b"x" * 13), (2000, b"y" * 300)]
    b = encode(CON, GET, 0x1234, b"tok", options, b"pay")
    packet = decode(b)
    eq((packet.type, packet.code, packet.mid, packet.token), (CON, GET, 0x1234, b"tok"))
    eq(packet.options, options)
    eq(packet.payload, b"pay")


def test_decode_refuses_what_is_not_coap():
    for b, why in (
        (b"\x40\x01\x00", "ignore"),
        (b"\x80\x01\x00\x00", "ignore"),
        (b"\x49\x01\x00\x00" + bytes(9), "reject"),
        (b"\x40\x01\x00\x00\xff", "reject"),
        (b"\x40\x01\x00\x00\xf0", "reject"),
    ):
        eq(str(raises(ValueError, decode, b)), why)


def test_known_datagram_of_rfc7252_appendix_a():
    # Figure 16: a confirmable GET of /temperature and the piggybacked 2.05
    eq(
        encode(CON, GET, 0x7D34, b"", [(URI_PATH, b"temperature")]),
        b"\x40\x01\x7d\x34\xbbtemperature",
    )
    eq(encode(ACK, CONTENT, 0x7D34, b"", (), b"22.3 C"), b"\x60\x45\x7d\x34\xff22.3 C")
