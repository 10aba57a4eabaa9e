"""Counters of the datagrams of one server. Loaded with the first of them, or with the second
counter of an exchange:

    from lwm2m.coap.traffic import Traffic

    traffic = Traffic(client.registrations[0].exchange)

Nothing is counted, and nothing costs anything, before that.
"""

from array import array
from micropython import const

_NON = const(1)
# Message ids of the server that are compared with a new one
_COMPARED = const(8)


def count(exchange, counter):
    """Have `counter(n)` called for n bytes sent, `counter(-n)` for n received, `counter(0)` for a
    loss (coap.exchange), beside whoever counts already."""
    other = exchange.counter
    if other is None or other == counter:
        exchange.counter = counter
    else:
        exchange.counter = _Both(other, counter).count


class _Both:
    def __init__(self, first, second):
        self.first = first
        self.second = second

    def count(self, n):
        self.first(n)
        self.second(n)


class Traffic:
    """Numbers of datagrams and bytes to and from the peer of `exchange`, from now on.

    `lost` messages, which could not be received, written or taken for want of memory; `sent` and
    `received` datagrams, `sent_bytes` and `received_bytes` of them without headers of
    UDP and IP; `resent` are the retransmissions among those sent, `repeated` those of the server
    among those received, as far as the last 8 message ids tell; `received_s` is the second of the
    last one received, on the client's clock, None before it.
    Allocates: about 150 bytes, and nothing for a datagram.
    """

    def __init__(self, exchange):
        self.exchange = exchange
        self.sent = self.sent_bytes = self.resent = 0
        self.received = self.received_bytes = self.repeated = 0
        self.received_s = None
        self.lost = 0
        # The last message ids of the server, and where the next one goes
        self.mids = array("i", (-1 for _ in range(_COMPARED)))
        self.pos = 0
        count(exchange, self.count)

    def count(self, n):
        """Count a datagram: `n` bytes sent, or received when it is negative; or, 0, a loss."""
        exchange = self.exchange
        if not n:
            self.lost += 1
            return
        if n < 0:
            self.received += 1
            self.received_bytes -= n
            self.received_s = exchange.clock.s
            data = exchange.transport.data
            if n <= -4 and data[0] >> 4 & 3 <= _NON:
                self.note(data[2] << 8 | data[3])
            return
        self.sent += 1
        self.sent_bytes += n
        buf = exchange.builder.buf
        mid = buf[2] << 8 | buf[3]
        for outgoing in exchange.outgoing:
            if outgoing.state and outgoing.retransmissions and outgoing.mid == mid:
                self.resent += 1

    def note(self, mid):
        """Note the message id of a request, response or notification of the server."""
        mids = self.mids
        for i in range(_COMPARED):
            if mids[i] == mid:
                self.repeated += 1
                return
        mids[self.pos] = mid
        self.pos = (self.pos + 1) % _COMPARED
