"""The CoAP endpoint of a server: one UDP address for the requests of both sides."""

from __future__ import annotations

import re
from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable, Resource

from . import exchange
from .blocks import Spool
from .context import CoapContext, open_context
from .messages import (
    DeviceRequest,
    Handler,
    NotificationMessage,
    ObservationToken,
    Peer,
    Request,
    Response,
)
from .timing import Timing

_PORT = re.compile(r"(?:[^:]+|\[.*\]):[0-9]+")


class _Site(Resource, PathCapable):
    """The root of aiocoap's resources: hands every request to one function."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self._handler = handler
        self._block1 = Spool()  # aiocoap's name

    async def render(self, request: Message) -> Message:
        number = request.opt.content_format
        answer = await self._handler(
            Request(
                str(request.code),
                tuple(request.opt.uri_path),
                peer_of(request.remote),
                tuple(request.opt.uri_query),
                request.payload,
                None if number is None else int(number),
            )
        )
        message = Message(code=_code(answer.code), payload=answer.payload)
        if answer.content_format is not None:
            message.opt.content_format = answer.content_format
        message.opt.location_path = answer.location
        return message


class CoapEndpoint:
    """The engine as the rest of the server has it; `open_endpoint` makes one.

    host, port: the address that it listens on. Requests leave from the same socket.

    Requests to one peer go out one after the other (NSTART 1, RFC 7252 §4.7) in any case; who
    wants an order of them waits for the answer before the next.
    """

    def __init__(self, context: CoapContext, host: str, port: int, timing: Timing) -> None:
        self.host = host
        self.port = port
        self.context = context  # for tests that send what no server would
        self._timing = timing

    async def request(
        self, peer: Peer, request: DeviceRequest, timeout_s: float | None, *, endpoint: str
    ) -> Response:
        """Send a request, in blocks where it is large, and return the complete successful answer.

        timeout_s: seconds that the answer, and each block of one, may take; None is what the
            Timing says.
        endpoint: the device's name for the texts of errors.

        Raises DeviceTimeout, DeviceUnreachable, DeviceReset, TransferError, ServerError when the
        endpoint was closed, or the ResponseError of the answer's code.
        """
        return await exchange.exchange(
            self.context,
            exchange.message_of(request, peer, self._timing),
            self._timing.timeout(timeout_s),
            endpoint=endpoint,
            path=request.title,
        )

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
        return await exchange.complete(
            self.context,
            exchange.message_of(request, peer, self._timing),
            notification.raw,
            self._timing.timeout(timeout_s),
            endpoint=endpoint,
            path=request.title,
        )

    def knows(self, token: ObservationToken) -> bool:
        """True while notifications with this token are taken."""
        return self.context.tokens.knows(token)

    def forget(self, token: ObservationToken) -> None:
        """Answer further notifications with this token with RST (RFC 7641 §3.6)."""
        self.context.tokens.forget(token)

    def move(self, token: ObservationToken, peer: Peer) -> None:
        """Take the notifications with this token from another address of the same device."""
        self.context.tokens.move(token, peer.remote)

    async def close(self) -> None:
        """Close the socket. Requests under way end with ServerError."""
        await self.context.shutdown()


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
    context, port = await open_context(_Site(handler), host, port, ipv4_only=ipv4_only)
    return CoapEndpoint(context, host, port, timing)


def peer_of(remote: Any) -> Peer:
    """The peer behind aiocoap's name for it; the port is always named, IPv6 in brackets."""
    info: str = remote.hostinfo
    return Peer(info if _PORT.fullmatch(info) else f"{info}:5683", remote=remote)


def _code(dotted: str) -> Code:
    class_, _, detail = dotted.partition(".")
    return Code((int(class_) << 5) | int(detail))
