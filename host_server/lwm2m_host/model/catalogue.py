"""All definitions known to a server, by object id and version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath

from ..errors import ModelError
from .definitions import ObjectModel, ResourceModel, Version, parse_version
from .path import Path
from .values import DataType
from .xml import parse_xml


class Models:
    """A collection of object definitions. Later ones replace earlier ones of the same version."""

    def __init__(self, objects: Iterable[ObjectModel] = ()) -> None:
        self._objects: dict[int, dict[Version, ObjectModel]] = {}
        for item in objects:
            self.add(item)

    @classmethod
    def default(cls) -> Models:
        """The definitions shipped with this package."""
        return cls(_shipped())

    def load(self, folder: str | FilePath) -> list[str]:
        """Add every ``*.xml`` of a folder, and of the folders in it, to this collection.

        A file that cannot be used is left out. Returns one line for each such file.
        Raises ModelError when there is no such folder.
        """
        place = FilePath(folder)
        if not place.is_dir():
            raise ModelError(f"no folder of object definitions at {folder}")
        problems = []
        for file in sorted(place.rglob("*.xml")):
            try:
                for item in parse_xml(file.read_bytes(), str(file)):
                    self.add(item)
            except (ModelError, OSError) as error:
                problems.append(str(error))
        return problems

    def add(self, item: ObjectModel) -> None:
        self._objects.setdefault(item.id, {})[item.version] = item

    def __iter__(self) -> Iterator[ObjectModel]:
        for oid in sorted(self._objects):
            yield from (self._objects[oid][v] for v in sorted(self._objects[oid]))

    def object(self, oid: int, version: str | None = None) -> ObjectModel | None:
        """The definition of an object: the latest version that is not above `version`.

        Where all are above it, the lowest; without `version`, the latest. None when unknown.
        """
        versions = self._objects.get(oid)
        if not versions:
            return None
        if version is None:
            return versions[max(versions)]
        try:
            wanted = parse_version(version)
        except ModelError:
            return versions[max(versions)]
        below = [v for v in versions if v <= wanted]
        return versions[max(below) if below else min(versions)]

    def resource(self, path: Path, version: str | None = None) -> ResourceModel | None:
        """The definition of the resource at, or above, a path."""
        if path.oid is None or path.rid is None:
            return None
        item = self.object(path.oid, version)
        return item.resources.get(path.rid) if item else None

    def type_of(self, path: Path, version: str | None = None) -> DataType | None:
        resource = self.resource(path, version)
        return resource.type if resource else None


@cache  # a test suite makes a server for each test; a definition does not change
def _shipped() -> tuple[ObjectModel, ...]:
    folder = files(__package__).joinpath("oma")
    return tuple(
        item
        for entry in folder.iterdir()
        if entry.name.endswith(".xml")
        for item in parse_xml(entry.read_bytes(), entry.name)
    )
