"""The exchange layer for one CoAP peer (RFC 7252 §4, §5.2, §5.3).

One confirmable message of ours is in flight at a time (NSTART 1, §4.7). It is not kept, but
written again by the owner for each retransmission: that takes no buffer, and says what is true
now. Requests that change something are remembered by message id,
with the answer they got, so that a repeated one is answered again and never done twice (§4.5);
reads are simply done again.

The owner has `on_build(builder, tag)` to write what we ask, `on_reply(message, tag)` for the
answer, `on_failure(tag, reset)` when there was none or a RST; `on_request(message, builder)` to
answer what we are asked: it returns the response code, and may leave one small integer in
`builder.detail` to be remembered, so that `on_repeat(message, builder, code)` can write the
options of the answer once more.
"""

import os
import random
from array import array
from micropython import const

from lwm2m.ports.clock import Deadline

_CON = const(0)
_NON = const(1)
_ACK = const(2)
_RST = const(3)

_GET = const(1)
_FETCH = const(5)
_BAD_OPTION = const(0x82)
_PROXYING_NOT_SUPPORTED = const(0xA5)
_PROXY_URI = const(35)
_PROXY_SCHEME = const(39)

_NEVER_MS = const(3600000)
_EXCHANGE_LIFETIME_S = const(247)
# How long to wait for the response after an empty acknowledgement: MAX_TRANSMIT_WAIT, §4.8.2.
_MAX_TRANSMIT_WAIT_S = const(93)

# State of the message in flight
_IDLE = const(0)
_UNACKNOWLEDGED = const(1)
_ACKNOWLEDGED = const(2)


