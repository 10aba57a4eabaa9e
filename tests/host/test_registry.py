"""The contract of registries, against a plain model; and what the one in memory costs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.registration.registration import Registration, RegistrationUpdate
from lwm2m_host.registration.registry import MemoryRegistry, Registry
from lwm2m_host.registration.sqlite import SqliteRegistry

from tests.host.registrations import registration

ENDPOINTS = st.sampled_from([f"dev{n}" for n in range(6)])
ADDRESSES = st.sampled_from([f"192.0.2.{n}:5683" for n in range(3)])
LIFETIMES = st.sampled_from([0, 1, 10, 60, 86400])


class RegistryContract(RuleBasedStateMachine):
    """Each rule is done to a registry and to a dict of endpoints, and both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.model: dict[str, Registration] = {}  # the one heard of last is the last
        self.deadlines: dict[str, float] = {}  # endpoint: end of its lifetime
        self.made = 0
        self.loop = asyncio.new_event_loop()
        self.registry = self.make()
        self.loop.run_until_complete(self.registry.open())

    def make(self) -> Registry:
        return MemoryRegistry(self.clock)

    def teardown(self) -> None:
        self.loop.run_until_complete(self.registry.close())
        self.loop.close()

    def _keep(self, record: Registration) -> None:
        self.model.pop(record.endpoint, None)
        self.model[record.endpoint] = record
        self.deadlines.pop(record.endpoint, None)
        if record.lifetime_s:
            self.deadlines[record.endpoint] = self.clock.monotonic() + record.lifetime_s

    def _drop(self, endpoint: str) -> Registration:
        self.deadlines.pop(endpoint, None)
        return self.model.pop(endpoint)

    @rule(endpoint=ENDPOINTS, address=ADDRESSES, lifetime_s=LIFETIMES)
    def register(self, endpoint: str, address: str, lifetime_s: int) -> None:
        self.made += 1
        new = registration(endpoint, f"/rd/{self.made}", address=address, lifetime_s=lifetime_s)
        before = self.loop.run_until_complete(self.registry.register(new))
        assert before == self.model.get(endpoint)
        self._keep(new)

    @rule(
        endpoint=ENDPOINTS,
        address=ADDRESSES,
        lifetime_s=st.none() | LIFETIMES,
        binding=st.sampled_from([None, "U", "UQ"]),
        parameters=st.sampled_from([{}, {"site": "attic"}]),
    )
    def update(
        self,
        endpoint: str,
        address: str,
        lifetime_s: int | None,
        binding: str | None,
        parameters: dict[str, str],
    ) -> None:
        known = self.model.get(endpoint)
        location = known.location if known else "/rd/none"
        change = RegistrationUpdate(
            address, self.clock.now(), False, lifetime_s, binding, parameters=parameters
        )
        changed = self.loop.run_until_complete(self.registry.update(location, change))
        if known is None:
            assert changed is None
            return
        assert changed is not None
        assert changed.location == location
        assert changed.address == address
        assert changed.lifetime_s == (known.lifetime_s if lifetime_s is None else lifetime_s)
        assert changed.binding == (binding or known.binding)
        assert changed.parameters == {**known.parameters, **parameters}
        self._keep(changed)

    @rule(endpoint=ENDPOINTS)
    def deregister(self, endpoint: str) -> None:
        known = self.model.get(endpoint)
        location = known.location if known else "/rd/none"
        assert self.loop.run_until_complete(self.registry.deregister(location)) == known
        if known is not None:
            self._drop(endpoint)
        assert self.loop.run_until_complete(self.registry.deregister(location)) is None

    @rule(
        seconds=st.sampled_from([0.5, 1.0, 9.0, 60.0, 100_000.0]), limit=st.sampled_from([1, 100])
    )
    def expire(self, seconds: float, limit: int) -> None:
        self.clock.advance(seconds)
        while gone := self.loop.run_until_complete(self.registry.expire(limit)):
            assert len(gone) <= limit
            for record in gone:
                assert self.deadlines[record.endpoint] <= self.clock.monotonic()
                assert self.deadlines[record.endpoint] == min(self.deadlines.values())
                assert self._drop(record.endpoint) == record
        assert all(end > self.clock.monotonic() for end in self.deadlines.values())

    @precondition(lambda self: self.model)
    @rule(after=ENDPOINTS, limit=st.sampled_from([1, 2, 100]))
    def page(self, after: str, limit: int) -> None:
        page = self.loop.run_until_complete(self.registry.page(after, limit))
        behind = sorted(name for name in self.model if name > after)
        assert [item.endpoint for item in page] == behind[:limit]

    @invariant()
    def found_by_each_index(self) -> None:
        async def check() -> None:
            registry = self.registry
            assert await registry.count() == len(self.model)
            for endpoint, record in self.model.items():
                assert await registry.by_endpoint(endpoint) == record
                assert await registry.by_location(record.location) == record
            last = {record.address: record for record in self.model.values()}
            for number in range(3):
                address = f"192.0.2.{number}:5683"
                assert await registry.by_address(address) == last.get(address)
            delay_s = await registry.next_deadline_s()
            if self.deadlines:
                assert delay_s == max(0.0, min(self.deadlines.values()) - self.clock.monotonic())
            else:
                assert delay_s is None

        self.loop.run_until_complete(check())


TestRegistryContract = RegistryContract.TestCase
TestRegistryContract.settings = settings(
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
