"""Content formats by number and by name.

A format is registered once, here; the rest of the package asks `get`, `supported` and `choose`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UnknownFormat
from .base import Entry, Format, TypeLookup
from .opaque import OpaqueFormat
from .text import TextFormat
from .tlv import TlvFormat

TLV = TlvFormat()
TEXT = TextFormat()
OPAQUE = OpaqueFormat()

LINK_FORMAT = 40

_ALL: list[Format] = [TLV, TEXT, OPAQUE]  # in the order of preference for reads

__all__ = [
    "LINK_FORMAT",
    "OPAQUE",
    "TEXT",
    "TLV",
    "Entry",
    "Format",
    "TypeLookup",
    "choose",
    "get",
    "names",
    "supported",
]


def supported() -> list[Format]:
    """All formats, the preferred one first."""
    return list(_ALL)


def names() -> list[str]:
    return [item.name for item in _ALL]


def get(which: int | str | Format) -> Format:
    """A format by number (11542, "11542"), by name ("tlv"), or itself. Raises UnknownFormat."""
    if isinstance(which, Format):
        return which
    key = which.strip().lower() if isinstance(which, str) else str(int(which))
    for item in _ALL:
        if key in (item.name, str(item.number)):
            return item
    raise UnknownFormat(which if isinstance(which, str) else int(which))


def choose(declared: Iterable[int]) -> Format:
    """What to ask a device for: our favourite among the formats that it declares with ``ct=``.

    TLV when it declares none that carries whole objects (LwM2M 1.1 transport §6.4).
    """
    numbers = set(declared)
    for item in _ALL:
        if item.carries_trees and item.number in numbers:
            return item
    return TLV