class Exchange:
    """One peer: `transport` to reach it, `owner` to decide, `message` and `builder` shared.

    `ack_timeout_ms` is ACK_TIMEOUT, `max_retransmit` MAX_RETRANSMIT (§4.8), `ring` how many
    changing requests are remembered; `error` the last OSError of the transport.
    Allocates, once: 12 bytes for each entry of the ring.
    """

    def __init__(self, transport, owner, clock, message, builder, ring=16):
        self.transport = transport
        self.ack_timeout_ms = 2000
        self.max_retransmit = 4
        self.error = None
        self.owner = owner
        self.clock = clock
        self.message = message
        self.builder = builder
        self.mid = random.getrandbits(16)
        self.token = b""
        self.code = self.tag = self.state = self.count = self.timeout_ms = 0
        self.acked = self.sent = -1
        self.due = Deadline(clock)
        # Ring of (code << 16 | mid, time in seconds, what the answer carried)
        self.ring = array("I", bytes(12 * ring))
        self.next = 0

    @property
    def idle(self):
        """True when a confirmable message may be sent."""
        return self.state == _IDLE

    def next_mid(self):
        """A fresh message id: they count up from a random start (§4.4)."""
        self.mid = mid = (self.mid + 1) & 0xFFFF
        return mid

    # What we send

    def request(self, code, tag):
        """Send a confirmable request whose options and payload `owner.on_build` writes; the
        outcome reaches the owner with `tag`. Only when `idle`.

        Returns False, and sends nothing, if it does not fit. Allocates: a token of 4 bytes.
        """
        self.token = os.urandom(4)
        self.sent = self.next_mid()
        self.code = code
        self.tag = tag
        self.count = 0
        # ACK_TIMEOUT times a random factor from 1 to ACK_RANDOM_FACTOR = 1.5 (§4.2)
        timeout = self.ack_timeout_ms
        self.timeout_ms = timeout + random.getrandbits(10) * timeout // 2046
        return self._transmit()

    def _transmit(self):
        out = self.builder
        out.begin(_CON, self.code, self.sent, self.token, 0, 4)
        self.owner.on_build(out, self.tag)
        if out.more:
            return False
        self.state = _UNACKNOWLEDGED
        self.due.after(self.timeout_ms)
        self._send(out.buf, out.finish())
        return True

    def cancel(self):
        """Forget the message in flight without telling the owner."""
        self.state = _IDLE

    def _send(self, buf, n):
        # A full queue or a missing network is a lost datagram: retransmission is the remedy.
        try:
            self.transport.send(buf, n)
        except OSError as e:
            self.error = e

    def _send_empty(self, kind, mid):
        out = self.builder
        out.begin(kind, 0, mid, b"", 0, 0)
        self._send(out.buf, 4)

    # What arrives

    def poll(self):
        """Handle one datagram: True if there was one. Allocates: what the transport does."""
        try:
            n = self.transport.receive()
        except OSError as e:
            # ECONNREFUSED and the like: the answer is the retransmission that follows.
            self.error = e
            return True
        if n < 0:
            return False
        message = self.message
        result = message.parse(self.transport.data, n)
        kind = message.type
        if result:
            if result == -2 and kind == _CON:
                self._send_empty(_RST, message.mid)
        elif not message.code:
            if kind == _CON:
                self._send_empty(_RST, message.mid)  # a CoAP ping (§4.3)
            elif kind != _NON and self.state == _UNACKNOWLEDGED and message.mid == self.sent:
                if kind == _RST:
                    self.state = _IDLE
                    self.owner.on_failure(self.tag, True)
                else:
                    self.state = _ACKNOWLEDGED
                    self.due.after_s(_MAX_TRANSMIT_WAIT_S)
        elif message.code >= 64:
            self.response(message, kind)
        elif kind <= _NON:
            self.serve(message)
        return True

    def response(self, message, kind):
        if kind == _RST:
            return
        ours = self.state != _IDLE and message.has_token(self.token)
        if kind == _ACK:
            # A piggybacked response matches by message id and by token (§5.3.2).
            ours = ours and self.state == _UNACKNOWLEDGED and message.mid == self.sent
        elif kind == _CON:
            if ours or message.mid == self.acked:
                self.acked = message.mid
                self._send_empty(_ACK, message.mid)
            else:
                self._send_empty(_RST, message.mid)
        if ours:
            self.state = _IDLE
            if message.bad_option:
                # A critical option that we do not understand makes it useless (§5.4.1).
                self.owner.on_failure(self.tag, True)
            else:
                self.owner.on_reply(message, self.tag)

    def serve(self, message):
        out = self.builder
        mid = message.mid
        if message.type == _CON:
            out.begin(_ACK, 0, mid, message.buf, 4, message.token_len)
        else:
            out.begin(_NON, 0, self.next_mid(), message.buf, 4, message.token_len)
        out.detail = 0
        # Has this change been made already (§4.5)? Reads are not remembered, but done again.
        ring = self.ring
        now = self.clock.s
        changing = message.code != _GET and message.code != _FETCH
        i = 0 if changing else len(ring)
        while i < len(ring):
            entry = ring[i]
            if entry & 0xFFFF == mid and entry >> 16 and ring[i + 1] + _EXCHANGE_LIFETIME_S >= now:
                break
            i += 3
        bad = message.bad_option
        if i < len(ring):
            code = entry >> 16
            out.detail = ring[i + 2]
            self.owner.on_repeat(message, out, code)
            changing = False
        elif not bad:
            code = self.owner.on_request(message, out)
        elif bad == _PROXY_URI or bad == _PROXY_SCHEME:
            code = _PROXYING_NOT_SUPPORTED
        else:
            code = _BAD_OPTION
        if changing:
            i = self.next
            ring[i] = code << 16 | mid
            ring[i + 1] = now
            ring[i + 2] = out.detail
            self.next = (i + 3) % len(ring)
        out.buf[1] = code
        self._send(out.buf, out.finish())

    # Time

    def step(self):
        """Retransmit or give up when it is time (§4.2): milliseconds until the next look."""
        if self.state == _IDLE:
            return _NEVER_MS
        left = self.due.left_ms()
        if left:
            return left
        if self.state == _UNACKNOWLEDGED and self.count < self.max_retransmit:
            self.count += 1
            self.timeout_ms *= 2
            self._transmit()
            return self.timeout_ms
        self.state = _IDLE
        self.owner.on_failure(self.tag, False)
        return 0
