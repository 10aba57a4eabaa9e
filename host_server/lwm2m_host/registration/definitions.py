"""Object definitions as they hold for one registration."""

from __future__ import annotations

from typing import NamedTuple

from ..model.catalogue import Models
from ..model.definitions import ObjectModel, ResourceModel
from ..model.path import Path
from ..model.values import DataType
from .registration import Registration


class Definitions(NamedTuple):
    """The definitions of a device's objects, in the versions that it registered."""

    models: Models
    registration: Registration

    def object_model(self, path: Path) -> ObjectModel | None:
        """The definition of the object of a path."""
        if path.oid is None:
            return None
        return self.models.object(path.oid, self.registration.object_version(path))

    def resource_model(self, path: Path) -> ResourceModel | None:
        """The definition of the resource at, or above, a path."""
        model = self.object_model(path)
        return model.resources.get(path.rid) if model and path.rid is not None else None

    def type_of(self, path: Path) -> DataType | None:
        """The data type of the resource at, or above, a path; None when it is not known."""
        resource = self.resource_model(path)
        return resource.type if resource else None

    def is_multiple(self, path: Path) -> bool:
        """True when the definition says that the resource may have several instances."""
        resource = self.resource_model(path)
        return resource is not None and resource.multiple
