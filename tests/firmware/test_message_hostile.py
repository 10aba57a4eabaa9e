# matrix
"""Valid and hostile datagrams, compared with the plain codec, without a byte of heap."""

from message_checks import IGNORE, OK, REJECT, SIZE1, UINTS, found
from testing import eq, heap_locked
from wire import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    GET,
    NON,
    OBSERVE,
    PUT,
    RST,
    URI_PATH,
    URI_QUERY,
    decode,
    encode,
)

from lwm2m.coap.message import Message


def numeric(part):
    if not 0 < len(part) < 6 or (part[0] == 48 and len(part) > 1):
        return -1
    for b in part:
        if not 48 <= b <= 57:
            return -1
    return int(part) if int(part) < 65535 else -1


def expect(b):
    """What Message should make of `b`, in the order of `actual`."""
    try:
        packet = decode(b)
    except ValueError as e:
        return REJECT if str(e) == "reject" else IGNORE
    known = {number: -1 for number, _, _ in UINTS}
    longest = {number: n for number, _, n in UINTS}
    seen = set()
    bad = 0
    path = []
    for number, value in packet.options:
        understood = number in (3, 7, URI_QUERY, URI_PATH)
        if number == URI_PATH:
            path.append(numeric(value))
        elif number in known:
            understood = number not in seen and len(value) <= longest[number]
            if understood:
                known[number] = min(int.from_bytes(value, "big"), 0x3FFFFFFF)
        seen.add(number)
        if number & 1 and not understood and not bad:
            bad = number
    if len(path) > 4 or -1 in path:
        path = -1
    if not packet.code:
        return (packet.type, 0, packet.mid, b"")
    return (
        packet.type,
        packet.code,
        packet.mid,
        packet.payload,
        packet.token,
        path,
        bad,
        len(packet.all(URI_QUERY)),
        [known[number] for number, _, _ in UINTS],
        packet.options,
    )


def actual(m, b):
    result = m.parse(b, len(b))
    if result:
        return result
    payload = bytes(m.buf[m.payload : m.end])
    if not m.code:
        return (m.type, 0, m.mid, payload)
    options = []
    wanted = decode(b).options
    for i in range(len(wanted)):
        number = wanted[i][0]
        index = len([o for o in wanted[:i] if o[0] == number])
        options.append((number, found(m, number, index)))
        if found(m, number, len([o for o in wanted if o[0] == number])) is not None:
            options.append("too many")
    return (
        m.type,
        m.code,
        m.mid,
        payload,
        bytes(m.buf[4 : 4 + m.token_len]),
        list(m.path[: m.depth]) if m.depth >= 0 else -1,
        m.bad_option,
        m.queries,
        [getattr(m, name) for _, name, _ in UINTS],
        options,
    )


SEEDS = (
    encode(CON, GET, 1, b"", [(URI_PATH, b"3"), (URI_PATH, b"0"), (URI_PATH, b"0")]),
    encode(
        CON, PUT, 2, b"12345678", [(URI_PATH, b"3303"), (CONTENT_FORMAT, 11542)], b"\xe4\x16\x44"
    ),
    encode(ACK, CONTENT, 3, b"ab", [(4, b"etag"), (OBSERVE, 70000), (BLOCK2, 0x1E)], b"x" * 20),
    encode(ACK, 0x41, 4, b"abcd", [(8, b"rd"), (8, b"a" * 14)]),
    encode(CON, GET, 5, b"t", [(URI_PATH, b"1"), (ACCEPT, 40), (BLOCK2, 6), (SIZE1, 70000)]),
    encode(
        NON, PUT, 6, b"", [(3, b"host"), (URI_QUERY, b"pmin=10"), (BLOCK1, 8), (300, b"?" * 13)]
    ),
    encode(CON, GET, 7, b"", [(URI_PATH, b"65534"), (2049, b""), (65535, b"last")]),
    encode(RST, 0, 8),
)


class Chance:
    """A seeded generator (xorshift of 16 bits): the same numbers at both widths."""

    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        x = self.x
        x ^= x << 7 & 0xFFFF
        x ^= x >> 9
        x ^= x << 8 & 0xFFFF
        self.x = x
        return x % n


def mutated(chance):
    b = bytearray(SEEDS[chance.below(len(SEEDS))])
    for _ in range(1 + chance.below(4)):
        what = chance.below(6)
        at = chance.below(len(b)) if b else 0
        if not b or what == 0:
            b[at:at] = bytes((chance.below(256),))
        elif what == 1:
            b[at:] = b""
        elif what == 2:
            b[at : at + 1] = b""
        elif what == 3:
            b[at] ^= 1 << chance.below(8)
        else:
            b[at] = (0, 0xFF, 0xD0, 0xE0, 0x0D, 0x0E, 0xDD, 0xEE, 0xF0, 0x11)[chance.below(10)]
    return bytes(b)


def parse_all(m, table):
    for b in table:
        if m.parse(b, len(b)) == OK:
            m.option(11, 1)
            m.option(15)


def hostile(seed, n):
    chance = Chance(seed)
    m = Message()
    for _ in range(n // 100):
        table = [mutated(chance) for _ in range(100)]
        heap_locked(parse_all, m, table)
        for b in table:
            got, expected = actual(m, b), expect(b)
            if got != expected:
                print(b.hex())
            eq(got, expected)


def test_valid_messages_allocate_nothing():
    heap_locked(parse_all, Message(), SEEDS)
    for b in SEEDS:
        eq(actual(Message(), b), expect(b))


def test_hostile_messages_allocate_nothing_and_are_read_as_the_plain_codec_reads_them():
    hostile(0xACE1, 4000)


def test_hostile_messages_of_another_seed():
    hostile(0x5EED, 4000)


def test_random_bytes():
    chance = Chance(0x1D1E)
    m = Message()
    for _ in range(20):
        table = []
        for _ in range(100):
            b = bytearray(chance.below(256) for _ in range(chance.below(40)))
            if b:
                b[0] = 0x40 | b[0] & 0x33
            table.append(bytes(b))
        heap_locked(parse_all, m, table)
        for b in table:
            eq(actual(m, b), expect(b))
