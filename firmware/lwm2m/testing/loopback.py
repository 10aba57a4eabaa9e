"""A transport without a network: two ends in one process, for tests and simulations."""

_NEVER_MS = 3600000


class Loopback:
    """One end of a pair: `a, b = Loopback.pair()`; what `a` sends, `b` receives. The contract:
    transport.base.

    Datagrams are copied into a list, so that a test can look at them (`queue`), lose them or
    change their order. `error`, when set, is raised by the next `send`. With `steps` it takes as
    many calls of `step` until it is ready, each wanted after `step_ms`; `refusal`, when set, is
    raised by the last of them.
    """

    secure = ready = False
    renewals = steps = 0
    step_ms = 10
    sock = refusal = None

    def __init__(self):
        self.queue = []
        self.data = b""
        self.peer = None
        self.error = None
        self.opened = self.left = 0

    @classmethod
    def pair(cls):
        """Two connected ends."""
        a = cls()
        b = cls()
        a.peer = b
        b.peer = a
        return a, b

    def open(self, poller=None):
        """Count the openings; raises `error` if there is one."""
        if self.error:
            raise self.error
        self.opened += 1
        self.left = self.steps
        self.ready = not self.left

    def close(self):
        """Forget what has not been received."""
        self.queue.clear()
        self.ready = False

    def step(self):
        """Come one step nearer to being ready; raises `refusal` at the last one if it is set."""
        if not self.left:
            return _NEVER_MS
        self.left -= 1
        if not self.left:
            if self.refusal:
                raise self.refusal
            self.ready = True
        return self.step_ms

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
