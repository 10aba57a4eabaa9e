"""Our exchange layer as a CoAP client of other people's servers.

Its argument is a file with a JSON object: `port`, `asks`, and if wanted `mtu`, `lost` (numbers
of the datagrams that get lost on their way out), `ack_timeout_ms`, `max_retransmit`. An ask is an
object: `method` ("get", "ping", …), `path`, and if wanted `query`, `format`, `accept`, `observe`,
`block2` (an option value), `text` or `body` (the length of one that is made up), `wait_ms` (for a
ping). For each ask it prints "answer" and an object; it ends after the last one, having listened
for `linger_ms`.
"""

import json
import select
import sys

from lwm2m.clock import Deadline
from lwm2m.coap.exchange import Exchange
from wire import Body, Context, Digest, LoggedUdp

METHODS = {"get": 1, "post": 2, "put": 3, "delete": 4, "fetch": 5, "patch": 6, "ipatch": 7}
ETAG, OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT = 4, 6, 8, 11, 12
URI_QUERY, ACCEPT, BLOCK2 = 15, 17, 23
RST = 3


class Asker:
    """The owner of the exchange: asks one thing after the other."""

    def __init__(self, config):
        self.context = context = Context(config)
        self.transport = LoggedUdp("127.0.0.1", config["port"])
        self.transport.lost = config.get("lost", ())
        self.exchange = Exchange(self.transport, self, context)
        self.exchange.ack_timeout_ms = config.get("ack_timeout_ms", 2000)
        self.exchange.max_retransmit = config.get("max_retransmit", 4)
        self.body_limit = 0
        self.answer = self.digest = None
        self.blocks = 0

    def on_build(self, out, outgoing):
        ask = outgoing.tag
        if "observe" in ask:
            out.uint(OBSERVE, ask["observe"])
        for segment in ask["path"].split("/"):
            if segment:
                out.option(URI_PATH, segment.encode())
        if "format" in ask:
            out.uint(CONTENT_FORMAT, ask["format"])
        for query in ask.get("query", ()):
            out.option(URI_QUERY, query.encode())
        if "accept" in ask:
            out.uint(ACCEPT, ask["accept"])
        if "block2" in ask and outgoing.block2 < 0:
            out.uint(BLOCK2, ask["block2"])
        outgoing.payload(out)
        if "body" in ask:
            out.pull(Body(ask["body"]), ask["body"])
        elif "text" in ask:
            out.put(ask["text"].encode())

    def on_reply(self, message, ask):
        # Whether the blocks that follow are wanted
        self.blocks += 1
        self.digest.add(memoryview(message.body)[message.payload : message.end])
        if message.block2 >= 0 and message.block2 & 8:
            return True  # for the rest of it
        location = []
        while message.option(LOCATION_PATH, len(location)):
            location.append(message.text())
        self.answer = {
            "code": f"{message.code >> 5}.{message.code & 31:02d}",
            "format": message.format,
            "observe": message.observe,
            "block1": message.block1,
            "etag": message.option(ETAG),
            "location": b"/".join(location),
            "n": self.digest.n,
            "sha256": self.digest.hex(),
            "blocks": self.blocks,
        }
        if self.digest.n <= 80:
            self.answer["text"] = self.digest.head.decode()
        return False

    def on_failure(self, ask, reason):
        self.answer = {"failed": ("no answer", "reset")[reason] if reason < 2 else reason}

    registered = True

    def on_request(self, message, out):
        return 0x84

    def on_stream(self, message):
        return None

    def ping(self, wait_ms):
        """A CoAP ping (RFC 7252 §4.3); whatever comes back is looked at from outside."""
        mid = 0xABCD
        self.transport.send(bytes((0x40, 0, mid >> 8, mid & 255)), 4)
        message = self.context.message
        end = Deadline(self.context.clock)
        end.after(wait_ms)
        self.answer = {"failed": "no answer"}
        while end.left_ms():
            self.turn(20)
            if message.type == RST and message.mid == mid:
                self.answer = {"code": "reset"}
                return

    def turn(self, longest_ms):
        self.context.clock.update()
        left = self.exchange.step()
        for _ in self.poller.ipoll(min(left, longest_ms)):
            pass
        self.context.clock.update()
        while self.exchange.poll():
            pass

    def run(self, config):
        self.poller = select.poll()
        self.transport.open(self.poller)
        for ask in config["asks"]:
            if ask["method"] == "ping":
                self.ping(ask.get("wait_ms", 10000))
            else:
                self.answer = None
                self.digest = Digest()
                self.blocks = 0
                if not self.exchange.request(METHODS[ask["method"]], self, ask):
                    self.answer = {"failed": "does not fit"}
                while not self.answer:
                    self.turn(1000)
            print("answer", json.dumps(self.answer))
        self.context.clock.update()
        end = Deadline(self.context.clock)
        end.after(config.get("linger_ms", 0))
        while end.left_ms():
            self.turn(20)


with open(sys.argv[1]) as file:
    config = json.load(file)
Asker(config).run(config)
