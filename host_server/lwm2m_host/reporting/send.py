"""The Send operation: POST /dp, values that a device reports by itself (LwM2M 1.1 core §6.4.5)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code

from .. import formats
from ..coap.timing import Clock
from ..errors import FormatError
from ..events import Event
from ..formats import Entry
from ..model.catalogue import Models
from ..model.path import Path
from ..model.tree import shape
from ..registration.definitions import Definitions
from ..registration.registration import Registration
from ..registration.registry import Registry
from .events import Sent, Unreadable
from .report import Send, newest, samples_of

log = logging.getLogger(__name__)

# The formats that LwM2M allows for it (1.1 core §6.4.5; 11544 since 1.2)
FORMATS = (formats.SENML_JSON.number, formats.SENML_CBOR.number, formats.LWM2M_CBOR.number)


class SendInterface:
    """Serves /dp."""

    def __init__(
        self, registry: Registry, models: Models, clock: Clock, emit: Callable[[Event], None]
    ) -> None:
        self._registry = registry
        self._models = models
        self._clock = clock
        self._emit = emit

    def handle(self, request: Message) -> Message:
        """Answer a request for /dp: 2.04, or 4.00 for what cannot be read, 4.04 when the sender is
        not registered, 4.15 for a format that Send does not have."""
        if request.code != Code.POST:
            return Message(code=Code.METHOD_NOT_ALLOWED)
        registration = self._sender(request.remote)
        if registration is None:
            return Message(code=Code.NOT_FOUND, payload=b"not registered from this address")
        number = request.opt.content_format
        if number is None or int(number) not in FORMATS:
            return Message(
                code=Code.UNSUPPORTED_CONTENT_FORMAT, payload=b"Send is SenML or LwM2M CBOR"
            )
        now = self._clock.now()
        try:
            report = self._understood(registration, request.payload, int(number), now)
        except FormatError as problem:
            log.warning("%s: a Send cannot be read: %s", registration.endpoint, problem)
            self._emit(
                Unreadable(now, registration.endpoint, registration, "send", "/dp", str(problem))
            )
            return Message(code=Code.BAD_REQUEST, payload=str(problem)[:200].encode())
        self._emit(Sent(now, registration.endpoint, registration, report))
        return Message(code=Code.CHANGED)

    def _sender(self, remote: Any) -> Registration | None:
        """Who registered from this address; where several did, who was heard of last."""
        found = [item for item in self._registry if item.remote == remote]
        return max(found, key=lambda item: item.updated_at, default=None)

    def _understood(
        self, registration: Registration, payload: bytes, number: int, now: float
    ) -> Send:
        """Raises FormatError."""
        definitions = Definitions(self._models, registration)
        entries = formats.get(number).decode(payload, Path(), definitions.type_of)
        samples = samples_of(entries, now)
        if not samples:
            raise FormatError("no value")
        oids = {sample.path.ids[0] for sample in samples}
        return Send(
            registration.endpoint,
            now,
            samples,
            number,
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
