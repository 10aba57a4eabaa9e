"""The registry: registrations, found by endpoint and by location."""

from __future__ import annotations

from collections.abc import Iterator

from .registration import Registration


class Registry:
    """The registrations of a server. At most one per endpoint."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, Registration] = {}
        self._by_location: dict[str, Registration] = {}

    def put(self, registration: Registration) -> Registration | None:
        """Add or replace. Returns what the endpoint had before."""
        before = self.remove(registration.endpoint)
        self._by_endpoint[registration.endpoint] = registration
        self._by_location[registration.location] = registration
        return before

    def remove(self, endpoint: str) -> Registration | None:
        gone = self._by_endpoint.pop(endpoint, None)
        if gone is not None:
            del self._by_location[gone.location]
        return gone

    def by_endpoint(self, endpoint: str) -> Registration | None:
        return self._by_endpoint.get(endpoint)

    def by_location(self, location: str) -> Registration | None:
        return self._by_location.get(location)

    def __iter__(self) -> Iterator[Registration]:
        return iter(sorted(self._by_endpoint.values(), key=lambda item: item.endpoint))

    def __len__(self) -> int:
        return len(self._by_endpoint)

    def due(self, now: float) -> list[Registration]:
        """Registrations whose deadline has passed."""
        return [item for item in self if item.deadline is not None and item.deadline <= now]

    def next_deadline(self) -> float | None:
        deadlines = [r.deadline for r in self._by_endpoint.values() if r.deadline is not None]
        return min(deadlines, default=None)
