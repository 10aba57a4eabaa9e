"""The exchange layer for one CoAP peer (RFC 7252 §4, §5.2, §5.3; RFC 7959).

Confirmable messages of ours are in flight in slots: one (NSTART, RFC 7252 §4.7) unless more are
wanted. Their owner writes them again for each retransmission, and in blocks what does not fit.
Requests that change something are remembered with the answer they got: a repeated one is answered
again and never done twice (RFC 7252 §4.5); reads are simply done again.

The owner has `on_build(builder, tag)` to write what we ask, with `payload(builder)` where the
payload begins; `on_reply(message, tag)` for each answer, True if it wants the next block of it;
`on_failure(tag, reason)`: 0 there was none, 1 a RST, or a code, and with a message id for a tag -1
when a RST came for none in flight; `on_request(message, builder)` to answer what we are asked: it
returns the response code, or 0 if the answer comes later; and `on_repeat(message, builder)` to say
once more where something was created. A tag that has `on_build` is an owner of its own.
"""

import os
import random
from micropython import const

from lwm2m.coap.message import Ring, Slot

_CON = const(0)
_NON = const(1)
_ACK = const(2)
_RST = const(3)

_GET = const(1)
_FETCH = const(5)
_CREATED = const(0x41)
_CONTINUE = const(0x5F)
_BAD_OPTION = const(0x82)
_TOO_LARGE = const(0x8D)
_PROXYING_NOT_SUPPORTED = const(0xA5)
_PROXY_URI = const(35)
_PROXY_SCHEME = const(39)
_BLOCK2 = const(23)
_BLOCK1 = const(27)

_NEVER_MS = const(3600000)
_LONGEST = const(1280)
# How long to wait for the response after an empty acknowledgement: MAX_TRANSMIT_WAIT, §4.8.2.
_MAX_TRANSMIT_WAIT_S = const(93)

# State of a slot
_IDLE = const(0)
_UNACKNOWLEDGED = const(1)
_ACKNOWLEDGED = const(2)


