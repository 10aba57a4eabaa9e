"""The registration interface: Register, Update, De-register (LwM2M 1.1 core §6.2).

Turns CoAP requests into changes of the registry. A refused request changes nothing.
"""

from __future__ import annotations

import logging
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from ..coap.folding import FoldedLog
from ..coap.messages import Request, Response
from ..coap.timing import Clock
from ..errors import FormatError, RegistryError
from ..events import Event
from ..formats import LINK_FORMAT
from .admission import Authorizer, Limits, RegistrationRequest, TakeoverPolicy, anybody
from .events import Deregistered, Registered, Updated
from .peers import Peers
from .registration import ObjectLinks, Registration, RegistrationUpdate
from .registry import Registry
from .takeover import TakeoverBusy, Takeovers

log = logging.getLogger(__name__)

# The versions of LwM2M, the oldest first
VERSIONS = ("1.0", "1.1", "1.2")

DEFAULT_LIFETIME_S = 86400
MAX_LIFETIME_S = 0xFFFFFFFF
MAX_ENDPOINT_BYTES = 255

# Control characters, and line and paragraph separators: a name is one line of a log.
_NOT_IN_NAMES = ("Cc", "Cs", "Zl", "Zp")
# What turns the direction of the text behind it makes one name look like another.
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

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
    if len(endpoint.encode()) > MAX_ENDPOINT_BYTES:
        raise Refused("4.00", f"ep is longer than {MAX_ENDPOINT_BYTES} bytes")
    for character in endpoint:
        if unicodedata.category(character) in _NOT_IN_NAMES or character in _DIRECTIONS:
            raise Refused("4.00", f"ep holds the control character U+{ord(character):04X}")
    return endpoint


