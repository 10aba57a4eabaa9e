"""The exchange layer for one CoAP peer (RFC 7252 §4, §5.2, §5.3; RFC 7959).

What we send and await is an `Outgoing`: one at a time (NSTART, RFC 7252 §4.7) unless more are
wanted. A request that changes something is remembered with its answer: a repeated one is answered
again and never done twice (RFC 7252 §4.5); reads are simply done again.
Its owner, and the owners of what it sends, have the members that coap.outgoing lists.
"""

from micropython import const

from lwm2m.coap.message import MessageIds
from lwm2m.coap.outgoing import Outgoing

_CON = const(0)
_NON = const(1)
_ACK = const(2)
_RST = const(3)

_NEVER_MS = const(3600000)
_LONGEST = const(1280)

_UNACKNOWLEDGED = const(1)
# Reasons
_RESET = const(1)
_UNKNOWN_MID = const(-1)


class Exchange:
    """One peer: `transport` to reach it, `owner` to decide.

    Tunables of RFC 7252 §4.8: `ack_timeout_ms` ACK_TIMEOUT, `ack_random` ACK_RANDOM_FACTOR less
    one in percent, `max_retransmit` MAX_RETRANSMIT, `timeout_ms` the wait for a response after its
    request was acknowledged (MAX_TRANSMIT_WAIT, §4.8.2).
    `context`, the client, has what peers share.
    `counter(n)`, for who counts to set, is called for n bytes sent, `counter(-n)` for n received,
    `counter(0)` for a message that was lost because there was no memory;
    `error` is the last OSError since a request was begun; `serving` is True while the owner
    answers one.
    Allocates, once: 4 bytes for each request remembered, 150 for each of NSTART.
    """

    ack_timeout_ms = 2000
    ack_random = 50
    max_retransmit = 4
    timeout_ms = 93000
    serving = False

    def __init__(self, transport, owner, context):
        self.transport = transport
        self.owner = owner
        self.clock = context.clock
        self.message = context.message
        self.builder = context.builder
        self.body_limit = context.body_limit
        # The last OSError, the request in blocks, the response deferred now, a counter of bytes
        self.error = self.upload = self.deferred = self.counter = None
        # The function coap.answer.answer once it is loaded
        self.answer = None
        # Separate responses to be given
        self.separate = []
        # Message id of the last CON response
        self.last = -1
        self.message_ids = MessageIds(self.clock, context.ring)
        self.outgoing = []
        while len(self.outgoing) < context.nstart:
            self.outgoing.append(Outgoing(self))

    # What we send

    def free(self):
        """A free Outgoing, or None while NSTART messages are in flight."""
        for outgoing in self.outgoing:
            if not outgoing.state:
                return outgoing
        return None

    def request(self, code, owner, tag=None, token=None):
        """Send a confirmable message that `owner` writes; it learns the outcome with `tag`. Only
        when one is `free`. With `token` it is a response of its own (§5.2.2) or a notification.

        Returns False if it does not fit, None if there is no message id left.
        Allocates: a token of 4 bytes.
        """
        outgoing = self.free()
        self.error = None
        outgoing.code = code
        outgoing.tag = tag
        outgoing.owner = owner
        outgoing.block1 = outgoing.block2 = -1
        return outgoing.start(token)

    def cancel(self):
        """Forget all that is in flight."""
        for outgoing in self.outgoing:
            outgoing.cancel()
        while self.separate:
            self.separate.pop().on_failure(None, _RESET)

    def write(self, buf, n):
        if self.counter:
            self.counter(n)
        try:
            self.transport.send(buf, n)
        except OSError as e:
            self.error = e  # a lost datagram

    def send_empty(self, kind, mid):
        """Send an acknowledgement or a reset (§4.1)."""
        out = self.builder
        out.begin(kind, 0, mid, b"", 0, 0)
        self.write(out.buf, 4)

    # What arrives

    def poll(self):
        """Handle one datagram: True if there was one. Allocates: what the transport does."""
        try:
            n = self.transport.receive()
        except OSError as e:
            self.error = e  # retransmission will tell
            return True
        if n < 0:
            return False
        if self.counter:
            self.counter(-n)
        message = self.message
        result = message.parse(self.transport.data, n)
        kind = message.type
        if result:
            if result == -2 and kind == _CON:
                self.send_empty(_RST, message.mid)
        elif not message.code:
            if kind == _CON:
                self.send_empty(_RST, message.mid)  # a CoAP ping (§4.3)
            elif kind != _NON:
                for outgoing in self.outgoing:
                    if outgoing.state == _UNACKNOWLEDGED and outgoing.mid == message.mid:
                        if kind == _RST:
                            outgoing.done(None, _RESET)
                        else:
                            outgoing.done(message)
                        return True
                if kind == _RST:
                    self.owner.on_failure(message.mid, _UNKNOWN_MID)
        elif message.code >= 64:
            if kind != _RST and n <= _LONGEST:
                self.match(message, kind)
        elif kind <= _NON:
            answer = self.answer
            if not answer:
                # Kept, because an import allocates.
                from lwm2m.coap.answer import answer

                self.answer = answer
            answer(self, message)
        return True

    def match(self, message, kind):
        """Find what a response answers (§5.3.2)."""
        ours = None
        for outgoing in self.outgoing:
            if outgoing.state and outgoing.code < 64 and message.has_token(outgoing.token):
                # A piggybacked response matches by message id as well.
                if kind != _ACK or (
                    outgoing.state == _UNACKNOWLEDGED and outgoing.mid == message.mid
                ):
                    ours = outgoing
        bad = message.bad_option  # makes it useless (§5.4.1)
        if kind == _CON:
            if (ours and not bad) or message.mid == self.last:
                self.last = message.mid
                self.send_empty(_ACK, message.mid)
            else:
                self.send_empty(_RST, message.mid)
        if ours:
            if bad:
                ours.done(None, _RESET)
            else:
                ours.done(message)

    # Time

    def step(self):
        """Do what is due: milliseconds until the next look."""
        due = _NEVER_MS
        for response in self.separate:
            due = min(due, response.step())
        for outgoing in self.outgoing:
            if outgoing.state:
                due = min(due, outgoing.step())
        return due
