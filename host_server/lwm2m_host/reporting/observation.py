"""One observation (LwM2M 1.1 core §6.4, RFC 7641): its state and its notifications."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from ..coap.folding import FoldedLog
from ..coap.messages import (
    DeviceRequest,
    NotificationMessage,
    ObservationToken,
    Response,
    successful,
)
from ..coap.timing import Clock
from ..errors import (
    FormatError,
    Lwm2mError,
    NotFound,
    NotObserved,
    NotRegistered,
    ResponseError,
    response_error,
)
from ..events import Event
from ..management.payload import Content, decode
from ..management.sender import Sender
from ..model.path import Path
from ..registration.definitions import Definitions
from .arrivals import Arrival, Arrivals
from .events import Notified, ObservationChanged, Unreadable
from .ordering import Order, Ordering
from .report import Notification, samples_of

log = logging.getLogger(__name__)

QUEUE_LIMIT = 1000

# Different notifications under one number before it is called a fault
_REPEATED = 2


def title(paths: Sequence[Path]) -> str:
    """Paths as errors and logs name them."""
    return " ".join(map(str, paths))


@dataclass(frozen=True)
class ObserveRequest:
    """An Observe or Observe-Composite, as often as it is sent.

    request: a Read or Read-Composite of `paths`; `accept` is the format that it asks for.
    composite: several paths together.
    reobserve: observe again when the device registers anew; None is what the server says.
    limit: how many notifications may wait to be fetched.
    ordered: go by the numbers of the notifications (RFC 7641 §3.4).
    """

    endpoint: str
    paths: tuple[Path, ...]
    composite: bool
    request: DeviceRequest
    accept: int
    reobserve: bool | None
    limit: int
    ordered: bool = True

    @property
    def key(self) -> tuple[bool, frozenset[Path]]:
        """The same for all observations of these paths of a device."""
        return self.composite, frozenset(self.paths)


class Keeper(Protocol):
    """The keeper of an observation, as the observation sees it."""

    sender: Sender
    clock: Clock
    log: FoldedLog  # for what devices cause
    emit: Callable[[Event], None]

    def remove(self, observation: Observation) -> None:
        """Take an ended one out of the list."""

    def cancel_paused(self, observation: Observation) -> None:
        """End a paused one at once, also while the device is being asked."""

    def refresh(self, observation: Observation) -> None:
        """Observe it anew: its last notification could not be had."""

    def keep(self, observation: Observation) -> None:
        """Write down the state that it has now, for a restart."""


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
        keeper: Keeper,
        asked: ObserveRequest,
        definitions: Definitions,
        reobserve: bool,
        token: bytes | None = None,
        identifier: str | None = None,
    ) -> None:
        self.id = identifier or secrets.token_hex(8)
        self.endpoint = asked.endpoint
        self.paths = asked.paths
        self.composite = asked.composite
        self.path = Path() if asked.composite else asked.paths[0]
        self.key = asked.key
        self.reobserve = reobserve
        self.state = "new"
        self.reason = ""
        self.latest: Notification | None = None
        self.started_at = keeper.clock.now()  # seconds since 1970
        self.count = 0
        self.dropped = 0
        self.duplicates = 0
        self.stale = 0
        self.incomplete = 0
        self.unreadable = 0
        self.outdated = False  # a notification could not be had: `value` is not the newest
        self.token = ObservationToken(self._on_response, self._on_message, token)
        self.address = ""  # of the device when it was asked
        self._keeper = keeper
        self.asked = asked
        self._definitions = definitions
        self._first: Notification | None = None
        self._error: ResponseError | None = None
        self._ordering = Ordering()
        self._repeated = 0  # notifications with the number of another one
        self._arrivals = Arrivals(
            self._deliver,
            self._complete,
            self._on_incomplete,
            f"lwm2m notification {asked.endpoint}",
        )
        self._waiting: deque[Notification] = deque()  # to be fetched
        self._wake = asyncio.Event()

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
        if len(self._waiting) >= self.asked.limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(notification)
        self._wake.set()

    # Its user

    async def cancel(self, *, timeout_s: float | None = None) -> None:
        """Cancel it on the device (Observe 1, LwM2M 1.1 core §6.4.4).

        The observation has ended in any case. Raises what `Device.read` raises when the device
        did not confirm; then it learns with its next notification.
        """
        if self.state == "paused":
            self._keeper.cancel_paused(self)
        async with self._keeper.sender.observing(self.endpoint):
            if self.state == "ended":
                return
            try:
                await self._request(1, timeout_s)
            except (NotFound, NotRegistered):
                pass  # there is nothing left to be cancelled
            finally:
                self.end("cancelled")

    def forget(self) -> None:
        """End it without a request: the next notification is answered with RST (RFC 7641 §3.6)."""
        self.end("forgotten")

    # Its keeper

    async def begin(self, timeout_s: float | None = None) -> None:
        """Send the Observe, and take the answer as the first notification."""
        self._arrivals.held = True
        gap = self._first is not None
        address = self._keeper.sender.peer(self.endpoint).address
        moved = bool(self.address) and address != self.address
        if moved:
            # Whoever had the old address, another device perhaps, does not report here any more.
            self._keeper.sender.forget(self.token)
            self.token = ObservationToken(self._on_response, self._on_message)
        self.address = address
        try:
            self._definitions = await self._keeper.sender.definitions(self.endpoint)
            answer = await self._request(0, timeout_s)
            sequence = self._ordering.first
            if sequence is None:
                raise NotObserved(title(self.paths), "the device answered and does not observe")
            message = NotificationMessage(answer, sequence, False)
            arrival = Arrival(message, self._keeper.clock.now(), False)
            first = self._decode(arrival, first=True, after_gap=gap)
        except BaseException:
            self._keeper.sender.forget(self.token)
            raise
        finally:
            self._arrivals.held = False
        self.outdated = False
        for waiting in self._arrivals:
            if waiting.sequence is not None and self.asked.ordered:
                waiting.late = self._ordering.precedes_first(waiting.sequence)
        # What the device had sent before it received the Observe may stand for the answer.
        first = replace(first, samples=self._ordering.new_samples(first.samples))
        self.latest = first
        if self._first is None:
            self._first = first
        if self.state != "active":
            self._change("active", "after a gap" if gap else "")
        elif moved:
            self._keeper.keep(self)
        self._emit_notification(first)
        if gap and first.samples:
            self.count += 1
            self._put(first)
        self._arrivals.drain()

    def resume(self, address: str, started_at: float, active: bool) -> None:
        """Go on after a restart of the server, without a word to the device where it observes."""
        self.address = address
        self.started_at = started_at
        if active:
            self._keeper.sender.adopt(self.token)
        self._change("active" if active else "paused", "the server was restarted")

    def pause(self, reason: str) -> None:
        """Wait until the device is back. Without `reobserve` this is the end."""
        if not self.reobserve:
            self.end(reason)
        elif self.state == "active":
            self.suspend(reason)

    def suspend(self, reason: str) -> None:
        """Take no notification until it has begun again."""
        self.outdated = False
        self._keeper.sender.forget(self.token)
        self._arrivals.clear()
        self._change("paused", reason)

    def fail(self, error: ResponseError) -> None:
        """End it by the device's refusal."""
        self._error = error
        self.end(str(error))

    def end(self, reason: str) -> None:
        """End it. Does nothing when it has ended."""
        if self.state == "ended":
            return
        self._keeper.sender.forget(self.token)
        self._keeper.remove(self)
        self._arrivals.close()
        self._change("ended", reason)
        self._wake.set()

    async def _request(self, observe: int, timeout_s: float | None) -> Response:
        request = replace(self.asked.request, observe=observe, token=self.token)
        try:
            return await self._keeper.sender.request(self.endpoint, request, timeout_s)
        except ResponseError as problem:  # a composite one goes to the root
            raise response_error(problem.code, title(self.paths), problem.detail) from None

    def _change(self, state: str, reason: str) -> None:
        self.state, self.reason = state, reason
        if state != "ended":
            self._keeper.keep(self)
        self._keeper.emit(
            ObservationChanged(
                self._keeper.clock.now(),
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

    # The CoAP layer

    def _on_response(self, sequence: int | None) -> None:
        self._ordering.begin(sequence, self._keeper.clock.monotonic())

    def _on_message(self, message: NotificationMessage) -> None:
        if self.state == "ended":
            return
        late = False
        is_numbered = message.sequence is not None and self.asked.ordered
        if is_numbered and message.response.successful:
            assert message.sequence is not None
            order = self._ordering.place(
                message.sequence, message.response.payload, self._keeper.clock.monotonic()
            )
            if order in (Order.DUPLICATE, Order.REPEATED):
                self.duplicates += 1
                if order is Order.REPEATED:
                    self._on_repeated(message.sequence)
                return
            late = order is Order.LATE
        self._arrivals.put(Arrival(message, self._keeper.clock.now(), late))

    def _on_repeated(self, sequence: int) -> None:
        """Tell once of a device that does not count: what it reports is dropped."""
        self._repeated += 1
        if self._repeated != _REPEATED:
            return
        reason = (
            f"the device repeats the number {sequence} of its notifications, which are dropped as "
            "duplicates; observe with ordered=False (--unordered) to take them"
        )
        self._warn(f"{self.endpoint} {title(self.paths)}", reason)
        self._emit_unreadable(reason)

    def _warn(self, text: str, reason: object) -> None:
        """Write a line, those of the same beginning folded."""
        self._keeper.log.warning(text, f"{text}: {reason}")

    # What has arrived

    async def _complete(self, message: NotificationMessage) -> Response:
        return await self._keeper.sender.complete(self.endpoint, self.asked.request, message)

    def _on_incomplete(self, arrival: Arrival, problem: Lwm2mError) -> None:
        self.incomplete += 1
        self._warn(f"{self.endpoint}: a notification is incomplete", problem)
        self._emit_unreadable(str(problem))
        if not self._arrivals and not arrival.late and self.state == "active":
            self.outdated = True
            self._keeper.refresh(self)

    def _deliver(self, arrival: Arrival) -> None:
        if self.state == "ended":
            return
        try:
            successful(arrival.response, title(self.paths))
        except ResponseError as problem:
            self.fail(problem)
            return
        try:
            notification = self._decode(arrival)
        except FormatError as problem:
            self.unreadable += 1
            self._warn(f"{self.endpoint}: a notification cannot be decoded", problem)
            self._emit_unreadable(str(problem))
        else:
            if arrival.late and not any(sample.timed for sample in notification.samples):
                self.stale += 1
                return
            samples = self._ordering.new_samples(notification.samples)
            if notification.samples and not samples:
                self.duplicates += 1
                return
            notification = replace(notification, samples=samples)
            self.count += 1
            if not arrival.late:
                self.latest = notification
            self._put(notification)
            self._emit_notification(notification)
        if arrival.sequence is None:
            self.end("the device does not observe it any more")

    def _decode(
        self, arrival: Arrival, first: bool = False, after_gap: bool = False
    ) -> Notification:
        """The notification as a value. Raises FormatError."""
        response = arrival.response
        number = self.asked.accept if response.content_format is None else response.content_format
        content = Content(response.content_format, response.payload)
        entries, value = decode(content, number, self.paths, self.composite, self._definitions)
        samples = samples_of(entries, arrival.received_at)
        return Notification(
            self.endpoint,
            arrival.received_at,
            samples,
            number,
            {sample.path: self._definitions.type_of(sample.path) for sample in samples},
            path=self.path,
            paths=self.paths,
            composite=self.composite,
            value=value,
            code=response.code,
            sequence=arrival.sequence,
            confirmable=arrival.confirmable,
            first=first,
            late=arrival.late,
            after_gap=after_gap,
            observation=self.id,
        )

    def _emit_notification(self, notification: Notification) -> None:
        registration = self._definitions.registration
        self._keeper.emit(
            Notified(notification.received_at, self.endpoint, registration, notification)
        )

    def _emit_unreadable(self, reason: str) -> None:
        self._keeper.emit(
            Unreadable(
                self._keeper.clock.now(),
                self.endpoint,
                self._definitions.registration,
                "notification",
                title(self.paths),
                reason,
            )
        )


class PendingObservation:
    """The result of `Device.observe`: ``await`` it for the Observation, or use it as ``async
    with``, which cancels the observation at the end."""

    def __init__(self, start: Callable[[], Awaitable[Observation]]) -> None:
        self._start = start
        self._observation: Observation | None = None

    def __await__(self) -> Generator[Any, None, Observation]:
        return self._start().__await__()

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
