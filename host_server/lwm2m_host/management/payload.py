"""Payloads of operations: choose a format, check, encode, decode."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from .. import formats
from ..errors import FormatError, OutOfRange, PathError, ValueTypeError
from ..formats import LINK_FORMAT, Format, PathListFormat
from ..formats import link as link_format
from ..model import validation
from ..model.entry import Entry, TypeLookup
from ..model.link import Link
from ..model.path import Path
from ..model.tree import flatten, shape
from ..model.values import DataType, check
from ..registration.definitions import Definitions
from ..registration.registration import below
from . import versions

# The formats that LwM2M allows for a Send (1.1 core §6.4.5; 11544 since 1.2)
SEND_FORMATS = (
    formats.SENML_JSON.number,
    formats.SENML_CBOR.number,
    formats.LWM2M_CBOR.number,
)

# Levels below what is discovered (LwM2M 1.2 core §6.3.2)
DISCOVER_DEPTH_MOST = 3

FormatLike = int | str | Format

_ARGUMENTS = re.compile(r"[0-9](='[^']*')?(,[0-9](='[^']*')?)*")

# Payloads beyond that are decoded in a thread, so that the others are served meanwhile.
LARGE_BYTES = 8192


class Content(NamedTuple):
    """A payload as it came. `format` is the content format's number, None where it has none."""

    format: int | None
    payload: bytes


class Payload(NamedTuple):
    """The payload of a request. `format` is None without one."""

    payload: bytes
    format: int | None


def need(path: str | Path, operation: str, low: int, high: int) -> Path:
    """The path of an operation, of `low` to `high` ids. Raises PathError."""
    path = Path.parse(path)
    if low <= path.depth <= high:
        return path
    raise PathError(f"cannot {operation} the {path.level} {path}")


