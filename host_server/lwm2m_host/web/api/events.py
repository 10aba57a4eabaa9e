"""/api/events: the events of a server, as server-sent events.

Event names and data are Leshan's: REGISTRATION and DEREGISTRATION with the registration,
UPDATED with ``{"registration": ...}``. Added to each: `event` (registered, updated, deregistered,
expired, notification, send, observation, unreadable), `time` (milliseconds since 1970) and `ep`.

NOTIFICATION is ``{"ep", "kind": "single", "res": path, "val": node}``, or "composite" with `val`
``{path: node}`` and `paths`; SEND is ``{"ep", "val": {path: node}}``. Added: `samples`, each with
the time that the device gave it, and the properties of the message. OBSERVATION is one that
begins, pauses because the device is away, goes on, or ends; UNREADABLE a report that cannot be
decoded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from ... import (
    Definitions,
    DeviceEvent,
    Event,
    Notified,
    ObservationChanged,
    Path,
    Sent,
    Server,
    Unreadable,
)
from . import nodes

KEEP_ALIVE_S = 15.0

_NAMES = {
    "registered": "REGISTRATION",
    "updated": "UPDATED",
    "deregistered": "DEREGISTRATION",
    "expired": "DEREGISTRATION",
}


def data(event: Event, server: Server) -> dict[str, Any]:
    """The JSON of one event."""
    common = {"event": event.kind, "time": round(event.time_s * 1000), "ep": event.endpoint}
    if not isinstance(event, DeviceEvent):
        return common
    definitions = Definitions(server.models, event.registration)
    if isinstance(event, Notified):
        return {**common, **_notification(event, definitions)}
    if isinstance(event, Sent):
        values = event.report.values
        return {
            **common,
            "val": nodes.composite(definitions, [Path.parse(p) for p in values], values),
            "samples": nodes.samples(event.report.samples),
            "unknown": list(event.report.unknown),
        }
    if isinstance(event, ObservationChanged):
        return {
            **common,
            "id": event.observation,
            "kind": "composite" if event.composite else "single",
            "paths": [str(path) for path in event.paths],
            "state": event.state,
            "reason": event.reason,
        }
    if isinstance(event, Unreadable):
        return {**common, "source": event.source, "res": event.path, "reason": event.reason}
    registration = nodes.registration(event.registration)
    if event.kind == "updated":
        return {**common, "registration": registration}
    return {**common, **registration}


def _notification(event: Notified, definitions: Definitions) -> dict[str, Any]:
    note = event.notification
    if note.composite:
        about: dict[str, Any] = {
            "kind": "composite",
            "paths": [str(path) for path in note.paths],
            "val": nodes.composite(definitions, list(note.paths), note.value),
        }
    else:
        about = {
            "kind": "single",
            "res": str(note.path),
            "val": nodes.node(definitions, note.path, note.value),
        }
    return {
        **about,
        "id": note.observation,
        "samples": nodes.samples(note.samples),
        "sequence": note.sequence,
        "confirmable": note.confirmable,
        "first": note.first,
        "late": note.late,
        "afterGap": note.after_gap,
    }


def _block(event: Event, server: Server) -> str:
    name = _NAMES.get(event.kind, event.kind.upper())
    return f"event: {name}\ndata: {json.dumps(data(event, server))}\n\n"


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
                yield _block(event, server)


async def events(request: Request) -> StreamingResponse:
    """The stream; ``?ep=`` keeps the events of one endpoint. Ends when the server does."""
    stream = _stream(request.app.state.server, request.query_params.get("ep"))
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
