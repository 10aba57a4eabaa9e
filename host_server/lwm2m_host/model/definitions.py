"""An object definition and its resources, as the OMA registry describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import ModelError
from .values import DataType, whole_number

Version = tuple[int, int]

MOST_VERSION = 65535


def parse_version(text: str) -> Version:
    """``1.1`` as (1, 1). Raises ModelError."""
    major, dot, minor = text.strip().partition(".")
    numbers = whole_number(major, MOST_VERSION), whole_number(minor, MOST_VERSION)
    if dot and numbers[0] is not None and numbers[1] is not None:
        return numbers[0], numbers[1]
    raise ModelError(f"bad version {text[:40]!r}: expected two numbers, as in 1.1")


@dataclass(frozen=True)
class ResourceModel:
    """One resource. `operations` is a subset of "RWE"; `range` is the registry's text."""

    id: int
    name: str
    type: DataType
    operations: str = ""
    multiple: bool = False
    mandatory: bool = False
    range: str = ""
    units: str = ""
    description: str = ""

    @property
    def readable(self) -> bool:
        return "R" in self.operations

    @property
    def writable(self) -> bool:
        return "W" in self.operations

    @property
    def executable(self) -> bool:
        return "E" in self.operations


@dataclass(frozen=True)
class ObjectModel:
    """One object in one version."""

    id: int
    name: str
    version: Version = (1, 0)
    urn: str = ""
    multiple: bool = False
    mandatory: bool = False
    description: str = ""
    resources: Mapping[int, ResourceModel] = field(default_factory=dict)

    @property
    def version_text(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"
