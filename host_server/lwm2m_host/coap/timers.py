"""Deadlines of the CoAP engine: a heap, asked for the earliest one."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

# Cancelled ones are dropped when there are more than this, and more than live ones.
_SPARE = 256


class Timer:
    """One deadline: `callback(argument)` is called once it is over, unless it was cancelled."""

    __slots__ = ("argument", "callback", "due_s")

    def __init__(self, due_s: float, callback: Callable[[Any], None], argument: Any) -> None:
        self.due_s = due_s
        self.callback: Callable[[Any], None] | None = callback
        self.argument = argument

    def __lt__(self, other: Timer) -> bool:
        return self.due_s < other.due_s


class Timers:
    """All deadlines, in seconds of the clock that the caller has.

    on_earliest: called with a deadline that is earlier than all others when it is set; whoever
    waits has to wake by then.
    """

    def __init__(self, on_earliest: Callable[[float], None] = lambda due_s: None) -> None:
        self.on_earliest = on_earliest
        self._heap: list[Timer] = []
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, due_s: float, callback: Callable[[Any], None], argument: Any) -> Timer:
        """Set a deadline."""
        timer = Timer(due_s, callback, argument)
        heapq.heappush(self._heap, timer)
        if self._heap[0] is timer:
            self.on_earliest(due_s)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Take a deadline back; one that is over, or None, is passed over."""
        if timer is None or timer.callback is None:
            return
        timer.callback = timer.argument = None
        self._cancelled += 1
        if self._cancelled > _SPARE and self._cancelled * 2 > len(self._heap):
            self._heap[:] = [item for item in self._heap if item.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def clear(self) -> None:
        """Drop all."""
        self._heap.clear()
        self._cancelled = 0

    def next_due_s(self) -> float | None:
        """The earliest deadline, None when there is none."""
        while self._heap and self._heap[0].callback is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0].due_s if self._heap else None

    def run(self, now_s: float) -> None:
        """Call back for the deadlines that are over; those that this sets wait for the next."""
        due: list[Timer] = []
        while self._heap and self._heap[0].due_s <= now_s:
            timer = heapq.heappop(self._heap)
            if timer.callback is None:
                self._cancelled -= 1
            else:
                due.append(timer)
        for timer in due:
            callback, argument = timer.callback, timer.argument
            if callback is None:  # cancelled by one of those before it
                self._cancelled -= 1
                continue
            timer.callback = timer.argument = None
            callback(argument)
