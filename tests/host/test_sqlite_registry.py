"""The registry in a file: over restarts, kills, full disks and older versions."""

# ruff: noqa: ASYNC240 - files of a test may be read and written at once

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Clock, FakeClock, Uptime
from lwm2m_host.errors import RegistryError
from lwm2m_host.registration.registration import ObjectLinks, RegistrationUpdate
from lwm2m_host.registration.registry import ObservationRecord
from lwm2m_host.registration.sqlite import GRACE_S, MIGRATIONS, SqliteRegistry

from tests.benchmarks.fleet import CREATED, Fleet
from tests.host.registrations import registration

LINKS = b'</>;rt="oma.lwm2m";ct="110 112",</1/0>,</3303/0>;ver=1.1'


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "registry.sqlite"


async def opened(file: Path, clock: FakeClock, *, durable: bool = False) -> SqliteRegistry:
    registry = SqliteRegistry(file, clock, durable=durable)
    await registry.open()
    return registry


@pytest.mark.parametrize("durable", [False, True])
async def test_registrations_and_observations_outlive_the_process(
    file: Path, clock: FakeClock, durable: bool
) -> None:
    registry = await opened(file, clock, durable=durable)
    now = clock.now()
    first = registration(
        "a",
        "/rd/1",
        links=ObjectLinks.parse(LINKS),
        parameters={"site": "attic"},
        queue_mode=True,
        secure=True,
        registered_at=now,
        updated_at=now,
    )
    await registry.register(first)
    await registry.register(registration("b", "/rd/2", updated_at=now))
    await registry.register(registration("c", "/rd/3", updated_at=now))
    await registry.deregister("/rd/3")
    changed = await registry.update(
        "/rd/2", RegistrationUpdate("192.0.2.9:1", now + 1, lifetime_s=300)
    )
    registry.put_observation(ObservationRecord("a", "1", "{}"))
    registry.put_observation(ObservationRecord("a", "2", "[]"))
    registry.remove_observation("a", "1")
    await registry.settle()
    await registry.close()

    again = await opened(file, clock)
    assert await again.page() == [first, changed]
    found = await again.by_endpoint("a")
    assert found is not None
    assert found.links.formats == (110, 112)
    assert found.objects[3303].version == "1.1"
    assert await again.by_address("192.0.2.9:1") == changed
    assert await again.observations() == [ObservationRecord("a", "2", "[]")]
    await again.close()


async def test_a_change_is_in_the_file_once_it_is_acknowledged(
    file: Path, clock: FakeClock
) -> None:
    """A copy of the files, as a kill would leave them, has everything acknowledged so far."""
    registry = await opened(file, clock)
    for count in range(1, 4):
        await registry.register(registration(f"dev{count}", f"/rd/{count}"))
        copy = file.parent / f"copy{count}.sqlite"
        for suffix in ("", "-wal"):
            part = file.with_name(file.name + suffix)
            copy.with_name(copy.name + suffix).write_bytes(part.read_bytes())
        base = sqlite3.connect(copy)
        assert base.execute("SELECT count(*) FROM registrations").fetchone() == (count,)
        base.close()
    await registry.close()


async def test_many_changes_are_one_transaction(file: Path, clock: FakeClock) -> None:
    registry = await opened(file, clock)
    await asyncio.gather(
        *(registry.register(registration(f"dev{n}", f"/rd/{n}")) for n in range(500))
    )
    assert registry.transactions < 50
    await registry.close()


@pytest.mark.parametrize(
    ("away_s", "lifetime_s", "remaining_s"),
    [
        (10, 300, 290),
        (10_000, 300, GRACE_S),  # the device may have sent an Update meanwhile
        (10_000, 60, 60),
        (-1_000_000, 300, 300),  # the clock was put back
    ],
)
async def test_what_is_left_of_a_lifetime_goes_on_after_a_restart(
    file: Path, clock: FakeClock, away_s: float, lifetime_s: int, remaining_s: float
) -> None:
    registry = await opened(file, clock)
    await registry.register(
        registration("a", "/rd/1", lifetime_s=lifetime_s, updated_at=clock.now())
    )
    await registry.close()
    clock.advance(away_s)
    again = await opened(file, clock)
    assert await again.next_deadline_s() == pytest.approx(remaining_s)
    clock.advance(remaining_s)
    assert [item.endpoint for item in await again.expire()] == ["a"]
    await again.close()
    third = await opened(file, clock)
    assert await third.count() == 0
    await third.close()