class Exchange:
    """One peer: `transport` to reach it, `owner` to decide.

    Tunables of RFC 7252 §4.8: `ack_timeout_ms` ACK_TIMEOUT, `ack_random` ACK_RANDOM_FACTOR less
    one in percent, `max_retransmit` MAX_RETRANSMIT. `context` has what peers share: `clock`,
    `message`, `builder`, `block_size` (exponent of our largest block, RFC 7959 §2.2), `nstart`
    (NSTART), `ring` (how many changing requests are remembered), `body_limit` (of a request in
    blocks). `error` is the last OSError of the transport.
    Allocates, once: 4 bytes for each entry of the ring, about 150 for each slot.
    """

    def __init__(self, transport, owner, context):
        self.transport = transport
        self.owner = owner
        self.clock = context.clock
        self.message = context.message
        self.builder = context.builder
        self.block_size = context.block_size
        self.body_limit = context.body_limit
        self.ack_timeout_ms = 2000
        self.ack_random = 50
        self.max_retransmit = 4
        self.error = self.upload = self.deferred = None
        self.pending = []
        self.last = -1
        self.slots = []
        while len(self.slots) < context.nstart:
            self.slots.append(Slot(self.clock))
        self.ring = Ring(self.clock, context.ring)

    def free(self):
        """A slot for a confirmable message, or None while all are taken."""
        for slot in self.slots:
            if not slot.state:
                return slot
        return None

    # What we send

    def request(self, code, tag, token=None):
        """Send a confirmable message whose options and payload `owner.on_build` writes; the
        outcome reaches the owner with `tag`. Only when there is a slot `free`.

        With `token` it is a response of its own (§5.2.2) or a notification.
        Returns False if it does not fit, None if there is no message id left.
        Allocates: a token of 4 bytes.
        """
        slot = self.free()
        slot.code = code
        slot.tag = tag
        slot.owner = tag if hasattr(tag, "on_build") else self.owner
        slot.block1 = slot.block2 = -1
        return self.start(slot, token)

    def start(self, slot, token=None):
        """Send the message of a slot with a fresh token and message id."""
        slot.token = os.urandom(4) if token is None else token
        slot.mid = self.ring.next_mid()
        if slot.mid < 0:
            return None
        slot.count = 0
        timeout = self.ack_timeout_ms
        # Times a random factor from 1 to ACK_RANDOM_FACTOR (§4.2)
        slot.timeout_ms = timeout + timeout * self.ack_random // 100 * random.getrandbits(8) // 255
        return self.send(slot)

    def send(self, slot):
        self.slot = slot
        out = self.build(slot)
        if out.more or slot.block1 >= 0:
            from lwm2m.coap.block import split

            if not split(self, slot, out):
                return False
        slot.state = _UNACKNOWLEDGED
        slot.due.after(slot.timeout_ms)
        self.write(out.buf, out.finish())
        return True

    def build(self, slot):
        """Have the message of a slot written: the Builder with it."""
        out = self.builder
        out.begin(_CON, slot.code, slot.mid, slot.token, 0, len(slot.token))
        slot.owner.on_build(out, slot.tag)
        return out

    def payload(self, out):
        """Open the payload of what `on_build` writes: all of it, or the block whose turn it is."""
        slot = self.slot
        if slot.block2 >= 0:
            out.uint(_BLOCK2, slot.block2)
        if slot.block1 < 0:
            out.payload()
        else:
            size = slot.block1 & 7
            out.uint(_BLOCK1, slot.block1 | 8)
            out.payload(slot.block1 >> 4 << size + 4, 16 << size)

    def cancel(self):
        """Forget the messages in flight without telling the owner."""
        for slot in self.slots:
            slot.state = _IDLE
            slot.tag = slot.owner = None
        for later in self.pending:
            later.done = False
        self.pending.clear()

    def write(self, buf, n):
        # A full queue or a missing network is a lost datagram.
        try:
            self.transport.send(buf, n)
        except OSError as e:
            self.error = e

    def _send_empty(self, kind, mid):
        out = self.builder
        out.begin(kind, 0, mid, b"", 0, 0)
        self.write(out.buf, 4)

    # What arrives

    def poll(self):
        """Handle one datagram: True if there was one. Allocates: what the transport does."""
        try:
            n = self.transport.receive()
        except OSError as e:
            # ECONNREFUSED and the like: retransmission will tell.
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
            elif kind != _NON:
                self._empty(message, kind)
        elif message.code >= 64:
            if kind != _RST and n <= _LONGEST:
                self._response(message, kind)
        elif kind <= _NON:
            self.serve(message)
        return True

    def _empty(self, message, kind):
        for slot in self.slots:
            if slot.state == _UNACKNOWLEDGED and slot.mid == message.mid:
                if kind == _RST:
                    slot.state = _IDLE
                    slot.owner.on_failure(slot.tag, 1)
                elif slot.code >= 64:
                    slot.state = _IDLE  # a response of ours has arrived
                    slot.owner.on_reply(message, slot.tag)
                else:
                    slot.state = _ACKNOWLEDGED
                    slot.due.after_s(_MAX_TRANSMIT_WAIT_S)
                return
        if kind == _RST:
            self.owner.on_failure(message.mid, -1)

    def _response(self, message, kind):
        # Find what a response answers (§5.3.2).
        ours = None
        for slot in self.slots:
            if slot.state and slot.code < 64 and message.has_token(slot.token):
                # A piggybacked response matches by message id as well.
                if kind != _ACK or (slot.state == _UNACKNOWLEDGED and slot.mid == message.mid):
                    ours = slot
        bad = message.bad_option  # makes it useless (§5.4.1)
        if kind == _CON:
            if (ours and not bad) or message.mid == self.last:
                self.last = message.mid
                self._send_empty(_ACK, message.mid)
            else:
                self._send_empty(_RST, message.mid)
        if ours:
            ours.state = _IDLE
            if bad:
                ours.owner.on_failure(ours.tag, 1)
            elif ours.block1 >= 0 or message.block2 >= 8:
                from lwm2m.coap.block import advance

                advance(self, message, ours)
            else:
                ours.owner.on_reply(message, ours.tag)

    def serve(self, message):
        """Answer a request, or repeat the answer it got."""
        out = self.builder
        mid = message.mid
        kind = _ACK
        if message.type == _NON:
            kind = _NON
            mid = self.ring.next_mid()
            if mid < 0:
                return
            out.begin(_NON, 0, mid, message.buf, 4, message.token_len)
            mid = message.mid
        else:
            out.begin(_ACK, 0, mid, message.buf, 4, message.token_len)
        for later in self.pending:
            if later.mid == mid:
                if kind == _ACK:
                    self._send_empty(_ACK, mid)
                return
        # Has this change been made already (§4.5)? Reads are not remembered, but done again.
        changing = message.code != _GET and message.code != _FETCH
        ring = self.ring
        bad = message.bad_option
        if changing and ring.find(mid):
            code = ring.code  # 0: still to be answered
            if code == _CREATED:
                self.owner.on_repeat(message, out)
            changing = False
        elif message.end > _LONGEST:
            code = _TOO_LARGE  # its end is missing
        elif bad:
            code = _BAD_OPTION
            if bad == _PROXY_URI or bad == _PROXY_SCHEME:
                code = _PROXYING_NOT_SUPPORTED
        else:
            code = 0
            if message.block1 >= 0:
                if not self.upload:
                    # Who never gets a block does not pay for it.
                    from lwm2m.coap.block import Upload

                    self.upload = Upload(self)
                code = self.upload.receive(message, out)
            if not code:
                code = self.owner.on_request(message, out)
            later = self.deferred
            if later:
                self.deferred = None
                if code < 128:
                    code = 0
                else:
                    self.pending.remove(later)
        if changing and code != _CONTINUE:
            ring.append(mid, code)
        if message.block1 >= 0 and self.upload:
            self.upload.echo(message, out, code)
        if code:
            out.buf[1] = code
            self.write(out.buf, out.finish())
        elif kind == _ACK:
            self._send_empty(_ACK, mid)

    # Time

    def step(self):
        """Retransmit or give up when it is time (§4.2): milliseconds until the next look."""
        due = _NEVER_MS
        for later in self.pending:
            due = min(due, later.step())
        for slot in self.slots:
            if slot.state:
                left = slot.due.left_ms()
                if not left:
                    if slot.state == _UNACKNOWLEDGED and slot.count < self.max_retransmit:
                        slot.count += 1
                        slot.timeout_ms *= 2
                        self.send(slot)
                        left = slot.timeout_ms
                    else:
                        slot.state = _IDLE
                        slot.owner.on_failure(slot.tag, 0)
                if left < due:
                    due = left
        return due
