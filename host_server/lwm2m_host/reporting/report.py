"""What devices report, as values: notifications and Send, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import FormatError
from ..formats import Entry, Format
from ..model.path import Path
from ..model.tree import shape
from ..model.values import DataType, Value
from ..registration.definitions import Definitions


class Sample(NamedTuple):
    """One value at one time. `time_s` is seconds since 1970: the device's own word when `timed`,
    else when it was received."""

    time_s: float
    path: Path
    value: Value
    timed: bool


@dataclass(frozen=True)
class Report:
    """What both kinds have. `received_at` is seconds since 1970, `format` the content format.

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
    """What a device sent by itself (LwM2M 1.1 core §6.4.5).

    `values` is the newest of each path. `unknown` are objects that it reported and did not
    register.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()


def samples_of(entries: Sequence[Entry], received_at: float) -> tuple[Sample, ...]:
    """Every value with its time."""
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


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """Each path once, with its newest value; what has no time is from now."""
    if all(entry.time_s is None for entry in entries):
        return list(entries)
    found: dict[Path, Entry] = {}
    for entry in entries:
        before = found.get(entry.path)
        if before is None or _moment(entry) >= _moment(before):
            found[entry.path] = entry
    return list(found.values())


def _moment(entry: Entry) -> float:
    return math.inf if entry.time_s is None else entry.time_s


def decoded(
    payload: bytes,
    codec: Format,
    paths: Sequence[Path],
    composite: bool,
    definitions: Definitions,
) -> tuple[list[Entry], Any]:
    """The entries of a report and its value, as a Read of the same paths has it.

    Raises FormatError.
    """
    base = Path() if composite else paths[0]
    entries = codec.decode(payload, base, definitions.type_of)
    current = newest(entries)
    if not composite:
        return entries, shape(current, base, definitions.is_multiple)
    for entry in entries:
        if not any(path.covers(entry.path) for path in paths):
            raise FormatError(f"{entry.path} was not asked for")
    value = {
        str(path): shape(found, path, definitions.is_multiple)
        for path in paths
        if (found := [entry for entry in current if path.covers(entry.path)])
    }
    return entries, value
