"""The registration of a device as a value, and what its links say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ..formats import link as link_format
from ..model.link import Link
from ..model.path import Path

LWM2M_RT = "oma.lwm2m"


@dataclass(frozen=True)
class RegisteredObject:
    """One object of a device: its version (None when it named none) and its instances."""

    oid: int
    version: str | None = None
    instances: tuple[int, ...] = ()


@dataclass(frozen=True)
class ObjectLinks:
    """The links of a Register or Update, and their meaning (LwM2M 1.1 core §6.2.1).

    `text` is what the device sent, empty where the links come from elsewhere.
    """

    links: tuple[Link, ...] = ()
    root: tuple[str, ...] = ()
    formats: tuple[int, ...] = ()
    objects: Mapping[int, RegisteredObject] = field(default_factory=dict)
    text: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def parse(cls, text: bytes) -> ObjectLinks:
        """Understand link format. Devices of one kind send the same, and share the value.

        Raises FormatError.
        """
        return _parse_known(text) if len(text) <= _SHARED_BYTES else _parse(text)

    @classmethod
    def of(cls, links: list[Link]) -> ObjectLinks:
        """Understand links: the root link (``rt="oma.lwm2m"``), objects, versions, instances.

        A link to a resource names its instance too. Links that are no LwM2M paths below the root
        are kept, and otherwise passed over.
        """
        marked = [link for link in links if LWM2M_RT in (link.attributes.get("rt") or "").split()]
        root = _segments(marked[0]) if marked else ()
        # The root link needs no rt: ``</>;ct=110``.
        formats = next(
            (
                tuple(link.numbers("ct"))
                for link in [*marked[:1], *links]
                if "ct" in link.attributes and _segments(link) == root
            ),
            (),
        )
        versions: dict[int, str | None] = {}
        instances: dict[int, set[int]] = {}
        for link in links:
            path = below(link, root).path
            if path is None or path.oid is None:
                continue
            found = instances.setdefault(path.oid, set())
            if path.iid is not None:
                found.add(path.iid)
            if link.attributes.get("ver") and path.depth <= 2:
                versions[path.oid] = link.attributes["ver"]
        objects = {
            oid: RegisteredObject(oid, versions.get(oid), tuple(sorted(instances[oid])))
            for oid in sorted(instances)
        }
        return cls(tuple(links), root, formats, objects)


# Texts of at most this length are shared, so many of them.
_SHARED_BYTES = 4096
_SHARED = 512


def _parse(text: bytes) -> ObjectLinks:
    return replace(ObjectLinks.of(link_format.parse(text)), text=text)


_parse_known = lru_cache(_SHARED)(_parse)


def _segments(link: Link) -> tuple[str, ...]:
    return tuple(part for part in link.target.split("/") if part)


def below(link: Link, root: tuple[str, ...]) -> Link:
    """The same link, its target relative to the device's LwM2M root."""
    parts = _segments(link)
    if root and parts[: len(root)] == root:
        return Link("/" + "/".join(parts[len(root) :]), link.attributes)
    return link


@dataclass(frozen=True)
class Registration:
    """One registration: a record that never changes, and that may leave the process.

    An Update makes a new one under the same `location` (``/rd/ID``). `address` is ``host:port``,
    `secure` says that it is behind DTLS, `identity` is what the device has proved there (empty
    without). Times are seconds since 1970. `parameters` are those of the Register that LwM2M does
    not define.
    """

    endpoint: str
    location: str
    address: str
    lifetime_s: int
    version: str
    binding: str
    queue_mode: bool
    links: ObjectLinks
    registered_at: float
    updated_at: float
    parameters: Mapping[str, str] = field(default_factory=dict)
    secure: bool = False
    identity: str = ""

    @property
    def expires_at(self) -> float | None:
        """The end of the lifetime, None for a registration that does not end (lifetime 0)."""
        return self.updated_at + self.lifetime_s if self.lifetime_s else None

    @property
    def objects(self) -> Mapping[int, RegisteredObject]:
        return self.links.objects

    @property
    def relative_links(self) -> list[Link]:
        """The links, relative to the device's LwM2M root."""
        return [below(link, self.links.root) for link in self.links.links]

    def object_version(self, path: Path) -> str | None:
        """The version that the device registered for the object of a path."""
        known = self.objects.get(path.oid) if path.oid is not None else None
        return known.version if known else None


@dataclass(frozen=True)
class RegistrationUpdate:
    """An Update: the fields that a registration changes in; None keeps what is there.

    `queue_mode` True asks for it (``Q``); otherwise a new binding decides. `parameters` are added
    to those that are there.
    """

    address: str
    updated_at: float
    secure: bool = False
    lifetime_s: int | None = None
    binding: str | None = None
    queue_mode: bool = False
    links: ObjectLinks | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""

    def apply(self, known: Registration) -> Registration:
        """The registration after the Update."""
        binding = known.binding if self.binding is None else self.binding
        queue_mode = known.queue_mode
        if self.queue_mode or binding != known.binding:
            queue_mode = self.queue_mode or "Q" in binding
        return replace(
            known,
            address=self.address,
            updated_at=self.updated_at,
            secure=self.secure,
            identity=self.identity,
            lifetime_s=known.lifetime_s if self.lifetime_s is None else self.lifetime_s,
            binding=binding,
            queue_mode=queue_mode,
            links=known.links if self.links is None else self.links,
            parameters={**known.parameters, **self.parameters},
        )