@dataclass(frozen=True)
class Payloads:
    """The payloads for one device, by its definitions and the formats that it declared.

    With `force`, whatever can be encoded is encoded: nothing is checked.
    """

    definitions: Definitions
    force: bool = False

    # Versions

    def allow(self, *features: tuple[str, str]) -> None:
        """Raise NotInVersion for a feature that the registered version does not have."""
        for feature in features:
            if not self.force:
                versions.check(feature, self.definitions.registration)

    def allow_path(self, path: Path) -> None:
        """Raise NotInVersion for a path that the registered version does not have."""
        if not self.force:
            versions.check_path(path, self.definitions.registration)

    # Formats

    def format(self, wish: FormatLike | None) -> Format:
        """The format of a Read or Write: the wish, else one that the device declared, else TLV.

        Raises UnknownFormat.
        """
        return formats.choose(self._declared) if wish is None else formats.get(wish)

    def accept(self, wish: FormatLike | None, raw: bool) -> int:
        """The number of the format to ask for; with `raw` any number may be wished."""
        if raw and isinstance(wish, int):
            return wish
        return self.format(wish).number

    def composite_formats(self, wish: FormatLike | None) -> tuple[PathListFormat, Format]:
        """The format of a list of paths, and the format of the answer. Raises FormatError."""
        if wish is None:
            listing = formats.choose_composite(self._declared)
            answer: Format = listing
        else:
            answer = formats.get(wish)
            if not answer.carries_root:
                raise FormatError(f"{answer} cannot carry a composite read")
            listing = answer if isinstance(answer, PathListFormat) else formats.SENML_CBOR
        answers = {
            formats.SENML_ETCH_JSON.number: formats.SENML_JSON,
            formats.SENML_ETCH_CBOR.number: formats.SENML_CBOR,
        }
        return listing, answers.get(answer.number, answer)

    @property
    def _declared(self) -> tuple[int, ...]:
        return self.definitions.registration.links.formats

    # Requests

    def check_read(self, path: Path) -> None:
        """Raise OperationRefused when the definition says that this cannot be read, NotInVersion
        for a path that the version does not have."""
        self.allow_path(path)
        if not self.force:
            validation.check_operation("R", path, self.definitions.resource_model(path))

    def paths(
        self, paths: Iterable[str | Path], operation: str, wish: FormatLike | None
    ) -> tuple[list[Path], Payload, Format]:
        """The paths of a composite request, its payload, and the format of the answer.

        Raises PathError, OperationRefused, FormatError.
        """
        self.allow(versions.READ_COMPOSITE if operation == "read" else versions.OBSERVE_COMPOSITE)
        wanted = list(dict.fromkeys(need(path, operation, 0, 4) for path in paths))
        if not wanted:
            raise PathError(f"no path to {operation}")
        for path in wanted:
            self.check_read(path)
        listing, answer = self.composite_formats(wish)
        return wanted, Payload(listing.encode_paths(_outermost(wanted)), listing.number), answer

    def write(self, path: Path, value: Any, wish: FormatLike | None) -> Payload:
        """The payload of a Write. Raises ValueTypeError, OutOfRange, OperationRefused."""
        self.allow_path(path)
        codec = self.format(wish)
        entries, type_of = self._checked(flatten(path, value), "write")
        return Payload(codec.encode(entries, path, type_of), codec.number)

    def write_composite(
        self, values: Iterable[tuple[str | Path, Any]], wish: FormatLike | None
    ) -> Payload:
        """The payload of a Write-Composite; a value None deletes. Raises as `write` does;
        FormatError."""
        self.allow(versions.WRITE_COMPOSITE)
        entries: list[Entry] = []
        deleted: list[Path] = []
        for path, value in values:
            entries += flatten(need(path, "write", 0, 4), value, deleted)
        if not entries and not deleted:
            raise ValueTypeError("no value to write")
        entries, type_of = self._checked(entries, "write")
        codec: Format = self.composite_formats(None)[0] if wish is None else formats.get(wish)
        if not codec.carries_root:
            raise FormatError(f"{codec} cannot carry a composite write")
        if deleted:
            return self._changes(entries, deleted, type_of, codec)
        return Payload(codec.encode(entries, Path(), type_of), codec.number)

    def _changes(
        self, entries: list[Entry], deleted: list[Path], type_of: TypeLookup, codec: Format
    ) -> Payload:
        """A Write-Composite with nulls, which only SenML-ETCH has (LwM2M 1.2 core §6.3.9)."""
        self.allow(versions.NULL)
        for path in deleted:
            if not self.force:
                validation.check_operation("W", path, self.definitions.resource_model(path))
        etch = {
            formats.SENML_JSON.number: formats.SENML_ETCH_JSON,
            formats.SENML_CBOR.number: formats.SENML_ETCH_CBOR,
            formats.SENML_ETCH_JSON.number: formats.SENML_ETCH_JSON,
            formats.SENML_ETCH_CBOR.number: formats.SENML_ETCH_CBOR,
        }.get(codec.number)
        if etch is None:
            raise FormatError(f"{codec} cannot carry null: SenML-ETCH does")
        return Payload(etch.encode_changes(entries, deleted, type_of), etch.number)

    def discover(self, depth: int | None) -> tuple[str, ...]:
        """The query of a Discover. Raises OutOfRange, NotInVersion."""
        if depth is None:
            return ()
        self.allow(versions.DISCOVER_DEPTH)
        if not 0 <= depth <= DISCOVER_DEPTH_MOST and not self.force:
            raise OutOfRange(f"depth is 0 to {DISCOVER_DEPTH_MOST}, got {depth}")
        return (f"depth={depth}",)

    def create(
        self, path: Path, values: Mapping[Any, Any] | None, wish: FormatLike | None
    ) -> Payload:
        """The payload of a Create. Raises as `write` does; MissingResources, FormatError.

        A Create without an instance id can only be encoded in TLV.
        """
        codec = self.format(wish)
        obj = Path(path.ids[:1])
        target = path if path.depth == 2 else obj / 0
        given = flatten(target, values or {}) if values or path.depth == 2 else []
        if not values and wish is None:
            codec = formats.TLV  # SenML has no form for an instance without values
        entries, type_of = self._checked(given, "create")
        if not self.force:
            validation.check_create(path, self.definitions.object_model(path), entries)
        if not entries:
            return Payload(b"", None)
        if path.depth == 1 and codec is not formats.TLV:
            if wish is not None:
                raise FormatError(f"{codec} needs the id of the new instance, as in {target}")
            codec = formats.TLV
        payload = codec.encode(entries, obj if path.depth == 2 else target, type_of)
        return Payload(payload, codec.number if payload else None)

    def execute(self, path: Path, args: str) -> Payload:
        """The payload of an Execute. Raises OperationRefused, ValueTypeError."""
        if not self.force:
            validation.check_operation("E", path, self.definitions.resource_model(path))
            if args and not (args.isascii() and _ARGUMENTS.fullmatch(args)):
                raise ValueTypeError(f"expects arguments as in 0='text',3, got {args!r}")
        return Payload(args.encode("utf-8"), formats.TEXT.number if args else None)

    def attributes(self, path: Path, attributes: Mapping[str, float | None]) -> tuple[str, ...]:
        """Attributes as a query. Raises ValueTypeError, OutOfRange, PathError, NotInVersion."""
        self.allow_path(path)
        for name in attributes:
            if name not in validation.ATTRIBUTES and not self.force:
                known = ", ".join(validation.ATTRIBUTES)
                raise ValueTypeError(f"unknown attribute {name}; known are {known}")
        if not attributes:
            raise ValueTypeError("no attribute to write")
        if not self.force:
            validation.check_attributes(path, self.definitions.resource_model(path), attributes)
            for name in attributes:
                versions.check_attribute(name, self.definitions.registration)
        return tuple(
            name if value is None else f"{name}={_decimal(value)}"
            for name, value in attributes.items()
        )

    def _checked(self, entries: Sequence[Entry], operation: str) -> tuple[list[Entry], TypeLookup]:
        """The entries to send, each checked against its definition, and their types.

        With `force`, a value of another type goes as what it is.
        """
        checked: list[Entry] = []
        untyped: set[Path] = set()
        for entry in entries:
            resource = self.definitions.resource_model(entry.path)
            # A Create may set a resource that a Write may not.
            new = operation == "create" and resource is not None and resource.readable
            if not self.force and not new:
                validation.check_operation("W", entry.path, resource)
            if entry.value is not None and resource is not None:
                try:
                    entry = Entry(entry.path, check(entry.value, resource.type))
                except ValueTypeError as problem:
                    if not self.force:
                        name = validation.label(entry.path, resource)
                        raise type(problem)(f"{name} {problem}") from None
                    untyped.add(entry.path)
            if not self.force:
                validation.check_entry(entry, resource)
            checked.append(entry)

        def type_of(path: Path) -> DataType | None:
            return None if path in untyped else self.definitions.type_of(path)

        return checked, type_of


