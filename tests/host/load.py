"""A server as a process under load, and what it has acknowledged."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from pathlib import Path

from lwm2m_host.coap.timing import Clock
from lwm2m_host.model.path import Path as ObjectPath
from lwm2m_host.registration.sqlite import SqliteRegistry
from lwm2m_host.reporting.history import read

from tests.benchmarks.fleet import CHANGED, CON, CREATED, LINKS, POST, Fleet, Option, encode
from tests.host.commands import next_line, spawn

DEVICES = 40
OBSERVED = 0  # the device that is observed
REGISTERED = range(DEVICES // 2, DEVICES)  # these register again and again


class Load:
    """Devices that register and send, and remember what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.fleet = Fleet(port, DEVICES)
        self.locations: dict[int, bytes] = {}
        self.values: set[float] = set()
        self.refused: list[int] = []  # codes
        self.killed = threading.Event()
        self._next = 0
        self._sent: dict[int, float] = {}

    def build(self, device: int, mid: int) -> bytes:
        token = mid.to_bytes(2, "big")
        if device in REGISTERED:
            query = [(15, b"lwm2m=1.1"), (15, b"ep=load-%d" % device), (15, b"lt=86400")]
            return encode(CON, POST, mid, token, [(11, b"rd"), (12, b"\x28"), *query], LINKS)
        self._next += 1
        self._sent[device] = float(self._next)
        payload = b"\x81\xa2\x00\x6c/3303/0/5700\x02\xfb" + struct.pack(">d", self._next)
        return encode(CON, POST, mid, token, [(11, b"dp"), (12, b"\x70")], payload)

    def on_answer(self, device: int, code: int, options: list[Option]) -> None:
        if code == CREATED:
            self.locations[device] = b"/" + b"/".join(v for number, v in options if number == 8)
        elif code == CHANGED and device not in REGISTERED:
            self.values.add(self._sent[device])
        else:
            self.refused.append(code)

    def run(self) -> None:
        """Load until the server is killed."""
        while not self.killed.is_set():
            self.fleet.ask(range(1, DEVICES), self.build, 20, self.on_answer, self.killed.is_set)


def free_port() -> int:
    """A port that stays ours while the server is started again and again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


async def started(
    folder: Path, port: int, *options: str
) -> tuple[asyncio.subprocess.Process, str]:
    """A server with its files in a folder, and the URL of its control plane."""
    process = await spawn(
        *("serve", "--host", "127.0.0.1", "--port", str(port), "--http-port", "0"),
        *("--registry", str(folder / "r.sqlite"), "--history", str(folder / "h.sqlite")),
        *options,
    )
    await next_line(process)
    return process, (await next_line(process)).split()[1]


async def locations(file: Path) -> dict[str, str]:
    """The registrations in a file: location by endpoint."""
    registry = SqliteRegistry(file, Clock())
    await registry.open()
    found = {item.endpoint: item.location for item in await registry.page("", 1000)}
    await registry.close()
    return found


def sent(file: Path) -> set[object]:
    """The values of all Sends in a history."""
    stored = set()
    for device in range(DEVICES):
        rows = read(file, f"load-{device}", ObjectPath.parse("/"), limit=1_000_000)
        stored |= {row.value for row in rows if row.source == "send"}
    return stored
