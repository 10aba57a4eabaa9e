"""LwM2M paths: /oid/iid/rid/riid, each level optional from the right (LwM2M 1.1 core §7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PathError

MAX_ID = 65535  # as an instance id this value is reserved (LwM2M 1.1 core §7.1)

LEVELS = ("root", "object", "instance", "resource", "resource instance")


@dataclass(frozen=True, order=True)
class Path:
    """A path of zero to four ids. Hashable and ordered as the ids are."""

    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.ids) > 4:
            raise PathError(f"a path has at most four levels, got {len(self.ids)}")
        for position, number in enumerate(self.ids):
            if not 0 <= number <= MAX_ID:
                raise PathError(f"id {number} is out of range 0..{MAX_ID}")
            if position == 1 and number == MAX_ID:
                raise PathError(f"instance id {MAX_ID} is reserved")

    @classmethod
    def parse(cls, text: str | Path) -> Path:
        """Read ``/3/0/1``, ``3/0/1`` or ``/``.

        Raises PathError, whose message names the text.
        """
        if isinstance(text, Path):
            return text
        body = text.strip()
        if body in ("", "/"):
            return cls()
        parts = body.removeprefix("/").removesuffix("/").split("/")
        if not all(part.isascii() and part.isdecimal() and len(part) <= 5 for part in parts):
            raise PathError(f"bad path {text!r}: expected numbers, as in /3/0/1")
        try:
            return cls(tuple(int(part) for part in parts))
        except PathError as error:
            raise PathError(f"bad path {text!r}: {error}") from None

    def _at(self, level: int) -> int | None:
        return self.ids[level] if len(self.ids) > level else None

    @property
    def oid(self) -> int | None:
        return self._at(0)

    @property
    def iid(self) -> int | None:
        return self._at(1)

    @property
    def rid(self) -> int | None:
        return self._at(2)

    @property
    def riid(self) -> int | None:
        return self._at(3)

    @property
    def depth(self) -> int:
        """0 root, 1 object, 2 instance, 3 resource, 4 resource instance."""
        return len(self.ids)

    @property
    def level(self) -> str:
        """The level in words: one of LEVELS."""
        return LEVELS[len(self.ids)]

    @property
    def segments(self) -> tuple[str, ...]:
        """The Uri-Path segments below the device's LwM2M root."""
        return tuple(str(number) for number in self.ids)

    def __truediv__(self, number: int) -> Path:
        return Path((*self.ids, number))

    def covers(self, other: Path) -> bool:
        """True when `other` is this path or below it."""
        return other.ids[: len(self.ids)] == self.ids

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)
