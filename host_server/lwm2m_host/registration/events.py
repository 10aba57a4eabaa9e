"""Events of the registration interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import Event


@dataclass(frozen=True)
class Registered(Event):
    """A device registered. `replaced` is the location of the registration that this one ends."""

    kind: ClassVar[str] = "registered"
    replaced: str | None = None


@dataclass(frozen=True)
class Updated(Event):
    """A device sent an Update."""

    kind: ClassVar[str] = "updated"


@dataclass(frozen=True)
class Deregistered(Event):
    """A device said good-bye."""

    kind: ClassVar[str] = "deregistered"


@dataclass(frozen=True)
class Expired(Event):
    """A lifetime ended without an Update."""

    kind: ClassVar[str] = "expired"
