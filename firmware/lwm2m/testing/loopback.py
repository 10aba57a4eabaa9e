"""A transport without a network: two ends in one process, for tests and simulations."""


class Loopback:
    """One end of a pair: `a, b = Loopback.pair()`; what `a` sends, `b` receives.

    Datagrams are copied into a list, so that a test can look at them (`queue`), lose them or
    change their order. `error`, when set, is raised by the next `send`.
    """

    secure = renewed = False
    sock = None

    def __init__(self):
        self.queue = []
        self.data = b""
        self.peer = None
        self.error = None
        self.opened = 0

    @classmethod
    def pair(cls):
        """Two connected ends."""
        a = cls()
        b = cls()
        a.peer = b
        b.peer = a
        return a, b

    def open(self):
        """Count the openings; raises `error` if there is one."""
        if self.error:
            raise self.error
        self.opened += 1

    def close(self):
        """Forget what has not been received."""
        self.queue.clear()

    def receive(self):
        """The length of the next datagram in `data`, -1 when there is none."""
        if not self.queue:
            return -1
        self.data = self.queue.pop(0)
        return len(self.data)

    def send(self, buf, n):
        """Put a copy of `buf[:n]` into the queue of the other end. Raises `error` if set."""
        if self.error:
            raise self.error
        if self.peer:
            self.peer.queue.append(bytes(buf[:n]))
