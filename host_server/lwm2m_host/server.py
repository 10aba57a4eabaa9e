"""The LwM2M server: registrations, devices, events.

Example::

    async with Server(port=5683) as server:
        device = await server.wait_for("urn:dev:os:1")
        print(await device.read("/3/0"))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar
from weakref import WeakValueDictionary

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable, Resource

from .coap.blocks import Spool
from .coap.context import CoapContext, open_context
from .coap.timing import Clock, Timing
from .device import Device
from .errors import DeviceTimeout, NotRegistered, ServerError
from .events import Event, EventBus, EventStream
from .model.catalogue import Models
from .registration.events import Expired
from .registration.interface import RegistrationInterface
from .registration.registration import Registration
from .registration.registry import Registry
from .reporting.events import Sent
from .reporting.history import History
from .reporting.observations import Observations
from .reporting.report import Send
from .reporting.send import SendInterface

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)


class _Site(Resource, PathCapable):
    """The root of the server's CoAP resources: hands a request to the interface it is for."""

    def __init__(self, registration: RegistrationInterface, sending: SendInterface) -> None:
        super().__init__()
        self._registration = registration
        self._sending = sending
        self._block1 = Spool()  # aiocoap's name

    async def render(self, request: Message) -> Message:
        path = request.opt.uri_path
        if path and path[0] == "rd":
            return self._registration.handle(request, path[1:])
        if path == ("dp",):
            return self._sending.handle(request)
        return Message(code=Code.NOT_FOUND)


class Server:
    """An LwM2M server on one UDP address. Use it as ``async with``.

    host: address to listen on; "::" is every address, IPv4 included.
    port: 0 takes a free one, see the attribute `port` afterwards.
    models: object definitions; the shipped ones by default.
    versions: LwM2M versions to accept; others get 4.12.
    timing: retransmission and time-outs of our requests.
    clock: for tests; real time by default.
    reobserve: whether a device that registers anew is observed again (see `Device.observe`).
    history: where to keep what devices report; None keeps nothing. It belongs to the server, which
        opens and closes it.

    Entering raises ServerError when the address is in use or not ours.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 5683,
        *,
        models: Models | None = None,
        versions: Iterable[str] = ("1.0", "1.1"),
        timing: Timing | None = None,
        clock: Clock | None = None,
        ipv4_only: bool | None = None,
        reobserve: bool = True,
        history: History | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.models = models or Models.default()
        self.timing = timing or Timing()
        self.clock = clock or Clock()
        self.registry = Registry()
        self._ipv4_only = ipv4_only
        self._bus = EventBus()
        self._devices: WeakValueDictionary[str, Device] = WeakValueDictionary()
        self._registration = RegistrationInterface(
            self.registry, self.clock, self._registration_event, versions
        )
        self._sending = SendInterface(self.registry, self.models, self.clock, self._bus.emit)
        self.observations = Observations(self, reobserve, self._bus.emit)
        self.history = history
        self._context: CoapContext | None = None
        self._expiry: asyncio.Task[None] | None = None
        self._deadline_changed = asyncio.Event()

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Open the socket and serve. Raises ServerError."""
        if self._context is not None:
            raise ServerError("the server is running already")
        if self.history is not None:
            self.history.open()
        try:
            self._context, self.port = await open_context(
                _Site(self._registration, self._sending),
                self.host,
                self.port,
                ipv4_only=self._ipv4_only,
            )
        except BaseException:
            if self.history is not None:
                await asyncio.to_thread(self.history.close)
            raise
        if self.history is not None:
            self._bus.on_event(self.history.heard)
        self._expiry = asyncio.create_task(self._expire_for_ever(), name="lwm2m expiry")

    async def close(self) -> None:
        """Stop serving. Requests under way end with ServerError, event streams end."""
        if self._context is None:
            return
        self.observations.close()
        context, self._context = self._context, None
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        self._bus.close()
        await context.shutdown()
        if self.history is not None:
            await asyncio.to_thread(self.history.close)

    @property
    def context(self) -> CoapContext:
        """The CoAP context. Raises ServerError when the server is not running."""
        if self._context is None:
            raise ServerError("the server is not running")
        return self._context

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

    def registrations(self) -> list[Registration]:
        """Who is registered, ordered by endpoint."""
        return list(self.registry)

    def devices(self) -> list[Device]:
        """A handle for each registered device, ordered by endpoint."""
        return [self._handle(item.endpoint) for item in self.registry]

    def device(self, endpoint: str) -> Device:
        """The handle of a registered device. Raises NotRegistered.

        The handle stays good when the device registers anew.
        """
        if self.registry.by_endpoint(endpoint) is None:
            raise NotRegistered(endpoint)
        return self._handle(endpoint)

    def _handle(self, endpoint: str) -> Device:
        handle = self._devices.get(endpoint)
        if handle is None:
            handle = self._devices[endpoint] = Device(self, endpoint)
        return handle

    async def wait_for(self, endpoint: str, timeout_s: float | None = None) -> Device:
        """The device, as soon as it is registered. Raises DeviceTimeout."""
        with self.events() as stream:
            try:
                async with asyncio.timeout(timeout_s):
                    while self.registry.by_endpoint(endpoint) is None:
                        await anext(stream)
            except TimeoutError:
                raise DeviceTimeout(f"{endpoint} did not register in {timeout_s} s") from None
            except StopAsyncIteration:
                raise ServerError("the server was closed") from None
        return self._handle(endpoint)

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
        """Call `callback(send)` for what any device sends by itself. Returns a function that ends
        this."""
        return self._bus.on_event(
            lambda event: callback(event.report) if isinstance(event, Sent) else None
        )

    def expire_due(self) -> list[Registration]:
        """End the registrations whose lifetime is over; the server does this by itself.

        With a fake clock, call it after moving the clock.
        """
        gone = self.registry.due(self.clock.monotonic())
        for registration in gone:
            self.registry.remove(registration.endpoint)
            event = Expired(self.clock.now(), registration.endpoint, registration)
            self._bus.emit(event)
            self.observations.heard(event)
        return gone

    def _registration_event(self, event: Event) -> None:
        self._deadline_changed.set()
        self._bus.emit(event)
        self.observations.heard(event)

    async def _expire_for_ever(self) -> None:
        while True:
            self.expire_due()
            self._deadline_changed.clear()
            deadline = self.registry.next_deadline()
            delay_s = None if deadline is None else max(0.0, deadline - self.clock.monotonic())
            try:
                async with asyncio.timeout(delay_s):
                    await self._deadline_changed.wait()
            except TimeoutError:
                pass
