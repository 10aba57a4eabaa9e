"""Steps of a registration that its tests share."""

from testing import eq
from wire import CHANGED, CREATED, DELETE, DELETED, LOCATION_PATH, POST

BAD_REQUEST, FORBIDDEN, NOT_FOUND, PRECONDITION_FAILED = 0x80, 0x83, 0x84, 0x8C
DAY_S = 86400


def is_register(packet):
    return packet.code == POST and packet.path() == b"/rd"


def started(bench):
    """The first thing the client sends: its Register."""
    bench.client.step()
    sent = bench.far.take()
    eq(len(sent), 1)
    assert is_register(sent[0]), sent
    return sent[0]


def one(packets):
    eq(len(packets), 1)
    return packets[0]


def accept(far, packet):
    """Answer what a client on its own may send."""
    if is_register(packet):
        far.reply(packet, CREATED, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5a3f")])
    elif packet.code == POST:
        far.reply(packet, CHANGED)
    elif packet.code == DELETE:
        far.reply(packet, DELETED)
