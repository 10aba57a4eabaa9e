"""Connectivity Statistics (object 7): what was sent and received while a server let it count.

    statistics = client.add(ConnectivityStatistics())
    for registration in client.registrations:
        statistics.measure(registration)

What is not measured so can be counted with `count_tx` and `count_rx`.
"""

from micropython import const

from lwm2m.errors import Lwm2mError
from lwm2m.objects.base import Object

_INT = const(2)
_R = const(0x10)
_RW = const(0x30)
_E = const(0x40)
_MANDATORY = const(0x100)

_PERIOD = const(8)
_KB = const(1024)


class ConnectivityStatistics(Object):
    """Counts while it `counts`: from Start to Stop, or for `period_s` seconds.

    `overhead` bytes of IP and UDP header are added to each message (28: IPv4). Numbers of SMS go
    into `more` as 0 and 1.
    """

    OID = 7
    # fmt: off
    RESOURCES = (
        0, _INT | _R, None,
        1, _INT | _R, None,
        2, _INT | _R, "tx_kb",
        3, _INT | _R, "rx_kb",
        4, _INT | _R, "max_size",
        5, _INT | _R, "average_size",
        6, _E | _MANDATORY, "start",
        7, _E | _MANDATORY, "stop",
        8, _INT | _RW, "period_s",
    )
    # fmt: on
    iid = 0
    overhead = 28
    period_s = 0
    # Kilobytes and the bytes that make none yet: a count of bytes would outgrow small integers.
    tx_kb = rx_kb = max_size = _tx = _rx = _messages = 0
    _counts = False
    _end = None

    @property
    def average_size(self):
        """Mean size of a message in bytes."""
        n = self._messages
        return ((self.tx_kb + self.rx_kb) * _KB + self._tx + self._rx) // n if n else 0

    @property
    def counts(self):
        """True from Start to Stop or the end of the period. Allocates: nothing."""
        if self._counts and self._end:
            self.client.clock.update()
            if not self._end.left_ms():
                self._counts = False
        return self._counts

    def start(self, args=None):
        """Count from zero."""
        self.tx_kb = self.rx_kb = self.max_size = self._tx = self._rx = self._messages = 0
        if self.more:
            for rid in (0, 1):
                if rid in self.more:
                    self.more[rid] = 0
        self._end = None
        if self.period_s:
            from lwm2m.clock import Deadline

            self._end = Deadline(self.client.clock)
            self._end.after_s(self.period_s)
        self._counts = True

    def stop(self, args=None):
        """Count no longer; what was counted stays."""
        self._counts = False

    def count_tx(self, n):
        """A datagram of `n` bytes was sent. Allocates: nothing."""
        if self.counts:
            n = self._message(n)
            self._tx += n
            self.tx_kb += self._tx // _KB
            self._tx %= _KB

    def count_rx(self, n):
        """A datagram of `n` bytes was received. Allocates: nothing."""
        if self.counts:
            n = self._message(n)
            self._rx += n
            self.rx_kb += self._rx // _KB
            self._rx %= _KB

    def count(self, n):
        """A datagram of `n` bytes was sent, or, when that is negative, received."""
        if n < 0:
            self.count_rx(-n)
        else:
            self.count_tx(n)

    def _message(self, n):
        n += self.overhead
        self._messages += 1
        self.max_size = max(self.max_size, n)
        return n

    def measure(self, registration):
        """Count what is sent to and received from the server of `registration`."""
        exchange = registration.exchange
        if exchange.counter:
            from lwm2m.coap.traffic import count

            count(exchange, self.count)
        else:
            exchange.counter = self.count

    def check(self, rid, value):
        if rid == _PERIOD and not 0 <= value < 0x20000000:
            raise Lwm2mError()

    def clear(self, rid, name):
        self.period_s = 0
