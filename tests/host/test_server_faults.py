"""A real `lwm2m-host serve` that is stopped, has no disk, or no free files.

It loses nobody, it says so in few lines, and it goes on afterwards.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from lwm2m_host.coap.timing import Clock
from lwm2m_host.model.path import Path as ObjectPath
from lwm2m_host.registration.sqlite import SqliteRegistry
from lwm2m_host.reporting.history import read

from tests.benchmarks.fleet import CHANGED, CON, CREATED, POST, Fleet, Option, encode
from tests.host.commands import Serving, finish, serve
from tests.waiting import PATIENCE_S, until

UNAVAILABLE = 163  # 5.03
LIFETIME_S = 2


@contextmanager
def fleet_of(serving: Serving, size: int) -> Iterator[Fleet]:
    fleet = Fleet(int(serving.coap.rpartition(":")[2]), size)
    try:
        yield fleet
    finally:
        fleet.close()


def pid_of(serving: Serving) -> int:
    assert serving.process is not None
    return serving.process.pid


async def log_of(serving: Serving) -> str:
    """The log of a server that is ended now."""
    assert serving.process is not None
    serving.process.terminate()
    done = await finish(serving.process)
    assert done.code == 0
    return done.out + done.error


async def codes_of(fleet: Fleet, ask: Callable[[], None]) -> dict[int, int]:
    """The codes of the answers to what is asked, and how many of each."""
    fleet.codes.clear()
    await asyncio.to_thread(ask)
    assert fleet.lost == 0
    return dict(fleet.codes)


def update(fleet: Fleet, device: int, mid: int, lifetime_s: int | None = None) -> bytes:
    """An Update as a datagram."""
    query = [] if lifetime_s is None else [(15, b"lt=%d" % lifetime_s)]
    path: list[Option] = [(11, part) for part in fleet.locations[device]]
    return encode(CON, POST, mid, mid.to_bytes(2, "big"), [*path, *query])


async def heard(fleet: Fleet, count: int) -> set[int]:
    """The codes of the answers to so many devices."""
    found: dict[int, int] = {}
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            for device, code, _, _ in await asyncio.to_thread(fleet.pump, 0.05):
                found[device] = code
    return set(found.values())


async def come_true(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_m_08_a_standstill_expires_nobody_whose_update_waits(tmp_path: Path) -> None:
    async with serve("--registry", str(tmp_path / "registry.sqlite")) as serving:
        with fleet_of(serving, 150) as fleet:
            # More than the server reads at once
            assert await codes_of(fleet, fleet.register) == {CREATED: 150}
            answers = await codes_of(
                fleet,
                lambda: fleet.ask(
                    range(150), lambda device, mid: update(fleet, device, mid, LIFETIME_S), 150
                ),
            )
            assert answers == {CHANGED: 150}
            os.kill(pid_of(serving), signal.SIGSTOP)
            stopped_s = time.monotonic()
            silent = 149  # this one has nothing to say
            for device in range(silent):
                fleet.send(device, update(fleet, device, 7))
            await asyncio.sleep(stopped_s + LIFETIME_S + 0.5 - time.monotonic())
            os.kill(pid_of(serving), signal.SIGCONT)
            assert await heard(fleet, silent) == {CHANGED}
            # The one that was silent is expired, and in the end the others too.
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:

                async def is_gone() -> bool:
                    return (await http.get(f"{serving.url}/api/clients/load-149")).is_error

                async def are_gone() -> bool:
                    return (await http.get(f"{serving.url}/api/clients")).json() == []

                await come_true(is_gone)
                await come_true(are_gone)
        log = await log_of(serving)
        assert log.count("expired") == 150


async def test_l_10_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    files = ("--registry", str(tmp_path / "r.sqlite"), "--history", str(tmp_path / "h.sqlite"))
    async with (
        serve(*files) as serving,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http,
    ):
        with fleet_of(serving, 40) as fleet:
            known, new = range(20), range(20, 40)
            assert await codes_of(fleet, lambda: fleet.register(known)) == {CREATED: 20}
            assert await codes_of(fleet, lambda: fleet.report(known)) == {CHANGED: 20}
            infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            limit = resource.RLIMIT_FSIZE
            resource.prlimit(pid_of(serving), limit, (1, resource.RLIM_INFINITY))
            for _ in range(3):
                assert await codes_of(fleet, lambda: fleet.register(new)) == {UNAVAILABLE: 20}
                assert await codes_of(fleet, lambda: fleet.report(known)) == {UNAVAILABLE: 20}
                assert await codes_of(fleet, lambda: fleet.update(known)) == {UNAVAILABLE: 20}
            # What needs no disk is served, and who was there is there.
            status = (await http.get(f"{serving.url}/api/status")).json()
            assert status["history_dropped"] >= 60
            clients = (await http.get(f"{serving.url}/api/clients")).json()
            assert {c["endpoint"] for c in clients} == {f"load-{device}" for device in known}
            path = "/api/clients/load-0/3303/0/5700?timeout=60"
            reading = asyncio.create_task(http.get(serving.url + path))
            await asyncio.to_thread(fleet.serve, reading.done)
            assert (await reading).json()["content"]["value"] == 21.5
            resource.prlimit(pid_of(serving), limit, infinite)

            async def is_written() -> bool:
                return await codes_of(fleet, lambda: fleet.register(new)) == {CREATED: 20}

            await come_true(is_written)
            assert await codes_of(fleet, lambda: fleet.report(known)) == {CHANGED: 20}
            assert await codes_of(fleet, lambda: fleet.update(known)) == {CHANGED: 20}
        log = await log_of(serving)
    assert "cannot be written" in log
    assert len([line for line in log.splitlines() if "written" in line]) <= 4
    assert "Traceback" not in log
    registry = SqliteRegistry(tmp_path / "r.sqlite", Clock())
    await registry.open()
    assert await registry.count() == 40
    await registry.close()
    rows = read(tmp_path / "h.sqlite", "load-0", ObjectPath.parse("/"))
    assert len(rows) == 2


async def test_m_05_without_free_files_devices_are_served_and_the_log_is_short(
    tmp_path: Path,
) -> None:
    async with (
        serve("--registry", str(tmp_path / "r.sqlite")) as serving,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http,
    ):
        with fleet_of(serving, 20) as fleet:
            assert await codes_of(fleet, fleet.register) == {CREATED: 20}
            pid = pid_of(serving)
            limit = resource.RLIMIT_NOFILE
            before = resource.prlimit(pid, limit)
            files = len(os.listdir(f"/proc/{pid}/fd")) + 5
            resource.prlimit(pid, limit, (files, before[1]))
            port = int(serving.url.rpartition(":")[2])
            # Some are accepted, the others wait in the backlog.
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(15)]
            await until(lambda: len(os.listdir(f"/proc/{pid}/fd")) >= files)
            began_s = time.monotonic()
            while time.monotonic() - began_s < 1.5:
                assert await codes_of(fleet, lambda: fleet.update(range(20))) == {CHANGED: 20}
                assert await codes_of(fleet, fleet.register) == {CREATED: 20}
                await asyncio.sleep(0.1)
            for _, writer in held:
                writer.close()
            assert (await http.get(f"{serving.url}/api/clients")).is_success
        log = await log_of(serving)
    lines = [line for line in log.splitlines() if not line.endswith(("registered", "updated"))]
    assert len(lines) <= 3, lines
    assert "no connection can be accepted" in log


@pytest.mark.slow
async def test_m_08_a_minute_of_standstill(tmp_path: Path) -> None:
    """As long as an operator may look at a process with a debugger."""
    async with serve("--registry", str(tmp_path / "registry.sqlite")) as serving:
        with fleet_of(serving, 1000) as fleet:
            fleet.lifetime_s = 30
            assert await codes_of(fleet, fleet.register) == {CREATED: 1000}
            os.kill(pid_of(serving), signal.SIGSTOP)
            for device in range(1000):
                fleet.send(device, update(fleet, device, 7))
            await asyncio.sleep(60)
            os.kill(pid_of(serving), signal.SIGCONT)
            assert await heard(fleet, 1000) == {CHANGED}
