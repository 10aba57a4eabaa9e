"""An entry: one value with its path, as payloads have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .path import Path
from .values import DataType, Value

TypeLookup = Callable[[Path], DataType | None]
"""The data type of the resource at (or above) a path; None when no definition is known."""


@dataclass(frozen=True)
class Entry:
    """One value with its path.

    `value` None means that the node exists and is empty: an instance without resources or a
    multiple resource without instances. `time_s` is seconds since 1970, where the format has it.
    """

    path: Path
    value: Value | None
    time_s: float | None = None
