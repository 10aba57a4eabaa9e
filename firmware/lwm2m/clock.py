"""Time for the client: survives the wrap of ticks and counts lifetimes of years.

`time.ticks_ms()` wraps after 12.4 days and `ticks_diff` spans half of that; one integer of
milliseconds would outgrow the small integers after as long. So time is kept as two small
integers, seconds and milliseconds, and a point in time is a `Deadline` that holds both.
"""

import time
from micropython import const

# The longest wait that is ever asked for: an hour. A step then costs nothing, and the ticks
# are looked at long before they wrap.
_LONGEST_MS = const(3600000)
_LONGEST_S = const(3600)


class Clock:
    """Monotonic time since construction, as `s` (seconds) and `ms` (0..999).

    `ticks_ms` may be replaced by any function that wraps as `time.ticks_ms` does; it must be
    looked at (`update`) at least every six days. Allocates: nothing after construction.
    """

    def __init__(self, ticks_ms=time.ticks_ms):
        self.clock = ticks_ms
        self.last = ticks_ms()
        self.s = 0
        self.ms = 0

    def update(self):
        """Take over the time that has passed since the last call."""
        now = self.clock()
        passed = time.ticks_diff(now, self.last)
        if passed > 0:
            self.last = now
            self.advance(passed)

    def advance(self, ms):
        """Move the time forward by `ms` milliseconds."""
        ms += self.ms
        self.s += ms // 1000
        self.ms = ms % 1000


class Deadline:
    """A point in time on a `Clock`. Allocates: nothing after construction."""

    def __init__(self, clock):
        self.clock = clock
        self.s = clock.s
        self.ms = clock.ms

    def after(self, ms):
        """Set it to `ms` milliseconds from now (below 2**29)."""
        ms += self.clock.ms
        self.s = self.clock.s + ms // 1000
        self.ms = ms % 1000

    def after_s(self, s):
        """Set it to `s` seconds from now (years if need be)."""
        self.s = self.clock.s + s
        self.ms = self.clock.ms

    def left_ms(self):
        """Milliseconds left: 0 when it is reached, at most one hour."""
        s = self.s - self.clock.s
        if s > _LONGEST_S:
            return _LONGEST_MS
        ms = s * 1000 + self.ms - self.clock.ms if s >= 0 else 0
        if ms < 0:
            return 0
        return ms if ms < _LONGEST_MS else _LONGEST_MS
