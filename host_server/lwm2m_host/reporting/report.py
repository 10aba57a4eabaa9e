"""Reports of devices as values: notifications and Sends, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..model.entry import Entry
from ..model.path import Path
from ..model.values import DataType, Value


class Sample(NamedTuple):
    """One value at one time. `time_s` is seconds since 1970: the device's own word when `timed`,
    else when it was received."""

    time_s: float
    path: Path
    value: Value
    timed: bool


@dataclass(frozen=True)
class Report:
    """The part that both kinds share.

    `received_at` is seconds since 1970, `format` the content format.

    `samples` is everything in the order in which the device sent it; `types` are the data types of
    their paths, where they are known.
    """

    endpoint: str
    received_at: float
    samples: tuple[Sample, ...]
    format: int | None
    types: dict[Path, DataType | None] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Notification(Report):
    """One notification, or the answer to the Observe itself (`first`).

    `path` is what is observed; `paths` has several in a composite observation, whose `path` is
    the root. `value` is as `Device.read` (`read_composite`) returns it; where the samples have
    times, it is the newest of each path. `late`: a newer one was here before it; this one is
    history. `after_gap`: it is the first after the device has registered anew.
    """

    path: Path = field(default_factory=Path)
    paths: tuple[Path, ...] = ()
    composite: bool = False
    value: Any = None
    code: str = "2.05"
    sequence: int | None = None
    confirmable: bool = False
    first: bool = False
    late: bool = False
    after_gap: bool = False
    observation: str = ""


@dataclass(frozen=True)
class Send(Report):
    """A Send: values that a device reports unasked (LwM2M 1.1 core §6.4.5).

    `values` is the newest of each path. `unknown` are objects that it reported and did not
    register.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()


def samples_of(entries: Sequence[Entry], received_at: float) -> tuple[Sample, ...]:
    """The values of entries, each with its time."""
    return tuple(
        Sample(
            received_at if entry.time_s is None else entry.time_s,
            entry.path,
            entry.value,
            entry.time_s is not None,
        )
        for entry in entries
        if entry.value is not None
    )
