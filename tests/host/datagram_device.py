"""A device as a bare socket: every datagram is written by the test."""

from __future__ import annotations

import asyncio
import socket

from aiocoap import Message
from aiocoap.numbers.codes import EMPTY, Code
from aiocoap.numbers.types import ACK, CON, NON, RST
from lwm2m_host import Server

PATIENCE_S = 20.0


class DatagramDevice:
    """It registers, and then sends and receives single datagrams."""

    def __init__(
        self, server: Server, endpoint: str = "bare", *query: str, host: str = "127.0.0.1"
    ) -> None:
        self.endpoint = endpoint
        self.location: tuple[str, ...] = ()
        self._query = query
        self._server = server
        self._mid = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self._socket.connect(("127.0.0.1", server.port))

    async def __aenter__(self) -> DatagramDevice:
        assert await self.register() == Code.CREATED
        return self

    async def register(self) -> Code:
        """Register, and return the code of the answer, separate or not."""
        query = ("lwm2m=1.1", f"ep={self.endpoint}", "lt=300", *self._query)
        self.send(CON, Code.POST, b"</3/0>", token=b"r", uri_path=("rd",), uri_query=query)
        while (answer := await self.receive()).code == EMPTY:
            pass
        self.location = tuple(answer.opt.location_path)
        return answer.code

    def update(self) -> None:
        self.send(CON, Code.POST, token=b"u", uri_path=self.location)

    def close(self) -> None:
        """Leave without a word: whoever writes to the port is told that nobody is there."""
        self._socket.close()

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    def send(
        self,
        kind: int,
        code: Code = EMPTY,
        payload: bytes = b"",
        *,
        mid: int | None = None,
        token: bytes = b"",
        **options: object,
    ) -> None:
        """Send a datagram, under the next message id unless `mid` is given."""
        self._mid += 1
        message = Message(
            code=code, payload=payload, _mtype=kind, _mid=self._mid if mid is None else mid
        )
        message.token = token
        for name, value in options.items():
            setattr(message.opt, name, value)
        self._socket.send(message.encode())

    async def receive(self) -> Message:
        """The next datagram."""
        async with asyncio.timeout(PATIENCE_S):
            data = await asyncio.get_running_loop().sock_recv(self._socket, 2048)
        return Message.decode(data)

    def acknowledge(self, request: Message, payload: bytes) -> None:
        """A piggybacked answer in text."""
        self.send(
            ACK, Code.CONTENT, payload, mid=request.mid, token=request.token, content_format=0
        )

    def answer_separately(self, request: Message, payload: bytes) -> None:
        """An answer in text that acknowledges nothing."""
        self.send(NON, Code.CONTENT, payload, token=request.token, content_format=0)

    def reset(self, request: Message) -> None:
        self.send(RST, mid=request.mid)
