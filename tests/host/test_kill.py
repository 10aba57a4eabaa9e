"""A server that is killed at random moments under load: nothing that it acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import pytest
from lwm2m_host.coap.timing import Clock
from lwm2m_host.model.path import Path as ObjectPath
from lwm2m_host.registration.sqlite import SqliteRegistry
from lwm2m_host.reporting.history import read

from tests.benchmarks.fleet import CON, CREATED, LINKS, POST, Fleet, Option, encode
from tests.host.commands import finish, next_line, spawn
from tests.waiting import PATIENCE_S

ROUNDS = 20
DEVICES = 40
OBSERVED = 0  # the device that is observed
REGISTERED = range(DEVICES // 2, DEVICES)  # these register again and again


class Load:
    """Devices that register and send, and remember what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.fleet = Fleet(port, DEVICES)
        self.locations: dict[int, bytes] = {}
        self.values: set[float] = set()
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
        elif device not in REGISTERED:
            assert code == 68, code
            self.values.add(self._sent[device])

    def run(self) -> None:
        """Load until the server is killed."""
        while not self.killed.is_set():
            self.fleet.ask(range(1, DEVICES), self.build, 20, self.on_answer, self.killed.is_set)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


async def started(folder: Path, port: int) -> tuple[asyncio.subprocess.Process, str]:
    process = await spawn(
        *("serve", "--host", "127.0.0.1", "--port", str(port), "--http-port", "0"),
        *("--registry", str(folder / "r.sqlite"), "--history", str(folder / "h.sqlite")),
    )
    await next_line(process)
    return process, (await next_line(process)).split()[1]


async def locations(file: Path) -> dict[str, str]:
    registry = SqliteRegistry(file, Clock())
    await registry.open()
    found = {item.endpoint: item.location for item in await registry.page("", 1000)}
    assert len(await registry.observations()) == 1
    await registry.close()
    return found


@pytest.mark.slow
async def test_nothing_that_was_acknowledged_is_lost_by_kills_under_load(tmp_path: Path) -> None:
    pick = random.Random(13)
    port = free_port()
    load = Load(port)
    process, url = await started(tmp_path, port)
    await asyncio.to_thread(load.fleet.register)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        asking = asyncio.create_task(
            client.post(f"{url}/api/clients/load-{OBSERVED}/3303/0/5700/observe")
        )
        await asyncio.to_thread(load.fleet.serve, asking.done)
        assert (await asking).status_code == 200
    for _ in range(ROUNDS):
        load.killed.clear()
        running = asyncio.create_task(asyncio.to_thread(load.run))
        await asyncio.sleep(pick.uniform(0.1, 0.6))
        load.fleet.notify(1, 1000)
        process.kill()
        await finish(process)
        await asyncio.sleep(0.05)  # answers that are in the socket already
        load.killed.set()
        await running
        found = await locations(tmp_path / "r.sqlite")
        for device, location in load.locations.items():
            # A later one may have been written, and killed before it was acknowledged.
            assert f"load-{device}" in found, location
        process, url = await started(tmp_path, port)
    # The observation goes on: a notification arrives in the history.
    asked = load.fleet.requests
    load.fleet.notify(1, 1000)
    begin = time.monotonic()
    notified = -1.0
    while notified != 20.0:
        assert time.monotonic() - begin < PATIENCE_S
        await asyncio.sleep(0.05)
        rows = read(tmp_path / "h.sqlite", f"load-{OBSERVED}", ObjectPath.parse("/3303/0/5700"))
        notified = rows[-1].value if rows[-1].source == "notify" else -1.0
    assert load.fleet.requests == asked
    process.terminate()
    await finish(process)
    stored = set()
    for device in range(DEVICES):
        rows = read(
            tmp_path / "h.sqlite", f"load-{device}", ObjectPath.parse("/"), limit=1_000_000
        )
        stored |= {row.value for row in rows if row.source == "send"}
    assert len(load.values) > 100
    assert load.values <= stored
    load.fleet.close()