class MachineClock(FakeClock):
    """A clock of a machine that has been up for a while; the wall clock may be set."""

    boot = "first"
    up_s = 1000.0
    step_s = 0.0

    def now(self) -> float:
        return super().now() + self.step_s

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.up_s += seconds

    def uptime(self) -> Uptime:
        return Uptime(self.boot, self.up_s)


@pytest.mark.parametrize("step_s", [0.0, 365 * 86400.0, -40 * 365 * 86400.0])
@pytest.mark.parametrize("step_first", [True, False])
async def test_m_09_a_step_of_the_clock_over_a_restart_ends_no_registration(
    file: Path, step_s: float, step_first: bool
) -> None:
    machine = MachineClock()
    registry = await opened(file, machine)
    await registry.register(registration("a", "/rd/1", lifetime_s=86400, updated_at=machine.now()))
    machine.advance(10)
    if step_first:  # and somebody is heard after it
        machine.step_s = step_s
    await registry.register(registration("b", "/rd/2", lifetime_s=86400, updated_at=machine.now()))
    await registry.close()
    machine.step_s = step_s
    machine.advance(20)
    again = await opened(file, machine)
    assert again._memory.remaining_s("/rd/1") == pytest.approx(86400 - 30)
    assert again._memory.remaining_s("/rd/2") == pytest.approx(86400 - 20)
    await again.close()


async def test_after_a_start_of_the_machine_the_wall_clock_counts(file: Path) -> None:
    machine = MachineClock()
    registry = await opened(file, machine)
    await registry.register(registration("a", "/rd/1", lifetime_s=300, updated_at=machine.now()))
    await registry.close()
    machine.advance(100)
    machine.boot, machine.up_s = "second", 5.0
    again = await opened(file, machine)
    assert again._memory.remaining_s("/rd/1") == pytest.approx(200)
    await again.close()


def test_the_system_tells_its_uptime() -> None:
    clock = Clock()
    first = clock.uptime()
    second = clock.uptime()
    assert first.boot == second.boot == Clock().uptime().boot
    assert first.seconds <= second.seconds


async def test_a_registration_without_an_end_has_none_after_a_restart(
    file: Path, clock: FakeClock
) -> None:
    registry = await opened(file, clock)
    await registry.register(registration("a", "/rd/1", lifetime_s=0))
    await registry.close()
    clock.advance(1e9)
    again = await opened(file, clock)
    assert await again.next_deadline_s() is None
    await again.close()


async def test_files_are_for_their_owner_only(file: Path, clock: FakeClock) -> None:
    registry = await opened(file, clock)
    await registry.register(registration("a", "/rd/1"))
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for part in file.parent.iterdir():
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    await registry.close()


async def test_one_server_has_a_file_at_a_time(file: Path, clock: FakeClock) -> None:
    registry = await opened(file, clock)
    with pytest.raises(RegistryError, match="in use"):
        await opened(file, clock)
    await registry.close()
    await (await opened(file, clock)).close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
async def test_an_older_file_is_brought_up(file: Path, clock: FakeClock, version: int) -> None:
    file.parent.mkdir()
    base = sqlite3.connect(file)
    for step in MIGRATIONS[:version]:
        base.executescript(step)
    if version:
        base.execute(
            "INSERT INTO registrations (endpoint, location, address, secure, lifetime_s, version,"
            " binding, queue_mode, links, parameters, registered_at, updated_at) VALUES"
            " ('old', '/rd/old', '192.0.2.1:5683', 0, 86400, '1.1', 'U', 0, ?, '{}', 1.0, 2.0)",
            (b"</3/0>",),
        )
    base.execute(f"PRAGMA user_version = {version}")
    base.commit()
    base.close()
    registry = await opened(file, clock)
    registry.put_observation(ObservationRecord("old", "1", "{}"))
    await registry.settle()
    found = await registry.by_endpoint("old")
    assert (found is not None) == (version > 0)
    if found is not None:
        assert list(found.objects) == [3]
        assert found.identity == ""
    await registry.close()
    base = sqlite3.connect(file)
    assert base.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    base.close()


