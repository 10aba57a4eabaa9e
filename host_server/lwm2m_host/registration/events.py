"""Events of the registration interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..events import Event
from .registration import Registration


@dataclass(frozen=True)
class DeviceEvent(Event):
    """An event of a registered device. `registration` is as it was at that moment."""

    registration: Registration


@dataclass(frozen=True)
class Registered(DeviceEvent):
    """A Register. `replaced` is the location of the registration that this one ends."""

    kind: ClassVar[str] = "registered"
    replaced: str | None = None


@dataclass(frozen=True)
class Updated(DeviceEvent):
    """An Update."""

    kind: ClassVar[str] = "updated"


@dataclass(frozen=True)
class Deregistered(DeviceEvent):
    """A De-register."""

    kind: ClassVar[str] = "deregistered"


@dataclass(frozen=True)
class Expired(DeviceEvent):
    """The end of a lifetime without an Update."""

    kind: ClassVar[str] = "expired"
