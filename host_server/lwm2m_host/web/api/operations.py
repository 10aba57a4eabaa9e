"""The operations of device management by HTTP."""

from __future__ import annotations

from starlette.responses import JSONResponse

from ... import Path
from ...errors import MethodNotAllowed
from . import nodes, query
from .call import Call, success
from .problems import BadArgument


async def discover(call: Call) -> JSONResponse:
    depth = query.depth(call.request)
    links = await call.device.discover(
        call.path, depth=depth, timeout_s=call.timeout_s, force=call.force
    )
    return success("CONTENT", objectLinks=nodes.links(links))


async def write_attributes(call: Call) -> JSONResponse:
    await call.device.write_attributes(
        call.path,
        timeout_s=call.timeout_s,
        force=call.force,
        **query.attributes(call.request),
    )
    return success("CHANGED")


async def read(call: Call) -> JSONResponse:
    value = await call.device.read(
        call.path,
        format=query.format(call.request),
        timeout_s=call.timeout_s,
        force=call.force,
    )
    return success("CONTENT", content=nodes.node(call.definitions, call.path, value))


async def read_composite(call: Call) -> JSONResponse:
    paths = query.paths(call.request)
    found = await call.device.read_composite(
        paths, format=query.format(call.request), timeout_s=call.timeout_s, force=call.force
    )
    return success("CONTENT", content=nodes.composite(call.definitions, paths, found))


async def write(call: Call) -> JSONResponse:
    return await _write(call, update=False)


async def _write(call: Call, update: bool) -> JSONResponse:
    body = nodes.plain(await query.json_body(call.request))
    await call.device.write(
        call.path,
        nodes.typed(call.definitions, call.path, body, call.force),
        format=query.format(call.request),
        update=update,
        timeout_s=call.timeout_s,
        force=call.force,
    )
    return success("CHANGED")


async def write_composite(call: Call) -> JSONResponse:
    body = await query.json_body(call.request)
    if not isinstance(body, dict):
        raise BadArgument("the body is an object with paths as keys")
    values = {}
    for text, item in body.items():
        path = Path.parse(text)
        values[path] = nodes.typed(call.definitions, path, nodes.plain(item), call.force)
    await call.device.write_composite(
        values, format=query.format(call.request), timeout_s=call.timeout_s, force=call.force
    )
    return success("CHANGED")


async def delete(call: Call) -> JSONResponse:
    await call.device.delete(call.path, timeout_s=call.timeout_s, force=call.force)
    return success("DELETED")


async def post(call: Call) -> JSONResponse:
    """Create below an object, partial Write of an instance, Execute of a resource."""
    match call.path.depth:
        case 1:
            return await _create(call)
        case 2:
            return await _write(call, update=True)
        case 3:
            return await _execute(call)
    raise MethodNotAllowed("4.05", str(call.path))


async def _execute(call: Call) -> JSONResponse:
    args = (await query.body(call.request)).decode("utf-8", "replace")
    await call.device.execute(call.path, args, timeout_s=call.timeout_s, force=call.force)
    return success("CHANGED")


async def _create(call: Call) -> JSONResponse:
    path = call.path
    body = await query.json_body(call.request) if await query.body(call.request) else {}
    if isinstance(body, dict) and isinstance(body.get("id"), int):
        path = call.path / body["id"]
        body = {"resources": [], **body}
    instance = path if path.depth == 2 else path / 0
    created = await call.device.create(
        path,
        nodes.typed(call.definitions, instance, nodes.plain(body), call.force),
        format=query.format(call.request),
        timeout_s=call.timeout_s,
        force=call.force,
    )
    return success("CREATED", location=str(created))
