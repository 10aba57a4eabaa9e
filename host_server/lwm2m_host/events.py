"""Events of a server as values, and two ways to get them: callbacks and streams.

Each room defines its own (registration/events, reporting/events).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Protocol

log = logging.getLogger(__name__)


class EventLog(Protocol):
    """The log of events, within bounds: whoever floods the server does not flood it."""

    def info(self, text: str) -> None:
        """Write a line."""

    def warning(self, kind: str, text: str, error: BaseException | None = None) -> None:
        """Write a line with the traceback of an error, or count it with others of its kind."""


@dataclass(frozen=True)
class Event:
    """One thing that happened. `time_s` is seconds since 1970."""

    kind: ClassVar[str] = "event"
    time_s: float
    endpoint: str


class EventStream:
    """An asynchronous iterator over events, from the moment it was made.

    Of one `kind` and one `endpoint`, if these are given. Holds at most `limit` events that nobody
    has fetched; then the oldest go, and `dropped` counts them. Ends when the server does, or with
    `close()`.
    """

    def __init__(
        self,
        bus: EventBus,
        limit: int = 1000,
        kind: type[Event] = Event,
        endpoint: str | None = None,
    ) -> None:
        self._bus = bus
        self._limit = limit
        self._kind = kind
        self._endpoint = endpoint
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.dropped = 0
        bus.streams.add(self)

    def put(self, event: Event) -> None:
        if not isinstance(event, self._kind) or self._endpoint not in (None, event.endpoint):
            return
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.dropped += 1
            self._bus.dropped += 1
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._bus.streams.discard(self)
        self._wake.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class EventBus:
    """One place where events are emitted, for all callbacks, streams and the log."""

    def __init__(self, event_log: EventLog) -> None:
        self.streams: set[EventStream] = set()
        self.dropped = 0  # events, by all streams so far
        self._callbacks: list[Callable[[Event], None]] = []
        self._log = event_log

    def on_event(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call `callback` for every event; returns a function that ends this.

        What the callback raises is logged and goes no further.
        """
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def emit(self, event: Event) -> None:
        if event.kind in ("notification", "send"):
            log.debug("%s %s", event.endpoint, event.kind)
        else:
            self._log.info(f"{event.endpoint} {event.kind}")
        for callback in list(self._callbacks):
            try:
                callback(event)
            except Exception as error:
                text = f"an event callback failed on {event.kind}"
                self._log.warning(text, text, error)
        for stream in list(self.streams):
            stream.put(event)

    def close(self) -> None:
        for stream in list(self.streams):
            stream.close()
