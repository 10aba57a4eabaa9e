"""/api/events: what happens, as server-sent events.

Event names and data are Leshan's: REGISTRATION and DEREGISTRATION with the registration,
UPDATED with ``{"registration": ...}``. Added to each: `event` (registered, updated, deregistered,
expired), `time` (milliseconds since 1970) and `ep`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from ..events import Event
from ..server import Server
from . import nodes

KEEP_ALIVE_S = 15.0

_NAMES = {
    "registered": "REGISTRATION",
    "updated": "UPDATED",
    "deregistered": "DEREGISTRATION",
    "expired": "DEREGISTRATION",
}


def data(event: Event) -> dict[str, Any]:
    """The JSON of one event."""
    common = {"event": event.kind, "time": round(event.time_s * 1000), "ep": event.endpoint}
    registration = nodes.registration(event.registration)
    if event.kind == "updated":
        return {**common, "registration": registration}
    return {**common, **registration}


def _block(event: Event) -> str:
    name = _NAMES.get(event.kind, event.kind.upper())
    return f"event: {name}\ndata: {json.dumps(data(event))}\n\n"


async def _stream(server: Server, endpoint: str | None) -> AsyncIterator[str]:
    with server.events() as events:
        yield ": connected\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    event = await anext(events)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            except StopAsyncIteration:
                return
            if endpoint in (None, event.endpoint):
                yield _block(event)


async def events(request: Request) -> StreamingResponse:
    """The stream; ``?ep=`` keeps the events of one endpoint. Ends when the server does."""
    stream = _stream(request.app.state.server, request.query_params.get("ep"))
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
