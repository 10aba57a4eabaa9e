"""The transport without a network."""

from testing import eq, raises

from lwm2m.testing.loopback import Loopback


# The bench itself


def test_pair_carries_copies_both_ways():
    a, b = Loopback.pair()
    buf = bytearray(b"hello")
    a.send(buf, 4)
    buf[0] = 0
    eq(b.receive(), 4)
    eq(bytes(b.data), b"hell")
    eq(b.receive(), -1)
    b.send(b"back", 4)
    eq(a.queue, [b"back"])


def test_error_is_raised_by_open_and_send():
    a, b = Loopback.pair()
    a.error = OSError(101)
    raises(OSError, a.open)
    raises(OSError, a.send, b"x", 1)
    a.error = None
    a.open()
    eq(a.opened, 1)


def test_close_forgets_what_was_not_received():
    a, b = Loopback.pair()
    b.send(b"x", 1)
    a.close()
    eq(a.receive(), -1)
