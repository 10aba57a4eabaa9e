"""Values, registrations and definitions as JSON.

Names and nesting follow Eclipse Leshan's demo server; `name` and `units` are additions, and
numbers are numbers, times ISO 8601, object links "oid:iid" (see lwm2m_host.model.values).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import Definitions, Observation, Path, Registration, Sample
from ...errors import ValueTypeError
from ...model.definitions import ObjectModel
from ...model.link import Link
from ...model.validation import label
from ...model.values import DataType, Value, from_json, parse, to_json

TYPE_NAMES = {
    DataType.UNSIGNED: "UNSIGNED_INTEGER",
    DataType.CORELNK: "CORELINK",
}


def type_name(kind: DataType | None) -> str:
    """The data type in capitals; OPAQUE where it is not known."""
    if kind is None:
        return "OPAQUE"
    return TYPE_NAMES.get(kind, kind.value.upper())


def node(definitions: Definitions, path: Path, value: Any) -> dict[str, Any]:
    """The result of a Read of a path as a node: obj, instance, single- or multiResource.

    The root, which only Read-Composite knows, is a node with `objects`.
    """
    if path.depth == 0:
        return {
            "kind": "root",
            "objects": [node(definitions, path / o, v) for o, v in value.items()],
        }
    out: dict[str, Any] = {"kind": "", "id": path.ids[-1]}
    if path.depth == 1:
        model = definitions.object_model(path)
        out["kind"] = "obj"
        if model is not None:
            out["name"] = model.name
        out["instances"] = [node(definitions, path / iid, item) for iid, item in value.items()]
        return out
    if path.depth == 2:
        out["kind"] = "instance"
        out["resources"] = [node(definitions, path / rid, item) for rid, item in value.items()]
        return out
    resource = definitions.resource_model(path)
    out["type"] = type_name(resource.type if resource else None)
    if resource is not None:
        out["name"] = resource.name
        if resource.units:
            out["units"] = resource.units
    if path.depth == 4:
        out["kind"] = "resourceInstance"
        out["value"] = to_json(value)
    elif isinstance(value, Mapping):
        out["kind"] = "multiResource"
        out["values"] = to_json(value)
    else:
        out["kind"] = "singleResource"
        out["value"] = to_json(value)
    return out


def plain(body: Any) -> Any:
    """A node, or plain JSON, as plain nested JSON: ``{"kind": ...}`` loses its wrapping.

    Raises ValueTypeError for a node without content.
    """
    if not isinstance(body, dict):
        return body
    if "resources" in body:
        return {str(_id(item)): plain(item) for item in _list(body, "resources")}
    if "instances" in body:
        return {str(_id(item)): plain(item) for item in _list(body, "instances")}
    if "objects" in body:
        return {str(_id(item)): plain(item) for item in _list(body, "objects")}
    if "values" in body:
        return body["values"]
    if "value" in body:
        return body["value"]
    if "kind" in body:
        raise ValueTypeError("the node holds neither value, values nor resources")
    return body


def _list(body: dict[str, Any], name: str) -> list[Any]:
    items = body[name]
    if isinstance(items, dict):  # Leshan's own page sends an object with the ids as keys
        items = list(items.values())
    if not isinstance(items, list):
        raise ValueTypeError(f"{name} is not a list")
    return items


def _id(item: Any) -> int:
    number = item.get("id") if isinstance(item, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueTypeError("a node has no id")
    return number


def typed(definitions: Definitions, path: Path, value: Any, force: bool = False) -> Any:
    """Plain JSON as Python values, each converted by its resource's type.

    Raises ValueTypeError, which names the resource. With `force`, what cannot be converted stays
    what it is.
    """
    if isinstance(value, dict):
        return {
            key: typed(definitions, _child(path, key), item, force) for key, item in value.items()
        }
    resource = definitions.resource_model(path)
    kind = resource.type if resource else None
    if value is None and path.depth >= 3:
        return None  # only a composite Write has it: delete
    if path.depth < 3:
        raise ValueTypeError(f"{path} expects an object with resource ids as keys, got {value!r}")
    try:
        return _untyped(value) if kind is None else from_json(value, kind)
    except ValueTypeError as error:
        if force:
            return _untyped(value)
        if resource is not None and kind is DataType.NONE:
            raise ValueTypeError(f"{label(path, resource)} may only be executed") from None
        raise ValueTypeError(f"{label(path, resource)} {error}") from None


def _untyped(value: Any) -> Value:
    if isinstance(value, str) and value.startswith("hex:"):
        return parse(value, DataType.OPAQUE)
    if isinstance(value, str | int | float):
        return value
    raise ValueTypeError(f"expects a value, got {value!r}")


def _child(path: Path, key: str) -> Path:
    if not (key.isascii() and key.isdecimal() and len(key) <= 5):
        raise ValueTypeError(f"{path}: expects ids as keys, got {key!r}")
    if path.depth >= 4:
        raise ValueTypeError(f"{path} is a resource instance and cannot hold others")
    return path / int(key)


def registration(item: Registration) -> dict[str, Any]:
    """A registration. Dates are milliseconds since 1970, `lifetime` is seconds."""
    return {
        "endpoint": item.endpoint,
        "registrationId": item.location.removeprefix("/rd/"),
        "registrationDate": round(item.registered_at * 1000),
        "lastUpdate": round(item.updated_at * 1000),
        "expires": None if item.expires_at is None else round(item.expires_at * 1000),
        "address": item.address,
        "lwM2mVersion": item.version,
        "lifetime": item.lifetime_s,
        "bindingMode": item.binding,
        "rootPath": "/" + "/".join(item.links.root),
        "objectLinks": links(item.relative_links),
        "secure": item.secure,
        "additionalRegistrationAttributes": dict(item.parameters),
        "queuemode": item.queue_mode,
        "availableInstances": {
            str(oid): list(known.instances) for oid, known in item.objects.items()
        },
    }


def links(items: list[Link]) -> list[dict[str, Any]]:
    """Links as ``{"url": ..., "attributes": {...}}``."""
    return [{"url": item.target, "attributes": dict(item.attributes)} for item in items]


def definition(model: ObjectModel) -> dict[str, Any]:
    """An object definition."""
    return {
        "id": model.id,
        "name": model.name,
        "version": model.version_text,
        "urn": model.urn,
        "instancetype": "multiple" if model.multiple else "single",
        "mandatory": model.mandatory,
        "description": model.description,
        "resourcedefs": [
            {
                "id": item.id,
                "name": item.name,
                "operations": item.operations or "NONE",
                "instancetype": "multiple" if item.multiple else "single",
                "mandatory": item.mandatory,
                "type": item.type.value,
                "range": item.range,
                "units": item.units,
                "description": item.description,
            }
            for item in sorted(model.resources.values(), key=lambda item: item.id)
        ],
    }


def composite(
    definitions: Definitions, paths: list[Path], value: dict[str, Any]
) -> dict[str, Any]:
    """The values of a composite read or observation as nodes; null where there is none."""
    return {
        str(path): node(definitions, path, value[str(path)]) if str(path) in value else None
        for path in paths
    }


def samples(items: Sequence[Sample]) -> list[dict[str, Any]]:
    """Samples as JSON; times are milliseconds since 1970."""
    return [
        {
            "path": str(item.path),
            "time": round(item.time_s * 1000),
            "timed": item.timed,
            "value": to_json(item.value),
        }
        for item in items
    ]


def observation(item: Observation) -> dict[str, Any]:
    """An observation. Times are milliseconds since 1970."""
    return {
        "id": item.id,
        "ep": item.endpoint,
        "kind": "composite" if item.composite else "single",
        "paths": [str(path) for path in item.paths],
        "state": item.state,
        "since": round(item.started_at * 1000),
        "count": item.count,
        "last": round(item.latest.received_at * 1000) if item.latest else None,
    }
