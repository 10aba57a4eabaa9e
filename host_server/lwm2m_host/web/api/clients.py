"""/api/clients and /api/objectspecs: registrations and operations on devices."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse

from ...device import Device
from ...errors import MethodNotAllowed, ValueTypeError
from ...model.path import Path
from ...server import Server
from . import nodes, reporting
from .problems import BadArgument
from .reporting import flag, paths_of
from .reporting import format_of as _format

_ACTIONS = ("discover", "attributes", "composite", "observe")
BODY_LIMIT = 16 * 1024 * 1024
_SUCCESS = {
    "CONTENT": "CONTENT(205)",
    "CHANGED": "CHANGED(204)",
    "CREATED": "CREATED(201)",
    "DELETED": "DELETED(202)",
}


def _success(status: str, **more: Any) -> JSONResponse:
    body = {"status": _SUCCESS[status], "valid": True, "success": True, "failure": False}
    return JSONResponse({**body, **more})


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


def _parts(request: Request, prefix: str) -> list[str]:
    """The segments after `prefix`. Taken from the raw path: an endpoint may hold an encoded /."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    rest = raw.decode("ascii", "replace").partition("?")[0].removeprefix(prefix)
    return [unquote(part) for part in rest.split("/") if part]


async def list_clients(request: Request) -> JSONResponse:
    server = _server(request)
    return JSONResponse(
        [
            {
                **nodes.registration(item),
                "observations": len(server.observations.of(item.endpoint)),
            }
            for item in server.registrations()
        ]
    )


async def object_specs(request: Request) -> JSONResponse:
    server = _server(request)
    parts = _parts(request, "/api/objectspecs/")
    device = server.device("/".join(parts))
    models = [device.object_model(Path((oid,))) for oid in device.registration.objects]
    return JSONResponse([nodes.definition(model) for model in models if model is not None])


async def client(request: Request) -> JSONResponse:
    """Everything below /api/clients/EP."""
    endpoint, *tail = _parts(request, "/api/clients/")
    device = _server(request).device(endpoint)
    action = tail.pop() if tail and tail[-1] in _ACTIONS else ""
    timeout_s = _timeout(request)
    force = bool(flag(request, "force"))
    if action == "observe":
        return await _observe(request, device, tail, timeout_s, force)
    path = Path.parse("/".join(tail))
    match request.method, action:
        case "GET" | "HEAD", "discover":
            links = await device.discover(path, timeout_s=timeout_s)
            return _success("CONTENT", objectLinks=nodes.links(links))
        case "PUT", "attributes":
            attributes = _attributes(request)
            await device.write_attributes(path, timeout_s=timeout_s, force=force, **attributes)
            return _success("CHANGED")
        case "GET" | "HEAD", "composite":
            return await _read_composite(request, device, timeout_s, force)
        case "PUT", "composite":
            await _write_composite(request, device, timeout_s, force)
            return _success("CHANGED")
        case _, "discover" | "attributes" | "composite":
            return JSONResponse({"message": f"no {request.method} here"}, 405)
        case "GET" | "HEAD", _:
            if not tail:
                return JSONResponse(nodes.registration(device.registration))
            return await _read(request, device, path, timeout_s, force)
        case "PUT", _:
            value = nodes.typed(device, path, nodes.plain(await _json(request)), force)
            await device.write(
                path, value, format=_format(request), timeout_s=timeout_s, force=force
            )
            return _success("CHANGED")
        case "DELETE", _:
            await device.delete(path, timeout_s=timeout_s)
            return _success("DELETED")
    return await _post(request, device, path, timeout_s, force)


async def _observe(
    request: Request, device: Device, tail: list[str], timeout_s: float | None, force: bool
) -> JSONResponse:
    together = tail == ["composite"]
    paths = paths_of(request) if together else [Path.parse("/".join(tail))]
    if request.method == "DELETE":
        await reporting.cancel(request, device, paths, together, timeout_s)
        return _success("DELETED")
    if request.method != "POST":
        return JSONResponse({"message": f"no {request.method} here"}, 405)
    if together:
        found = await reporting.observe_composite(request, device, timeout_s, force)
    else:
        found = await reporting.observe(request, device, paths[0], timeout_s, force)
    return _success("CONTENT", **found)


async def _read(
    request: Request, device: Device, path: Path, timeout_s: float | None, force: bool
) -> JSONResponse:
    value = await device.read(path, format=_format(request), timeout_s=timeout_s, force=force)
    return _success("CONTENT", content=nodes.node(device, path, value))


async def _read_composite(
    request: Request, device: Device, timeout_s: float | None, force: bool
) -> JSONResponse:
    paths = paths_of(request)
    found = await device.read_composite(
        paths, format=_format(request), timeout_s=timeout_s, force=force
    )
    return _success("CONTENT", content=reporting.composite(device, paths, found))


async def _write_composite(
    request: Request, device: Device, timeout_s: float | None, force: bool
) -> None:
    body = await _json(request)
    if not isinstance(body, dict):
        raise BadArgument("the body is an object with paths as keys")
    values = {}
    for text, item in body.items():
        path = Path.parse(text)
        values[path] = nodes.typed(device, path, nodes.plain(item), force)
    await device.write_composite(values, format=_format(request), timeout_s=timeout_s, force=force)


async def _post(
    request: Request, device: Device, path: Path, timeout_s: float | None, force: bool
) -> JSONResponse:
    if path.depth == 3:
        args = (await _body(request)).decode("utf-8", "replace")
        await device.execute(path, args, timeout_s=timeout_s, force=force)
        return _success("CHANGED")
    if path.depth == 2:
        value = nodes.typed(device, path, nodes.plain(await _json(request)), force)
        await device.write(
            path, value, format=_format(request), update=True, timeout_s=timeout_s, force=force
        )
        return _success("CHANGED")
    if path.depth != 1:
        raise MethodNotAllowed("4.05", str(path))
    body = await _json(request) if await _body(request) else {}
    if isinstance(body, dict) and isinstance(body.get("id"), int):
        target = path / body["id"]
        value = nodes.typed(device, target, nodes.plain({"resources": [], **body}), force)
    else:
        target = path
        value = nodes.typed(device, path / 0, nodes.plain(body), force)
    made = await device.create(
        target, value, format=_format(request), timeout_s=timeout_s, force=force
    )
    return _success("CREATED", location=str(made))


def _timeout(request: Request) -> float | None:
    text = request.query_params.get("timeout")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise BadArgument(f"timeout is a number of seconds, got {text!r}")
    return seconds


def _attributes(request: Request) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, text in request.query_params.items():
        if name in ("timeout", "force"):
            continue
        try:
            found[name] = float(text) if text else None
        except ValueError:
            raise ValueTypeError(f"attribute {name} expects a number, got {text!r}") from None
    return found


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_LIMIT:
        raise BadArgument("the body is too large")
    return await request.body()


async def _json(request: Request) -> Any:
    try:
        return json.loads(await _body(request))
    except (ValueError, RecursionError):
        raise BadArgument("the body is not JSON") from None
