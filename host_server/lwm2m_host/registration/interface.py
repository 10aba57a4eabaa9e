"""The registration interface: Register, Update, De-register (LwM2M 1.1 core §6.2).

Turns CoAP requests into changes of the registry. A refused request changes nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code

from ..coap.timing import Clock
from ..errors import FormatError
from ..events import Event
from ..formats import LINK_FORMAT
from ..formats import link as link_format
from .events import Deregistered, Registered, Updated
from .registration import ObjectLinks, Registration
from .registry import Registry

DEFAULT_LIFETIME_S = 86400
MAX_LIFETIME_S = 0xFFFFFFFF
MAX_ENDPOINT_BYTES = 255

_LIFETIME = re.compile(r"[0-9]{1,10}")


class Refused(Exception):
    """The request ends with this code and this diagnostic text."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def _query(message: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in message.opt.uri_query:
        name, _, value = item.partition("=")
        if name in found:
            raise Refused(Code.BAD_REQUEST, f"{name} occurs twice")
        found[name] = value
    return found


def _lifetime(text: str) -> int:
    if not _LIFETIME.fullmatch(text) or int(text) > MAX_LIFETIME_S:
        raise Refused(Code.BAD_REQUEST, "lt is not a number of seconds")
    return int(text)


def _endpoint(query: dict[str, str]) -> str:
    endpoint = query.pop("ep", "")
    if not endpoint:
        raise Refused(Code.BAD_REQUEST, "ep is missing")
    if len(endpoint.encode()) > MAX_ENDPOINT_BYTES or not endpoint.isprintable():
        raise Refused(Code.BAD_REQUEST, "ep is too long or not printable")
    return endpoint


def _links(message: Message) -> ObjectLinks:
    if message.opt.content_format not in (None, LINK_FORMAT):
        raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "links come as link format")
    try:
        return ObjectLinks.of(link_format.parse(message.payload))
    except FormatError as error:
        raise Refused(Code.BAD_REQUEST, str(error)) from None


class RegistrationInterface:
    """Serves /rd and /rd/LOCATION."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        emit: Callable[[Event], None],
        versions: Iterable[str] = ("1.0", "1.1"),
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._emit = emit
        self._versions = tuple(versions)

    def handle(self, message: Message, rest: Sequence[str]) -> Message:
        """Answer a request for /rd followed by `rest`."""
        try:
            if not rest:
                if message.code != Code.POST:
                    raise Refused(Code.METHOD_NOT_ALLOWED, "")
                return self._register(message)
            known = self._registry.by_location("/rd/" + "/".join(rest))
            if known is None:
                raise Refused(Code.NOT_FOUND, "no such registration")
            if message.code == Code.POST:
                return self._update(message, known)
            if message.code == Code.DELETE:
                return self._deregister(known)
            raise Refused(Code.METHOD_NOT_ALLOWED, "")
        except Refused as refused:
            return Message(code=refused.code, payload=refused.text.encode())

    def _register(self, message: Message) -> Message:
        query = _query(message)
        endpoint = _endpoint(query)
        version = query.pop("lwm2m", "1.0")
        if version not in self._versions:
            raise Refused(Code.PRECONDITION_FAILED, f"versions: {', '.join(self._versions)}")
        lifetime_s = _lifetime(query.pop("lt", str(DEFAULT_LIFETIME_S)))
        binding = query.pop("b", "U")
        queue_mode = "Q" in query or "Q" in binding
        query.pop("Q", None)
        now = self._clock.now()
        registration = Registration(
            endpoint=endpoint,
            location="/rd/" + secrets.token_urlsafe(6),
            address=address_of(message.remote),
            lifetime_s=lifetime_s,
            version=version,
            binding=binding,
            queue_mode=queue_mode,
            links=_links(message),
            registered_at=now,
            updated_at=now,
            deadline=self._deadline(lifetime_s),
            parameters=query,
            remote=message.remote,
        )
        before = self._registry.put(registration)
        self._emit(Registered(now, endpoint, registration, before.location if before else None))
        return Message(code=Code.CREATED, location_path=registration.location.split("/")[1:])

    def _update(self, message: Message, known: Registration) -> Message:
        query = _query(message)
        lifetime_s = _lifetime(query.pop("lt")) if "lt" in query else known.lifetime_s
        binding = query.pop("b", known.binding)
        queue_mode = known.queue_mode
        if "Q" in query or binding != known.binding:
            queue_mode = "Q" in query or "Q" in binding
        query.pop("Q", None)
        now = self._clock.now()
        registration = replace(
            known,
            address=address_of(message.remote),
            remote=message.remote,
            lifetime_s=lifetime_s,
            binding=binding,
            queue_mode=queue_mode,
            links=_links(message) if message.payload else known.links,
            updated_at=now,
            deadline=self._deadline(lifetime_s),
            parameters={**known.parameters, **query},
        )
        self._registry.put(registration)
        self._emit(Updated(now, known.endpoint, registration))
        return Message(code=Code.CHANGED)

    def _deregister(self, known: Registration) -> Message:
        self._registry.remove(known.endpoint)
        self._emit(Deregistered(self._clock.now(), known.endpoint, known))
        return Message(code=Code.DELETED)

    def _deadline(self, lifetime_s: int) -> float | None:
        return self._clock.monotonic() + lifetime_s if lifetime_s else None


def address_of(remote: Any) -> str:
    """``host:port`` of a peer, the port always named, IPv6 in brackets."""
    info: str = remote.hostinfo
    _, _, last = info.rpartition(":")
    has_port = last.isdigit() and not info.endswith("]") and (info.count(":") == 1 or "]:" in info)
    return info if has_port else f"{info}:5683"
