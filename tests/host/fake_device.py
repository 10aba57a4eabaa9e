"""A device played by aiocoap: it registers with a server and answers from a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiocoap import Message
from aiocoap.numbers.codes import EMPTY, Code
from aiocoap.numbers.types import ACK, CON, NON, RST
from aiocoap.resource import PathCapable, Resource

from tests.host.aiocoap_context import open_context

LINKS = b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</3303/0>,</3303/1>;ver=1.1'


@dataclass
class Seen:
    """A request as the device received it."""

    code: Code
    path: str
    payload: bytes
    content_format: int | None
    accept: int | None
    query: tuple[str, ...]
    remote: Any = field(repr=False, default=None)
    observe: int | None = None
    token: bytes = b""
    block: int | None = None  # number of the block of the answer that was asked for


Answer = Message | tuple[Code, bytes, int | None]
Script = Callable[[Seen], Answer | Awaitable[Answer]]


def content(payload: bytes, number: int | None = 11542) -> Answer:
    return (Code.CONTENT, payload, number)


def _message(answer: Answer | None) -> Message:
    if answer is None:
        return Message(code=Code.NOT_FOUND)
    if isinstance(answer, Message):
        return answer
    code, payload, number = answer
    message = Message(code=code, payload=payload)
    if number is not None:
        message.opt.content_format = number
    return message


def changed() -> Answer:
    return (Code.CHANGED, b"", None)


class FakeDevice(Resource, PathCapable):
    """`answers` maps (method, path) to an Answer, or to a function of the request."""

    def __init__(self, server_uri: str, endpoint: str = "fake") -> None:
        super().__init__()
        self.server_uri = server_uri
        self.endpoint = endpoint
        self.location: Sequence[str] = ()
        self.seen: list[Seen] = []
        self.delay_s = 0.0  # before each answer, and each block of one
        self.observable = True
        self.observers: dict[str, bytes] = {}  # path: token
        self.sequence = 0
        self.resets: list[int] = []  # message ids, as the server answered them
        self.acknowledged: list[int] = []
        self.answers: dict[tuple[str, str], Answer | Script] = {}

    async def __aenter__(self) -> FakeDevice:
        host = "::1" if "[" in self.server_uri else "127.0.0.1"
        self.context, self.port = await open_context(self, host)
        manager = self.context.request_interfaces[0].token_interface
        dispatch = manager.dispatch_message

        def look(message: Message) -> None:
            if message.code is EMPTY and message.mtype in (RST, ACK):
                (self.resets if message.mtype is RST else self.acknowledged).append(message.mid)
            dispatch(message)

        manager.dispatch_message = look
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.context.shutdown()

    async def render_to_pipe(self, pipe: Any) -> None:
        await asyncio.sleep(self.delay_s)
        await super().render_to_pipe(pipe)

    async def render(self, request: Message) -> Message:
        option = request.opt
        seen = Seen(
            request.code,
            "/" + "/".join(option.uri_path),
            request.payload,
            None if option.content_format is None else int(option.content_format),
            None if option.accept is None else int(option.accept),
            tuple(option.uri_query),
            request.remote,
            option.observe,
            request.token,
            option.block2.block_number if option.block2 else None,
        )
        self.seen.append(seen)
        answer = self.answers.get((str(seen.code), seen.path))
        if callable(answer):
            answer = answer(seen)
            if isinstance(answer, Awaitable):
                answer = await answer
        message = _message(answer)
        if seen.observe == 0 and message.code.is_successful() and self.observable:
            self.observers[seen.path] = request.token
            self.sequence += 1
            message.opt.observe = self.sequence
        elif seen.observe == 1:
            self.observers = {
                path: token for path, token in self.observers.items() if token != request.token
            }
        return message

    def notify(
        self,
        path: str,
        answer: Answer,
        *,
        con: bool = False,
        sequence: int | None = None,
        token: bytes | None = None,
        block: tuple[int, bool, int] | None = None,
        etag: bytes | None = None,
    ) -> int:
        """Send a notification as it stands; the message id. `sequence` 0 or more is taken as it
        is, -1 leaves the option out. What comes back is in `resets` and `acknowledged`."""
        if sequence is None:
            sequence = self.sequence = self.sequence + 1
        message = _message(answer)
        if sequence >= 0:
            message.opt.observe = sequence
        message.opt.block2 = block
        message.opt.etag = etag
        message.token = self.observers[path] if token is None else token
        message.remote = self.server_remote
        message.mtype = CON if con else NON
        # A later notification replaces this one: no retransmission here disturbs a test.
        manager = self.context.request_interfaces[0].token_interface
        message.mid = mid = manager._next_message_id()
        manager.message_interface.send(message)
        return int(mid)

    async def send(
        self,
        code: Code,
        path: Sequence[str],
        query: Sequence[str] = (),
        payload: bytes = b"",
        content_format: int | None = 40,
    ) -> Message:
        message = Message(code=code, uri=self.server_uri, payload=payload)
        message.opt.uri_path = tuple(path)
        message.opt.uri_query = tuple(query)
        if payload and content_format is not None:
            message.opt.content_format = content_format
        return await self.context.request(message).response

    async def register(self, *extra: str, links: bytes = LINKS, version: str = "1.1") -> Message:
        query = (f"lwm2m={version}", f"ep={self.endpoint}", *extra)
        answer = await self.send(Code.POST, ("rd",), query, links)
        self.observers.clear()  # LwM2M 1.1 core §6.4: Register ends all observations
        self.server_remote = answer.remote
        if answer.code == Code.CREATED:
            self.location = tuple(answer.opt.location_path)
        return answer

    async def update(self, *query: str, links: bytes = b"") -> Message:
        return await self.send(Code.POST, self.location, query, links)

    async def deregister(self) -> Message:
        return await self.send(Code.DELETE, self.location)
