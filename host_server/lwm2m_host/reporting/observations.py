"""The observations of a server. They outlive the registrations of their devices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..coap.folding import FoldedLog
from ..coap.timing import Clock
from ..errors import FormatError, Lwm2mError, NotObserved, NotRegistered, ResponseError
from ..events import Event
from ..management.sender import Sender
from ..model.path import Path
from ..registration.definitions import Definitions
from ..registration.events import Deregistered, Expired, Registered
from ..registration.registration import ObjectLinks, Registration
from ..registration.registry import ObservationRecord, Registry
from .observation import Observation, ObserveRequest
from .records import record_of, stored_observation

log = logging.getLogger(__name__)

# Boards whose network stack keeps one datagram for a socket lose a request that comes right behind
# the answer to their Register.
_SETTLE_S = 0.1

_GONE: Mapping[str, str] = {"deregistered": "de-registered", "expired": "was not heard of"}


class Observations:
    """The observations of all devices. At most one for each list of paths of a device."""

    def __init__(
        self,
        sender: Sender,
        registry: Registry,
        clock: Clock,
        emit: Callable[[Event], None],
        reobserve: bool = True,
    ) -> None:
        self.sender = sender
        self._registry = registry
        self.clock = clock
        self.log = FoldedLog(log, clock.monotonic)
        self.emit = emit
        self.reobserve = reobserve
        # Endpoint: key of ObserveRequest: observation.
        self._found: dict[str, dict[tuple[bool, frozenset[Path]], Observation]] = {}
        # Endpoint: the task that observes its paused ones again.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    def __iter__(self) -> Iterator[Observation]:
        return iter([item for found in self._found.values() for item in found.values()])

    def __len__(self) -> int:
        return sum(len(found) for found in self._found.values())

    def of(self, endpoint: str) -> list[Observation]:
        """The observations of one device, active and paused."""
        return list(self._found.get(endpoint, {}).values())

    def find(
        self, endpoint: str, paths: Sequence[Path], composite: bool = False
    ) -> Observation | None:
        """The observation of these paths."""
        return self._found.get(endpoint, {}).get((composite, frozenset(paths)))

    async def observe(self, asked: ObserveRequest, timeout_s: float | None = None) -> Observation:
        """Observe, and replace what is observed there already. Raises as `Device.observe` does."""
        endpoint = asked.endpoint
        async with self.sender.observing(endpoint):
            before = self.find(endpoint, asked.paths, asked.composite)
            observation = Observation(
                self,
                asked,
                await self.sender.definitions(endpoint),
                self.reobserve if asked.reobserve is None else asked.reobserve,
                before.token.value if before is not None else None,
            )
            observation.address = before.address if before is not None else ""
            try:
                await observation.begin(timeout_s)
            except Lwm2mError as problem:
                # A device that refuses ends the old one too (RFC 7641 §4.2).
                if before is not None and not self.sender.knows(before.token):
                    before.end(str(problem))
                raise
            if before is not None:
                before.end("replaced")
            self._found.setdefault(endpoint, {})[observation.key] = observation
        await self._registry.settle()
        return observation

    async def restore(self) -> None:
        """Go on with the observations from before a restart."""
        for record in await self._registry.observations():
            try:
                await self._restore(record)
            except (ValueError, KeyError, TypeError) as problem:
                log.error("an observation of %s cannot be read: %r", record.endpoint, problem)

    async def _restore(self, record: ObservationRecord) -> None:
        found = stored_observation(record)
        endpoint = record.endpoint
        try:
            definitions = await self.sender.definitions(endpoint)
        except NotRegistered:
            definitions = Definitions(self.sender.models, _unregistered(endpoint))
        observation = Observation(
            self, found.asked, definitions, found.reobserve, found.token, found.id
        )
        self._found.setdefault(endpoint, {})[observation.key] = observation
        registered = definitions.registration.location != ""
        observation.resume(found.address, found.started_at, found.active and registered)

    def keep(self, observation: Observation) -> None:
        """Write it down for a restart."""
        self._registry.put_observation(record_of(observation))

    def remove(self, observation: Observation) -> None:
        if not self._closing:
            self._registry.remove_observation(observation.endpoint, observation.id)
        found = self._found.get(observation.endpoint, {})
        if found.get(observation.key) is observation:
            del found[observation.key]
            if not found:
                del self._found[observation.endpoint]

    def on_event(self, event: Event) -> None:
        """Pause, move or revive the observations of a device after an event of registration."""
        found = self.of(event.endpoint)
        if isinstance(event, Registered):
            for item in found:
                item.pause("the device registered anew")
        elif isinstance(event, Deregistered | Expired):
            for item in found:
                item.pause(f"the device {_GONE[event.kind]}")
            return
        if any(item.state == "paused" for item in self.of(event.endpoint)):
            self._revive(event.endpoint)

    def refresh(self, observation: Observation) -> None:
        self._revive(observation.endpoint)

    def cancel_paused(self, observation: Observation) -> None:
        endpoint = observation.endpoint
        running = self._tasks.pop(endpoint, None)
        if running is not None:
            running.cancel()
        observation.end("cancelled")
        if running is not None and any(item.state == "paused" for item in self.of(endpoint)):
            self._revive(endpoint)

    def close(self) -> None:
        """End all of them. What is written down stays for the next start."""
        self._closing = True
        for task in list(self._tasks.values()):
            task.cancel()
        for item in self:
            item.end("the server was closed")

    def _revive(self, endpoint: str) -> None:
        running = self._tasks.pop(endpoint, None)
        if running is not None:
            running.cancel()
        task = asyncio.create_task(
            self._observe_again(endpoint), name=f"lwm2m re-observe {endpoint}"
        )
        self._tasks[endpoint] = task
        task.add_done_callback(lambda done: self._on_done(endpoint, done))

    def _on_done(self, endpoint: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(endpoint) is task:
            del self._tasks[endpoint]
        if not task.cancelled() and task.exception() is not None:
            log.error("re-observing %s failed", endpoint, exc_info=task.exception())

    async def _observe_again(self, endpoint: str) -> None:
        await asyncio.sleep(_SETTLE_S)
        for item in self.of(endpoint):
            async with self.sender.observing(endpoint):
                if item.state != "paused" and not item.outdated:
                    continue
                try:
                    await item.begin()
                except ResponseError as problem:
                    item.fail(problem)
                except (NotObserved, FormatError) as problem:
                    item.end(str(problem))
                except Lwm2mError as problem:
                    # Away again. The next Update or Register is the next try.
                    if item.state == "active":
                        item.suspend(str(problem))
                    text = f"{endpoint} is not observed again yet"
                    self.log.warning(text, f"{text}: {problem}")
                    return


def _unregistered(endpoint: str) -> Registration:
    """A stand-in for the registration of a device that is not registered."""
    return Registration(endpoint, "", "", 0, "1.0", "U", False, ObjectLinks(), 0.0, 0.0)
