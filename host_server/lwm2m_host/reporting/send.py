"""The Send operation: POST /dp, values that a device reports by itself (LwM2M 1.1 core §6.4.5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..coap.folding import FoldedLog
from ..coap.messages import Request, Response
from ..coap.timing import Clock
from ..errors import FormatError
from ..events import Event
from ..management.payload import LARGE_BYTES, SEND_FORMATS, Content, decode_send, newest
from ..model.catalogue import Models
from ..model.entry import Entry
from ..model.path import Path
from ..model.tree import shape
from ..registration.definitions import Definitions
from ..registration.registration import Registration
from ..registration.registry import Registry
from .events import Sent, Unreadable
from .report import Send, samples_of

log = logging.getLogger(__name__)


# Values of one Send
MAX_VALUES = 10_000


class TooManyValues(FormatError):
    """A Send with more values than are taken."""


class SendInterface:
    """The resource /dp."""

    def __init__(
        self, registry: Registry, models: Models, clock: Clock, emit: Callable[[Event], None]
    ) -> None:
        self._registry = registry
        self._models = models
        self._clock = clock
        self._emit = emit
        self._log = FoldedLog(log, clock.monotonic)

    async def handle(self, request: Request) -> Response:
        """Answer a request for /dp: 2.04, or 4.00 for what cannot be decoded, 4.04 when the sender
        is not registered, 4.13 for too many values, 4.15 for a format that Send does not have."""
        if len(request.path) != 1:
            return Response("4.04")
        if request.method != "POST":
            return Response("4.05")
        registration = await self._registry.by_address(request.peer.address)
        if registration is None:
            return Response("4.04", b"not registered from this address")
        if request.content_format not in SEND_FORMATS:
            return Response("4.15", b"Send is SenML or LwM2M CBOR")
        now = self._clock.now()
        endpoint = registration.endpoint
        try:
            if len(request.payload) > LARGE_BYTES:
                send = await asyncio.to_thread(self._decode, registration, request, now)
            else:
                send = self._decode(registration, request, now)
        except TooManyValues as problem:
            return Response("4.13", str(problem).encode())
        except FormatError as problem:
            self._log.warning(endpoint, f"{endpoint}: a Send cannot be decoded: {problem}")
            self._emit(Unreadable(now, endpoint, registration, "send", "/dp", str(problem)))
            return Response("4.00", str(problem)[:200].encode())
        self._emit(Sent(now, endpoint, registration, send))
        return Response("2.04")

    def _decode(self, registration: Registration, request: Request, now: float) -> Send:
        """The Send as a value. Raises FormatError."""
        definitions = Definitions(self._models, registration)
        entries = decode_send(Content(request.content_format, request.payload), definitions)
        samples = samples_of(entries, now)
        if not samples:
            raise FormatError("no value")
        if len(samples) > MAX_VALUES:
            raise TooManyValues(f"{len(samples)} values, at most {MAX_VALUES} are taken")
        oids = {sample.path.ids[0] for sample in samples}
        return Send(
            registration.endpoint,
            now,
            samples,
            request.content_format,
            {sample.path: definitions.type_of(sample.path) for sample in samples},
            values=_by_resource(newest(entries), definitions),
            unknown=tuple(sorted(oids - set(registration.objects))),
        )


def _by_resource(entries: list[Entry], definitions: Definitions) -> dict[str, Any]:
    """The values as `Device.read_composite` has them, one for each resource."""
    found: dict[Path, list[Entry]] = {}
    for entry in entries:
        if entry.value is not None:
            found.setdefault(Path(entry.path.ids[:3]), []).append(entry)
    return {str(path): shape(some, path, definitions.is_multiple) for path, some in found.items()}
