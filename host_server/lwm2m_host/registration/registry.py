"""The registry: all registrations, found by endpoint, location, address and identity."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple, Protocol

from ..coap.timing import Clock
from .registration import Registration, RegistrationUpdate


class ObservationRecord(NamedTuple):
    """An observation as it is kept over a restart. `content` is JSON of its owner."""

    endpoint: str
    id: str
    content: str


class Registry(Protocol):
    """The registrations, and the observations of their devices.

    At most one registration per endpoint; each method is atomic. An observation stays until it is
    removed, whatever becomes of the registration.

    An implementation may keep them outside of the process. Whoever changes something gets what was
    there before, so that each change becomes exactly one event.
    """

    async def open(self) -> None:
        """Make it ready. Raises RegistryError."""

    async def close(self) -> None:
        """Write what is to be written, and let go of everything."""

    async def register(self, new: Registration) -> Registration | None:
        """Add it, in the place of another of the same endpoint. Returns that one.

        Raises RegistryError when it cannot be kept; then everything is as it was.
        """

    async def update(self, location: str, change: RegistrationUpdate) -> Registration | None:
        """Change it. Returns the changed one; None when there is none at this location.

        Raises RegistryError when it cannot be kept. The change holds all the same, so that nobody
        expires who is heard, and is written as soon as that is possible.
        """

    async def deregister(self, location: str) -> Registration | None:
        """Remove it. Returns the removed one. Raises as `register` does."""

    async def by_endpoint(self, endpoint: str) -> Registration | None: ...

    async def by_location(self, location: str) -> Registration | None: ...

    async def by_address(self, address: str) -> Registration | None:
        """The registration of this ``host:port``; of several, the last to register or update."""

    async def by_identity(self, identity: str) -> Registration | None:
        """The registration of who has proved this identity; of several, the last to register or
        update. None for the empty one."""

    async def page(self, after: str = "", limit: int = 100) -> list[Registration]:
        """At most `limit` of them, ordered by endpoint, from behind the endpoint `after`."""

    async def count(self) -> int: ...

    async def expire(self, limit: int = 100) -> list[Registration]:
        """Remove at most `limit` whose lifetime is over, the earliest first. Returns them."""

    async def next_deadline_s(self) -> float | None:
        """Seconds until a lifetime is over; 0 when one is over already, None when none ends."""

    def put_observation(self, record: ObservationRecord) -> None:
        """Keep an observation, in the place of another with its id. `settle` waits for it."""

    def remove_observation(self, endpoint: str, identifier: str) -> None:
        """Keep it no more. `settle` waits for that."""

    async def observations(self) -> list[ObservationRecord]: ...

    async def settle(self) -> None:
        """Wait until all changes so far are kept. Raises RegistryError."""


class MemoryRegistry:
    """A Registry in the memory of this process.

    Lifetimes are on the monotonic clock: a step of the wall clock ends no registration. Register
    and Update take O(log n), whatever the number of devices.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_endpoint: dict[str, Registration] = {}
        self._by_location: dict[str, Registration] = {}
        # Address, identity: endpoints, in the order of their last Register or Update.
        self._by_address: dict[str, dict[str, None]] = {}
        self._by_identity: dict[str, dict[str, None]] = {}
        # Location: end of the lifetime in seconds of the monotonic clock.
        self._deadlines: dict[str, float] = {}
        # (deadline, location); an entry that differs from `_deadlines` is out of date.
        self._heap: list[tuple[float, str]] = []
        # Endpoints in order; None until somebody asks for a page.
        self._order: list[str] | None = None
        self._observations: dict[tuple[str, str], ObservationRecord] = {}

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def remaining_s(self, location: str) -> float:
        """Seconds that are left of a lifetime; 0 for one that does not end."""
        deadline = self._deadlines.get(location)
        return 0.0 if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def restore(self, registration: Registration, remaining_s: float) -> None:
        """Add a registration from before a restart; so many seconds of its lifetime are left."""
        self._put(registration, remaining_s)
        self._insert(registration.endpoint)

    def put_observation(self, record: ObservationRecord) -> None:
        self._observations[record.endpoint, record.id] = record

    def remove_observation(self, endpoint: str, identifier: str) -> None:
        self._observations.pop((endpoint, identifier), None)

    async def observations(self) -> list[ObservationRecord]:
        return list(self._observations.values())

    async def settle(self) -> None:
        pass

    async def register(self, new: Registration) -> Registration | None:
        before = self._by_endpoint.get(new.endpoint)
        if before is not None:
            self._forget(before)
        else:
            self._insert(new.endpoint)
        self._put(new)
        return before

    async def update(self, location: str, change: RegistrationUpdate) -> Registration | None:
        known = self._by_location.get(location)
        if known is None:
            return None
        self._leave(known)
        changed = change.apply(known)
        self._put(changed)
        return changed

    async def deregister(self, location: str) -> Registration | None:
        known = self._by_location.get(location)
        if known is not None:
            self._remove(known)
        return known

    async def by_endpoint(self, endpoint: str) -> Registration | None:
        return self._by_endpoint.get(endpoint)

    async def by_location(self, location: str) -> Registration | None:
        return self._by_location.get(location)

    async def by_address(self, address: str) -> Registration | None:
        return self._last(self._by_address.get(address))

    async def by_identity(self, identity: str) -> Registration | None:
        return self._last(self._by_identity.get(identity))

    async def page(self, after: str = "", limit: int = 100) -> list[Registration]:
        if self._order is None:
            self._order = sorted(self._by_endpoint)
        start = bisect_right(self._order, after)
        return [self._by_endpoint[name] for name in self._order[start : start + limit]]

    async def count(self) -> int:
        return len(self._by_endpoint)

    async def expire(self, limit: int = 100) -> list[Registration]:
        gone: list[Registration] = []
        now = self._clock.monotonic()
        while len(gone) < limit and self._earliest() is not None and self._heap[0][0] <= now:
            registration = self._by_location[self._heap[0][1]]
            self._remove(registration)
            gone.append(registration)
        return gone

    async def next_deadline_s(self) -> float | None:
        deadline = self._earliest()
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def _put(self, registration: Registration, lifetime_s: float | None = None) -> None:
        self._by_endpoint[registration.endpoint] = registration
        self._by_location[registration.location] = registration
        self._by_address.setdefault(registration.address, {})[registration.endpoint] = None
        if registration.identity:
            self._by_identity.setdefault(registration.identity, {})[registration.endpoint] = None
        self._deadlines.pop(registration.location, None)
        if registration.lifetime_s:
            if lifetime_s is None:
                lifetime_s = registration.lifetime_s
            deadline = self._clock.monotonic() + lifetime_s
            self._deadlines[registration.location] = deadline
            heapq.heappush(self._heap, (deadline, registration.location))
            self._compact()

    def _last(self, endpoints: dict[str, None] | None) -> Registration | None:
        return self._by_endpoint[next(reversed(endpoints))] if endpoints else None

    def _insert(self, endpoint: str) -> None:
        if self._order is not None:
            insort(self._order, endpoint)

    def _remove(self, registration: Registration) -> None:
        self._forget(registration)
        if self._order is not None:
            del self._order[bisect_left(self._order, registration.endpoint)]

    def _forget(self, registration: Registration) -> None:
        """Take it out of everything but the order of endpoints."""
        del self._by_endpoint[registration.endpoint]
        del self._by_location[registration.location]
        self._leave(registration)
        self._deadlines.pop(registration.location, None)

    def _leave(self, registration: Registration) -> None:
        """Take it out of the indexes that several endpoints may share."""
        shared = [(self._by_address, registration.address)]
        if registration.identity:
            shared.append((self._by_identity, registration.identity))
        for index, key in shared:
            endpoints = index[key]
            del endpoints[registration.endpoint]
            if not endpoints:
                del index[key]

    def _earliest(self) -> float | None:
        """The next deadline, after what is out of date has left the heap."""
        while self._heap:
            deadline, location = self._heap[0]
            if self._deadlines.get(location) == deadline:
                return deadline
            heapq.heappop(self._heap)
        return None

    def _compact(self) -> None:
        # Each Update leaves an entry behind. Half of them may be out of date.
        if len(self._heap) > 2 * len(self._deadlines) + 64:
            self._heap = [(deadline, place) for place, deadline in self._deadlines.items()]
            heapq.heapify(self._heap)
