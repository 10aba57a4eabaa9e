"""Observations: what devices report because they were asked to (LwM2M 1.1 core §6.4, RFC 7641).

They belong to the server, and outlive the registration of the device.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aiocoap import Message
from aiocoap.numbers.types import CON

from .. import formats
from ..coap.exchange import diagnostic
from ..coap.tokens import Watch
from ..errors import (
    FormatError,
    Lwm2mError,
    NotFound,
    NotObserved,
    NotRegistered,
    ResponseError,
    ServerError,
    response_error,
)
from ..formats import Format
from ..model.path import Path
from .events import Notified, ObservationChanged, Unreadable
from .report import Notification, Sample, decoded, samples_of

if TYPE_CHECKING:
    from ..device import Device
    from .observations import Observations

log = logging.getLogger(__name__)

# A notification is newer when it came so much later, whatever its number (RFC 7641 §3.4)
REORDERED_S = 128.0
QUEUE_LIMIT = 1000
_RECENT = 64
# How many samples with times are remembered, so that none is told twice
_REMEMBERED = 4096


def title(paths: Sequence[Path]) -> str:
    """Paths as errors and logs name them."""
    return " ".join(map(str, paths))


class _Arrived:
    """A notification as it came in, before it is complete and understood."""

    def __init__(self, message: Message, received_at: float, late: bool) -> None:
        self.message = message
        self.received_at = received_at
        self.late = late
        self.sequence: int | None = message.opt.observe
        self.confirmable = message.mtype is CON


class Observation:
    """One path, or the list of a composite observation, that a device reports.

    An asynchronous iterator over its Notifications; the answer to the Observe itself is not among
    them but in `first`, the newest in `latest`. What nobody fetches waits, `limit` of them at
    most; then the oldest go, and `dropped` counts them.

    The iterator ends when the observation is cancelled, forgotten or replaced, or with the server;
    when the device ends it, it raises the ResponseError of the code (NotFound after a Delete).
    `reason` says why, `state` is "active", "paused" (the device is away; it is asked again when it
    registers) or "ended".

    Counted: `count` notifications, `duplicates`, `stale` ones that were overtaken and had no times
    of their own, `incomplete` ones whose blocks could not be had, `unreadable` ones.
    """

    def __init__(
        self,
        owner: Observations,
        device: Device,
        paths: tuple[Path, ...],
        *,
        composite: bool,
        accept: Format,
        asking: dict[str, Any],
        reobserve: bool,
        limit: int,
        token: bytes | None,
    ) -> None:
        self.device = device
        self.paths = paths
        self.composite = composite
        self.path = Path() if composite else paths[0]
        self.reobserve = reobserve
        self.state = "new"
        self.reason = ""
        self.latest: Notification | None = None
        self.started_at = owner.server.clock.now()
        self.count = self.dropped = 0
        self.duplicates = self.stale = self.incomplete = self.unreadable = 0
        self.id = secrets.token_hex(8)
        self.watch = Watch(self._began, self._arrived, token)
        self._first: Notification | None = None
        self._owner = owner
        self._accept = accept
        self._asking = asking
        self._limit = limit
        self._waiting: deque[Notification] = deque()
        self._wake = asyncio.Event()
        self._error: ResponseError | None = None
        self._definitions = device.definitions
        self._inbox: deque[_Arrived] = deque()
        self._pump: asyncio.Task[None] | None = None
        self.unsure = False  # a notification could not be had
        self._beginning = False
        self._sequence: int | None = None
        self._newest = 0
        self._newest_s = 0.0
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT)
        self._samples: dict[tuple[Path, float, str], None] = {}

    @property
    def endpoint(self) -> str:
        return self.device.endpoint

    @property
    def first(self) -> Notification:
        """The answer to the Observe."""
        assert self._first is not None
        return self._first

    @property
    def value(self) -> Any:
        """The newest value."""
        return self.latest.value if self.latest else None

    def __repr__(self) -> str:
        return f"<Observation {self.endpoint} {title(self.paths)} {self.state}>"

    # The iterator

    def __aiter__(self) -> Observation:
        return self

    async def __anext__(self) -> Notification:
        while not self._waiting:
            if self.state == "ended":
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def _put(self, notification: Notification) -> None:
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(notification)
        self._wake.set()

    # What its user may do

    async def cancel(self, *, timeout_s: float | None = None) -> None:
        """Tell the device that nobody listens any more (Observe 1, LwM2M 1.1 core §6.4.4).

        The observation has ended in any case. Raises what `Device.read` raises when the device
        did not confirm; then it learns with its next notification.
        """
        if self.state == "paused":
            self._owner.leave(self)
        async with self.device.observing:
            if self.state == "ended":
                return
            try:
                await self._request(1, timeout_s)
            except (NotFound, NotRegistered):
                pass  # there is nothing left to be cancelled
            finally:
                self._end("cancelled")

    def forget(self) -> None:
        """End it without a word: the next notification is answered with RST (RFC 7641 §3.6)."""
        self._end("forgotten")

    # What the server does

    async def begin(self, timeout_s: float | None = None) -> None:
        """Send the Observe, and take the answer as the first notification."""
        self._beginning = True
        self._definitions = self.device.definitions
        gap = self._first is not None
        try:
            answer = await self._request(0, timeout_s)
            if self._sequence is None:
                raise NotObserved(title(self.paths), "the device answered and does not observe")
            arrived = _Arrived(answer, self._owner.server.clock.now(), False)
            arrived.sequence = self._sequence
            first = self._understood(arrived, first=True, after_gap=gap)
        except BaseException:
            self._forget()
            raise
        finally:
            self._beginning = False
        self.unsure = False
        for waiting in self._inbox:
            if waiting.sequence is not None:
                waiting.late = (self._sequence - waiting.sequence) % (1 << 24) < 1 << 23
        # What the device had sent before it heard the question may stand for the answer.
        first = replace(first, samples=self._unknown(first.samples))
        self.latest = first
        if self._first is None:
            self._first = first
        if self.state != "active":
            self._change("active", "after a gap" if gap else "")
        self._told(first)
        if gap and first.samples:
            self.count += 1
            self._put(first)
        self._drain()

    def pause(self, reason: str) -> None:
        """The device is away, or has forgotten. Without `reobserve` this is the end."""
        if not self.reobserve:
            self._end(reason)
        elif self.state == "active":
            self.suspend(reason)

    def suspend(self, reason: str) -> None:
        """Hear nothing until it has begun again."""
        self.unsure = False
        self._forget()
        self._inbox.clear()
        self._change("paused", reason)

    def follow(self, remote: Any) -> None:
        """The device has another address."""
        self._owner.server.context.tokens.move(self.watch, remote)

    def close(self, reason: str) -> None:
        self._end(reason)

    def failed(self, error: ResponseError) -> None:
        """The device refused it, or ended it."""
        self._error = error
        self._end(str(error))

    async def _request(self, observe: int, timeout_s: float | None) -> Message:
        return await self.device.request(
            **self._asking, observe=observe, watch=self.watch, timeout_s=timeout_s
        )

    def _forget(self) -> None:
        with contextlib.suppress(ServerError):  # closed: nothing arrives any more
            self._owner.server.context.tokens.forget(self.watch)

    def _end(self, reason: str) -> None:
        if self.state == "ended":
            return
        self._forget()
        self._owner.remove(self)
        pump, self._pump = self._pump, None
        if pump is not None and pump is not asyncio.current_task():
            pump.cancel()
        self._inbox.clear()
        self._change("ended", reason)
        self._wake.set()

    def _change(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
        self._owner.emit(
            ObservationChanged(
                self._owner.server.clock.now(),
                self.endpoint,
                self._definitions.registration,
                self.id,
                self.path,
                self.paths,
                self.composite,
                state,
                reason,
            )
        )

    # What arrives

    def _began(self, sequence: int | None) -> None:
        self._sequence = sequence
        self._recent.clear()
        if sequence is not None:
            self._newest = sequence
            self._newest_s = self._owner.server.clock.monotonic()
            self._recent.append((sequence, 0))

    def _arrived(self, message: Message) -> None:
        """Called for each message with the token, in the CoAP layer."""
        server = self._owner.server
        if self.state == "ended":
            return
        late = False
        number = message.opt.observe
        if number is not None and message.code.is_successful():
            content = (number, hash(message.payload))
            repeated = content in self._recent
            late = not repeated and not self._fresh(number, server.clock.monotonic())
            if repeated or (late and any(number == before for before, _ in self._recent)):
                self.duplicates += 1
                return
            self._recent.append(content)
        self._inbox.append(_Arrived(message, server.clock.now(), late))
        self._drain()

    def _fresh(self, number: int, now_s: float) -> bool:
        """RFC 7641 §3.4; remembers it when it is."""
        ahead = (number - self._newest) % (1 << 24)
        if 0 < ahead < 1 << 23 or now_s > self._newest_s + REORDERED_S:
            self._newest, self._newest_s = number, now_s
            return True
        return False

    def _drain(self) -> None:
        """Deliver what has arrived, in its order; in a task once more blocks are to be fetched."""
        while self._inbox and self._pump is None and not self._beginning:
            if _has_more(self._inbox[0].message):
                self._pump = asyncio.create_task(
                    self._deliver_in_blocks(), name=f"lwm2m notification {self.endpoint}"
                )
                return
            self._deliver(self._inbox.popleft())

    async def _deliver_in_blocks(self) -> None:
        try:
            await self._deliver_all()
        finally:
            if self._pump is asyncio.current_task():
                self._pump = None

    async def _deliver_all(self) -> None:
        while self._inbox:
            arrived = self._inbox.popleft()
            if _has_more(arrived.message):
                try:
                    arrived.message = await self.device.complete(arrived.message, **self._asking)
                except Lwm2mError as problem:
                    self.incomplete += 1
                    log.warning("%s: a notification is incomplete: %s", self.endpoint, problem)
                    self._unreadable(str(problem))
                    if not self._inbox and not arrived.late and self.state == "active":
                        self._owner.ask_again(self)
                    continue
            self._deliver(arrived)

    def _deliver(self, arrived: _Arrived) -> None:
        message = arrived.message
        if self.state == "ended":
            return
        if not message.code.is_successful():
            self.failed(
                response_error(message.code.dotted, title(self.paths), diagnostic(message))
            )
            return
        try:
            notification = self._understood(arrived)
        except FormatError as problem:
            self.unreadable += 1
            log.warning("%s: a notification cannot be read: %s", self.endpoint, problem)
            self._unreadable(str(problem))
        else:
            if arrived.late and not any(sample.timed for sample in notification.samples):
                self.stale += 1
                return
            samples = self._unknown(notification.samples)
            if notification.samples and not samples:
                self.duplicates += 1
                return
            notification = replace(notification, samples=samples)
            self.count += 1
            if not arrived.late:
                self.latest = notification
            self._put(notification)
            self._told(notification)
        if arrived.sequence is None:
            self._end("the device does not observe it any more")

    def _unknown(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """Those that are not here yet. A device that does not know what has arrived sends what it
        has kept once more, after a Register under another number: the time tells."""
        found = []
        for sample in samples:
            key = (sample.path, sample.time_s, repr(sample.value))
            if sample.timed and key in self._samples:
                continue
            if sample.timed:
                self._samples[key] = None
                if len(self._samples) > _REMEMBERED:
                    del self._samples[next(iter(self._samples))]
            found.append(sample)
        return tuple(found)

    def _understood(
        self, arrived: _Arrived, first: bool = False, after_gap: bool = False
    ) -> Notification:
        """Raises FormatError."""
        message = arrived.message
        number = message.opt.content_format
        number = self._accept.number if number is None else int(number)
        codec = formats.get(number)
        entries, value = decoded(
            message.payload, codec, self.paths, self.composite, self._definitions
        )
        samples = samples_of(entries, arrived.received_at)
        return Notification(
            self.endpoint,
            arrived.received_at,
            samples,
            number,
            {sample.path: self._definitions.type_of(sample.path) for sample in samples},
            path=self.path,
            paths=self.paths,
            composite=self.composite,
            value=value,
            code=message.code.dotted,
            sequence=arrived.sequence,
            confirmable=arrived.confirmable,
            first=first,
            late=arrived.late,
            after_gap=after_gap,
            observation=self.id,
        )

    def _told(self, notification: Notification) -> None:
        registration = self._definitions.registration
        self._owner.emit(
            Notified(notification.received_at, self.endpoint, registration, notification)
        )

    def _unreadable(self, reason: str) -> None:
        self._owner.emit(
            Unreadable(
                self._owner.server.clock.now(),
                self.endpoint,
                self._definitions.registration,
                "notification",
                title(self.paths),
                reason,
            )
        )


def _has_more(message: Message) -> bool:
    block2 = message.opt.block2
    return message.code.is_successful() and block2 is not None and block2.more


class Opening:
    """What `Device.observe` returns: ``await`` it for the Observation, or use it as ``async
    with``, which cancels the observation at the end."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self._start = start
        self._observation: Observation | None = None

    def __await__(self) -> Generator[Any, None, Observation]:
        result: Generator[Any, None, Observation] = self._start().__await__()
        return result

    async def __aenter__(self) -> Observation:
        self._observation = await self
        return self._observation

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._observation is not None
        try:
            await self._observation.cancel()
        except Lwm2mError as problem:
            log.warning("%s", problem)  # it has ended here; what happened inside matters more
