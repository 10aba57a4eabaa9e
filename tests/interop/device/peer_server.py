"""Our exchange layer as a CoAP server for other people's clients.

Its argument is a file with a JSON object: `port`, and if wanted `mtu`, `lost` (numbers of the
datagrams, per client, that get lost on their way out), `ack_timeout_ms`, `later_ms`, `body_limit`.
"""

import json
import sys

from lwm2m.clock import Deadline
from lwm2m.coap.exchange import Exchange
from lwm2m.coap.separate import SeparateResponse
from lwm2m.management.read_block import read_block
from wire import Body, Context, Digest, Door

GET, POST, PUT, DELETE = 1, 2, 3, 4
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45
FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 0x83, 0x84, 0x85
URI_PATH, CONTENT_FORMAT, URI_QUERY = 11, 12, 15

LARGE = {b"large": 2500, b"huge": 20000, b"3303/0/5700": 5000}


class Codec:
    """The smallest codec that can stand behind a block-wise read."""

    FRAMED = False

    def __init__(self, format):
        self.FORMAT = format

    def resource(self, out, rid, flags, value):
        out.pull(value, value.n if isinstance(value, Body) else len(value))


class Sink:
    """Takes an upload block by block and keeps nothing of it."""

    def __init__(self, house):
        self.digest = house.digest = Digest()

    def receive(self, message, offset):
        self.digest.add(memoryview(message.body)[message.payload : message.end])
        return 0 if message.block1 & 8 else CHANGED


class House:
    """What the server has: the same for all clients."""

    def __init__(self, config):
        self.config = config
        self.context = Context(config)
        self.stored = None
        self.count = 0
        self.digest = Digest()
        self.waiting = []

    def greet(self, visitor):
        """The exchange with a new client."""
        visitor.lost = self.config.get("lost", ())
        guest = Guest(self)
        guest.exchange = Exchange(visitor, guest, self.context)
        guest.exchange.ack_timeout_ms = self.config.get("ack_timeout_ms", 2000)
        return guest.exchange

    def later(self, exchange):
        """Answer the request at hand after a while: returns 0."""
        due = Deadline(self.context.clock)
        due.after(self.config.get("later_ms", 300))
        self.waiting.append((due, SeparateResponse(exchange, self.context)))
        return 0

    def run(self):
        door = Door(self.config["port"], self.greet)
        print("ready")
        while True:
            self.context.clock.update()
            while door.receive():
                pass
            for entry in list(self.waiting):
                if not entry[0].left_ms():
                    self.waiting.remove(entry)
                    entry[1].answer(CONTENT, b"at last", 0)
            wait_ms = 10 if self.waiting else 1000
            for _ in door.poll.ipoll(min(door.step(), wait_ms)):
                pass


class Guest:
    """One client: the owner of its exchange."""

    def __init__(self, house):
        self.house = house
        self.client = house.context
        self.exchange = None
        self.body_limit = house.context.body_limit

    def on_stream(self, message):
        return Sink(self.house) if texts(message, URI_PATH) == b"sink" else None

    registered = True

    def on_request(self, message, out):
        house = self.house
        code = message.code
        # Before a look at the options, which reads the datagram again
        payload = memoryview(message.body)[message.payload : message.end]
        path = texts(message, URI_PATH)
        if path == b"later":
            if code == POST:
                house.count += 1
            return house.later(self.exchange)
        if path == b"forbidden":
            return FORBIDDEN
        if path == b"count" and code == POST:
            house.count += 1
            return CHANGED
        if path == b"sink":
            # One that came whole; in blocks it ends in the Sink.
            if code == GET:
                return self.content(message, out, house.digest.hex().encode())
            Sink(house).digest.add(payload)
            return CHANGED
        if path == b"store":
            if code == PUT:
                created = house.stored is None
                house.stored = bytes(payload)
                return CREATED if created else CHANGED
            if house.stored is None:
                return NOT_FOUND
            if code == DELETE:
                house.stored = None
                return DELETED
            if code == GET:
                return self.content(message, out, house.stored)
            return NOT_ALLOWED
        if path.startswith(b"echo"):
            text = path + b"?" + texts(message, URI_QUERY, b"&")
            return self.content(message, out, text) if code == GET else NOT_ALLOWED
        if code == GET:
            if path == b"small":
                return self.content(message, out, b"hello")
            if path == b"count":
                return self.content(message, out, str(house.count).encode())
            if path in LARGE:
                return self.content(message, out, Body(LARGE[path]), 42)
        return NOT_FOUND

    def on_repeat(self, message, out):
        """Nothing that is created here gets a name of its own."""

    def content(self, message, out, value, format=0):
        """2.05: whole where that was not asked otherwise and it fits, else a block."""
        codec = Codec(format)
        if message.block2 < 0:
            out.uint(CONTENT_FORMAT, format)
            out.payload()
            codec.resource(out, 0, 0, value)
            if not out.more:
                return CONTENT
        return read_block(self, message, out, codec, message.path, 3, 0, value)


def texts(message, number, glue=b"/"):
    """The options of a number, joined."""
    found = []
    while message.option(number, len(found)):
        found.append(message.text())
    return glue.join(found)


with open(sys.argv[1]) as file:
    House(json.load(file)).run()
