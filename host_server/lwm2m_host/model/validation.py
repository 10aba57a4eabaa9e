"""Validation of a request against the definitions, before it leaves.

Each error names the resource: its path and its name. What has no definition is let through.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..errors import MissingResources, OperationRefused, OutOfRange, PathError, ValueTypeError
from .definitions import ObjectModel, ResourceModel
from .entry import Entry
from .path import Path
from .ranges import parse_range
from .values import DataType

ATTRIBUTES = ("pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax")

_ALLOWED = {
    "R": "may only be read",
    "W": "may only be written",
    "E": "may only be executed",
    "RW": "may be read and written, but not executed",
    "RE": "may be read and executed, but not written",
    "WE": "may be written and executed, but not read",
    "": "may not be touched by a server",
}


def label(path: Path, resource: ResourceModel | None) -> str:
    """``/3303/0/5700 Sensor Value``, or the path alone."""
    return f"{path} {resource.name}" if resource and resource.name else str(path)


def check_operation(operation: str, path: Path, resource: ResourceModel | None) -> None:
    """Raise OperationRefused unless the resource has the operation "R", "W" or "E"."""
    if resource is not None and operation not in resource.operations:
        raise OperationRefused(f"{label(path, resource)} {_ALLOWED[resource.operations]}")


def check_entry(entry: Entry, resource: ResourceModel | None) -> None:
    """Raise when a value, of the right type, does not fit the definition.

    Raises ValueTypeError for one instance too many, OutOfRange for the value itself.
    """
    if resource is None or entry.path.depth < 3:
        return
    name = label(entry.path, resource)
    if entry.path.depth == 4 and not resource.multiple:
        raise ValueTypeError(f"{name} has no instances: expects a value")
    if entry.path.depth == 3:
        if entry.value is None and not resource.multiple:
            raise ValueTypeError(f"{name} expects a value")
        if entry.value is not None and resource.multiple:
            raise ValueTypeError(f"{name} has instances: expects {{riid: value}}")
    allowed = parse_range(resource.range, resource.type) if entry.value is not None else None
    problem = allowed.problem(entry.value) if allowed else ""
    if problem:
        raise OutOfRange(f"{name} {problem}")


def check_create(path: Path, model: ObjectModel | None, entries: Iterable[Entry]) -> None:
    """Raise MissingResources when a new instance lacks what must be given.

    That is what is mandatory and writable: the rest the device knows itself.
    """
    if model is None:
        return
    given = {entry.path.rid for entry in entries}
    missing = [
        f"{item.id} {item.name}"
        for item in model.resources.values()
        if item.mandatory and item.writable and item.id not in given
    ]
    if missing:
        raise MissingResources(f"{path} needs {', '.join(missing)} to be created")


_SECONDS = ("pmin", "pmax", "epmin", "epmax")
_SWITCHES = ("edge", "con")
_STEPS = ("gt", "lt", "st")


def check_attributes(
    path: Path, resource: ResourceModel | None, attributes: Mapping[str, float | None]
) -> None:
    """Raise for attributes that a device must refuse (LwM2M 1.1 core §5.1.2, §7.3)."""
    given = {name: value for name, value in attributes.items() if value is not None}
    for name, value in given.items():
        if name in (*_SECONDS, "hqmax") and not (value >= 0 and float(value).is_integer()):
            raise OutOfRange(f"{path}: {name} is a whole number, not negative, got {value!r}")
        if name in _SWITCHES and value not in (0, 1):
            raise OutOfRange(f"{path}: {name} is 0 or 1, got {value!r}")
        if not math.isfinite(value):
            raise OutOfRange(f"{path}: {name} is a finite number, got {value!r}")
        if name == "st" and value <= 0:
            raise OutOfRange(f"{path}: st is more than 0, got {value!r}")
    for name in attributes:
        if name not in (*_STEPS, "edge"):
            continue
        if path.depth < 3:
            raise PathError(f"{name} is for resources, not for the {path.level} {path}")
        kinds: tuple[DataType, ...] = (DataType.INTEGER, DataType.UNSIGNED, DataType.FLOAT)
        if name == "edge":
            kinds = (DataType.BOOLEAN,)
        if resource is not None and resource.type not in kinds:
            raise ValueTypeError(f"{label(path, resource)} is {resource.type}: no {name} for it")
    low, high, step = given.get("lt"), given.get("gt"), given.get("st", 0.0)
    if low is not None and high is not None and not low + 2 * step < high:
        raise OutOfRange(f"{path}: lt + 2 * st is less than gt, got {low:g}, {step:g}, {high:g}")
