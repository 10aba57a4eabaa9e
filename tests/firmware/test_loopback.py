"""The bench of the firmware tests: a client and its scripted server, joined without a network.

`encode` and `decode` are a second, plain CoAP codec (RFC 7252 §3) that shares nothing with the
firmware. `Bench` and `Far` belong to every test that talks to a client.
"""

from testing import eq, raises

from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback

CON, NON, ACK, RST = 0, 1, 2, 3
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = 1, 2, 3, 4, 5, 6, 7
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45

OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT, URI_QUERY, ACCEPT = 6, 8, 11, 12, 15, 17
BLOCK2, BLOCK1 = 23, 27
TEXT, LINK, OCTETS, TLV = 0, 40, 42, 11542


class Packet:
    """A decoded datagram: `options` is a list of (number, bytes)."""

    def __init__(self, kind, code, mid, token, options, payload):
        self.type = kind
        self.code = code
        self.mid = mid
        self.token = token
        self.options = options
        self.payload = payload

    def all(self, number):
        return [value for n, value in self.options if n == number]

    def one(self, number):
        values = self.all(number)
        eq(len(values), 1)
        return values[0]

    def uint(self, number):
        """The value of an integer option, or -1 without it."""
        values = self.all(number)
        return int.from_bytes(values[0], "big") if values else -1

    def path(self):
        return b"/" + b"/".join(self.all(URI_PATH))

    def __repr__(self):
        return "<%s %d.%02d mid=%d %r %r>" % (
            ("CON", "NON", "ACK", "RST")[self.type],
            self.code >> 5,
            self.code & 31,
            self.mid,
            self.options,
            self.payload,
        )


def uint_bytes(value):
    """An unsigned integer as an option has it: without leading zeros (§3.2)."""
    out = b""
    while value:
        out = bytes((value & 255,)) + out
        value >>= 8
    return out


def _nibble(n):
    if n < 13:
        return n, b""
    if n < 269:
        return 13, bytes((n - 13,))
    return 14, bytes((n - 269 >> 8, n - 269 & 255))