async def test_a_newer_file_is_left_alone(file: Path, clock: FakeClock) -> None:
    file.parent.mkdir()
    base = sqlite3.connect(file)
    base.execute("PRAGMA user_version = 99")
    base.commit()
    base.close()
    before = file.read_bytes()
    with pytest.raises(RegistryError, match="newer version"):
        await opened(file, clock)
    assert file.read_bytes() == before


async def test_a_file_that_is_none_is_left_alone(file: Path, clock: FakeClock) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database at all, but some bytes" * 100)
    with pytest.raises(RegistryError, match="cannot be used"):
        await opened(file, clock)


async def test_what_cannot_be_written_is_refused_and_written_later(
    file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwm2m_host.registration.sqlite._RETRY_S", 0.01)
    registry = await opened(file, clock)
    first = registration("a", "/rd/1", lifetime_s=50)
    await registry.register(first)
    await registry.register(registration("b", "/rd/b", lifetime_s=30))
    clock.advance(10)
    base = registry._base
    assert base is not None
    base.execute("PRAGMA max_page_count = 1")  # the disk is full
    links = ObjectLinks.parse(b",".join(b"</%d/0>" % n for n in range(2000)))
    change = RegistrationUpdate("192.0.2.9:1", clock.now(), links=links)
    with pytest.raises(RegistryError, match="full"):
        await registry.update("/rd/b", change)
    # An Update holds all the same. A Register and a De-register leave no trace.
    with pytest.raises(RegistryError, match="full"):
        await registry.register(registration("a", "/rd/2", links=links))
    with pytest.raises(RegistryError, match="full"):
        await registry.register(registration("new", "/rd/new", links=links))
    with pytest.raises(RegistryError, match="full"):
        await registry.deregister("/rd/1")
    changed = await registry.by_location("/rd/b")
    assert changed is not None
    assert changed.links == links
    assert await registry.page() == [first, changed]
    assert await registry.next_deadline_s() == 30
    assert registry._memory.remaining_s("/rd/1") == 40
    base.execute("PRAGMA max_page_count = 1000000")
    await registry.settle()
    await registry.close()
    again = await opened(file, clock)
    assert await again.page() == [first, changed]
    await again.close()


WRITER = """
import asyncio, itertools, sys
from lwm2m_host.coap.timing import Clock
from lwm2m_host.registration.registration import ObjectLinks, Registration
from lwm2m_host.registration.sqlite import SqliteRegistry

async def write(registry, lane):
    for number in itertools.count():
        name = f"{lane}-{number}"
        await registry.register(Registration(name, "/rd/" + name, "192.0.2.1:1", 0, "1.1", "U",
                                             False, ObjectLinks(), 0.0, 0.0))
        print(name, flush=True)

async def main():
    registry = SqliteRegistry(sys.argv[1], Clock())
    await registry.open()
    await asyncio.gather(*(write(registry, lane) for lane in range(20)))

asyncio.run(main())
"""


def killed_after(lines: int, file: Path) -> set[str]:
    """The names that were acknowledged by a process that was killed after so many of them."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    known = {process.stdout.readline().strip() for _ in range(lines)}
    os.kill(process.pid, signal.SIGKILL)
    rest = process.communicate()[0].split("\n")
    return known | set(rest[:-1])  # the last line may be cut off


async def test_nothing_that_was_acknowledged_is_lost_by_a_kill(
    file: Path, clock: FakeClock
) -> None:
    known: set[str] = set()
    for lines in (1, 10, 200, 1000):
        known |= killed_after(lines, file)
        registry = await opened(file, clock)
        found: set[str] = set()
        after = ""
        while page := await registry.page(after, 1000):
            found |= {item.endpoint for item in page}
            after = page[-1].endpoint
        assert known <= found
        await registry.close()


async def test_a_burst_of_registers_is_acknowledged_one_by_one(file: Path) -> None:
    async with Server(port=0, registry=SqliteRegistry(file, Clock())) as server:
        fleet = Fleet(server.port, 200)
        for _ in "12":
            await asyncio.to_thread(fleet.register)
        fleet.close()
        assert fleet.codes == {CREATED: 400}
        assert len(await server.registrations()) == 200


async def test_who_gives_up_waiting_ends_no_other_register(file: Path, clock: FakeClock) -> None:
    registry = await opened(file, clock)
    waiting = [
        asyncio.create_task(registry.register(registration(name, f"/rd/{name}"))) for name in "ab"
    ]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await waiting[1] is None
    await registry.close()
