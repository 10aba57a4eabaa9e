"""aiocoap as a server: it accepts every Register, and asks the device in its own way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiocoap import CON, Context, Message
from aiocoap.numbers.codes import CHANGED, CREATED, POST, Code
from aiocoap.resource import PathCapable, Resource

from tests.interop.peers import PATIENCE_S
from tests.ports import free_port

CONTROL, TEXT = "26251", 0


class Registering(Resource, PathCapable):
    """Says yes to every Register and Update, and remembers where they come from."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def render(self, request: Message) -> Message:
        if not self.remote.done():
            self.remote.set_result(request.remote)
        if request.opt.uri_path == ("rd",):
            return Message(code=CREATED, location_path=("rd", "1"))
        return Message(code=CHANGED)


class Aiocoap:
    """aiocoap's context as a server, and what it asks the device."""

    def __init__(self, context: Context, remote: Any) -> None:
        self.context = context
        self.remote = remote

    def request(self, code: Code, path: tuple[str, ...], **fields: Any) -> Any:
        message = Message(code=code, _mtype=CON, uri_path=path, **fields)
        message.remote = self.remote
        return self.context.request(message)

    async def change(self, rid: str, args: str = "") -> None:
        answer = await self.request(
            POST, (CONTROL, "0", rid), payload=args.encode(), content_format=TEXT
        ).response
        assert answer.code.is_successful()


@asynccontextmanager
async def aiocoap_server(start: Any) -> AsyncIterator[Any]:
    """aiocoap, after a device has registered that `start(uri)` has started: (Aiocoap, device)."""
    site = Registering()
    port = free_port()
    context = await Context.create_server_context(
        site, bind=("127.0.0.1", port), transports=["simplesocketserver"]
    )
    device = await start(f"coap://127.0.0.1:{port}")
    async with asyncio.timeout(PATIENCE_S):
        remote = await site.remote
    await device.wait_output("event registered", PATIENCE_S)
    try:
        yield Aiocoap(context, remote), device
    finally:
        await context.shutdown()
