"""The CoAP endpoint of a server: one transport for the requests of both sides."""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any

from ..errors import Lwm2mError, ServerError
from .codec import Message
from .engine import Engine, Respond, response_of
from .message_layer import RESET
from .messages import (
    DeviceRequest,
    Handler,
    NotificationMessage,
    ObservationToken,
    Peer,
    Request,
    Response,
    successful,
)
from .timing import Timing
from .transfer import Transfer
from .transport import Transport
from .udp import UdpTransport, bind_socket, ipv6_works

log = logging.getLogger(__name__)

# After deadlines were missed by so much, the process has stood still: what waits in the socket is
# read before anything is given up.
_LATE_S = 1.0
# Seconds in which a flood may keep the socket from being empty
_CATCH_UP_S = 30.0


@dataclass(frozen=True)
class EndpointStatus:
    """The endpoint in numbers, for an operator.

    received: datagrams. dropped: datagrams that the system dropped since the socket was opened.
    malformed, duplicates, retransmissions: messages. remembered: exchanges whose repetition would
    be noticed. under_way: requests to devices without an answer. uploads, downloads: transfers in
    blocks that devices have begun. observations: tokens whose notifications are taken.
    """

    received: int
    dropped: int
    malformed: int
    duplicates: int
    retransmissions: int
    remembered: int
    under_way: int
    uploads: int
    downloads: int
    observations: int


class CoapEndpoint:
    """The engine as the rest of the server has it; `open_endpoint` makes one.

    host, port: the address that it listens on. Requests leave from the same socket.

    Requests to one peer go out one after the other (NSTART 1, RFC 7252 §4.7) in any case; who
    wants an order of them waits for the answer before the next.
    """

    def __init__(
        self, transport: Transport, handler: Handler, host: str, port: int, timing: Timing
    ) -> None:
        self.host = host
        self.port = port
        self._transport = transport
        self._handler = handler
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._engine = Engine(transport, self._serve, self._loop.time, timing)
        self._engine.layer.timers.on_earliest = self._wake_by
        self._wake: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # The answers that somebody waits for, and who they come from.
        self._futures: set[asyncio.Future[Message]] = set()
        self._pings: set[asyncio.Future[bool]] = set()  # whose replies somebody waits for
        self._closed = False
        transport.open(self._engine.layer)

    async def request(
        self,
        peer: Peer,
        request: DeviceRequest,
        timeout_s: float | None,
        *,
        endpoint: str,
        waited_s: float = 0.0,
    ) -> Response:
        """Send a request, in blocks where it is large, and return the complete successful answer.

        timeout_s: seconds that the answer, and each block of one, may take; None is what the
            Timing says.
        endpoint: the device's name for the texts of errors.
        waited_s: seconds of the first timeout that have passed already.

        Raises DeviceTimeout, DeviceUnreachable, DeviceReset, TransferError, ServerError when the
        endpoint was closed, or the ResponseError of the answer's code.
        """
        answer = self._answer()
        transfer = self._engine.request(
            peer, request, self._timing.timeout(timeout_s), endpoint, answer.set, waited_s
        )
        return successful(await answer.wait(transfer), request.title)

    async def complete(
        self,
        peer: Peer,
        request: DeviceRequest,
        notification: NotificationMessage,
        timeout_s: float | None,
        *,
        endpoint: str,
    ) -> Response:
        """The whole of a notification of which the first block is here (RFC 7959 §2.6).

        request: a read of what is observed. Raises as `request` does; TransferError when what is
        there has changed meanwhile.
        """
        answer = self._answer()
        transfer = self._engine.complete(
            peer,
            request,
            notification.raw,
            self._timing.timeout(timeout_s),
            endpoint,
            answer.set,
        )
        return successful(await answer.wait(transfer), request.title)

    async def ping(self, peer: Peer, timeout_s: float) -> bool:
        """True when a peer replies to a ping within so many seconds (RFC 7252 §4.3).

        False at once when the network says that nobody is there. Raises ServerError when the
        endpoint is closed.
        """
        if self._closed:
            raise ServerError("the server was closed")
        layer = self._engine.layer
        reply = _Reply(self._loop)
        outgoing = layer.ping(peer.remote, reply)
        self._pings.add(reply.future)
        try:
            async with asyncio.timeout(timeout_s):
                return await reply.future
        except TimeoutError:
            return False
        finally:
            self._pings.discard(reply.future)
            layer.release(outgoing)

    def timeout(self, timeout_s: float | None = None) -> float:
        """Seconds that an answer may take, the caller's wish first."""
        return self._timing.timeout(timeout_s)

    def peer_at(self, address: str) -> Peer:
        """The peer at ``host:port``, before it has said anything. Raises ValueError."""
        return self._engine.peer_at(address)

    def knows(self, token: ObservationToken) -> bool:
        """True while notifications with this token are taken."""
        return self._engine.knows(token)

    def forget(self, token: ObservationToken) -> None:
        """Answer further notifications with this token with RST (RFC 7641 §3.6)."""
        self._engine.forget(token)

    def adopt(self, token: ObservationToken) -> None:
        """Take notifications with a token that is known from before a restart."""
        self._engine.adopt(token)

    async def caught_up(self) -> None:
        """Wait until everything that has arrived is read: who has waited in the socket was in
        time."""
        until_s = self._loop.time() + _CATCH_UP_S
        # Each turn of the loop reads some of it.
        while self._transport.waiting() and self._loop.time() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0)

    @property
    def status(self) -> EndpointStatus:
        """The endpoint in numbers."""
        layer = self._engine.layer
        return EndpointStatus(
            received=layer.received,
            dropped=self._transport.dropped,
            malformed=layer.malformed,
            duplicates=layer.duplicates,
            retransmissions=layer.retransmissions,
            remembered=layer.remembered,
            under_way=layer.under_way,
            uploads=len(self._engine.uploads),
            downloads=len(self._engine.downloads),
            observations=self._engine.observations,
        )

    async def close(self) -> None:
        """Close the socket. Requests under way end with ServerError."""
        self._closed = True
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        waiting: list[asyncio.Future[Any]] = [*self._futures, *self._pings]
        for future in waiting:
            if not future.done():
                future.set_exception(ServerError("the server was closed"))
        self._engine.close()
        self._transport.close()

    def _answer(self) -> _Answer:
        if self._closed:
            raise ServerError("the server was closed")
        return _Answer(self._loop, self._futures)

    # Requests of devices

    def _serve(self, request: Request, respond: Respond) -> bool:
        """Run the handler up to its first wait, without a task; most answers are ready by then."""
        handling = self._handler(request)
        try:
            awaited = handling.send(None)
        except StopIteration as answer:
            respond(answer.value)
            return True
        except Exception as error:
            self._on_error(request, error, respond)
            return True
        # Until the task takes it over, another handler may come to wait for the same.
        if asyncio.isfuture(awaited):
            awaited._asyncio_future_blocking = False
        task = self._loop.create_task(self._finish(request, handling, awaited, respond))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return False

    async def _finish(
        self,
        request: Request,
        handling: Coroutine[Any, Any, Response],
        awaited: Any,
        respond: Respond,
    ) -> None:
        try:
            answer = await _resume(handling, awaited)
        except Exception as error:
            self._on_error(request, error, respond)
        else:
            if not self._closed:
                respond(answer)

    def _on_error(self, request: Request, error: Exception, respond: Respond) -> None:
        path = "/" + "/".join(request.path)
        self._engine.layer.log.warning(
            "error", f"{request.method} {path!r} of {request.peer.address} failed", error
        )
        respond(Response("5.00"))

    # Deadlines

    def _wake_by(self, due_s: float) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._loop.call_at(due_s, self._on_wake)

    def _on_wake(self) -> None:
        timers = self._engine.layer.timers
        self._wake = None
        due_s = timers.next_due_s()
        if due_s is not None and self._loop.time() - due_s > _LATE_S:
            self._transport.drain()
        timers.run(self._loop.time())
        due_s = timers.next_due_s()
        if due_s is not None:
            self._wake_by(due_s)


