"""The watchdog, fed by the protocol loop and by nothing else: what hangs is reset. Loaded with
lwm2m.supervisor when config.json has `watchdog_ms`, or by the application.

    watchdog = Watchdog(30000)
    while True:
        due = client.step()
        watchdog.feed()
        client.wait(watchdog.within(due))

A timer that feeds it would keep a board alive whose loop is dead. It cannot be stopped, not even
by Ctrl-C: the prompt is reset too. `step` must come back in time: a name that does not resolve
blocks an RP2040 for several seconds, so give servers by address there, or a name that resolves.
"""

import machine
import sys
from micropython import const

# A loop that is slow for once, with a garbage collection or a write to flash, is not dead.
_SHORTEST_MS = const(1000)

# What the boards can count to, the longest first: 24 bits of microseconds on the RP2350, half of
# it on the RP2040, and on the RP2350 before MicroPython 1.26.
_LIMITS = (16777, 8388)


class Watchdog:
    """Resets the board when `feed` is not called for `timeout_ms`, of which the board may have to
    take less: `timeout_ms` is then what it really is, and `clamped` is True.

    `timer` replaces `machine.WDT`. Raises ValueError for less than 1000 ms and for a board that
    has no watchdog (the unix port). Allocates: nothing after construction.
    """

    def __init__(self, timeout_ms, timer=None):
        if timeout_ms < _SHORTEST_MS:
            raise ValueError("watchdog_ms: %d at least" % _SHORTEST_MS)
        timer = timer or getattr(machine, "WDT", None)
        if not timer:
            raise ValueError("watchdog_ms: no watchdog on %s" % sys.platform)
        self.clamped = False
        try:
            self.timer = timer(timeout=timeout_ms)
        except ValueError:
            timeout_ms = self._longest(timer, timeout_ms)
        self.timeout_ms = timeout_ms

    def _longest(self, timer, timeout_ms):
        self.clamped = True
        for limit in _LIMITS:
            if limit < timeout_ms:
                try:
                    self.timer = timer(timeout=limit)
                    return limit
                except ValueError:
                    pass
        raise ValueError("watchdog_ms: %d is too long" % timeout_ms)

    def feed(self):
        """Another `timeout_ms` of life. Call it after `client.step()` has returned."""
        self.timer.feed()

    def within(self, ms):
        """`ms`, or less if the watchdog would not last: half of its time is left for the work."""
        return min(ms, self.timeout_ms // 2)
