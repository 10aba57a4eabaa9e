"""A separate response (RFC 7252 §5.2.2): the request is acknowledged at once, the response
follows as a confirmable message of its own.

Loaded when a handler first calls `Client.defer`.
"""

import sys
from micropython import const

from lwm2m.errors import Lwm2mError

_GET = const(1)
_FETCH = const(5)
_BAD_REQUEST = const(0x80)
_INTERNAL = const(0xA0)
_UNAVAILABLE = const(0xA3)
_CONTENT_FORMAT = const(12)

_NEVER_MS = const(3600000)
# Message ids may have run out for a while.
_AGAIN_MS = const(1000)
# How many separate responses one server may wait for
_LIMIT = const(8)


def defer(client):
    """Do what `Client.defer` says. Raises RuntimeError when no request is being served."""
    for registration in client.registrations:
        exchange = registration.exchange
        if exchange.serving:
            if exchange.serving is not True:
                # A Read that was postponed, and is once more
                exchange.deferred = exchange.serving
            return exchange.deferred or SeparateResponse(exchange, client)
    raise RuntimeError("no request is being served")


class SeparateResponse:
    """A response that a handler gives later, with `answer`. Until then repetitions of the request
    are acknowledged and not carried out again.

    What a request asks for all at once, as a composite does, has one response, however often its
    handlers postpone it. `done` is None until the outcome is known, then True when the response
    was acknowledged, False when it was not. Raises Lwm2mError(5.03) when the server waits for 8
    responses already. Allocates: a copy of the token, and of a Read.
    """

    def __init__(self, exchange, client):
        if len(exchange.separate) >= _LIMIT:
            raise Lwm2mError(_UNAVAILABLE)
        message = exchange.message
        self.exchange = exchange
        self.client = client
        # The response did not fit, and 5.00 goes in its place
        self.lost = False
        self.mid = message.mid
        self.token = bytes(message.buf[4 : 4 + message.token_len])
        self.code = 0
        self.payload = b""
        self.format = -1
        # Options and payload of a Read, as they are sent
        self.content = None
        # The Read is to be carried out with the next step
        self.reading = False
        self.request = self.body = None
        if message.code == _GET or message.code == _FETCH:
            self.request = bytes(message.buf[: message.size])
            if message.body is not message.buf:
                self.body = bytes(message.body[message.payload : message.end])
        self.done = None
        exchange.separate.append(self)
        exchange.deferred = self

    def answer(self, code=0x44, payload=b"", format=-1):
        """Answer with a response code (default 2.04), and with `payload` in a content format.
        It leaves with the next `step`."""
        self.code = code
        self.payload = payload
        self.format = format
        self.client.wake()

    def read(self):
        """Answer a Read, a Read-Composite or an Observe with the values that there are now: it is
        carried out anew, with the next `step`, and may be postponed once more. Raises RuntimeError
        when the request was none of these. Allocates: the answer."""
        if not self.request:
            raise RuntimeError("no Read: use answer()")
        self.reading = True
        self.client.wake()

    # For the exchange layer

    def step(self):
        """Send the response as soon as there is one and NSTART allows: milliseconds until the
        next try."""
        exchange = self.exchange
        if self.reading and not self.code:
            self._carry_out()
        if not self.code or self.done is not None or not exchange.free():
            return _NEVER_MS
        exchange.message_ids.append(self.mid, self.code)
        self.done = False  # A MemoryError below leaves it in flight.
        sent = exchange.request(self.code, self, None, self.token)
        if sent:
            return _NEVER_MS
        self.done = None
        if sent is False:
            # It does not fit: the server learns that there is nothing to come.
            self.lost = True
            self.answer(_INTERNAL)
            return 0
        return _AGAIN_MS

    def _carry_out(self):
        # Serve the request from where it was kept.
        exchange = self.exchange
        self.reading = False
        message = exchange.message
        message.parse(self.request, len(self.request))
        if self.body is not None:
            message.body = self.body
            message.payload = 0
            message.end = len(self.body)
        out = exchange.builder
        out.begin(0, 0, 0, self.token, 0, len(self.token))
        exchange.serving = self
        content = b""
        try:
            code = exchange.owner.on_request(message, out)
            content = bytes(out.buf[out.start : out.finish()])
        except Lwm2mError as e:
            code = e.args[0] if e.args else _BAD_REQUEST
            exchange.deferred = None
        except MemoryError:
            code = _UNAVAILABLE
            exchange.deferred = None
        except Exception as e:
            sys.print_exception(e)
            code = _INTERNAL
            exchange.deferred = None
        exchange.serving = False
        if exchange.deferred:
            exchange.deferred = None
        else:
            self.code = code
            self.content = content if code < _BAD_REQUEST else b""

    def on_build(self, out, outgoing):
        if self.content:
            out.put(self.content)
        if self.format >= 0:
            out.uint(_CONTENT_FORMAT, self.format)
        if self.payload:
            out.payload()
            out.put(self.payload)

    def on_reply(self, message, tag):
        self.done = not self.lost
        self.exchange.separate.remove(self)

    def on_failure(self, tag, reason):
        self.done = False
        if self in self.exchange.separate:
            self.exchange.separate.remove(self)