class _Reply:
    """The reply to a ping, as the Owner of its message: whether the peer is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[bool] = loop.create_future()

    def on_acknowledged(self) -> None:
        """A peer should reset it, but this is a reply too."""
        self._set(True)

    def on_failed(self, reason: str, detail: str) -> None:
        self._set(reason == RESET)

    def _set(self, there: bool) -> None:
        if not self.future.done():
            self.future.set_result(there)


class _Answer:
    """The answer to a request, to be waited for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, futures: set[asyncio.Future[Message]]
    ) -> None:
        self._futures = futures
        self._future: asyncio.Future[Message] = loop.create_future()
        futures.add(self._future)

    def set(self, message: Message | None, error: Lwm2mError | None) -> None:
        """End the wait, as a transfer's `on_done`."""
        if self._future.done():
            return
        if error is not None:
            self._future.set_exception(error)
        elif message is not None:
            self._future.set_result(message)

    async def wait(self, transfer: Transfer) -> Response:
        try:
            return response_of(await self._future)
        finally:
            self._futures.discard(self._future)
            transfer.cancel()


@types.coroutine
def _resume(
    handling: Coroutine[Any, Any, Response], awaited: Any
) -> Generator[Any, Any, Response]:
    """Go on with a coroutine that has run up to its first wait, in a task from here on."""
    if asyncio.isfuture(awaited):
        awaited._asyncio_future_blocking = True  # as each future says that is awaited
    while True:
        try:
            result = yield awaited
        except BaseException as error:
            step = lambda error=error: handling.throw(error)  # noqa: E731
        else:
            step = lambda result=result: handling.send(result)  # noqa: E731
        try:
            awaited = step()
        except StopIteration as answer:
            value: Response = answer.value
            return value


async def open_endpoint(
    handler: Handler,
    host: str,
    port: int,
    *,
    timing: Timing,
    ipv4_only: bool | None = None,
) -> CoapEndpoint:
    """Open the socket, and answer requests by `handler`.

    port: 0 takes a free one. ipv4_only: None means where the kernel has no IPv6.
    Raises ServerError when the address is in use or not ours.
    """
    if ipv4_only is None:
        ipv4_only = not ipv6_works()
    sock = bind_socket(host, port, ipv4_only=ipv4_only)
    transport = UdpTransport(sock, asyncio.get_running_loop())
    return CoapEndpoint(transport, handler, host, transport.port, timing)
