"""Notifications that have come in, and are not delivered yet: they may be incomplete."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from ..coap.messages import NotificationMessage, Response
from ..errors import Lwm2mError


class Arrival:
    """One notification as it came in. `received_at` is seconds since 1970."""

    def __init__(self, message: NotificationMessage, received_at: float, late: bool) -> None:
        self.message = message
        self.response = message.response
        self.received_at = received_at
        self.late = late
        self.sequence = message.sequence
        self.confirmable = message.confirmable


class Arrivals:
    """A queue that delivers notifications in the order in which they came.

    deliver: called with each one, complete.
    complete: fetches the rest of one that came with its first block only (RFC 7959 §2.6).
    on_incomplete: called with one whose rest could not be had, and the reason.
    name: of the task that fetches blocks.

    While it is held, nothing is delivered.
    """

    def __init__(
        self,
        deliver: Callable[[Arrival], None],
        complete: Callable[[NotificationMessage], Awaitable[Response]],
        on_incomplete: Callable[[Arrival, Lwm2mError], None],
        name: str,
    ) -> None:
        self.held = False
        self._deliver = deliver
        self._complete = complete
        self._on_incomplete = on_incomplete
        self._name = name
        self._waiting: deque[Arrival] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self._waiting)

    def put(self, arrival: Arrival) -> None:
        """Add one, and deliver it when its turn has come."""
        self._waiting.append(arrival)
        self.drain()

    def drain(self) -> None:
        """Deliver what has arrived; in a task once blocks are to be fetched."""
        while self._waiting and self._task is None and not self.held:
            if self._waiting[0].message.more:
                self._task = asyncio.create_task(self._run(), name=self._name)
                return
            self._deliver(self._waiting.popleft())

    def clear(self) -> None:
        """Drop what is not delivered yet."""
        self._waiting.clear()

    def close(self) -> None:
        """Drop everything, and end the task; it may be the caller itself."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._deliver_complete(self._waiting.popleft())
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _deliver_complete(self, arrival: Arrival) -> None:
        if arrival.message.more:
            try:
                arrival.response = await self._complete(arrival.message)
            except Lwm2mError as problem:
                self._on_incomplete(arrival, problem)
                return
        self._deliver(arrival)
