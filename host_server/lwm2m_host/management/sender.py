"""The sender: the one outlet to all devices.

Whatever is asked of a device goes through here, whoever asks. Presence and queue mode have their
place here: what a sleeping device is to receive waits in its queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from weakref import WeakValueDictionary

from ..coap.endpoint import CoapEndpoint
from ..coap.messages import DeviceRequest, NotificationMessage, ObservationToken, Peer, Response
from ..errors import DeviceBusy, DeviceTimeout, NotRegistered, ServerError
from ..model.catalogue import Models
from ..registration.definitions import Definitions
from ..registration.peers import Peers
from ..registration.registration import Registration
from ..registration.registry import Registry

# Requests that wait for one device
WAITING_LIMIT = 100
# Operations that begin in one turn of the loop
_BEGIN_AT_ONCE = 32


class Sender:
    """Sends requests to registered devices, one at a time to each (NSTART 1, RFC 7252 §4.7).

    models: object definitions, for `definitions`.
    """

    def __init__(self, registry: Registry, peers: Peers, models: Models) -> None:
        self._registry = registry
        self._peers = peers
        self.models = models
        self._endpoint: CoapEndpoint | None = None
        # Turns and locks last as long as somebody holds or awaits them.
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self._begun = 0  # operations, in this turn of the loop
        self._admission: deque[asyncio.Future[None]] = deque()
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

    def admission(self) -> asyncio.Future[None] | None:
        """The moment when another operation may begin, None for now: a few in each turn of the
        loop, so that many at once do not keep it from the devices."""
        if self._begun < _BEGIN_AT_ONCE and not self._admission:
            if self._begun == 0:
                asyncio.get_running_loop().call_soon(self._admit_more)
            self._begun += 1
            return None
        future = asyncio.get_running_loop().create_future()
        self._admission.append(future)
        return future

    def _admit_more(self) -> None:
        self._begun = 0
        while self._admission and self._begun < _BEGIN_AT_ONCE:
            future = self._admission.popleft()
            if not future.done():
                future.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._admit_more)

    async def request(
        self, endpoint: str, request: DeviceRequest, timeout_s: float | None = None
    ) -> Response:
        """Send a request when its turn comes, and return the successful answer.

        timeout_s: seconds from now on that the answer may take, and each further block of it; None
            is what the Timing says.

        Raises NotRegistered, DeviceBusy when too many requests wait for the device, and as
        `CoapEndpoint.request` does.
        """
        turn = self._turns.get(endpoint)
        if turn is None:
            turn = self._turns[endpoint] = _Turn()
        began_s = time.monotonic()
        await turn.take(endpoint, request.title, self.endpoint.timeout(timeout_s))
        try:
            root = (await self.registration(endpoint)).links.root
            return await self.endpoint.request(
                self.peer(endpoint),
                replace(request, root=root),
                timeout_s,
                endpoint=endpoint,
                waited_s=time.monotonic() - began_s,
            )
        finally:
            turn.give_back()

    async def complete(
        self, endpoint: str, request: DeviceRequest, notification: NotificationMessage
    ) -> Response:
        """Fetch the rest of a notification in blocks. Raises as `CoapEndpoint.request` does.

        Other requests to the device have their turn between the blocks.
        """
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


class _Turn:
    """The turn of one device: one request has it, others wait in the order of their calls."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, endpoint: str, path: str, timeout_s: float) -> None:
        """Wait for it. Raises DeviceBusy, DeviceTimeout."""
        if not self._taken:
            self._taken = True
            return
        if len(self._waiting) >= WAITING_LIMIT:
            raise DeviceBusy(f"{WAITING_LIMIT} requests wait for {endpoint} already")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            self._leave(future)
            raise DeviceTimeout(
                f"{endpoint} did not answer in {timeout_s:g} s: {path}", path
            ) from None
        except asyncio.CancelledError:
            self._leave(future)
            raise

    def give_back(self) -> None:
        """Let the next one have it."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self._taken = False

    def _leave(self, future: asyncio.Future[None]) -> None:
        if future.done() and not future.cancelled():
            self.give_back()  # it had come just now
        elif future in self._waiting:
            self._waiting.remove(future)
