"""Time: the transmission parameters of CoAP, and the clock that a test may replace."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Transmission parameters of our requests (RFC 7252 §4.8).

    `timeout_s` is how long an answer, or each block of one, may take; None is MAX_TRANSMIT_WAIT,
    93 s with the defaults.
    """

    ack_timeout_s: float = 2.0
    ack_random_factor: float = 1.5
    max_retransmit: int = 4
    timeout_s: float | None = None

    @property
    def max_transmit_wait_s(self) -> float:
        waits = (1 << (self.max_retransmit + 1)) - 1
        return self.ack_timeout_s * waits * self.ack_random_factor

    def timeout(self, timeout_s: float | None = None) -> float:
        """Seconds that an answer may take, the caller's wish first."""
        for wish in (timeout_s, self.timeout_s):
            if wish is not None:
                return wish
        return self.max_transmit_wait_s


class Clock:
    """The time, as the server takes it."""

    def monotonic(self) -> float:
        """Seconds that never jump: for lifetimes."""
        return time.monotonic()

    def now(self) -> float:
        """Seconds since 1970: for what people read."""
        return time.time()


class FakeClock(Clock):
    """A clock that only `advance` moves. Call `Server.expire_due()` after moving it."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s

    def monotonic(self) -> float:
        return self._now_s

    def now(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        self._now_s += seconds
