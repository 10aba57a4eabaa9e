"""A link: what a device tells of an object, an instance or a resource (RFC 6690)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import PathError
from .path import MAX_ID, Path
from .values import whole_number


@dataclass(frozen=True)
class Link:
    """One link. Attributes keep their order; a bare attribute (``;obs``) has the value None."""

    target: str
    attributes: dict[str, str | None] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The target as an LwM2M path, None when it is none."""
        try:
            return Path.parse(self.target)
        except PathError:
            return None

    @property
    def version(self) -> str | None:
        """The object's version, ``ver=1.1``, quoted or not."""
        return self.attributes.get("ver") or None

    @property
    def dimension(self) -> int | None:
        """The number of instances of a multiple resource, ``dim=2``."""
        return next(iter(self.numbers("dim")), None)

    def numbers(self, name: str) -> list[int]:
        """The attribute as numbers: ``ct="110 112"`` gives [110, 112]; what is none is skipped."""
        words = (self.attributes.get(name) or "").replace(",", " ").split()
        numbers = (whole_number(word, MAX_ID) for word in words)
        return [number for number in numbers if number is not None]

    def __str__(self) -> str:
        parts = [f"<{self.target}>"]
        for name, value in self.attributes.items():
            if value is None:
                parts.append(name)
            elif value and all(c.isalnum() or c in "-._~+" for c in value):
                parts.append(f"{name}={value}")
            else:
                escaped = value.replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'{name}="{escaped}"')
        return ";".join(parts)
