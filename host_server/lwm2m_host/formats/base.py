"""The contract of content formats: a payload is a list of entries."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..errors import FormatError, PathError
from ..model.entry import Entry, TypeLookup
from ..model.path import Path

_ID = "(0|[1-9][0-9]{0,4})"
_PATH = re.compile(rf"/?{_ID}(/{_ID}){{0,3}}")


def strict_path(text: str) -> Path:
    """A path in a payload: no white space, no slash or zero too many. Raises PathError."""
    if text == "/":
        return Path()
    if not _PATH.fullmatch(text):
        raise PathError(f"bad path {text[:60]!r}")
    return Path.parse(text)


class Format(ABC):
    """A content format: its number (CoAP Content-Format), its short name, a reader, a writer."""

    number: int
    name: str
    carries_trees = True  # False: a single resource only
    carries_root = False  # True: several objects at once, as composite operations need it
    carries_paths = False  # True: lists of paths, see PathListFormat
    for_requests_only = False  # True: never the format of an answer

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

    def check_paths(self, entries: Sequence[Entry], base: Path) -> None:
        """Raise FormatError for an entry that is not below `base`, or that makes no tree."""
        values: set[Path] = set()
        empty: set[Path] = set()
        for entry in entries:
            if not base.covers(entry.path):
                raise FormatError(f"asked for {base}, got {entry.path}")
            if entry.path.depth < (3 if entry.value is not None else 2):
                raise FormatError(f"the {entry.path.level} {entry.path} cannot be a value")
            known = entry.path in values or entry.path in empty
            if known and entry.time_s is None:
                raise FormatError(f"{entry.path} occurs twice")
            (values if entry.value is not None else empty).add(entry.path)
        for path in values:
            if path.depth == 4 and Path(path.ids[:3]) in values:
                raise FormatError(f"{path} is below a value")

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"


class PathListFormat(Format):
    """A format that also carries lists of paths, as Read-Composite sends them."""

    carries_paths = True

    @abstractmethod
    def decode_paths(self, payload: bytes) -> list[Path]:
        """The paths of a list. Raises FormatError."""

    @abstractmethod
    def encode_paths(self, paths: Sequence[Path]) -> bytes:
        """The list of some paths."""
