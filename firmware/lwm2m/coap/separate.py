"""An answer that comes later (RFC 7252 §5.2.2): the request is acknowledged at once, the response
follows as a confirmable message of its own.

Loaded when a handler first wants it.
"""

from micropython import const

_INTERNAL = const(0xA0)
_UNAVAILABLE = const(0xA3)
_CONTENT_FORMAT = const(12)

_NEVER_MS = const(3600000)
# Message ids may have run out for a while.
_AGAIN_MS = const(1000)
# How many answers may be owed to one server
_PENDING = const(8)


class Later:
    """What a handler owes. `answer` gives it; until then repetitions of the request are
    acknowledged and not carried out again. Allocates: a copy of the token."""

    def __init__(self, exchange, client):
        if len(exchange.pending) >= _PENDING:
            raise client.objects[0].Refused(_UNAVAILABLE)  # enough is owed already
        message = exchange.message
        self.exchange = exchange
        self.client = client
        self.lost = False
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
        self.client.wake()

    # For the exchange layer

    def step(self):
        """Send the answer as soon as there is one, and a slot for it: milliseconds until the next
        try."""
        exchange = self.exchange
        if not self.code or self.done is not None or not exchange.free():
            return _NEVER_MS
        ring = exchange.ring
        if ring.find(self.mid):
            ring.values[ring.index] = ring.values[ring.index] & 0x3F00FFFF | self.code << 16
        sent = exchange.request(self.code, self, self.token)
        if sent:
            self.done = False
            return _NEVER_MS
        if sent is False:
            # It does not fit: the server learns that there is nothing to come.
            self.lost = True
            self.answer(_INTERNAL)
            return 0
        return _AGAIN_MS

    def on_build(self, out, tag):
        if self.format >= 0:
            out.uint(_CONTENT_FORMAT, self.format)
        if self.payload:
            out.payload()
            out.put(self.payload)

    def on_reply(self, message, tag):
        self.done = not self.lost
        self.exchange.pending.remove(self)

    def on_failure(self, tag, reason):
        self.done = False
        self.exchange.pending.remove(self)
