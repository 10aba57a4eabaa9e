"""Observations and the history by HTTP."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from ... import Path, Server
from ...errors import NotObserved
from ...model.validation import ATTRIBUTES
from . import nodes, query
from .call import Call, success
from .pieces import json_list
from .problems import BadArgument

HISTORY_LIMIT = 100_000


async def list_observations(request: Request) -> StreamingResponse:
    """GET /api/observations[?ep=EP]"""
    server: Server = request.app.state.server
    endpoint = request.query_params.get("ep")
    found = list(server.observations) if endpoint is None else server.observations.of(endpoint)
    return json_list(nodes.observation(item) for item in found)


async def observe(call: Call) -> JSONResponse:
    """POST EP/OID/.../observe"""
    found = await call.device.observe(
        call.path,
        format=query.format(call.request),
        attributes=query.attributes(call.request, ATTRIBUTES) or None,
        reobserve=query.flag(call.request, "reobserve"),
        ordered=query.flag(call.request, "ordered") is not False,
        timeout_s=call.timeout_s,
        force=call.force,
    )
    content = nodes.node(call.definitions, call.path, found.first.value)
    return success("CONTENT", content=content, observation=nodes.observation(found))


async def observe_composite(call: Call) -> JSONResponse:
    """POST EP/composite/observe?paths=P,P"""
    paths = query.paths(call.request)
    found = await call.device.observe_composite(
        paths,
        format=query.format(call.request),
        reobserve=query.flag(call.request, "reobserve"),
        ordered=query.flag(call.request, "ordered") is not False,
        timeout_s=call.timeout_s,
        force=call.force,
    )
    content = nodes.composite(call.definitions, paths, found.first.value)
    return success("CONTENT", content=content, observation=nodes.observation(found))


async def cancel(call: Call) -> JSONResponse:
    """DELETE EP/OID/.../observe"""
    return await _cancel(call, [call.path], False)


async def cancel_composite(call: Call) -> JSONResponse:
    """DELETE EP/composite/observe?paths=P,P"""
    return await _cancel(call, query.paths(call.request), True)


async def _cancel(call: Call, paths: list[Path], composite: bool) -> JSONResponse:
    """With ``active=false`` the device learns from a RST to its next notification; with ``id=``
    nothing happens when another observation has taken the place."""
    found = call.server.observations.find(call.device.endpoint, paths, composite)
    wanted = call.request.query_params.get("id")
    if found is None or (wanted and wanted != found.id):
        raise NotObserved(" ".join(map(str, paths)), "nothing is observed there")
    if query.flag(call.request, "active") is False:
        found.forget()
    else:
        await found.cancel(timeout_s=call.timeout_s)
    return success("DELETED")


async def history(request: Request) -> StreamingResponse:
    """GET /api/history?ep=EP&path=PATH[&since=][&until=][&limit=]; times in seconds since 1970."""
    server: Server = request.app.state.server
    if server.history is None:
        raise BadArgument("this server keeps no history")
    endpoint = request.query_params.get("ep")
    if not endpoint:
        raise BadArgument("ep is missing")
    # In a thread: it reads a file.
    rows = await run_in_threadpool(
        server.history.query,
        endpoint,
        Path.parse(request.query_params.get("path", "/")),
        since_s=query.moment_s(request, "since"),
        until_s=query.moment_s(request, "until"),
        limit=query.count(request, "limit", 1000, HISTORY_LIMIT),
    )
    return json_list(row._asdict() for row in rows)