def encode(kind, code, mid, token=b"", options=(), payload=b""):
    """A datagram; `options` are (number, bytes or int) in any order."""
    out = bytes((0x40 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token
    last = 0
    # sorted() is not stable here: sort by place as well.
    order = sorted((options[i][0], i) for i in range(len(options)))
    for number, i in order:
        value = options[i][1]
        if isinstance(value, int):
            value = uint_bytes(value)
        delta, more_delta = _nibble(number - last)
        length, more_length = _nibble(len(value))
        out += bytes((delta << 4 | length,)) + more_delta + more_length + value
        last = number
    if payload:
        out += b"\xff" + payload
    return out


def decode(b):
    """The Packet in `b`. Raises ValueError: "ignore" or "reject", as RFC 7252 §3 wants it."""
    if len(b) < 4 or b[0] >> 6 != 1:
        raise ValueError("ignore")
    kind, token_length, code = b[0] >> 4 & 3, b[0] & 15, b[1]
    mid = b[2] << 8 | b[3]
    if code == 0:
        if len(b) != 4 or token_length:
            raise ValueError("reject")
        return Packet(kind, code, mid, b"", [], b"")
    if token_length > 8 or len(b) < 4 + token_length or code >> 5 in (1, 6, 7):
        raise ValueError("reject")
    token = b[4 : 4 + token_length]
    rest = b[4 + token_length :]
    options = []
    number = 0
    payload = b""
    while rest:
        if rest[0] == 0xFF:
            payload = rest[1:]
            if not payload:
                raise ValueError("reject")
            break
        fields = [rest[0] >> 4, rest[0] & 15]
        rest = rest[1:]
        for i in (0, 1):
            if fields[i] == 15:
                raise ValueError("reject")
            if fields[i] > 12:
                size = fields[i] - 12
                if len(rest) < size:
                    raise ValueError("reject")
                fields[i] = int.from_bytes(rest[:size], "big") + (13, 269)[size - 1]
                rest = rest[size:]
        number += fields[0]
        if len(rest) < fields[1] or number > 65535:
            raise ValueError("reject")
        options.append((number, rest[: fields[1]]))
        rest = rest[fields[1] :]
    return Packet(kind, code, mid, token, options, payload)


def segments(path):
    """The Uri-Path options of "/3/0/1"."""
    return [(URI_PATH, part.encode()) for part in path.split("/") if part]


class Far:
    """One server, scripted: what it sends lies before the client, what the client has sent is
    taken from here."""

    def __init__(self, bench, near=None):
        self.bench = bench
        self.near = near or Loopback()
        self.end = Loopback()
        self.near.peer = self.end
        self.end.peer = self.near
        self.mid = 0x1000

    def take(self):
        """Everything the client has sent since, decoded."""
        sent = [decode(datagram) for datagram in self.end.queue]
        self.end.queue.clear()
        return sent

    def send(self, datagram):
        """Send bytes and let the client handle them: its answers."""
        self.end.send(datagram, len(datagram))
        self.bench.client.step()
        return self.take()

    def ask(self, code, path, payload=b"", format=-1, accept=-1, options=(), kind=CON, mid=-1):
        """Send a request and return its only answer."""
        if mid < 0:
            self.mid = mid = self.mid + 1 & 0xFFFF
        options = segments(path) + list(options)
        if format >= 0:
            options.append((CONTENT_FORMAT, format))
        if accept >= 0:
            options.append((ACCEPT, accept))
        token = bytes((mid & 255, 0xA5, mid >> 8))
        answers = self.send(encode(kind, code, mid, token, options, payload))
        eq(len(answers), 1)
        answer = answers[0]
        eq(answer.token, token)
        if kind == CON:
            eq((answer.type, answer.mid), (ACK, mid))
        else:
            eq(answer.type, NON)
        return answer

    def reply(self, request, code, options=(), payload=b""):
        """Answer a request of the client, piggybacked: what it sends upon that."""
        return self.send(encode(ACK, code, request.mid, request.token, options, payload))

    def accept_register(self, location="/rd/5a3f"):
        """Let the client register; returns its request."""
        self.bench.client.step()
        sent = self.take()
        eq(len(sent), 1)
        eq((sent[0].code, sent[0].path()), (POST, b"/rd"))
        where = [(LOCATION_PATH, part.encode()) for part in location.split("/") if part]
        eq(self.reply(sent[0], CREATED, where), [])
        return sent[0]


class Bench:
    """A client that speaks all formats, with a clock that stands still, and one server."""

    def __init__(self, lifetime_s=86400, near=None, mtu=1152, ring=16, endpoint="dev", **terms):
        self.clock = FakeClock()
        self.events = []
        self.client = Client(endpoint, mtu=mtu, ring=ring, clock=self.clock, on_event=self._event)
        self.client.add_format(Text())
        self.client.add_format(Opaque())
        self.far = Far(self, near)
        self.server = self.add_server(self.far, lifetime_s, **terms)
        self.registration = self.client.registrations[0]

    def _event(self, event, registration):
        self.events.append(event)

    def add_server(self, far, lifetime_s=86400, **terms):
        return self.client.add_server(
            "coap://localhost", lifetime_s=lifetime_s, transport=far.near, **terms
        )

    def registered(self):
        """Register with the one server; returns the bench."""
        self.far.accept_register()
        assert self.client.registered
        return self

    def ask(self, code, path, payload=b"", **more):
        return self.far.ask(code, path, payload, **more)

    def advance(self, ms):
        """Let time pass all at once, and step."""
        self.clock.advance(ms)
        return self.client.step()

    def now_ms(self):
        return self.clock.s * 1000 + self.clock.ms

    def watch(self, seconds, far=None, answer=None, keep=True):
        """Let time pass as a driver would: [(ms, Packet)] of what was sent when.

        `answer(packet)` is called for each and may reply; `keep=False` returns nothing.
        """
        far = far or self.far
        end = self.clock.s + seconds
        seen = []
        steps = 0
        while self.clock.s < end:
            due = self.client.step()
            for packet in far.take():
                if keep:
                    seen.append((self.now_ms(), packet))
                if answer:
                    answer(packet)
            steps += 1
            assert steps < 200000, "the client never rests"
            self.clock.advance(min(due, (end - self.clock.s) * 1000))
        return seen


# The bench itself


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


def test_bench_registers_and_asks():
    bench = Bench().registered()
    eq(bench.ask(GET, "/1/0/0", accept=TEXT).payload, b"1")
    eq(bench.events, ["registered"])
