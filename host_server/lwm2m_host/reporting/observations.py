"""Observations: what devices report because they were asked to (LwM2M 1.1 core §6.4, RFC 7641).

They belong to the server, and outlive the registration of the device.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import (
    FormatError,
    Lwm2mError,
    NotObserved,
    ResponseError,
)
from ..events import Event
from ..model.path import Path
from ..registration.events import Deregistered, Expired, Registered, Updated
from .observation import Observation

if TYPE_CHECKING:
    from ..device import Device
    from ..server import Server

log = logging.getLogger(__name__)

# Boards whose network stack keeps one datagram for a socket lose a request that comes right behind
# the answer to their Register.
_SETTLE_S = 0.1


class Observations:
    """The observations of a server. At most one for each list of paths of a device."""

    def __init__(self, server: Server, reobserve: bool, emit: Callable[[Event], None]) -> None:
        self.server = server
        self.reobserve = reobserve
        self.emit = emit
        self._found: dict[str, dict[tuple[bool, frozenset[Path]], Observation]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

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
        return self._found.get(endpoint, {}).get((composite, frozenset(paths)))

    async def start(
        self, device: Device, paths: tuple[Path, ...], timeout_s: float | None, **how: Any
    ) -> Observation:
        """Observe, and replace what is observed there already."""
        async with device.observing:
            before = self.find(device.endpoint, paths, how["composite"])
            if how.get("reobserve") is None:
                how["reobserve"] = self.reobserve
            token = before.watch.token if before is not None else None
            observation = Observation(self, device, paths, token=token, **how)
            try:
                await observation.begin(timeout_s)
            except Lwm2mError as problem:
                # Who refuses, takes the old one out of the list too (RFC 7641 §4.2).
                if before is not None and not self.server.context.tokens.knows(before.watch):
                    before.close(str(problem))
                raise
            if before is not None:
                before.close("replaced")
            key = (observation.composite, frozenset(paths))
            self._found.setdefault(device.endpoint, {})[key] = observation
            return observation

    def remove(self, observation: Observation) -> None:
        found = self._found.get(observation.endpoint, {})
        key = (observation.composite, frozenset(observation.paths))
        if found.get(key) is observation:
            del found[key]
            if not found:
                del self._found[observation.endpoint]

    def heard(self, event: Event) -> None:
        """What a registration event means for the observations of its device."""
        found = self.of(event.endpoint)
        if isinstance(event, Registered):
            for item in found:
                item.pause("the device registered anew")
        elif isinstance(event, Deregistered | Expired):
            for item in found:
                item.pause(f"the device {_GONE[event.kind]}")
            return
        elif isinstance(event, Updated):
            for item in found:
                item.follow(event.registration.remote)
        if any(item.state == "paused" for item in self.of(event.endpoint)):
            self._revive(event.endpoint)

    def ask_again(self, observation: Observation) -> None:
        """Its last notification could not be had: observe it anew for the present value."""
        observation.unsure = True
        self._revive(observation.endpoint)

    def leave(self, observation: Observation) -> None:
        """End a paused one at once, also while the device is being asked."""
        endpoint = observation.endpoint
        running = self._asking.pop(endpoint, None)
        if running is not None:
            running.cancel()
        observation.close("cancelled")
        if running is not None and any(item.state == "paused" for item in self.of(endpoint)):
            self._revive(endpoint)

    def _revive(self, endpoint: str) -> None:
        running = self._asking.pop(endpoint, None)
        if running is not None:
            running.cancel()
        task = asyncio.create_task(
            self._observe_anew(endpoint), name=f"lwm2m re-observe {endpoint}"
        )
        self._asking[endpoint] = task
        task.add_done_callback(lambda done: self._revived(endpoint, done))

    def _revived(self, endpoint: str, task: asyncio.Task[None]) -> None:
        if self._asking.get(endpoint) is task:
            del self._asking[endpoint]
        if not task.cancelled() and task.exception() is not None:
            log.error("re-observing %s failed", endpoint, exc_info=task.exception())

    async def _observe_anew(self, endpoint: str) -> None:
        await asyncio.sleep(_SETTLE_S)
        for item in self.of(endpoint):
            async with item.device.observing:
                if item.state != "paused" and not item.unsure:
                    continue
                try:
                    await item.begin()
                except ResponseError as problem:
                    item.failed(problem)
                except (NotObserved, FormatError) as problem:
                    item.close(str(problem))
                except Lwm2mError as problem:
                    # Away again. The next Update or Register is the next try.
                    if item.state == "active":
                        item.suspend(str(problem))
                    log.warning("%s is not observed again yet: %s", endpoint, problem)
                    return

    def close(self) -> None:
        """End all of them."""
        for task in list(self._asking.values()):
            task.cancel()
        for item in self:
            item.close("the server was closed")


_GONE: Mapping[str, str] = {"deregistered": "de-registered", "expired": "was not heard of"}
