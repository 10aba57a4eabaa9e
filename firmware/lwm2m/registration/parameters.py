"""Parameters of the transmission to one server, as arguments of `Client.add_server` (RFC 7252
§4.8). Loaded with the first account that has one.

    ack_timeout_ms       100 to 60000, ACK_TIMEOUT (2000)
    ack_random_factor    1 to 3, ACK_RANDOM_FACTOR (1.5)
    max_retransmit       0 to 8, MAX_RETRANSMIT (4)
    nstart               1 to 8, messages that may be unanswered at a time, NSTART (the client's)
    response_timeout_s   1 to 86400, the wait for a response after its request was acknowledged
                         (MAX_TRANSMIT_WAIT as it follows from the first three: 93)
    local_port           1 to 65535, the UDP port of the device (one that is free)

An Update is sent as long before the end of the lifetime as the first three may take.
"""

from lwm2m.coap.outgoing import Outgoing

# Lowest and highest value of each
_RANGES = {
    "ack_timeout_ms": (100, 60000),
    "ack_random_factor": (1, 3),
    "max_retransmit": (0, 8),
    "nstart": (1, 8),
    "response_timeout_s": (1, 86400),
    "local_port": (1, 65535),
}


def split(terms):
    """Take the parameters out of `terms`, a dict: a Parameters. Raises ValueError naming the
    invalid one."""
    return Parameters(
        {name: _check(name, terms.pop(name)) for name in list(terms) if name in _RANGES}
    )


def _check(name, value):
    low, high = _RANGES[name]
    good = isinstance(value, int) or (name == "ack_random_factor" and isinstance(value, float))
    if not good or not low <= value <= high:
        raise ValueError(name)
    return value


class Parameters:
    """The parameters `values`, by name.

    `bind` is the function that gives a socket its local port, or None.
    """

    bind = None

    def __init__(self, values):
        self.values = values
        port = values.get("local_port")
        if port:
            from lwm2m.transport.local_port import LocalPort

            self.bind = LocalPort(port).bind

    def attach(self, exchange):
        """Have `exchange` transmit so."""
        values = self.values
        timeout_ms = values.get("ack_timeout_ms", exchange.ack_timeout_ms)
        random = exchange.ack_random
        if "ack_random_factor" in values:
            random = int(values["ack_random_factor"] * 100 + 0.5) - 100
        count = values.get("max_retransmit", exchange.max_retransmit)
        response_s = values.get("response_timeout_s")
        exchange.ack_timeout_ms = timeout_ms
        exchange.ack_random = random
        exchange.max_retransmit = count
        if response_s:
            exchange.timeout_ms = response_s * 1000
        elif values:
            exchange.timeout_ms = timeout_ms * ((2 << count) - 1) // 100 * (100 + random)
        if "nstart" in values:
            exchange.outgoing = [Outgoing(exchange) for _ in range(values["nstart"])]
