"""The exchange layer for one CoAP peer (RFC 7252 §4, §5.2, §5.3).

One confirmable message of ours is in flight at a time (NSTART 1, §4.7) and kept in a buffer of
its own until it is acknowledged. Requests that change something are remembered by message id,
with the answer they got, so that a repeated one is answered again and never done twice (§4.5);
reads are simply done again.

The owner has: `on_request(message, builder)` -> response code, with one small integer to be
remembered for a repetition left in `builder.detail`; `on_repeat(message, builder, code)` to write
the options of that answer again; and for what we asked `on_reply(message, tag)`, or
`on_failure(tag, reset)` when there was none, or a RST.
"""

import os
import random
from array import array
from micropython import const

from lwm2m.coap.builder import Builder
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
    Allocates, once: a buffer of `mtu` bytes and 12 bytes for each entry of the ring.
    """

    def __init__(self, transport, owner, clock, message, builder, mtu, ring=16):
        self.transport = transport
        self.ack_timeout_ms = 2000
        self.max_retransmit = 4
        self.error = None
        self.owner = owner
        self.clock = clock
        self.message = message
        self.builder = builder
        self.out = Builder(mtu)
        self.empty = bytearray(4)
        self.mid = random.getrandbits(16)
        self.token = b""
        self.tag = self.state = self.count = self.length = self.timeout_ms = 0
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

    def request(self, code):
        """Start a confirmable request and return the Builder to add options and payload to.

        Then call `send(tag)`. Only when `idle`. Allocates: a token of 4 bytes.
        """
        self.token = os.urandom(4)
        self.sent = self.next_mid()
        self.out.begin(_CON, code, self.sent, self.token, 0, 4)
        return self.out

    def send(self, tag):
        """Send what `request` started; the outcome reaches the owner with `tag`.

        Returns False, and sends nothing, if it did not fit into the buffer.
        """
        out = self.out
        self.length = out.finish()
        if out.more:
            return False
        self.tag = tag
        self.state = _UNACKNOWLEDGED
        self.count = 0
        # ACK_TIMEOUT times a random factor from 1 to ACK_RANDOM_FACTOR = 1.5 (§4.2)
        self.timeout_ms = self.ack_timeout_ms + random.getrandbits(10) * self.ack_timeout_ms // 2046
        self.due.after(self.timeout_ms)
        self._send(out.buf, self.length)
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
        buf = self.empty
        buf[0] = 0x40 | kind << 4
        buf[2] = mid >> 8
        buf[3] = mid & 255
        self._send(buf, 4)

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
            self._response(message, kind)
        elif kind <= _NON:
            self._request(message)
        return True

    def _response(self, message, kind):
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

    def _request(self, message):
        out = self.builder
        mid = message.mid
        if message.type == _CON:
            out.begin(_ACK, 0, mid, message.buf, 4, message.token_len)
        else:
            out.begin(_NON, 0, self.next_mid(), message.buf, 4, message.token_len)
        changing = message.code != _GET and message.code != _FETCH
        entry = self._remembered(mid) if changing else -1
        out.detail = 0
        if entry >= 0:
            answer = self.ring[entry] >> 16
            out.detail = self.ring[entry + 2]
            self.owner.on_repeat(message, out, answer)
            changing = False
        elif message.bad_option:
            bad = message.bad_option
            proxy = bad == _PROXY_URI or bad == _PROXY_SCHEME
            answer = _PROXYING_NOT_SUPPORTED if proxy else _BAD_OPTION
        else:
            answer = self.owner.on_request(message, out)
        out.buf[1] = answer
        if changing:
            self._remember(mid, answer, out.detail)
        self._send(out.buf, out.finish())

    # Deduplication (§4.5)

    def _remembered(self, mid):
        ring = self.ring
        oldest = self.clock.s - _EXCHANGE_LIFETIME_S
        for i in range(0, len(ring), 3):
            if ring[i] & 0xFFFF == mid and ring[i] >> 16 and ring[i + 1] >= oldest:
                return i
        return -1

    def _remember(self, mid, code, detail):
        ring = self.ring
        i = self.next
        ring[i] = code << 16 | mid
        ring[i + 1] = self.clock.s
        ring[i + 2] = detail
        self.next = (i + 3) % len(ring)

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
            self.due.after(self.timeout_ms)
            self._send(self.out.buf, self.length)
            return self.timeout_ms
        self.state = _IDLE
        self.owner.on_failure(self.tag, False)
        return 0
