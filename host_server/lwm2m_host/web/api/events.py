"""/api/events: the events of a server, as server-sent events.

Event names and data are Leshan's: REGISTRATION and DEREGISTRATION with the registration,
UPDATED with ``{"registration": ...}``. Added to each: `event` (registered, updated, deregistered,
expired, notification, send, observation, unreadable), `time` (milliseconds since 1970) and `ep`.

NOTIFICATION is ``{"ep", "kind": "single", "res": path, "val": node}``, or "composite" with `val`
``{path: node}`` and `paths`; SEND is ``{"ep", "val": {path: node}}``. Added: `samples`, each with
the time that the device gave it, and the properties of the message. OBSERVATION is one that
begins, pauses because the device is away, goes on, or ends; UNREADABLE a report that cannot be
decoded. DROPPED says how many events this stream has lost so far, because it was not read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from ... import (
    Definitions,
    DeviceEvent,
    Event,
    FoldedLog,
    Notified,
    ObservationChanged,
    Path,
    Sent,
    Server,
    Unreadable,
)
from . import nodes

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 15.0
_MADE = 256  # events that are kept as text
_LARGE = 200  # values; beyond that the text is made in a thread

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


class Blocks:
    """The last events as text, made once for all streams."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.log = FoldedLog(log, time.monotonic)
        # The event's id, which is its own as long as the event is here too.
        self._made: dict[int, tuple[Event, str]] = {}
        self._making = asyncio.Lock()  # a large one

    async def of(self, event: Event) -> str:
        """The event as a stream has it."""
        made = self._made.get(id(event))
        if made is not None:
            return made[1]
        if _values(event) <= _LARGE:
            return self._keep(event, self._text(event))
        async with self._making:
            made = self._made.get(id(event))
            if made is not None:
                return made[1]
            return self._keep(event, await asyncio.to_thread(self._text, event))

    def _text(self, event: Event) -> str:
        name = _NAMES.get(event.kind, event.kind.upper())
        return f"event: {name}\ndata: {json.dumps(data(event, self._server))}\n\n"

    def _keep(self, event: Event, text: str) -> str:
        self._made[id(event)] = (event, text)
        if len(self._made) > _MADE:
            del self._made[next(iter(self._made))]
        return text


def _values(event: Event) -> int:
    """The number of values that an event reports."""
    if isinstance(event, Sent):
        return len(event.report.samples)
    return len(event.notification.samples) if isinstance(event, Notified) else 0


async def _stream(server: Server, blocks: Blocks, endpoint: str | None) -> AsyncIterator[str]:
    dropped = 0
    with server.events() as events:
        yield ": connected\n\n"
        while True:
            if events.dropped > dropped:
                dropped = events.dropped
                yield f'event: DROPPED\ndata: {{"event": "dropped", "count": {dropped}}}\n\n'
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    event = await anext(events)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            except StopAsyncIteration:
                return
            if endpoint not in (None, event.endpoint):
                continue
            try:
                block = await blocks.of(event)
            except Exception as error:  # one device's event does not end a stream of others
                text = f"{event.endpoint}: the event {event.kind} cannot be told"
                blocks.log.warning(text, text, error)
                continue
            yield block


async def events(request: Request) -> StreamingResponse:
    """The stream; ``?ep=`` keeps the events of one endpoint. Ends when the server does."""
    state = request.app.state
    stream = _stream(state.server, state.blocks, request.query_params.get("ep"))
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
