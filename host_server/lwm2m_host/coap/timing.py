"""Time: the transmission parameters of CoAP, and the clock that a test may replace."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Periods in which the delay of the loop is measured
_PERIOD_S = 1.0
_PERIODS = 60
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


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


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """The time since the machine was started, sleep included.

    boot: of this start, empty where the system does not tell. seconds: since then.
    """

    boot: str
    seconds: float


class Clock:
    """The time, as the server takes it."""

    _boot: str | None = None  # of this start of the machine, once somebody has asked

    def monotonic(self) -> float:
        """Seconds that never jump: for lifetimes."""
        return time.monotonic()

    def now(self) -> float:
        """Seconds since 1970: for what people read."""
        return time.time()

    def uptime(self) -> Uptime:
        """The time that a restart of the server, and a step of the wall clock, leave alone."""
        if self._boot is None:
            try:
                self._boot = _BOOT_ID.read_text().strip()
            except OSError:
                self._boot = ""
        return Uptime(self._boot, time.clock_gettime(_CLOCK) if self._boot else 0.0)


class FakeClock(Clock):
    """A clock that only `advance` moves. Call `Server.expire_due()` after moving it."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s

    def monotonic(self) -> float:
        return self._now_s

    def now(self) -> float:
        return self._now_s

    def uptime(self) -> Uptime:
        return Uptime("", 0.0)

    def advance(self, seconds: float) -> None:
        self._now_s += seconds


class LoopDelay:
    """A measure of how late the loop calls back, over the last minute."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=_PERIODS)  # seconds, the longest of each period
        self._timer: asyncio.TimerHandle | None = None

    @property
    def longest_s(self) -> float:
        """The longest delay of the last minute, in seconds."""
        return max(self._delays, default=0.0)

    def start(self) -> None:
        """Begin to measure."""
        self._call(time.monotonic() + _PERIOD_S)

    def stop(self) -> None:
        """End it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call(self, due_s: float) -> None:
        delay_s = max(0.0, due_s - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._measure, due_s)

    def _measure(self, due_s: float) -> None:
        now_s = time.monotonic()
        self._delays.append(max(0.0, now_s - due_s))
        self._call(now_s + _PERIOD_S)
