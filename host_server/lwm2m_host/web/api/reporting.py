"""Observations and the history on the control plane."""

from __future__ import annotations

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ... import formats
from ...device import ATTRIBUTES, Device
from ...errors import NotObserved, UnknownFormat, ValueTypeError
from ...formats import Format
from ...model.path import Path
from ...model.values import to_json
from ...reporting.observation import Observation
from ...server import Server
from . import nodes
from .problems import BadArgument

HISTORY_LIMIT = 100_000


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


async def list_observations(request: Request) -> JSONResponse:
    """GET /api/observations[?ep=EP]"""
    server: Server = request.app.state.server
    endpoint = request.query_params.get("ep")
    return JSONResponse(
        [observation(item) for item in server.observations if endpoint in (None, item.endpoint)]
    )


async def observe(
    request: Request, device: Device, path: Path, timeout_s: float | None, force: bool
) -> dict[str, Any]:
    """POST EP/OID/.../observe: the fields of the answer."""
    attributes = {
        name: _number(name, text)
        for name, text in request.query_params.items()
        if name in ATTRIBUTES
    }
    found = await device.observe(
        path,
        format=format_of(request),
        attributes=attributes or None,
        reobserve=flag(request, "reobserve"),
        timeout_s=timeout_s,
        force=force,
    )
    content = nodes.node(device, path, found.first.value)
    return {"content": content, "observation": observation(found)}


async def observe_composite(
    request: Request, device: Device, timeout_s: float | None, force: bool
) -> dict[str, Any]:
    """POST EP/composite/observe?paths=P,P: the fields of the answer."""
    paths = paths_of(request)
    found = await device.observe_composite(
        paths,
        format=format_of(request),
        reobserve=flag(request, "reobserve"),
        timeout_s=timeout_s,
        force=force,
    )
    content = composite(device, paths, found.first.value)
    return {"content": content, "observation": observation(found)}


async def cancel(
    request: Request,
    device: Device,
    paths: list[Path],
    together: bool,
    timeout_s: float | None,
) -> None:
    """DELETE .../observe. With ``active=false`` the device learns from a RST to its next
    notification; with ``id=`` nothing happens when another observation has taken the place."""
    server: Server = request.app.state.server
    found = server.observations.find(device.endpoint, paths, together)
    wanted = request.query_params.get("id")
    if found is None or (wanted and wanted != found.id):
        raise NotObserved(" ".join(map(str, paths)), "nothing is observed there")
    if flag(request, "active") is False:
        found.forget()
    else:
        await found.cancel(timeout_s=timeout_s)


async def history(request: Request) -> JSONResponse:
    """GET /api/history?ep=EP&path=PATH[&since=][&until=][&limit=]; times in seconds since 1970."""
    # Here, because it is a thread's work.
    from starlette.concurrency import run_in_threadpool

    server: Server = request.app.state.server
    query = request.query_params
    if server.history is None:
        raise BadArgument("this server keeps no history")
    if not query.get("ep"):
        raise BadArgument("ep is missing")
    path = Path.parse(query.get("path", "/"))
    since, until = (_seconds(request, name) for name in ("since", "until"))
    text = query.get("limit", "1000")
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= HISTORY_LIMIT):
        raise BadArgument(f"limit is a number of values up to {HISTORY_LIMIT}, got {text!r}")
    rows = await run_in_threadpool(
        server.history.query,
        query["ep"],
        path,
        since_s=since,
        until_s=until,
        limit=int(text),
    )
    return JSONResponse([row._asdict() for row in rows])


def composite(device: nodes.Defined, paths: list[Path], value: dict[str, Any]) -> dict[str, Any]:
    """The values of a composite read or observation as nodes; null where there is none."""
    return {
        str(path): nodes.node(device, path, value[str(path)]) if str(path) in value else None
        for path in paths
    }


def samples(items: Any) -> list[dict[str, Any]]:
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


def paths_of(request: Request) -> list[Path]:
    """``?paths=P,P``. Raises PathError."""
    text = request.query_params.get("paths", "")
    return list(dict.fromkeys(Path.parse(part) for part in text.split(",") if part))


def flag(request: Request, name: str) -> bool | None:
    """A switch in the query; None when it is not there. Raises BadArgument."""
    word = request.query_params.get(name, "")
    if word.lower() not in ("", "0", "1", "false", "true"):
        raise BadArgument(f"{name} is 0 or 1, got {word!r}")
    return word.lower() in ("1", "true") if word else None


def format_of(request: Request) -> Format | None:
    """``?format=``. Raises BadArgument, which names the known ones."""
    wish = request.query_params.get("format")
    if not wish:
        return None
    try:
        return formats.get(wish)
    except UnknownFormat:
        known = ", ".join(formats.names())
        raise BadArgument(f"unknown format {wish!r}; known are {known}") from None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueTypeError(f"attribute {name} expects a number, got {text!r}") from None


def _seconds(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise BadArgument(f"{name} is in seconds since 1970, got {text!r}")
    return moment
