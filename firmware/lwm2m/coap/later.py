"""An answer that comes later (RFC 7252 §5.2.2): the request is acknowledged at once, the response
follows as a confirmable message of its own.

Loaded when a handler first wants it.
"""

from micropython import const

_CONTENT_FORMAT = const(12)


class Later:
    """What a handler owes. `answer` gives it; until then repetitions of the request are
    acknowledged and not carried out again. Allocates: a copy of the token."""

    def __init__(self, exchange):
        message = exchange.message
        self.exchange = exchange
        self.mid = message.mid
        self.token = bytes(message.buf[4 : 4 + message.token_len])
        self.code = 0
        self.payload = b""
        self.format = -1
        self.done = None
        exchange.pending.append(self)
        exchange.deferred = self

    def answer(self, code=0x44, payload=b"", format=-1):
        """Answer with a response code (default 2.04), and with `payload` in a content format.

        It leaves with the next `step`. `done` becomes True when it was acknowledged, False
        when it was not.
        """
        self.code = code
        self.payload = payload
        self.format = format

    # For the exchange layer

    def step(self):
        """Send the answer as soon as there is one, and a slot for it."""
        exchange = self.exchange
        if self.code and self.done is None and exchange.free():
            self.done = False
            exchange.ring.update(self.mid, self.code)
            exchange.request(self.code, self, self.token)

    def on_build(self, out, tag):
        if self.format >= 0:
            out.uint(_CONTENT_FORMAT, self.format)
        if self.payload:
            out.payload()
            out.put(self.payload)

    def on_reply(self, message, tag):
        self.done = True
        self.exchange.pending.remove(self)

    def on_failure(self, tag, reset):
        self.done = False
        self.exchange.pending.remove(self)
