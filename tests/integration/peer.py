"""A server of a few bytes: one socket, every datagram visible, no layer that mends anything."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from types import TracebackType

from tests.waiting import PATIENCE_S

CON, NON, ACK, RST = range(4)
EMPTY, GET, POST, PUT, DELETE = range(5)
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45


def options(*pairs: tuple[int, bytes]) -> bytes:
    """Options below 13 bytes and number 269, in the order given."""
    out, last = b"", 0
    for number, value in pairs:
        delta, last = number - last, number
        assert len(value) < 13
        head = bytes([delta << 4 | len(value)])
        if delta > 12:
            head = bytes([13 << 4 | len(value), delta - 13])
        out += head + value
    return out


def path(text: str) -> list[tuple[int, bytes]]:
    return [(11, part.encode()) for part in text.strip("/").split("/")]


def datagram(
    kind: int, code: int, mid: int, token: bytes = b"", opts: bytes = b"", payload: bytes = b""
) -> bytes:
    head = struct.pack(">BBH", 0x40 | kind << 4 | len(token), code, mid)
    return head + token + opts + (b"\xff" + payload if payload else b"")


class Datagram:
    """What came from the device."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.kind = data[0] >> 4 & 3
        self.code = data[1]
        self.mid = data[2] << 8 | data[3]
        length = data[0] & 15
        self.token = data[4 : 4 + length]
        self.rest = data[4 + length :]

    @property
    def payload(self) -> bytes:
        """Of a message whose options hold no byte 0xff."""
        return self.rest.partition(b"\xff")[2]

    def __repr__(self) -> str:
        return self.data.hex(" ")


class Peer(asyncio.DatagramProtocol):
    """Use it as ``async with``. A device registers with `uri`; `register` lets it in."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[bytes] = asyncio.Queue()
        self._mid = 0x5000
        self.device: tuple[str, int] | None = None

    async def __aenter__(self) -> Peer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    @property
    def uri(self) -> str:
        _, port = self._transport.get_extra_info("sockname")
        return f"coap://127.0.0.1:{port}"

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.device = address
        self._came.put_nowait(data)

    async def receive(self, timeout_s: float = PATIENCE_S) -> Datagram:
        async with asyncio.timeout(timeout_s):
            return Datagram(await self._came.get())

    def send(self, data: bytes) -> None:
        assert self.device is not None
        if data:
            self._transport.sendto(data, self.device)
            return
        # asyncio passes over an empty datagram.
        with socket.socket(
            fileno=os.dup(self._transport.get_extra_info("socket").fileno())
        ) as own:
            own.sendto(data, self.device)

    async def register(self) -> Datagram:
        """Take the Register and answer it."""
        request = await self.receive()
        assert request.code == POST
        place = options((8, b"rd"), (8, b"7"))
        self.send(datagram(ACK, CREATED, request.mid, request.token, place))
        return request

    def fresh_mid(self) -> int:
        self._mid += 1
        return self._mid

    async def answers(self, data: bytes) -> list[Datagram]:
        """Everything that a datagram is answered with: what comes before the answer to a ping."""
        ping = self.fresh_mid()
        self.send(data)
        self.send(datagram(CON, EMPTY, ping))
        found = []
        while True:
            answer = await self.receive()
            if (answer.kind, answer.mid) == (RST, ping):
                return found
            found.append(answer)

    async def ask(self, code: int, where: str, payload: bytes = b"", form: int = 0) -> Datagram:
        """The one answer to a sound request."""
        mid = self.fresh_mid()
        opts = path(where)
        if payload:
            opts.append((12, bytes([form]) if form else b""))
        found = await self.answers(datagram(CON, code, mid, b"tk", options(*opts), payload))
        assert len(found) == 1, found
        (answer,) = found
        assert (answer.kind, answer.mid, answer.token) == (ACK, mid, b"tk")
        return answer
