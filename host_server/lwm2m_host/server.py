"""The LwM2M server: it composes the interfaces, and hands out devices and events.

Example::

    async with Server(port=5683) as server:
        device = await server.wait_for("urn:dev:os:1")
        print(await device.read("/3/0"))
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from .coap.endpoint import CoapEndpoint, EndpointStatus, open_endpoint
from .coap.folding import FoldedLog
from .coap.messages import Handler, Peer, Request, Response
from .coap.timing import Clock, LoopDelay, Timing
from .device import Device
from .errors import DeviceTimeout, HistoryError, RegistryError, ServerError
from .events import Event, EventBus, EventStream
from .lifecycle import Lifecycle
from .management.sender import Sender
from .model.catalogue import Models
from .registration.admission import Authorizer, Limits, TakeoverPolicy, anybody
from .registration.events import Expired
from .registration.interface import VERSIONS, RegistrationInterface
from .registration.peers import Peers
from .registration.registration import Registration
from .registration.registry import MemoryRegistry, Registry
from .registration.takeover import PING_S, Takeovers
from .reporting.events import SendStream, Sent
from .reporting.history import History
from .reporting.observations import Observations
from .reporting.report import Send
from .reporting.send import SendInterface

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

# Lateness of the expiry, in seconds, that tells that the process has stood still
_LATE_S = 1.0
# Lines of the log about events in a minute; streams and callbacks get every event.
_LINES = 6000


@dataclass(frozen=True)
class ServerStatus:
    """The state of a running server.

    refused: registrations, updates and de-registrations, since the start. loop_delay_ms: the
    longest time in the last minute that something had to wait for the loop. events_dropped: events
    that streams lost because nobody fetched them. history_waiting, history_dropped: values that
    are not in the file yet, and those that were given up.
    """

    uptime_s: float
    registered: int
    refused: int
    observations: int
    loop_delay_ms: float
    events_dropped: int
    history_waiting: int
    history_dropped: int
    coap: EndpointStatus


class Server(Lifecycle):
    """An LwM2M server on one UDP address. Use it as ``async with``.

    host: address to listen on; "::" is every address, IPv4 included.
    port: 0 takes a free one, see the attribute `port` afterwards.
    models: object definitions; the shipped ones by default.
    versions: LwM2M versions to accept; others get 4.12. By default 1.0, 1.1 and 1.2.
    timing: retransmission and time-outs of our requests.
    clock: for tests; real time by default.
    reobserve: whether a device that registers anew is observed again (see `Device.observe`).
    history: where to keep what devices report; None keeps nothing. It belongs to the server, which
        opens and closes it.
    registry: where registrations are kept; in memory by default. The server opens and closes it.
    on_takeover: what becomes of a Register from another address than that of the registration.
    authorizer: decides about each Register, Update and De-register.
    limits: bounds of what devices may leave in the registry.

    Entering raises ServerError when the address is in use or not ours.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 5683,
        *,
        models: Models | None = None,
        versions: Iterable[str] = VERSIONS,
        timing: Timing | None = None,
        clock: Clock | None = None,
        ipv4_only: bool | None = None,
        reobserve: bool = True,
        history: History | None = None,
        registry: Registry | None = None,
        on_takeover: TakeoverPolicy | str = TakeoverPolicy.WARN,
        authorizer: Authorizer = anybody,
        limits: Limits | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.models = models or Models.default()
        self.timing = timing or Timing()
        self.clock = clock or Clock()
        self.registry = registry or MemoryRegistry(self.clock)
        self.history = history
        self._ipv4_only = ipv4_only
        self._bus = EventBus(FoldedLog(log, self.clock.monotonic, _LINES))
        self._peers = Peers()
        self.sender = Sender(self.registry, self._peers, self.models)
        self.observations = Observations(
            self.sender, self.registry, self.clock, self._bus.emit, reobserve
        )
        self._devices: WeakValueDictionary[str, Device] = WeakValueDictionary()
        self._registration = RegistrationInterface(
            self.registry,
            self._peers,
            self.clock,
            self._on_registration,
            versions,
            takeovers=Takeovers(
                TakeoverPolicy(on_takeover), self._peers, self._ping, self.clock.monotonic
            ),
            authorizer=authorizer,
            limits=limits,
        )
        self._send = SendInterface(self.registry, self.models, self.clock, self._bus.emit)
        # The first segment of a path: who answers.
        self._interfaces: dict[str, Handler] = {
            "rd": self._registration.handle,
            "dp": self._handle_send,
        }
        self._endpoint: CoapEndpoint | None = None
        self._expiry: asyncio.Task[None] | None = None
        self._loop_delay = LoopDelay()
        self._started_s = 0.0
        self._deadline_changed = asyncio.Event()

    async def start(self) -> None:
        """Open the socket and serve. Raises ServerError."""
        if self._endpoint is not None:
            raise ServerError("the server is running already")
        async with AsyncExitStack() as opened:
            if self.history is not None:
                self.history.open()
                opened.push_async_callback(asyncio.to_thread, self.history.close)
            await self.registry.open()
            opened.push_async_callback(self.registry.close)
            self._endpoint = await open_endpoint(
                self._handle, self.host, self.port, timing=self.timing, ipv4_only=self._ipv4_only
            )
            opened.pop_all()
        self.port = self._endpoint.port
        self.sender.attach(self._endpoint)
        if self.history is not None:
            self._bus.on_event(self.history.on_event)
        await self._restore(self._endpoint)
        self._started_s = time.monotonic()
        self._loop_delay.start()
        self._expiry = asyncio.create_task(self._expire_for_ever(), name="lwm2m expiry")

    async def close(self) -> None:
        """Stop serving. Requests under way end with ServerError, event streams end."""
        if self._endpoint is None:
            return
        self._loop_delay.stop()
        self.observations.close()
        self.sender.detach()
        endpoint, self._endpoint = self._endpoint, None
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        self._bus.close()
        await endpoint.close()
        await self.registry.close()
        if self.history is not None:
            await asyncio.to_thread(self.history.close)

    @property
    def uri(self) -> str:
        """``coap://host:port``, as a device on this machine may use it."""
        host = {"::": "127.0.0.1", "": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(
            self.host, self.host
        )
        return f"coap://[{host}]:{self.port}" if ":" in host else f"coap://{host}:{self.port}"

    def close_streams(self) -> None:
        """End all event streams, as `close` does; new ones may be opened."""
        self._bus.close()

    async def registrations(self) -> list[Registration]:
        """The registrations, ordered by endpoint."""
        found: list[Registration] = []
        while page := await self.registry.page(found[-1].endpoint if found else ""):
            found += page
        return found

    async def registration(self, endpoint: str) -> Registration:
        """The registration of a device. Raises NotRegistered."""
        return await self.sender.registration(endpoint)

    async def devices(self) -> list[Device]:
        """A handle on each registered device, ordered by endpoint."""
        return [self.device(item.endpoint) for item in await self.registrations()]

    def device(self, endpoint: str) -> Device:
        """A handle on a device; its operations raise NotRegistered where it is none.

        The handle stays good when the device registers anew.
        """
        handle = self._devices.get(endpoint)
        if handle is None:
            handle = Device(endpoint, self.sender, self.observations, self._sends)
            self._devices[endpoint] = handle
        return handle

    async def wait_for(self, endpoint: str, timeout_s: float | None = None) -> Device:
        """The device, as soon as it is registered. Raises DeviceTimeout."""
        with self.events() as stream:
            try:
                async with asyncio.timeout(timeout_s):
                    while await self.registry.by_endpoint(endpoint) is None:
                        await anext(stream)
            except TimeoutError:
                raise DeviceTimeout(f"{endpoint} did not register in {timeout_s} s") from None
            except StopAsyncIteration:
                raise ServerError("the server was closed") from None
        return self.device(endpoint)

    async def wait_event(
        self, kind: type[E], endpoint: str | None = None, timeout_s: float | None = None
    ) -> E:
        """The next event of a kind, of one endpoint or of any. Raises DeviceTimeout."""
        with self.events() as stream:
            try:
                async with asyncio.timeout(timeout_s):
                    async for event in stream:
                        if isinstance(event, kind) and endpoint in (None, event.endpoint):
                            return event
            except TimeoutError:
                who = endpoint or "any device"
                raise DeviceTimeout(f"{who}: not {kind.kind} in {timeout_s} s") from None
        raise ServerError("the server was closed")

    def events(
        self, kind: type[Event] = Event, endpoint: str | None = None, limit: int = 1000
    ) -> EventStream:
        """The events from now on, as an asynchronous iterator (and a context manager).

        Of one kind and one endpoint, if these are given; `limit` of them wait to be fetched.
        """
        return EventStream(self._bus, limit, kind, endpoint)

    def on_event(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call `callback(event)` for every event. Returns a function that ends this."""
        return self._bus.on_event(callback)

    def on_send(self, callback: Callable[[Send], None]) -> Callable[[], None]:
        """Call `callback(send)` for each Send of any device. Returns a function that ends this."""
        return self._bus.on_event(
            lambda event: callback(event.report) if isinstance(event, Sent) else None
        )

    async def expire_due(self) -> list[Registration]:
        """End the registrations whose lifetime is over; the server does this by itself.

        With a fake clock, call it after moving the clock.
        """
        gone: list[Registration] = []
        while page := await self.registry.expire():
            for registration in page:
                self._peers.remove(registration.endpoint)
                self._on_registration(
                    Expired(self.clock.now(), registration.endpoint, registration)
                )
            gone += page
        return gone

    async def _restore(self, endpoint: CoapEndpoint) -> None:
        """Make the devices from before a restart manageable, without a word from them."""
        for registration in await self.registrations():
            try:
                self._peers.put(registration.endpoint, endpoint.peer_at(registration.address))
            except ValueError as problem:
                log.warning("%s cannot be reached: %s", registration.endpoint, problem)
        await self.observations.restore()

    async def _handle(self, request: Request) -> Response:
        handler = self._interfaces.get(request.path[0] if request.path else "")
        if handler is None:
            return Response("4.04")
        try:
            return await handler(request)
        except RegistryError as problem:
            return Response("5.03", str(problem).encode())

    async def _handle_send(self, request: Request) -> Response:
        """Answer a Send once its values are in the history."""
        if self.history is None:
            return await self._send.handle(request)
        dropped = self.history.dropped
        response = await self._send.handle(request)
        if not response.successful:
            return response
        try:
            await self.history.committed()
            if self.history.dropped != dropped:
                raise HistoryError("the history is busy")
        except HistoryError as problem:
            return Response("5.03", str(problem).encode())
        return response

    async def status(self) -> ServerStatus:
        """The server in numbers."""
        if self._endpoint is None:
            raise ServerError("the server is not running")
        history = self.history
        return ServerStatus(
            uptime_s=time.monotonic() - self._started_s,
            registered=await self.registry.count(),
            refused=self._registration.refused,
            observations=len(self.observations),
            loop_delay_ms=self._loop_delay.longest_s * 1000,
            events_dropped=self._bus.dropped,
            history_waiting=0 if history is None else history.waiting,
            history_dropped=0 if history is None else history.dropped,
            coap=self._endpoint.status,
        )

    async def _ping(self, peer: Peer) -> bool:
        """True when a peer is there."""
        return await self.sender.endpoint.ping(peer, min(PING_S, self.timing.timeout()))

    def _sends(self, endpoint: str, limit: int) -> SendStream:
        return SendStream(self.events(Sent, endpoint, limit))

    def _on_registration(self, event: Event) -> None:
        self._deadline_changed.set()
        self._bus.emit(event)
        self.observations.on_event(event)

    async def _expire_for_ever(self) -> None:
        assert self._endpoint is not None
        endpoint = self._endpoint
        while True:
            if await self.registry.next_deadline_s() == 0:
                await endpoint.caught_up()
                await self.expire_due()
            self._deadline_changed.clear()
            delay_s = await self.registry.next_deadline_s()
            began = time.monotonic()
            try:
                async with asyncio.timeout(delay_s):
                    await self._deadline_changed.wait()
            except TimeoutError:
                if time.monotonic() - began > (delay_s or 0.0) + _LATE_S:
                    # The process has stood still. The Updates of that time wait in the socket.
                    await asyncio.sleep(_LATE_S)
