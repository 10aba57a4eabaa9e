"""A confirmable message of ours, from its first transmission to its outcome (RFC 7252 §4.2).

The message is not kept: its owner writes it again for each retransmission, and in blocks what
does not fit (RFC 7959). The owner of a message has

    on_build(builder, outgoing)   write options and payload, after `outgoing.payload(builder)`
    on_reply(message, tag)        the response, or the acknowledgement of a response of ours;
                                  True if it wants the next block of the response
    on_failure(tag, reason)       TIMED_OUT (0), RESET (1), or the response code by which a
                                  transfer in blocks has ended

and the owner of an exchange, who answers requests, has besides

    registered                    False: requests are ignored, without an answer
    on_request(message, builder)  write the answer to a request: its response code, or 0 if the
                                  response comes later (coap.separate); raises Lwm2mError
    on_repeat(message, builder)   write the Location-Path of a repeated Create once more
    on_stream(message)            a sink for a request in blocks, or None (coap.block)
    on_failure(mid, UNKNOWN_MID)  a RST has come for a message that is not in flight (-1)
"""

import os
import random
from micropython import const

from lwm2m.clock import Deadline

_CON = const(0)
_BLOCK2 = const(23)
_BLOCK1 = const(27)

# `state`: free; sent and not acknowledged; acknowledged, and the response is still to come
_IDLE = const(0)
_UNACKNOWLEDGED = const(1)
_ACKNOWLEDGED = const(2)

# A reason of a failure
_TIMED_OUT = const(0)


class Outgoing:
    """A confirmable message in flight, and what may be in flight next: one for each of NSTART.

    `state` 0 while it is free; `owner` writes the message and learns its outcome (the members of
    an owner: coap.exchange), `tag` is the owner's own mark; `code`, `mid`, `token`; `block1` and
    `block2` the block under way (option values, -1: none), `more` whether more blocks follow;
    `retransmissions` so far.
    Allocates, once: about 150 bytes.
    """

    def __init__(self, exchange):
        self.exchange = exchange
        self.due = Deadline(exchange.clock)
        self.state = self.mid = self.code = self.retransmissions = self.timeout_ms = 0
        self.block1 = self.block2 = -1
        self.token = b""
        self.tag = self.owner = None

    def start(self, token=None):
        """Send the message with a fresh message id and `token` (default: a fresh one).

        Returns False if it does not fit, None if there is no message id left.
        Allocates: a token of 4 bytes.
        """
        exchange = self.exchange
        self.token = token or b""
        if not self.next():
            return None
        self.retransmissions = 0
        timeout = exchange.ack_timeout_ms
        # Times a random factor from 1 to ACK_RANDOM_FACTOR (§4.2)
        self.timeout_ms = (
            timeout + timeout * exchange.ack_random // 100 * random.getrandbits(8) // 255
        )
        return self.send()

    def next(self):
        """Take the next message id; False if there is none left."""
        mid = self.exchange.message_ids.next()
        if mid >= 0:
            self.mid = mid
        return mid >= 0

    def send(self):
        """Have the message written, and send it. Returns False if it does not fit. Raises
        MemoryError: this transmission is lost, and the next one tries again."""
        # First, because a MemoryError below makes it a message that was lost on its way.
        self.state = _UNACKNOWLEDGED
        self.due.after(self.timeout_ms)
        if self.code < 64 and not self.token:
            self.token = os.urandom(4)
        out = self.build()
        if out.more or self.block1 >= 0:
            from lwm2m.coap.block import split

            if not split(self, out):
                self.state = _IDLE
                return False
        self.exchange.write(out.buf, out.finish())
        return True

    def build(self):
        """Have the owner write the message: the Builder with it."""
        out = self.exchange.builder
        out.begin(_CON, self.code, self.mid, self.token, 0, len(self.token))
        self.owner.on_build(out, self)
        return out

    def payload(self, out):
        """Open the payload of what `on_build` writes: all of it, or the block under way."""
        if self.block2 >= 0:
            out.uint(_BLOCK2, self.block2)
        if self.block1 < 0:
            out.payload()
        else:
            size = self.block1 & 7
            out.uint(_BLOCK1, self.block1 | 8)
            out.payload(self.block1 >> 4 << size + 4, 16 << size)

    def done(self, message, reason=0):
        """Take what has come for it: the acknowledgement, or the response to it or to a block; or,
        when `message` is None, end without a response because of `reason`. The owner is told."""
        if message and not message.code and self.code < 64:
            # The response to a request is still to come.
            self.state = _ACKNOWLEDGED
            self.due.after(self.exchange.timeout_ms)
            return
        self.state = _IDLE
        try:
            if not message:
                self.owner.on_failure(self.tag, reason)
            elif message.code and (self.block1 >= 0 or message.block2 >= 8):
                from lwm2m.coap.block import advance

                advance(message, self)
            else:
                self.owner.on_reply(message, self.tag)
        except MemoryError:
            # As if nothing had come, unless the owner has sent or forgotten something meanwhile
            if self.owner:
                self.state = _UNACKNOWLEDGED
            raise

    def step(self):
        """Retransmit or give up when it is time (§4.2): milliseconds until the next look."""
        left = self.due.left_ms()
        if not left:
            if (
                self.state == _UNACKNOWLEDGED
                and self.retransmissions < self.exchange.max_retransmit
            ):
                self.retransmissions += 1
                self.timeout_ms *= 2
                self.send()
                return self.timeout_ms
            self.done(None, _TIMED_OUT)
        return left

    def cancel(self):
        """Forget the message without a word to its owner."""
        self.state = _IDLE
        self.tag = self.owner = None
