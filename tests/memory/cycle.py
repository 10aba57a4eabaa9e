"""A client and its server in one process, over UDP on loopback, and a round of all that a client
does. Runs inside MicroPython, for tests in which the client finds no memory.

`Round(around)` loads the client anew, so that each round loads its lazy modules again. Only the
client's own steps are made inside of `around(step)`: what the server needs is always there.
"""

import random
import socket
import sys

from wire import (
    ACCEPT,
    ACK,
    BLOCK1,
    BLOCK2,
    CHANGED,
    CON,
    CONTENT,
    CONTENT_FORMAT,
    CREATED,
    DELETE,
    DELETED,
    FETCH,
    GET,
    IPATCH,
    LINK,
    LOCATION_PATH,
    OBSERVE,
    OCTETS,
    POST,
    PUT,
    SENML_CBOR,
    TEXT,
    TLV,
    URI_QUERY,
    decode,
    encode,
    segments,
)

CONTINUE, INCOMPLETE, UNAVAILABLE = 0x5F, 0x88, 0xA3
# What a FETCH of /26241/0/1 and 0/2, and an iPATCH of them to 7 and "x" carry
PATHS = b"\x82\xa1\x00\x6a/26241/0/1\xa1\x00\x6a/26241/0/2"
PATCH = b"\x82\xa2\x00\x6a/26241/0/1\x02\x07\xa2\x00\x6a/26241/0/2\x03\x61x"
# Seconds in which everything has been repeated that will be repeated
PATIENCE_S = 700


class Lost(Exception):
    """Something did not happen that has to happen whatever memory there is."""


def check(good, what):
    if not good:
        raise Lost(what)


