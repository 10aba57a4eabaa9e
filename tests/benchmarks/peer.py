"""A LwM2M server of a few lines, for measuring: raw CoAP over UDP, one device, no waiting."""

from __future__ import annotations

import select
import socket
import subprocess
import time
from types import TracebackType

GET, POST, PUT, DELETE = 1, 2, 3, 4
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45
TOKEN = b"\x01\x02\x03\x04"


class PeerError(Exception):
    """The device did not do what was expected, or ended."""


def path_options(path: str) -> bytes:
    """The Uri-Path options of a path of short segments."""
    options = b""
    number = 0
    for segment in path.strip("/").split("/"):
        options += bytes([11 - number << 4 | len(segment)]) + segment.encode()
        number = 11
    return options


class Peer:
    """A UDP socket on loopback that talks to one device. Use it as ``with``."""

    def __init__(self, patience_s: float = 3.0) -> None:
        self.patience_s = patience_s
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]
        self.uri = f"coap://127.0.0.1:{self.port}"
        self.mid = 0x1000
        # Requests of the device that came while something else was awaited
        self.requests: list[int] = []

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def receive(self, process: subprocess.Popen[str]) -> bytes:
        """The next datagram; the first one decides who is talked to. Raises PeerError."""
        end = time.monotonic() + self.patience_s
        while not select.select([self.sock], [], [], 0.05)[0]:
            if process.poll() is not None:
                raise PeerError(f"the device ended with {process.returncode}")
            if time.monotonic() > end:
                raise PeerError("the device is silent")
        data, address = self.sock.recvfrom(2048)
        self.sock.connect(address)
        return data

    def answer(self, data: bytes) -> int:
        """Answer a request of the device as a server that is content; returns its method."""
        method = data[1]
        code = {POST: CHANGED, DELETE: DELETED}.get(method, 0x85)
        options = b""
        if method == POST and b"lwm2m=1." in data:
            code = CREATED
            options = b"\x82rd\x011"
        length = data[0] & 15
        self.sock.send(bytes([0x60 | length, code]) + data[2 : 4 + length] + options)
        return method

    def expect(self, process: subprocess.Popen[str], method: int) -> None:
        """Wait for a request of the device and answer it. Raises PeerError."""
        while method not in self.requests:
            data = self.receive(process)
            if data[1] and not data[1] >> 5:
                self.requests.append(self.answer(data))
        self.requests.remove(method)

    def datagram(self, method: int, path: str, payload: bytes = b"") -> bytes:
        """A confirmable request, with a payload in TLV."""
        self.mid = self.mid + 1 & 0xFFFF
        data = bytes([0x44, method]) + self.mid.to_bytes(2, "big") + TOKEN + path_options(path)
        return data + (b"\x12\x2d\x16\xff" + payload if payload else b"")

    def request(
        self,
        process: subprocess.Popen[str],
        method: int,
        path: str,
        payload: bytes = b"",
        expected: int = CHANGED,
    ) -> bytes:
        """Send a request and return the response. Raises PeerError for another code."""
        data = self.datagram(method, path, payload)
        self.sock.send(data)
        while True:
            response = self.receive(process)
            if response[0] >> 4 == 6 and response[2:4] == data[2:4]:
                break
            if response[1] and not response[1] >> 5:
                self.requests.append(self.answer(response))
        if response[1] != expected:
            code = f"{response[1] >> 5}.{response[1] & 31:02}"
            raise PeerError(f"the device answers {path} with {code}")
        return response
