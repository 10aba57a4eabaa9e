"""The registration interface: Register, Update, De-register (LwM2M 1.1 core §6.2).

Turns CoAP requests into changes of the registry. A refused request changes nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable

from ..coap.messages import Request, Response
from ..coap.timing import Clock
from ..errors import FormatError
from ..events import Event
from ..formats import LINK_FORMAT
from .events import Deregistered, Registered, Updated
from .peers import Peers
from .registration import ObjectLinks, Registration, RegistrationUpdate
from .registry import Registry

DEFAULT_LIFETIME_S = 86400
MAX_LIFETIME_S = 0xFFFFFFFF
MAX_ENDPOINT_BYTES = 255

_LIFETIME = re.compile(r"[0-9]{1,10}")


class Refused(Exception):
    """The request ends with this code and this diagnostic text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def _query(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in request.query:
        name, _, value = item.partition("=")
        if name in found:
            raise Refused("4.00", f"{name} occurs twice")
        found[name] = value
    return found


def _lifetime(text: str) -> int:
    if not _LIFETIME.fullmatch(text) or int(text) > MAX_LIFETIME_S:
        raise Refused("4.00", "lt is not a number of seconds")
    return int(text)


def _endpoint(query: dict[str, str]) -> str:
    endpoint = query.pop("ep", "")
    if not endpoint:
        raise Refused("4.00", "ep is missing")
    if len(endpoint.encode()) > MAX_ENDPOINT_BYTES or not endpoint.isprintable():
        raise Refused("4.00", "ep is too long or not printable")
    return endpoint


def _links(request: Request) -> ObjectLinks:
    if request.content_format not in (None, LINK_FORMAT):
        raise Refused("4.15", "links come as link format")
    try:
        return ObjectLinks.parse(request.payload)
    except FormatError as error:
        raise Refused("4.00", str(error)) from None


class RegistrationInterface:
    """The resources /rd and /rd/ID."""

    def __init__(
        self,
        registry: Registry,
        peers: Peers,
        clock: Clock,
        emit: Callable[[Event], None],
        versions: Iterable[str] = ("1.0", "1.1"),
    ) -> None:
        self._registry = registry
        self._peers = peers
        self._clock = clock
        self._emit = emit
        self._versions = tuple(versions)

    async def handle(self, request: Request) -> Response:
        """Answer a request for /rd or below."""
        try:
            if len(request.path) == 1:
                if request.method != "POST":
                    raise Refused("4.05", "")
                return await self._register(request)
            location = "/" + "/".join(request.path)
            if await self._registry.by_location(location) is None:
                raise Refused("4.04", "no such registration")
            if request.method == "POST":
                return await self._update(request, location)
            if request.method == "DELETE":
                return await self._deregister(location)
            raise Refused("4.05", "")
        except Refused as refused:
            return Response(refused.code, refused.text.encode())

    async def _register(self, request: Request) -> Response:
        query = _query(request)
        endpoint = _endpoint(query)
        version = query.pop("lwm2m", "1.0")
        if version not in self._versions:
            raise Refused("4.12", f"versions: {', '.join(self._versions)}")
        lifetime_s = _lifetime(query.pop("lt", str(DEFAULT_LIFETIME_S)))
        binding = query.pop("b", "U")
        queue_mode = "Q" in query or "Q" in binding
        query.pop("Q", None)
        now = self._clock.now()
        registration = Registration(
            endpoint=endpoint,
            location="/rd/" + secrets.token_urlsafe(6),
            address=request.peer.address,
            lifetime_s=lifetime_s,
            version=version,
            binding=binding,
            queue_mode=queue_mode,
            links=_links(request),
            registered_at=now,
            updated_at=now,
            parameters=query,
            secure=request.peer.secure,
        )
        before = await self._registry.register(registration)
        self._peers.put(endpoint, request.peer)
        self._emit(Registered(now, endpoint, registration, before.location if before else None))
        return Response("2.01", location=tuple(registration.location.split("/")[1:]))

    async def _update(self, request: Request, location: str) -> Response:
        query = _query(request)
        lifetime = query.pop("lt", None)
        binding = query.pop("b", None)
        queue_mode = query.pop("Q", None) is not None
        now = self._clock.now()
        registration = await self._registry.update(
            location,
            RegistrationUpdate(
                address=request.peer.address,
                updated_at=now,
                secure=request.peer.secure,
                lifetime_s=None if lifetime is None else _lifetime(lifetime),
                binding=binding,
                queue_mode=queue_mode,
                links=_links(request) if request.payload else None,
                parameters=query,
            ),
        )
        if registration is None:
            raise Refused("4.04", "no such registration")
        self._peers.put(registration.endpoint, request.peer)
        self._emit(Updated(now, registration.endpoint, registration))
        return Response("2.04")

    async def _deregister(self, location: str) -> Response:
        gone = await self._registry.deregister(location)
        if gone is None:
            raise Refused("4.04", "no such registration")
        self._peers.remove(gone.endpoint)
        self._emit(Deregistered(self._clock.now(), gone.endpoint, gone))
        return Response("2.02")
