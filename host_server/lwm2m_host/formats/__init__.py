"""Content formats by number and by name.

A format is registered once, here; the rest of the package asks `get`, `supported` and `choose`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import UnknownFormat
from .base import Entry, Format, PathListFormat, TypeLookup
from .cbor import CborFormat
from .json10 import Json10Format
from .lwm2m_cbor import Lwm2mCborFormat
from .opaque import OpaqueFormat
from .senml import SenmlCborFormat, SenmlEtchCborFormat, SenmlEtchJsonFormat, SenmlJsonFormat
from .text import TextFormat
from .tlv import TlvFormat

TLV = TlvFormat()
TEXT = TextFormat()
OPAQUE = OpaqueFormat()
CBOR = CborFormat()
SENML_JSON = SenmlJsonFormat()
SENML_CBOR = SenmlCborFormat()
SENML_ETCH_JSON = SenmlEtchJsonFormat()
SENML_ETCH_CBOR = SenmlEtchCborFormat()
JSON = Json10Format()
LWM2M_CBOR = Lwm2mCborFormat()

LINK_FORMAT = 40

# Numbers of early drafts, still burned into devices: what they mean in an answer.
_OF_DRAFTS = {1541: 0, 1542: 11542, 1543: 11543, 1544: 42}

_ALL: list[Format] = [  # in the order of preference
    TLV,
    SENML_CBOR,
    SENML_JSON,
    LWM2M_CBOR,
    JSON,
    CBOR,
    TEXT,
    OPAQUE,
    SENML_ETCH_CBOR,
    SENML_ETCH_JSON,
]

__all__ = [
    "CBOR",
    "JSON",
    "LINK_FORMAT",
    "LWM2M_CBOR",
    "OPAQUE",
    "SENML_CBOR",
    "SENML_ETCH_CBOR",
    "SENML_ETCH_JSON",
    "SENML_JSON",
    "TEXT",
    "TLV",
    "Entry",
    "Format",
    "PathListFormat",
    "TypeLookup",
    "choose",
    "choose_composite",
    "get",
    "names",
    "of_answer",
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


def of_answer(number: int) -> Format:
    """The format of what a device sends; the numbers of early drafts too. Raises UnknownFormat."""
    return get(_OF_DRAFTS.get(number, number))


def choose(declared: Iterable[int]) -> Format:
    """The format for a device: our favourite among those that it declares with ``ct=``.

    TLV when it declares none that carries whole objects (LwM2M 1.1 transport §6.4).
    """
    numbers = set(declared)
    for item in _ALL:
        if item.carries_trees and not item.for_requests_only and item.number in numbers:
            return item
    return TLV


def choose_composite(declared: Iterable[int]) -> PathListFormat:
    """The same for composite operations; SenML CBOR when nothing that fits is declared."""
    numbers = set(declared)
    for item in _ALL:
        if isinstance(item, PathListFormat) and item.number in numbers:
            return item
    return SENML_CBOR
