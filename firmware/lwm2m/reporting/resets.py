"""RSTs in answer to notifications (LwM2M 1.1 Core §6.4.4, RFC 7641 §3.6). One of them ends an
observation; several in a row say that the server has lost its state. Loaded with the first.
"""

from micropython import const

# So many, to different observations and within so many seconds, are in a row.
_RESETS = const(3)
_RESETS_S = const(60)
# A notification that no RST has come for in so many seconds was accepted.
_ACCEPTED_S = const(5)


class Resets:
    """The RSTs of one server in a row. Allocates: about 50 bytes."""

    def __init__(self):
        self.n = 0
        # Time of the first, seconds on the client's clock
        self.s = 0

    def add(self, now_s, observations):
        """Count one that has come at `now_s`, while `observations` go on. True if the server has
        lost its state."""
        if now_s - self.s > _RESETS_S:
            self.n = 0
        for observation in observations:
            if observation.mid >= 0 and self.s < observation.notified_s <= now_s - _ACCEPTED_S:
                self.n = 0
        if not self.n:
            self.s = now_s
        self.n += 1
        return self.n >= _RESETS
