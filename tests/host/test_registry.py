"""The contract of registries, in memory and in a file; and what the one in memory costs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.registration.registration import RegistrationUpdate
from lwm2m_host.registration.registry import MemoryRegistry, Registry
from lwm2m_host.registration.sqlite import SqliteRegistry

from tests.host.registrations import registration
from tests.host.registry_contract import CHECKS, RegistryContract


class MemoryContract(RegistryContract):
    """In the memory of the process."""

    def make(self) -> Registry:
        return MemoryRegistry(self.clock)


TestMemoryContract = MemoryContract.TestCase
TestMemoryContract.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, derandomize=True
)


class SqliteContract(RegistryContract):
    """The same with a file."""

    def make(self) -> Registry:
        self.folder = TemporaryDirectory()
        return SqliteRegistry(Path(self.folder.name) / "registry.sqlite", self.clock)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestSqliteContract = SqliteContract.TestCase
TestSqliteContract.settings = settings(
    max_examples=15, stateful_step_count=30, deadline=None, derandomize=True
)


@pytest.fixture(params=["memory", "file"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registry]:
    clock = FakeClock()
    in_file = request.param == "file"
    made = SqliteRegistry(tmp_path / "r.sqlite", clock) if in_file else MemoryRegistry(clock)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_registry_keeps_the_contract(
    registry: Registry, check: Callable[[Registry], Awaitable[None]]
) -> None:
    await check(registry)


async def test_updates_do_not_pile_up_in_memory() -> None:
    clock = FakeClock()
    registry = MemoryRegistry(clock)
    for number in range(10):
        await registry.register(registration(f"dev{number}", f"/rd/{number}"))
    for turn in range(2000):
        clock.advance(1)
        await registry.update(
            f"/rd/{turn % 10}", RegistrationUpdate("192.0.2.1:5683", clock.now())
        )
    assert len(registry._heap) < 100
    assert await registry.count() == 10


async def seconds_for_updates(devices: int) -> float:
    """CPU time of one thread for 2,000 Registers, Updates and looks at the next deadline."""
    clock = FakeClock()
    registry = MemoryRegistry(clock)
    for number in range(devices):
        await registry.register(
            registration(f"dev{number}", f"/rd/{number}", address=f"192.0.2.1:{number}")
        )
    begin = time.thread_time()
    for turn in range(1000):
        number = turn % devices
        address = f"192.0.2.1:{number}"
        clock.advance(0.001)
        await registry.update(f"/rd/{number}", RegistrationUpdate(address, clock.now()))
        await registry.by_address(address)
        await registry.next_deadline_s()
        await registry.register(registration(f"dev{number}", f"/rd/{number}", address=address))
        await registry.expire()
    return time.thread_time() - begin


async def test_cost_of_an_update_hardly_depends_on_the_number_of_devices() -> None:
    few = min([await seconds_for_updates(100) for _ in range(3)])
    many = min([await seconds_for_updates(20_000) for _ in range(3)])
    # A scan of all devices would make it 200 times as much.
    assert many < few * 10