class Server:
    """A server that repeats its requests, and answers those of the client."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            self.port = 20000 + random.getrandbits(15)
            try:
                self.sock.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass
        self.sock.setblocking(False)
        self.mid = 0
        self.reset()

    def reset(self):
        """Forget everything, for a new client."""
        self.round = None
        self.answers = {}
        self.notified = {}
        self.registers = self.updates = self.deregisters = 0
        self.sent = []
        self.body = b""
        self.client = None
        self.seen = {}

    def serve(self):
        """Take all that has come."""
        while True:
            try:
                data, address = self.sock.recvfrom(1500)
            except OSError:
                return
            self.client = address
            packet = decode(data)
            if packet.code == 0:
                continue
            if packet.code >= 64:
                self.take(packet)
            elif packet.type == CON:
                reply = self.seen.get((packet.mid, packet.token))
                if not reply:
                    reply = self.seen[(packet.mid, packet.token)] = self.answer(packet)
                self.sock.sendto(reply, address)

    def take(self, packet):
        # An answer, or a notification
        if packet.type == ACK:
            self.answers[packet.mid] = packet
            return
        if packet.type == CON:
            self.sock.sendto(encode(ACK, 0, packet.mid), self.client)
        if packet.token in self.notified:
            self.notified[packet.token].append(packet)
        else:
            self.answers[packet.token] = packet

    def answer(self, packet):
        options = []
        path = packet.path()
        code = CHANGED
        if packet.code == DELETE:
            self.deregisters += 1
            code = DELETED
        elif path == b"/rd":
            self.registers += 1
            code = CREATED
            options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"%d" % self.registers)]
        elif path == b"/dp":
            block = packet.uint(BLOCK1)
            if block >= 0:
                self.body = (self.body if block >> 4 else b"") + packet.payload
                options = [(BLOCK1, block)]
                if block & 8:
                    code = CONTINUE
            else:
                self.body = packet.payload
            if code == CHANGED:
                self.sent.append(self.body)
        else:
            self.updates += 1
        return encode(ACK, code, packet.mid, packet.token, options)


class Round:
    """A client that has just been loaded, its objects, and what a server does with it."""

    def __init__(self, server, around):
        self.server = server
        self.around = around
        server.reset()
        for name in list(sys.modules):
            if name.split(".")[0] == "lwm2m":
                del sys.modules[name]
        from lwm2m.client import Client
        from lwm2m.coap.traffic import Traffic
        from lwm2m.formats.opaque import Opaque
        from lwm2m.formats.senml_cbor import SenmlCbor
        from lwm2m.formats.text import Text
        from lwm2m.objects.base import Object
        from lwm2m.objects.device import Device
        from lwm2m.testing.fake_clock import FakeClock
        from lwm2m.types import E, INT, MULTI, OPAQUE, R, RW, STR, W

        cycle = self

        class Thing(Object):
            OID = 26241
            RESOURCES = (
                0, OPAQUE | RW, "blob",
                1, INT | RW, "a",
                2, STR | RW, "b",
                3, STR | R, "long",
                4, E, "run",
                5, OPAQUE | W, "stream",
                6, INT | RW | MULTI, "many",
                7, E, "defer",
            )  # fmt: skip
            STREAMS = (5,)
            a = 0
            b = "old"
            blob = b""
            long = "".join([chr(65 + i % 26) for i in range(700)])

            def run(self):
                cycle.executed.append(self.client.message.mid)
                bytearray(100)  # An application wants memory, too.

            def defer(self):
                cycle.executed.append(self.client.message.mid)
                response = self.client.defer()
                self.client.after(500, lambda: response.answer(CHANGED))

            def receive(self, rid, name, offset, data, more):
                if not offset:
                    cycle.stream = b""
                check(len(cycle.stream) == offset, "a piece of a stream is missing")
                cycle.stream += bytes(data)

        self.executed = []
        self.stream = b""
        self.events = []
        self.clock = FakeClock()
        self.client = Client("dev", mtu=256, clock=self.clock, on_event=self.on_event)
        for codec in (Text(), Opaque(), SenmlCbor()):
            self.client.add_format(codec)
        self.client.add(Device())
        self.thing = self.client.add(Thing(iid=0, many={0: 1}))
        self.client.allow_create(Thing)
        self.client.add_server("coap://127.0.0.1:%d" % server.port, lifetime_s=86400, pmin_s=0)
        self.registration = self.client.registrations[0]
        self.traffic = Traffic(self.registration.exchange)
        self.value = 0
        # How often a request is asked anew, and how often one is repeated, and seconds of patience
        self.asked = 5
        self.repeated = 6
        self.patience_s = PATIENCE_S

    def on_event(self, event, registration):
        self.events.append(event)
        bytearray(40)

    # Time

    def step(self):
        self.server.serve()
        due = self.around(self.client.step)
        self.server.serve()
        return due

    def wait(self, done, what, patience_s=PATIENCE_S):
        """Let time pass until `done()`."""
        end = self.clock.s + min(patience_s, self.patience_s)
        self.step()
        while not done():
            check(self.clock.s < end, what)
            due = self.step()
            if not done():
                self.clock.advance(max(1, min(due, 3000)))

    # Requests

    def exchange(self, code, path, payload=b"", options=(), kind=CON):
        """Send a request, and repeat it as it is: the answer."""
        server = self.server
        server.mid = mid = server.mid + 1 & 0xFFFF
        token = bytes((mid & 255, mid >> 8, 7))
        if (OBSERVE, 0) in options:
            server.notified[token] = []
        data = encode(kind, code, mid, token, segments(path) + list(options), payload)
        for _ in range(self.repeated):
            server.sock.sendto(data, server.client)
            for _ in range(8):
                self.step()
                answer = server.answers.get(mid) or server.answers.get(token)
                if answer and answer.code:
                    return answer
            self.clock.advance(3000)
        raise Lost("no answer to %d %s" % (code, path))

    def ask(self, expected, code, path, payload=b"", options=(), again=(UNAVAILABLE,), undo=None):
        """Ask until it is answered with `expected`; before that with nothing but `again`."""
        for _ in range(self.asked):
            answer = self.exchange(code, path, payload, options)
            if answer.code == expected:
                return answer
            check(answer.code in again, "%d %s: %x" % (code, path, answer.code))
            if undo:
                undo()
        raise Lost("%d %s: refused again and again" % (code, path))

    # Parts of the cycle

    def register(self):
        self.wait(lambda: self.client.registered, "not registered")

    def read(self):
        answer = self.ask(CONTENT, GET, "/26241/0/1", options=[(ACCEPT, TEXT)])
        check(answer.payload == b"%d" % self.thing.a, "another value")
        self.ask(CONTENT, GET, "/3/0")
        self.ask(CONTENT, GET, "/26241/0/2", options=[(ACCEPT, SENML_CBOR)])

    def discover(self):
        self.ask(CONTENT, GET, "/26241", options=[(ACCEPT, LINK)])

    def write(self):
        thing = self.thing
        self.value += 1
        old = (thing.a, thing.b)
        new = (self.value, "v%d" % self.value)
        both = b"\xc1\x01" + bytes((new[0],)) + bytes((0xC0 | len(new[1]), 2)) + new[1].encode()

        def whole():
            check((thing.a, thing.b) in (old, new), "half a value is written")

        self.ask(CHANGED, POST, "/26241/0", both, [(CONTENT_FORMAT, TLV)], undo=whole)
        check((thing.a, thing.b) == new, "it is not written")
        self.ask(CHANGED, PUT, "/26241/0/1", b"9", [(CONTENT_FORMAT, TEXT)])
        check(thing.a == 9, "it is not written")

    def write_many(self):
        many = b"\x86\x06\x41\x00\x05\x41\x01\x06"
        self.ask(CHANGED, PUT, "/26241/0/6", many, [(CONTENT_FORMAT, TLV)])
        check(dict(self.thing.many) == {0: 5, 1: 6}, "it is not written")
        self.ask(CHANGED, IPATCH, "/", PATCH, [(CONTENT_FORMAT, SENML_CBOR)])
        check((self.thing.a, self.thing.b) == (7, "x"), "it is not written")

    def execute(self):
        n = len(self.executed)
        self.ask(CHANGED, POST, "/26241/0/4")
        self.ask(CHANGED, POST, "/26241/0/7")
        check(len(self.executed) >= n + 2, "it is not executed")
        mids = set(self.executed)
        check(len(mids) == len(self.executed), "a request was carried out twice")
        self.executed.clear()

    def create(self):
        count = len(self.client.objects)

        def none():
            check(len(self.client.objects) == count, "refused and yet created")

        answer = self.ask(
            CREATED, POST, "/26241", b"\xc1\x01\x05", [(CONTENT_FORMAT, TLV)], undo=none
        )
        check(len(self.client.objects) == count + 1, "not created")
        where = "/" + "/".join([part.decode() for part in answer.all(LOCATION_PATH)])
        answer = self.ask(DELETED, DELETE, where, again=(UNAVAILABLE, 0x84))
        check(len(self.client.objects) == count, "not deleted")

    def observe(self):
        """Observe a resource and an instance, and both again as a composite."""
        self.tokens = []
        for code, path, payload, options in (
            (GET, "/26241/0/1", b"", [(ACCEPT, TEXT)]),
            (GET, "/26241/0", b"", [(ACCEPT, SENML_CBOR)]),
            (FETCH, "/", PATHS, [(CONTENT_FORMAT, SENML_CBOR), (ACCEPT, SENML_CBOR)]),
        ):
            answer = self.ask(CONTENT, code, path, payload, options + [(OBSERVE, 0)])
            check(answer.uint(OBSERVE) >= 0, "not observed")
            self.tokens.append(answer.token)

    def notify(self, s=10):
        """Each observation learns of a change, and of the last one."""
        notified = self.server.notified
        for token in self.tokens:
            notified[token].clear()
        self.value += 1
        for value in (100 + self.value, 1000 + self.value):
            self.thing.a = value
            self.thing.changed(1)
            self.step()
        last = b"%d" % self.thing.a
        cbor = b"\x19" + bytes((self.thing.a >> 8, self.thing.a & 255))

        def told():
            for token in self.tokens:
                if not notified[token]:
                    return False
                newest = notified[token][-1].payload
                # An instance is larger than a datagram: its first block is enough to see.
                if last not in newest and cbor not in newest:
                    return False
            return True

        self.wait(told, "not notified", s)

    def confirm(self):
        """The same with confirmable notifications, which are stored."""
        self.registration.server.storing = True
        self.notify(PATIENCE_S)
        self.registration.server.storing = False

    def attributes(self):
        """pmin and a threshold, which are in force for the observation at once."""
        self.ask(CHANGED, PUT, "/26241/0/1", options=[(URI_QUERY, b"pmax=3600")])
        observation = self.registration.reporting.observations[0]
        check(observation.attributes.get("pmax") == 3600, "not in force")
        self.ask(CHANGED, PUT, "/26241/0/1", options=[(URI_QUERY, b"pmax")])
        check("pmax" not in observation.attributes, "still in force")

    def cancel(self):
        for path, token in zip(("/26241/0/1", "/26241/0"), self.tokens):
            self.ask(CONTENT, GET, path, options=[(OBSERVE, 1)])
        self.ask(
            CONTENT,
            FETCH,
            "/",
            PATHS,
            [(CONTENT_FORMAT, SENML_CBOR), (ACCEPT, SENML_CBOR), (OBSERVE, 1)],
        )
        check(not self.registration.reporting.observations, "still observed")

    def blocks_down(self):
        body = b""
        number = 0
        while True:
            answer = self.ask(
                CONTENT,
                GET,
                "/26241/0/3",
                options=[(ACCEPT, TEXT), (BLOCK2, number << 4 | 2)],
            )
            body += answer.payload
            number += 1
            if not answer.uint(BLOCK2) & 8:
                break
        check(body == self.thing.long.encode(), "another value")

    def blocks_up(self, path="/26241/0/0"):
        body = bytes([(i + self.value) & 255 for i in range(300)])
        for _ in range(self.asked + 1):
            code = CONTINUE
            for number in range(5):
                more = 8 if number < 4 else 0
                answer = self.exchange(
                    PUT,
                    path,
                    body[number * 64 : number * 64 + 64],
                    [(CONTENT_FORMAT, OCTETS), (BLOCK1, number << 4 | more | 2)],
                )
                code = answer.code
                if code != CONTINUE:
                    break
            if code == CHANGED:
                break
            check(code in (UNAVAILABLE, INCOMPLETE), "block: %x" % code)
            check(path[-1] == "5" or self.thing.blob != body, "refused and yet written")
        check(code == CHANGED, "refused again and again")
        if path[-1] == "0":
            check(bytes(self.thing.blob) == body, "another value")
            self.thing.blob = b""
        else:
            check(self.stream == body, "another stream")

    def streams_up(self):
        self.blocks_up("/26241/0/5")

    def send(self):
        """A Send in blocks arrives, or says that it has not."""
        for _ in range(4):
            request = self.client.send("/26241/0")
            ssid = self.registration.server.ssid
            self.wait(lambda: request.results[ssid] is not None, "no outcome of a Send")
            if request.results[ssid] is True:
                break
        check(request.results[ssid] is True, "not sent")
        check(self.server.sent and self.thing.long.encode() in self.server.sent[-1], "not sent")
        self.server.sent.clear()

    def update(self):
        n = self.server.updates
        self.client.update(True)
        self.wait(lambda: self.server.updates > n and self.client.registered, "no Update")
        registers = self.server.registers
        self.client.reconnect()
        self.wait(
            lambda: self.server.registers > registers and self.client.registered, "no Register"
        )

    def leave(self):
        n = self.server.deregisters
        self.client.deregister()
        self.wait(lambda: self.client.ended, "it does not end")
        check(self.server.deregisters > n, "no De-register")
        self.client.reconnect()
        self.register()

    BASIC = (
        register, read, write, observe, notify, cancel, blocks_down, blocks_up, send,
    )  # fmt: skip
    FURTHER = (
        discover, write_many, execute, create, observe, attributes, notify, confirm, cancel,
        streams_up, update, leave,
    )  # fmt: skip

    def run(self, parts):
        for part in parts:
            part(self)

    def forget(self):
        """Begin anew after whatever has been lost, as a server does with a new registration."""
        registers = self.server.registers
        self.client.reconnect()
        self.wait(
            lambda: self.server.registers > registers and self.client.registered,
            "not registered again",
        )
        self.executed.clear()
        self.registration.server.storing = False
        self.server.sent.clear()
        for instance in list(self.client.objects):
            if instance.OID == 26241 and instance.iid:
                self.client.remove(instance)

    def consistent(self):
        """Nothing of a message is left behind."""
        exchange = self.registration.exchange
        self.wait(
            lambda: not exchange.separate and not [out for out in exchange.outgoing if out.state],
            "something is in flight for ever",
        )
        check(not exchange.serving and not exchange.deferred, "a request is being served")
        upload = exchange.upload
        check(not upload or upload.received < 0, "a transfer is under way")
        reporting = self.registration.reporting
        if reporting and not reporting.observations:
            check(not reporting.index.chains, "paths without an observation")
