"""Ranges: the column "Range or Enumeration" of a definition, where it says so in numbers.

Understood: ``0..100``, ``0-100``, ``0,1,2``, ``0..3; 99``, ``0: off 1: on`` for numbers;
``0..255``, ``1..64 bytes``, ``16,32,48``, ``32 bytes`` (at most) as the length of strings and
opaque values; ``"U","UQ"`` as words. Everything else is prose, and allows anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .values import DataType

_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})(?:\s*(?:\.\.\.?|-|to)\s*({_NUMBER}))?")
_NAMED = re.compile(r"(?:-?[0-9]+\s*[:=]\s*[A-Za-z_][^:=;,]*?(?:[;,\s]\s*|$))+")
_NAMED_NUMBER = re.compile(r"(-?[0-9]+)\s*[:=]")
_WORDS = re.compile(r'"[^"]*"(?:\s*[,;|]\s*"[^"]*")*')
_SIZES = re.compile(r"\s*(?:bytes?|octets?|char(?:acter)?s?)\s*$", re.IGNORECASE)

_NUMBERS = (DataType.INTEGER, DataType.UNSIGNED, DataType.FLOAT)
_LENGTHS = (DataType.STRING, DataType.OPAQUE, DataType.CORELNK)


@dataclass(frozen=True)
class Range:
    """`spans` of numbers (or lengths), both ends included; or `words`."""

    text: str
    spans: tuple[tuple[float, float], ...] = ()
    words: tuple[str, ...] = ()

    def problem(self, value: Any) -> str:
        """The reason why a value of the right type is not allowed; empty when it is."""
        if self.words:
            return "" if value in self.words else f"allows {self.text}, got {value!r}"
        if isinstance(value, bytes):
            sizes = (len(value), len(value))
        elif isinstance(value, str):
            # Files do not say whether they count characters or bytes.
            sizes = (len(value), len(value.encode("utf-8", "replace")))
        else:
            fits = any(low <= value <= high for low, high in self.spans)
            return "" if fits else f"allows {self.text}, got {value!r}"
        if any(low <= max(sizes) and min(sizes) <= high for low, high in self.spans):
            return ""
        unit = "" if _SIZES.search(self.text) else " bytes"
        return f"allows {self.text}{unit}, got {max(sizes)}"


@lru_cache(maxsize=4096)
def parse_range(text: str, kind: DataType) -> Range | None:
    """The range that a definition's text tells for a type; None when it tells none."""
    text = text.strip()
    if kind in _NUMBERS:
        if _NAMED.fullmatch(text):
            numbers = [float(number) for number in _NAMED_NUMBER.findall(text)]
            return Range(text, tuple((number, number) for number in numbers))
        spans = _spans(text)
        # A number alone says anything: a size in bits, a maximum, an example.
        return (
            Range(text, spans)
            if spans and (len(spans) > 1 or ".." in text or spans[0][0] != spans[0][1])
            else None
        )
    if kind not in _LENGTHS:
        return None
    if kind is not DataType.OPAQUE and _WORDS.fullmatch(text):
        return Range(text, words=tuple(re.findall(r'"([^"]*)"', text)))
    has_unit = _SIZES.search(text) is not None
    spans = _spans(_SIZES.sub("", text))
    if not spans or any(low < 0 for low, _ in spans):
        return None
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        # "64 Bytes" of a string has been seen to mean at most 64.
        return Range(text, ((0, spans[0][1]),)) if has_unit else None
    return Range(text, spans)


def _spans(text: str) -> tuple[tuple[float, float], ...]:
    spans = []
    for part in re.split(r"\s*[,;]\s*|\s+or\s+", text):
        found = _PART.fullmatch(part.strip())
        if not found:
            return ()
        # Integers stay integers: 64 bits do not fit a float.
        low, high = (_number(end) for end in (found[1], found[2] or found[1]))
        spans.append((min(low, high), max(low, high)))
    return tuple(spans)


def _number(text: str) -> float | int:
    return float(text) if "." in text else int(text)
