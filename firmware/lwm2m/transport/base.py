"""The contract of a transport: one association with one server, one datagram at a time.

No module imports this one: a transport is whatever has these members. `Udp` and
`testing.loopback` have them; a transport that connects in steps (a handshake) uses `ready` and
`step`. Its owner is a Registration, which opens it, waits until it is ready, and closes it.
"""


class Transport:
    """An association with one server. Errors of the network are `OSError`.

    `secure` is True when everything is protected; `sock` the open socket to wait on, or None;
    `data` the last received datagram, valid until the next `receive`.
    `ready` is True from when datagrams can be sent until `close`.
    `renewals` counts how often it has taken a new address or association by itself, which the
    server cannot know: the owner then sends an Update.
    """

    secure: bool = False
    ready: bool = False
    renewals: int = 0
    sock: object = None
    data: bytes = b""

    def open(self, poller: object = None) -> None:
        """Begin a fresh association, after `close` if one is open. Raises OSError.

        `poller` is a `select.poll` object with which the socket is registered until `close`.
        """

    def close(self) -> None:
        """End the association; nothing when there is none."""

    def step(self) -> int:
        """Do what is due: the milliseconds until the next time, at most an hour. Raises OSError
        when the association cannot be made, or has ended; the owner then closes it.
        Allocates: nothing while nothing is due."""
        return 0

    def receive(self) -> int:
        """Take one datagram: its length, with the bytes in `data`; -1 when none waits. A length
        above 1280 says that its end is missing. Raises OSError, and MemoryError: the datagram is
        then lost."""
        return -1

    def send(self, buf: bytes, n: int) -> None:
        """Send `buf[:n]` as one datagram; nothing while it is not `ready`. Raises OSError.
        Allocates: nothing."""