def decode(
    content: Content,
    assumed: int,
    paths: Sequence[Path],
    composite: bool,
    definitions: Definitions,
) -> tuple[list[Entry], Any]:
    """The entries of a payload, and the value at `paths` as `Device.read` returns it.

    assumed: the format of a payload that comes without one.
    composite: the value is ``{path: value}``.

    Raises FormatError.
    """
    base = Path() if composite else paths[0]
    if content.format is None:
        entries = _without_format(content.payload, formats.get(assumed), base, definitions)
    else:
        codec = formats.of_answer(content.format)
        entries = codec.decode(content.payload, base, definitions.type_of)
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


def _without_format(
    payload: bytes, asked: Format, base: Path, definitions: Definitions
) -> list[Entry]:
    """The entries of an answer without Content-Format: what was asked for, or text.

    A resource in TLV begins with a byte that no ASCII text has; resource instances alone do not,
    and are not guessed at. Raises FormatError.
    """
    if not (asked is formats.TLV and base.depth == 3 and payload[:1] < b"\x80"):
        try:
            return asked.decode(payload, base, definitions.type_of)
        except FormatError as problem:
            reason = problem
    else:
        reason = FormatError("a TLV of a resource begins otherwise")
    try:
        return formats.TEXT.decode(payload, base, definitions.type_of)
    except FormatError:
        raise FormatError(
            f"the answer names no Content-Format, and is not {asked} ({reason})"
        ) from None


def decode_send(content: Content, definitions: Definitions) -> list[Entry]:
    """The entries of a Send. Raises FormatError."""
    return formats.get(content.format or 0).decode(content.payload, Path(), definitions.type_of)


def decode_links(content: Content, root: tuple[str, ...]) -> list[Link]:
    """The links of a Discover, relative to the device's LwM2M root. Raises FormatError."""
    if content.format not in (None, LINK_FORMAT):
        raise FormatError(f"asked for link format (40), got content format {content.format}")
    return [below(item, root) for item in link_format.parse(content.payload)]


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """Each path once, with its newest value; an entry without a time is from now."""
    if all(entry.time_s is None for entry in entries):
        return list(entries)
    found: dict[Path, Entry] = {}
    for entry in entries:
        before = found.get(entry.path)
        if before is None or _time(entry) >= _time(before):
            found[entry.path] = entry
    return list(found.values())


def _time(entry: Entry) -> float:
    return math.inf if entry.time_s is None else entry.time_s


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """The paths without those that others cover: a device might answer twice."""
    return [p for p in paths if not any(q != p and q.covers(p) for q in paths)]


def _decimal(value: float) -> str:
    """A number as RFC 3986 queries and LwM2M's grammar have it: no exponent."""
    if isinstance(value, int):
        return str(int(value))  # also of a bool
    if not math.isfinite(value):
        return repr(value)  # only when forced
    return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
