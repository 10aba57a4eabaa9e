"""Versions of LwM2M: what a server may ask of a device since which one (1.0.2, 1.1.1, 1.2.2)."""

from __future__ import annotations

from ..errors import NotInVersion
from ..model.path import Path
from ..registration.interface import VERSIONS
from ..registration.registration import Registration

READ_COMPOSITE = ("Read-Composite", "1.1")
WRITE_COMPOSITE = ("Write-Composite", "1.1")
OBSERVE_COMPOSITE = ("Observe-Composite", "1.1")
RESOURCE_INSTANCE = ("a path to a resource instance", "1.1")
DELETE_RESOURCE_INSTANCE = ("Delete of a resource instance", "1.2")
DISCOVER_DEPTH = ("Discover with a depth", "1.2")
NULL = ("null in a Write-Composite", "1.2")
OBSERVE_ATTRIBUTES = ("attributes in an Observe", "1.2")

# Attributes that are younger than 1.0
ATTRIBUTES = {"epmin": "1.1", "epmax": "1.1", "edge": "1.2", "con": "1.2", "hqmax": "1.2"}


def check(feature: tuple[str, str], registration: Registration) -> None:
    """Raise NotInVersion unless the version of the registration has `feature`, a name and the
    version that brought it. A version that is not known has everything."""
    what, since = feature
    version = registration.version
    if version in VERSIONS and VERSIONS.index(version) < VERSIONS.index(since):
        raise NotInVersion(what, since, registration.endpoint, version)


def check_path(path: Path, registration: Registration) -> None:
    """Raise NotInVersion for a resource instance of a device of LwM2M 1.0."""
    if path.depth == 4:
        check((f"{RESOURCE_INSTANCE[0]}, {path}", RESOURCE_INSTANCE[1]), registration)


def check_attribute(name: str, registration: Registration) -> None:
    """Raise NotInVersion for an attribute that the version does not have."""
    if name in ATTRIBUTES:
        check((f"the attribute {name}", ATTRIBUTES[name]), registration)