class RegistrationInterface:
    """The resources /rd and /rd/ID.

    refused: how many requests were refused so far.
    """

    def __init__(
        self,
        registry: Registry,
        peers: Peers,
        clock: Clock,
        emit: Callable[[Event], None],
        versions: Iterable[str] = VERSIONS,
        *,
        takeovers: Takeovers,
        authorizer: Authorizer = anybody,
        limits: Limits | None = None,
    ) -> None:
        self.refused = 0
        self._registry = registry
        self._peers = peers
        self._clock = clock
        self._emit = emit
        self._versions = tuple(versions)
        self._takeovers = takeovers
        self._authorizer = authorizer
        self._limits = limits or Limits()
        self._log = FoldedLog(log, clock.monotonic)

    async def handle(self, request: Request) -> Response:
        """Answer a request for /rd or below."""
        try:
            if len(request.path) == 1:
                if request.method != "POST":
                    raise Refused("4.05", "")
                return await self._register(request)
            location = "/" + "/".join(request.path)
            known = await self._registry.by_location(location)
            if known is None:
                raise Refused("4.04", "no such registration")
            if request.method == "POST":
                return await self._update(request, known)
            if request.method == "DELETE":
                return await self._deregister(request, known)
            raise Refused("4.05", "")
        except Refused as refused:
            self._on_refused(request, refused)
            return Response(refused.code, refused.text.encode())

    def _on_refused(self, request: Request, refused: Refused) -> None:
        self.refused += 1
        if refused.code == "4.04":  # after a restart without a file each device has one
            return
        self._log.warning(
            f"refused {refused.code}",
            f"{request.peer.address}: {request.method} /{'/'.join(request.path)!r} is refused, "
            f"{refused.code} {refused.text!r}",
        )

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
        self._check_parameters(query, binding)
        links = self._links(request)
        present = await self._registry.by_endpoint(endpoint)
        await self._authorize("register", endpoint, request, present)
        if present is None:
            if await self._registry.count() >= self._limits.devices:
                raise Refused("5.03", "too many devices")
        elif present.address != request.peer.address:
            await self._check_takeover(present, request)
        now = self._clock.now()
        registration = Registration(
            endpoint=endpoint,
            location="/rd/" + secrets.token_urlsafe(6),
            address=request.peer.address,
            lifetime_s=lifetime_s,
            version=version,
            binding=binding,
            queue_mode=queue_mode,
            links=links,
            registered_at=now,
            updated_at=now,
            parameters=query,
            secure=request.peer.secure,
            identity=request.peer.identity,
        )
        before = await self._registry.register(registration)
        self._peers.put(endpoint, request.peer)
        self._emit(Registered(now, endpoint, registration, before.location if before else None))
        return Response("2.01", location=tuple(registration.location.split("/")[1:]))

    async def _update(self, request: Request, known: Registration) -> Response:
        query = _query(request)
        lifetime = query.pop("lt", None)
        binding = query.pop("b", None)
        queue_mode = query.pop("Q", None) is not None
        if query or binding:
            self._check_parameters({**known.parameters, **query}, binding or "")
        lifetime_s = None if lifetime is None else _lifetime(lifetime)
        links = self._links(request) if request.payload else None
        await self._authorize("update", known.endpoint, request, known)
        now = self._clock.now()
        change = RegistrationUpdate(
            address=request.peer.address,
            updated_at=now,
            secure=request.peer.secure,
            identity=request.peer.identity,
            lifetime_s=lifetime_s,
            binding=binding,
            queue_mode=queue_mode,
            links=links,
            parameters=query,
        )
        try:
            registration = await self._registry.update(known.location, change)
        except RegistryError:
            found = await self._registry.by_location(known.location)
            if found is not None and found.address == request.peer.address:
                self._peers.put(known.endpoint, request.peer)  # it holds all the same
            raise
        if registration is None:
            raise Refused("4.04", "no such registration")
        self._peers.put(registration.endpoint, request.peer)
        self._emit(Updated(now, registration.endpoint, registration))
        return Response("2.04")

    async def _deregister(self, request: Request, known: Registration) -> Response:
        await self._authorize("deregister", known.endpoint, request, known)
        gone = await self._registry.deregister(known.location)
        if gone is None:
            raise Refused("4.04", "no such registration")
        self._peers.remove(gone.endpoint)
        self._emit(Deregistered(self._clock.now(), gone.endpoint, gone))
        return Response("2.02")

    async def _authorize(
        self, operation: str, endpoint: str, request: Request, present: Registration | None
    ) -> None:
        """Raises Refused."""
        allowed = self._authorizer(RegistrationRequest(operation, endpoint, request.peer, present))
        if not isinstance(allowed, bool):
            allowed = await allowed
        if not allowed:
            raise Refused("4.03", "not accepted here")

    async def _check_takeover(self, present: Registration, request: Request) -> None:
        """Raises Refused."""
        try:
            allowed = await self._takeovers.allows(present, request.peer)
        except TakeoverBusy:
            raise Refused("5.03", "too many devices change their address") from None
        if allowed and self._takeovers.policy is TakeoverPolicy.REFUSE_WHILE_ALIVE:
            now = await self._registry.by_endpoint(present.endpoint)
            # What it has sent meanwhile shows that it is alive.
            allowed = now in (None, present) or now.address == request.peer.address
        if not allowed:
            raise Refused("4.03", "registered from another address")

    def _check_parameters(self, parameters: Mapping[str, str], binding: str) -> None:
        """Raises Refused."""
        size = len(binding) + sum(len(name) + len(parameters[name]) for name in parameters)
        if len(parameters) > self._limits.parameters or size > self._limits.parameter_bytes:
            raise Refused("4.00", "too many parameters")

    def _links(self, request: Request) -> ObjectLinks:
        """Raises Refused."""
        if request.content_format not in (None, LINK_FORMAT):
            raise Refused("4.15", "links come as link format")
        if len(request.payload) > self._limits.link_bytes:
            raise Refused("4.13", "too many links")
        try:
            links = ObjectLinks.parse(request.payload)
        except FormatError as error:
            raise Refused("4.00", str(error)) from None
        if len(links.links) > self._limits.links:
            raise Refused("4.13", "too many links")
        return links
