"""aiocoap as a peer: a context on a socket that nobody else shares.

aiocoap opens its server socket with SO_REUSEPORT, and port 0 may then be a port that is taken. The
layers are put together by hand for this, with names that aiocoap does not promise to keep: its
version is pinned.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiocoap import Context
from aiocoap.messagemanager import MessageManager
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports.simplesocketserver import MessageInterfaceSimpleServer
from aiocoap.transports.udp6 import MessageInterfaceUDP6
from lwm2m_host.coap.udp import bind_socket, ipv6_works


async def open_context(site: Any, host: str) -> tuple[Context, int]:
    """A context that serves `site` on a free port of an address, and the port."""
    loop = asyncio.get_running_loop()
    context = Context(loop=loop, serversite=site, loggername="aiocoap")
    tokens = TokenManager(context)
    manager = MessageManager(tokens)
    sock = bind_socket(host, 0, ipv4_only=not ipv6_works())
    port = sock.getsockname()[1]
    if ipv6_works():
        interface: Any = await MessageInterfaceUDP6._create_transport_endpoint(
            sock, manager, context.log, loop
        )
    else:
        sock.close()
        interface = await MessageInterfaceSimpleServer.create_server(
            (host, port), manager, context.log, loop
        )
    manager.message_interface = interface
    tokens.token_interface = manager
    context.request_interfaces.append(tokens)
    return context, port
