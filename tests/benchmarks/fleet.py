"""Many LwM2M devices on one socket, each from an address 127.x.y.z of its own.

No CoAP library: the fleet must cost less than what is measured.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable

IP_PKTINFO = 8
_SO_RCVBUFFORCE = 33
_PKTINFO = struct.Struct("=I4s4s")
_BUFFER_BYTES = 32 << 20
LINKS = b'</>;rt="oma.lwm2m";ct=11542,</1/0>,</3/0>,</3303/0>'
TEMPERATURE = bytes.fromhex("e41644") + struct.pack(">f", 21.5)  # TLV of resource 5700
SEND = b"\x81\xa2\x00\x6c/3303/0/5700\x02\xfa" + struct.pack(">f", 21.5)  # SenML CBOR
CON, NON, ACK = 0, 1, 2
POST, CREATED, CHANGED, CONTENT = 2, 65, 68, 69
PATIENCE_S = 2.0
TRIES = 8

Option = tuple[int, bytes]


def _extended(value: int) -> tuple[int, bytes]:
    return (value, b"") if value < 13 else (13, bytes((value - 13,)))


def encode(
    kind: int,
    code: int,
    mid: int,
    token: bytes = b"",
    options: Iterable[Option] = (),
    payload: bytes = b"",
) -> bytes:
    out = bytes((0x40 | kind << 4 | len(token), code, mid >> 8, mid & 255)) + token
    last = 0
    for number, value in options:
        delta, more = _extended(number - last)
        length, further = _extended(len(value))
        out += bytes((delta << 4 | length,)) + more + further + value
        last = number
    return out + (b"\xff" + payload if payload else b"")


def decode(data: bytes) -> tuple[int, int, int, bytes, list[Option]]:
    """Kind, code, message id, token, options. Raises IndexError for what is none."""
    kind, length, code, mid = data[0] >> 4 & 3, data[0] & 15, data[1], data[2] << 8 | data[3]
    at, number, options = 4 + length, 0, []
    while at < len(data) and data[at] != 0xFF:
        parts = [data[at] >> 4, data[at] & 15]
        at += 1
        for index in (0, 1):
            if parts[index] == 13:
                parts[index] += data[at]
                at += 1
            elif parts[index] == 14:
                parts[index] = struct.unpack_from(">H", data, at)[0] + 269
                at += 2
        number += parts[0]
        options.append((number, data[at : at + parts[1]]))
        at += parts[1]
    return kind, code, mid, data[4 : 4 + length], options


class Fleet:
    """`size` devices of a server on 127.0.0.1."""

    def __init__(
        self,
        port: int,
        size: int,
        prefix: str = "load-",
        lifetime_s: int = 86400,
        links: bytes = LINKS,
    ) -> None:
        self.server = ("127.0.0.1", port)
        self.size = size
        self.prefix = prefix
        self.lifetime_s = lifetime_s
        self.links = links
        self.locations: dict[int, list[bytes]] = {}
        self.observed: dict[int, bytes] = {}  # device: token
        self.lost = 0  # requests that were never answered
        self.requests = 0  # of the server, that were answered
        self.codes: dict[int, int] = {}  # of the answers: how many
        self._sequence = 10
        self._mids = [int.from_bytes(os.urandom(2), "big")] * size
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
                break
            except OSError:
                continue
        self.sock.bind(("0.0.0.0", 0))
        self.sock.setblocking(False)

    @property
    def refused(self) -> int:
        """The requests of ours that were not answered 2.xx."""
        return sum(count for code, count in self.codes.items() if code >> 5 != 2)

    def close(self) -> None:
        self.sock.close()

    def send(self, device: int, data: bytes) -> None:
        address = bytes((127, 1 + (device >> 16), device >> 8 & 255, device & 255))
        info = [(socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, address, b"\0\0\0\0"))]
        while True:
            try:
                self.sock.sendmsg([data], info, 0, self.server)
                return
            except BlockingIOError:
                select.select([], [self.sock], [], 0.1)
            except OSError:
                return

    def pump(self, wait_s: float) -> list[tuple[int, int, int, list[Option]]]:
        """Answer what the server asks; return the answers to requests of ours."""
        found: list[tuple[int, int, int, list[Option]]] = []
        if not select.select([self.sock], [], [], max(0.0, wait_s))[0]:
            return found
        for _ in range(500):
            try:
                data, ancillary, _, _ = self.sock.recvmsg(2048, 128)
            except OSError:
                break
            to = next(value for _, kind, value in ancillary if kind == IP_PKTINFO)[4:8]
            device = (to[1] - 1) << 16 | to[2] << 8 | to[3]
            try:
                _, code, mid, token, options = decode(data)
            except IndexError:
                continue
            if 0 < code < 32:
                self._answer(device, mid, token, options)
            elif code:
                found.append((device, code, mid, options))
        return found

    def _answer(self, device: int, mid: int, token: bytes, options: list[Option]) -> None:
        self.requests += 1
        more: list[Option] = []
        if (6, b"") in options:
            self.observed[device] = token
            more = [(6, b"\x01")]
        self.send(
            device, encode(ACK, CONTENT, mid, token, [*more, (12, b"\x2d\x16")], TEMPERATURE)
        )

    def _next_mid(self, device: int) -> int:
        self._mids[device] = (self._mids[device] + 1) & 0xFFFF
        return self._mids[device]

    def ask(
        self,
        devices: Iterable[int],
        build: Callable[[int, int], bytes],
        window: int = 64,
        on_answer: Callable[[int, int, list[Option]], None] | None = None,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send build(device, mid) for each device, `window` at a time, again where need be; or
        until a condition holds."""
        todo = iter(devices)
        waiting: dict[int, list[object]] = {}
        done = False
        while (not done or waiting) and not until():
            while not done and len(waiting) < window:
                device = next(todo, None)
                if device is None:
                    done = True
                    break
                mid = self._next_mid(device)
                waiting[device] = [mid, build(device, mid), time.monotonic(), 1]
                self.send(device, waiting[device][1])  # type: ignore[arg-type]
            for device, code, mid, options in self.pump(0.05):
                if device in waiting and waiting[device][0] == mid:
                    del waiting[device]
                    self.codes[code] = self.codes.get(code, 0) + 1
                    if on_answer is not None:
                        on_answer(device, code, options)
            now_s = time.monotonic()
            for device, item in list(waiting.items()):
                if now_s - item[2] < PATIENCE_S:  # type: ignore[operator]
                    continue
                if item[3] >= TRIES:  # type: ignore[operator]
                    self.lost += 1
                    del waiting[device]
                    continue
                item[2], item[3] = now_s, item[3] + 1  # type: ignore[operator]
                self.send(device, item[1])  # type: ignore[arg-type]

    def register(self, devices: Iterable[int] | None = None, window: int = 64) -> None:
        def build(device: int, mid: int) -> bytes:
            query = (
                b"lwm2m=1.1",
                b"ep=%s%d" % (self.prefix.encode(), device),
                b"b=U",
                b"lt=%d" % self.lifetime_s,
            )
            options = [(11, b"rd"), (12, b"\x28"), *((15, item) for item in query)]
            return encode(CON, POST, mid, mid.to_bytes(2, "big"), options, self.links)

        def keep(device: int, code: int, options: list[Option]) -> None:
            if code == CREATED:
                self.locations[device] = [value for number, value in options if number == 8]

        self.ask(range(self.size) if devices is None else devices, build, window, keep)

    def update(self, devices: Iterable[int], window: int = 64) -> None:
        def build(device: int, mid: int) -> bytes:
            path = [(11, value) for value in self.locations[device]]
            return encode(CON, POST, mid, mid.to_bytes(2, "big"), path)

        self.ask(devices, build, window)

    def report(self, devices: Iterable[int], window: int = 64) -> None:
        """One Send of each device."""

        def build(device: int, mid: int) -> bytes:
            options = [(11, b"dp"), (12, b"\x70")]
            return encode(CON, POST, mid, mid.to_bytes(2, "big"), options, SEND)

        self.ask(devices, build, window)

    def serve(self, until: Callable[[], bool]) -> None:
        """Answer the server until a condition holds."""
        while not until():
            self.pump(0.02)

    def notify(self, count: int, per_s: float) -> None:
        """So many notifications, of one observed device after the other, at a rate."""
        devices = sorted(self.observed)
        began = time.monotonic()
        for index in range(count):
            device = devices[index % len(devices)]
            if index % len(devices) == 0:
                self._sequence += 1
            value = bytes.fromhex("e41644") + struct.pack(">f", 20 + index / 1000)
            number = self._sequence.to_bytes(2, "big")
            options = [(6, number), (12, b"\x2d\x16")]
            token = self.observed[device]
            self.send(device, encode(NON, CONTENT, self._next_mid(device), token, options, value))
            if index % 20 == 19:
                self.pump(0)
                ahead_s = (index + 1) / per_s - (time.monotonic() - began)
                if ahead_s > 0:
                    time.sleep(ahead_s)
