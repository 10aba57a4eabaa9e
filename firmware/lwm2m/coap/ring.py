"""Message ids of one peer (RFC 7252 §4.4, §4.5): ours are counted, theirs remembered, in bounded
memory."""

import random
from array import array
from micropython import const

_EXCHANGE_LIFETIME_S = const(247)


class Ring:
    """Hands out fresh message ids, and remembers the last `n` changing requests of the peer for
    EXCHANGE_LIFETIME: by message id, and the code of the answer (0: still to come).

    Allocates, once: 4 bytes for each entry.
    """

    def __init__(self, clock, n):
        self.clock = clock
        # An entry is the message id, code << 16 and, << 24, the time in units of 8 s, 6 bits,
        # that is twice as long as an entry lives.
        self.values = array("I", bytes(4 * n))
        self.next = self.s = 0
        self.code = self.index = 0
        self.mid = random.getrandbits(16)
        self.half = self.used = self.before = 0

    def next_mid(self):
        """A fresh message id, counted up from a random start; -1 when all of them have been used
        within EXCHANGE_LIFETIME."""
        half = self.clock.s >> 8
        if half != self.half:
            # This and the one before are 256 s at the least: the lifetime and more.
            self.before = self.used if half == self.half + 1 else 0
            self.half = half
            self.used = 0
        if self.used + self.before > 0xFFFF:
            return -1
        self.used += 1
        self.mid = mid = (self.mid + 1) & 0xFFFF
        return mid

    def find(self, mid):
        """Whether `mid` is remembered: then `code` is its answer."""
        values = self.values
        now_s = self.clock.s
        if now_s - self.s > _EXCHANGE_LIFETIME_S:
            for i in range(len(values)):
                values[i] = 0
        self.s = now_s
        now = now_s >> 3
        found = False
        for i in range(len(values)):
            entry = values[i]
            if not entry:
                continue
            if (now - (entry >> 24)) & 63 > 1 + (_EXCHANGE_LIFETIME_S >> 3):
                values[i] = 0
            elif entry & 0xFFFF == mid:
                found = True
                self.index = i
                self.code = entry >> 16 & 255
        if found and self.code == 255:
            self.code = 0
        return found

    def append(self, mid, code):
        """Remember an answer, in the place of the oldest."""
        i = self.next
        self.values[i] = mid | (code or 255) << 16 | (self.clock.s >> 3 & 63) << 24
        self.next = (i + 1) % len(self.values)

    def update(self, mid, code):
        """Note the code of an answer that was still to come."""
        if self.find(mid):
            self.values[self.index] = self.values[self.index] & 0x3F00FFFF | code << 16
