"""The sender: the one outlet to all devices.

Whatever is asked of a device goes through here, whoever asks. Presence and queue mode have their
place here: what a sleeping device is to receive waits in its queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from weakref import WeakValueDictionary

from ..coap.endpoint import CoapEndpoint
from ..coap.messages import DeviceRequest, NotificationMessage, ObservationToken, Peer, Response
from ..errors import NotRegistered, ServerError
from ..model.catalogue import Models
from ..registration.definitions import Definitions
from ..registration.peers import Peers
from ..registration.registration import Registration
from ..registration.registry import Registry


class Sender:
    """Sends requests to registered devices, one at a time to each (NSTART 1, RFC 7252 §4.7).

    models: object definitions, for `definitions`.
    """

    def __init__(self, registry: Registry, peers: Peers, models: Models) -> None:
        self._registry = registry
        self._peers = peers
        self.models = models
        self._endpoint: CoapEndpoint | None = None
        # Locks last as long as somebody holds or awaits them.
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._observing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def attach(self, endpoint: CoapEndpoint) -> None:
        """Send by this endpoint from now on."""
        self._endpoint = endpoint

    def detach(self) -> None:
        """Send nothing any more: each request raises ServerError."""
        self._endpoint = None

    @property
    def endpoint(self) -> CoapEndpoint:
        """The CoAP endpoint. Raises ServerError when the server is not running."""
        if self._endpoint is None:
            raise ServerError("the server is not running")
        return self._endpoint

    async def registration(self, endpoint: str) -> Registration:
        """The present registration of a device. Raises NotRegistered."""
        found = await self._registry.by_endpoint(endpoint)
        if found is None:
            raise NotRegistered(endpoint)
        return found

    async def definitions(self, endpoint: str) -> Definitions:
        """The definitions of what a device has. Raises NotRegistered."""
        return Definitions(self.models, await self.registration(endpoint))

    def peer(self, endpoint: str) -> Peer:
        """The address that a device has now. Raises NotRegistered."""
        return self._peers.of(endpoint)

    async def request(
        self, endpoint: str, request: DeviceRequest, timeout_s: float | None = None
    ) -> Response:
        """Send a request when its turn comes, and return the successful answer.

        timeout_s: seconds from then on that the answer, and each block of it, may take; None is
            what the Timing says. Raises NotRegistered, and as `CoapEndpoint.request` does.
        """
        async with self._turn(endpoint):
            root = (await self.registration(endpoint)).links.root
            return await self.endpoint.request(
                self.peer(endpoint), replace(request, root=root), timeout_s, endpoint=endpoint
            )

    async def complete(
        self, endpoint: str, request: DeviceRequest, notification: NotificationMessage
    ) -> Response:
        """Fetch the rest of a notification in blocks. Raises as `request` does."""
        async with self._turn(endpoint):
            root = (await self.registration(endpoint)).links.root
            return await self.endpoint.complete(
                self.peer(endpoint),
                replace(request, root=root),
                notification,
                None,
                endpoint=endpoint,
            )

    @contextlib.asynccontextmanager
    async def observing(self, endpoint: str) -> AsyncIterator[None]:
        """A context in which nobody else begins or cancels an observation of this device."""
        async with self._observing.setdefault(endpoint, asyncio.Lock()):
            yield

    def knows(self, token: ObservationToken) -> bool:
        """True while notifications with this token are taken."""
        return self._endpoint is not None and self._endpoint.knows(token)

    def adopt(self, token: ObservationToken) -> None:
        """Take notifications with a token from before a restart."""
        self.endpoint.adopt(token)

    def forget(self, token: ObservationToken) -> None:
        """Answer further notifications with this token with RST."""
        if self._endpoint is not None:
            self._endpoint.forget(token)

    @contextlib.asynccontextmanager
    async def _turn(self, endpoint: str) -> AsyncIterator[None]:
        async with self._queues.setdefault(endpoint, asyncio.Lock()):
            yield
