"""What every content format has in common: a payload is a list of entries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..paths import Path
from ..values import DataType, Value

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


class Format(ABC):
    """A content format: its number (CoAP Content-Format), its short name, a reader, a writer."""

    number: int
    name: str
    carries_trees = True  # False: a single resource only

    @abstractmethod
    def decode(self, payload: bytes, base: Path, type_of: TypeLookup) -> list[Entry]:
        """Entries at or below `base`, typed. Raises FormatError, and nothing else, for any bytes.

        A value whose type is unknown comes as the format has it (bytes for TLV).
        """

    @abstractmethod
    def encode(self, entries: Sequence[Entry], base: Path, type_of: TypeLookup) -> bytes:
        """The payload for a Write or Create at `base`.

        Raises FormatError when the format cannot carry it, ValueTypeError for a wrong value.
        """

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"
