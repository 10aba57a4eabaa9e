"""The bench of the firmware's tests: a client and its scripted server, without a network."""

from testing import eq
from wire import (
    ACCEPT,
    ACK,
    CON,
    CONTENT_FORMAT,
    CREATED,
    LOCATION_PATH,
    NON,
    POST,
    decode,
    encode,
    segments,
)

from lwm2m.client import Client
from lwm2m.formats.opaque import Opaque
from lwm2m.formats.text import Text
from lwm2m.testing.fake_clock import FakeClock
from lwm2m.testing.loopback import Loopback


class ScriptedServer:
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
    """A client that speaks all formats, with a clock that stands still, and one server: with
    LwM2M 1.2, unless `lwm2m` says otherwise, because that has all there is."""

    def __init__(self, lifetime_s=86400, near=None, mtu=1152, ring=16, endpoint="dev", **terms):
        self.clock = FakeClock()
        self.events = []
        self.client = Client(endpoint, mtu=mtu, ring=ring, clock=self.clock, on_event=self._event)
        self.client.add_format(Text())
        self.client.add_format(Opaque())
        self.far = ScriptedServer(self, near)
        self.server = self.add_server(self.far, lifetime_s, **terms)
        self.registration = self.client.registrations[0]

    def _event(self, event, registration):
        self.events.append(event)

    def add_server(self, far, lifetime_s=86400, lwm2m="1.2", **terms):
        terms["lwm2m"] = lwm2m
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
