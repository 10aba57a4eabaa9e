"""CoAP over UDP: an aiocoap context on a socket that nobody else shares.

aiocoap opens its server socket with SO_REUSEPORT. Two servers on one port then start happily, and
each receives a part of the devices. Here the socket is our own, without that option, so that the
second server fails at once; and port 0 never yields a port that is taken.

The layers are put together by hand for this, with names that aiocoap does not promise to keep:
its version is pinned.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
from collections.abc import Callable
from typing import Any

from aiocoap import Context, Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import EMPTY
from aiocoap.numbers.types import CON, NON, RST
from aiocoap.transports.simplesocketserver import MessageInterfaceSimpleServer
from aiocoap.transports.udp6 import MessageInterfaceUDP6

from ..errors import ServerError
from .tokens import Tokens


class CoapContext(Context):
    """aiocoap's context, plus: who sent a request can learn that its transfer goes on.

    `progress` maps a remote to a function that is called for each block that came from it in
    answer to a request of ours.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.progress: dict[Any, Callable[[], None]] = {}
        self.tokens = Tokens(self)


class Manager(MessageManager):
    """aiocoap's message layer, plus: a notification that nobody waits for is answered with RST,
    and giving a request up also ends its retransmission.

    Otherwise a request that its caller has abandoned keeps NSTART's only place for up to 93 s, and
    whatever is sent to that device next waits behind it (RFC 7252 §4.7).
    """

    def _process_response(self, response: Message) -> bool:
        expected: bool = super()._process_response(response)
        blocks = (response.opt.block1, response.opt.block2)
        if expected and blocks != (None, None):
            on_progress = self.token_manager.context.progress.get(response.remote)
            if on_progress is not None:
                on_progress()
        if not expected and response.mtype is NON and response.opt.observe is not None:
            self._reset(response)
        return expected

    def _reset(self, response: Message) -> None:
        # aiocoap does so only for a confirmable one. A device learns from this alone that nobody
        # listens to it any more (RFC 7641 §3.6).
        if response.remote.is_multicast_locally:
            return
        reset = Message(_mtype=RST, _mid=response.mid, code=EMPTY, payload=b"")
        reset.remote = response.remote.as_response_address()
        self._send_initially(reset)

    def send_message(
        self, message: Message, messageerror_monitor: Callable[[], None]
    ) -> Callable[[], None] | None:
        self._release(message.remote)
        super().send_message(message, functools.partial(self._report, messageerror_monitor))
        if message.mtype is CON and message.code.is_request():
            return functools.partial(self._abandon, message)
        return None

    def _remove_exchange(self, message: Message) -> None:
        super()._remove_exchange(message)
        self._release(message.remote)

    def _report(self, messageerror_monitor: Callable[[], None]) -> None:
        # A request that was given up a moment ago is still known here, but its future has been
        # cancelled: aiocoap then fails on the RST, and leaves the remote with a queue that nobody
        # works off. Each further request to it would fail, and the server stay deaf.
        try:
            messageerror_monitor()
        except Exception as problem:
            self.log.info("an RST for a request that has ended: %r", problem)

    def _release(self, remote: Any) -> None:
        """Work off the queue of a remote that waits for no acknowledgement."""
        if remote not in self._backlogs or self._active_exchanges is None:
            return
        if not any(waiting == remote for waiting, _ in self._active_exchanges):
            self._continue_backlog(remote)

    def _abandon(self, message: Message) -> None:
        if self._active_exchanges is None:  # shutting down
            return
        remote = message.remote
        exchange = self._active_exchanges.pop((remote, message.mid), None)
        if exchange is not None:
            exchange[1].cancel()
            if remote in self._backlogs:
                self._continue_backlog(remote)
        elif remote in self._backlogs:
            waiting = self._backlogs[remote]
            self._backlogs[remote] = [item for item in waiting if item[0] is not message]


def bind_socket(host: str, port: int) -> socket.socket:
    """A UDP socket of our own on an address; IPv4 addresses become IPv4-mapped ones.

    Raises ServerError when the port is taken, the address is not ours, or the name is unknown.
    """
    try:
        found = socket.getaddrinfo(
            host,
            port,
            family=socket.AF_INET6,
            type=socket.SOCK_DGRAM,
            flags=socket.AI_V4MAPPED | socket.AI_PASSIVE,
        )
    except (OSError, UnicodeError, OverflowError) as error:
        raise ServerError(f"no such address to listen on: {host} ({error})") from None
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.bind(found[0][4])
    except (OSError, OverflowError) as error:
        sock.close()
        raise _bind_error(host, port, error) from None
    return sock


def _bind_error(host: str, port: int, error: Exception) -> ServerError:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return ServerError(f"UDP {place} is in use: is another server running?")
    if number == errno.EACCES:
        return ServerError(f"no permission to listen on UDP {place}")
    return ServerError(f"cannot listen on UDP {place}: {error}")


def ipv6_works() -> bool:
    """True when the kernel has IPv6 (addresses need not be configured)."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _free_ipv4_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise _bind_error(host, port, error) from None
        number: int = probe.getsockname()[1]
        return number


async def open_context(
    site: Any, host: str, port: int, *, ipv4_only: bool | None = None
) -> tuple[CoapContext, int]:
    """A context that serves `site` on host:port, and the port it really has.

    The requests it sends leave from the same socket. `ipv4_only` None means: where the kernel has
    no IPv6. Such a host cannot listen on 0.0.0.0, and does not learn of ICMP errors.
    Raises ServerError.
    """
    loop = asyncio.get_running_loop()
    context = CoapContext(loop=loop, serversite=site, loggername="lwm2m_host.coap")
    tokens = context.tokens
    manager = Manager(tokens)
    interface: Any
    if ipv4_only is None:
        ipv4_only = not ipv6_works()
    if not ipv4_only:
        sock = bind_socket(host, port)
        port = sock.getsockname()[1]
        interface = await MessageInterfaceUDP6._create_transport_endpoint(
            sock, manager, context.log, loop
        )
    else:
        if host in ("", "0.0.0.0"):
            raise ServerError("without IPv6 the server needs one address to listen on")
        port = _free_ipv4_port(host, port)
        interface = await MessageInterfaceSimpleServer.create_server(
            (host, port), manager, context.log, loop
        )
    manager.message_interface = interface
    tokens.token_interface = manager
    context.request_interfaces.append(tokens)
    return context, port
