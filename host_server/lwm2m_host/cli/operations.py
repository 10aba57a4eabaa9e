"""lwm2m-host read, write, execute, discover, create, delete, write-attributes"""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import typer

from .. import Path
from ..terminal import cells, console, plain, print_json, rows, table
from .failure import WrongArgument
from .options import (
    DEFAULT_URL,
    Endpoint,
    Force,
    FormatOption,
    Json,
    PathArgument,
    ServerUrl,
    Timeout,
)
from .remote import ServerClient, parse_path


def read(
    ep: Endpoint,
    path: PathArgument,
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Read an object, an instance, a resource or a resource instance.

    JSON: {"endpoint", "path", "value"}; the value of an instance is {"RID": value}, of an object
    {"IID": {"RID": value}}, of a multiple resource {"RIID": value}. Opaque values are hexadecimal,
    times ISO 8601, object links "3:0".
    """
    where = path_argument(path, 1, 4, "read")
    params = options(format, force)
    answer = ServerClient(server, timeout).client("GET", ep, str(where), params=params)
    node = answer["content"]
    if json:
        print_json({"endpoint": ep, "path": str(where), "value": plain(node)})
        return
    parent = str(Path(where.ids[:-1])).rstrip("/")
    found = rows(node, parent)
    if not found:
        print(f"{where} is empty")
        return
    out = table("path", "name", "value", "units")
    for row in found:
        out.add_row(*cells(*row))
    console().print(out)


def write(
    ep: Endpoint,
    path: PathArgument,
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="By type: 5, 1.5, true, text, hex:0aff, 2025-01-31T12:00:00Z, 3:0; "
            'JSON for an instance or several resource instances: {"1": 60}.',
        ),
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Keep the resources that VALUE does not name.")
    ] = False,
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Write a resource, a resource instance or a whole instance.

    JSON: {"endpoint", "path", "ok": true}.
    """
    where = path_argument(path, 2, 4, "write")
    if update and where.depth != 2:
        raise WrongArgument(f"--update needs an instance, got {where}")
    payload = json_module.dumps(body(where, value))
    params = options(format, force)
    method = "POST" if update else "PUT"
    ServerClient(server, timeout).client(method, ep, str(where), params=params, body=payload)
    done(ep, where, json, "written")


def execute(
    ep: Endpoint,
    path: PathArgument,
    args: Annotated[
        str, typer.Argument(metavar="[ARGS]", help="Arguments, for example 0='text',3")
    ] = "",
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Execute a resource.

    JSON: {"endpoint", "path", "ok": true}.
    """
    where = path_argument(path, 3, 3, "execute")
    params = options(None, force)
    ServerClient(server, timeout).client("POST", ep, str(where), params=params, body=args)
    done(ep, where, json, "executed")


def discover(
    ep: Endpoint,
    path: PathArgument,
    depth: Annotated[
        int | None,
        typer.Option(min=0, max=3, metavar="N", help="Levels below PATH (LwM2M 1.2)."),
    ] = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """List what is below a path, with attributes.

    JSON: a list of {"path", "attributes": {"pmin": "10"}}.
    """
    where = path_argument(path, 0, 3, "discover")
    place = (str(where).rstrip("/")) + "/discover"
    params = options(None, force) | ({} if depth is None else {"depth": str(depth)})
    answer = ServerClient(server, timeout).client("GET", ep, place, params=params)
    links = answer["objectLinks"]
    if json:
        print_json([{"path": item["url"], "attributes": item["attributes"]} for item in links])
        return
    out = table("path", "attributes")
    for item in links:
        told = [k if v is None else f"{k}={v}" for k, v in item["attributes"].items()]
        out.add_row(*cells(item["url"], " ".join(told)))
    console().print(out)


def create(
    ep: Endpoint,
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="/3303: the device chooses the id; /3303/1: you do."),
    ],
    values: Annotated[
        str, typer.Argument(metavar="[VALUES]", help='JSON: {"5750": "attic"}.')
    ] = "",
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Create an instance of an object.

    JSON: {"endpoint", "path", "ok": true}; path is that of the new instance.
    """
    where = path_argument(path, 1, 2, "create")
    given = json_object(values, str(where)) if values else {}
    if where.depth == 2:
        resources = [_resource_node(rid, item) for rid, item in given.items()]
        given = {"id": where.iid, "resources": resources}
    text = json_module.dumps(given) if given else ""
    answer = ServerClient(server, timeout).client(
        "POST", ep, f"/{where.oid}", params=options(format, force), body=text
    )
    done(ep, answer["location"], json, "created")


def delete(
    ep: Endpoint,
    path: PathArgument,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Delete an instance of an object, or of a resource.

    Deleting an instance of a resource needs LwM2M 1.2 on the device.

    JSON: {"endpoint", "path", "ok": true}.
    """
    where = path_argument(path, 2, 4, "delete")
    if where.depth == 3:
        raise WrongArgument(f"cannot delete the resource {where}")
    params = options(None, force)
    ServerClient(server, timeout).client("DELETE", ep, str(where), params=params)
    done(ep, where, json, "deleted")


def write_attributes(
    ep: Endpoint,
    path: PathArgument,
    attributes: Annotated[
        list[str],
        typer.Argument(metavar="NAME=NUMBER...", help="pmin=10 gt=25.5; pmin= takes it away."),
    ],
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Set when a device notifies: pmin, pmax, gt, lt, st, epmin, epmax, edge, con, hqmax.

    JSON: {"endpoint", "path", "ok": true}.
    """
    where = path_argument(path, 1, 4, "write attributes of")
    params = options(None, force)
    for text in attributes:
        name, equals, number = text.partition("=")
        if not equals or not name or name in params or name == "timeout":
            raise WrongArgument(f"attributes are as in pmin=10, each once, not {text}")
        params[name] = number
    place = f"{where}/attributes"
    ServerClient(server, timeout).client("PUT", ep, place, params=params)
    done(ep, where, json, "written")


def options(format: str | None, force: bool) -> dict[str, str]:
    """The query of an operation."""
    return {**({"format": format} if format else {}), **({"force": "1"} if force else {})}


def json_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object from the command line. Raises WrongArgument."""
    try:
        data = json_module.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise WrongArgument(f'{what} expects JSON as in {{"1": 60}}, got {text!r}')
    return data


def _resource_node(rid: str, value: Any) -> dict[str, Any]:
    if not _is_id(rid):
        raise WrongArgument(f"expects resource ids as keys, got {rid!r}")
    return {"id": int(rid), ("values" if isinstance(value, dict) else "value"): value}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5


def path_argument(text: str, low: int, high: int, operation: str) -> Path:
    path = parse_path(text)
    if low <= path.depth <= high:
        return path
    raise WrongArgument(f"cannot {operation} the {path.level} {path}")


def body(path: Path, text: str) -> Any:
    """The body of a Write: JSON for an instance, else the text, which the server converts."""
    try:
        data = json_module.loads(text) if path.depth == 2 or text.startswith("{") else None
    except ValueError:
        data = None
    if path.depth == 2:
        if not isinstance(data, dict):
            raise WrongArgument(f'{path} expects JSON as in {{"1": 60}}, got {text!r}')
        return data
    if isinstance(data, dict) and path.depth == 3 and data and all(map(_is_id, data)):
        return data
    return text


def done(endpoint: str, path: Path | str, json: bool, word: str) -> None:
    if json:
        print_json({"endpoint": endpoint, "path": str(path), "ok": True})
    else:
        print(f"{path} {word}")
