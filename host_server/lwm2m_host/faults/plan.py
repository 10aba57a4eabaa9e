"""Faults of a network, and the dice that decide them for each datagram."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from ..errors import Lwm2mError

_PROBABILITIES = ("loss", "duplicate", "reorder", "corrupt")


class FaultError(Lwm2mError, ValueError):
    """A fault that cannot be: a probability above 1, a range that ends before it begins."""


@dataclass(frozen=True)
class Faults:
    """Faults of one direction of a relay. The default is a good wire.

    loss, duplicate, reorder, corrupt: probabilities, each of its own, 0..1.
    delay_ms: (from, to), drawn evenly for each datagram and for each of its copies.
    reorder_ms: a datagram that is held back goes on when the next one of its client has passed,
        or after this time.
    rebind_every_s: switch the source port towards the target again and again, as a NAT does that
        forgets; the relay goes by the uplink's value.
    blackout_s: (duration, period): the last `duration` seconds of each `period` nothing passes.

    Raises FaultError.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    delay_ms: tuple[float, float] = (0.0, 0.0)
    reorder_ms: float = 50.0
    rebind_every_s: float | None = None
    blackout_s: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise FaultError(f"{name} is a probability from 0 to 1, not {value:g}")
        low, high = self.delay_ms
        if not 0 <= low <= high < math.inf:
            raise FaultError(f"delay is a range of milliseconds, not {low:g}-{high:g}")
        if not 0 < self.reorder_ms < math.inf:
            raise FaultError(f"reorder_ms is a time, not {self.reorder_ms:g}")
        if self.rebind_every_s is not None and not 0 < self.rebind_every_s < math.inf:
            raise FaultError(f"rebind every {self.rebind_every_s:g} s: more than 0 is needed")
        if self.blackout_s is not None:
            duration, period = self.blackout_s
            if not 0 < duration < period < math.inf:
                raise FaultError(
                    f"blackout is a duration and a longer period, not {duration:g}/{period:g}"
                )

    def dark(self, elapsed_s: float) -> bool:
        """True when the periodic blackout is on, `elapsed_s` after these faults began."""
        if self.blackout_s is None:
            return False
        duration, period = self.blackout_s
        return elapsed_s % period >= period - duration


@dataclass(frozen=True)
class Decision:
    """The decision on one datagram. `delays_ms` has one entry for each copy that goes on."""

    lost: bool = False
    delays_ms: tuple[float, ...] = (0.0,)
    held: bool = False
    damage: Damage | None = None


@dataclass(frozen=True)
class Damage:
    """Bytes to flip, as {position: mask}, or the length that is left."""

    flips: dict[int, int] = field(default_factory=dict)
    length: int | None = None

    def apply(self, data: bytes) -> bytes:
        if self.length is not None:
            return data[: self.length]
        out = bytearray(data)
        for position, mask in self.flips.items():
            out[position] ^= mask
        return bytes(out)

    def __str__(self) -> str:
        if self.length is not None:
            return f"cut to {self.length} B"
        return f"corrupted {len(self.flips)} B"


class Dice:
    """The fates of one direction: the same seed and the same sizes give the same fates.

    The same number of draws is taken for each datagram whatever the faults are, so that to
    change one of them at run time leaves the others' decisions as they were.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def throw(self, size: int, faults: Faults) -> Decision:
        """The decision of the next datagram, of `size` bytes."""
        draw = self._random.random
        lost, doubled, held, damaged, first, second = (draw() for _ in range(6))
        wear = Random(self._random.getrandbits(64))
        if lost < faults.loss:
            return Decision(lost=True, delays_ms=())
        low, high = faults.delay_ms
        copies = (first, second) if doubled < faults.duplicate else (first,)
        return Decision(
            delays_ms=tuple(low + draw * (high - low) for draw in copies),
            held=held < faults.reorder,
            damage=_damage(wear, size) if size and damaged < faults.corrupt else None,
        )


def _damage(wear: Random, size: int) -> Damage:
    if wear.random() < 0.25:
        return Damage(length=wear.randrange(size))
    places = wear.sample(range(size), min(size, wear.randint(1, 3)))
    return Damage({place: wear.randint(1, 255) for place in places})
