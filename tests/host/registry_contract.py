"""The contract of registries, for every implementation.

RegistryContract is a machine of random changes: each is done to a registry and to a plain model.
`CHECKS` are short scenarios, each for a new registry. A further implementation makes a subclass of
RegistryContract with `make`, and calls each of the checks with a registry that is open.
"""

from __future__ import annotations

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.registration.registration import ObjectLinks, Registration, RegistrationUpdate
from lwm2m_host.registration.registry import ObservationRecord, Registry

from tests.host.registrations import registration

ENDPOINTS = st.sampled_from([f"dev{n}" for n in range(6)])
ADDRESSES = st.sampled_from([f"192.0.2.{n}:5683" for n in range(3)])
IDENTITIES = st.sampled_from(["", "psk-1", "psk-2"])
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
        """A registry that is empty and not open yet, on `self.clock`."""
        raise NotImplementedError

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

    @rule(endpoint=ENDPOINTS, address=ADDRESSES, lifetime_s=LIFETIMES, identity=IDENTITIES)
    def register(self, endpoint: str, address: str, lifetime_s: int, identity: str) -> None:
        self.made += 1
        new = registration(
            endpoint,
            f"/rd/{self.made}",
            address=address,
            lifetime_s=lifetime_s,
            identity=identity,
        )
        before = self.loop.run_until_complete(self.registry.register(new))
        assert before == self.model.get(endpoint)
        self._keep(new)

    @rule(
        endpoint=ENDPOINTS,
        address=ADDRESSES,
        lifetime_s=st.none() | LIFETIMES,
        binding=st.sampled_from([None, "U", "UQ"]),
        parameters=st.sampled_from([{}, {"site": "attic"}]),
        identity=IDENTITIES,
    )
    def update(
        self,
        endpoint: str,
        address: str,
        lifetime_s: int | None,
        binding: str | None,
        parameters: dict[str, str],
        identity: str,
    ) -> None:
        known = self.model.get(endpoint)
        location = known.location if known else "/rd/none"
        change = RegistrationUpdate(
            address,
            self.clock.now(),
            False,
            lifetime_s,
            binding,
            parameters=parameters,
            identity=identity,
        )
        changed = self.loop.run_until_complete(self.registry.update(location, change))
        if known is None:
            assert changed is None
            return
        assert changed is not None
        assert changed.location == location
        assert changed.address == address
        assert changed.identity == identity
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
            proved = {record.identity: record for record in self.model.values()}
            for identity in ("psk-1", "psk-2", "nobody's"):
                assert await registry.by_identity(identity) == proved.get(identity)
            assert await registry.by_identity("") is None
            delay_s = await registry.next_deadline_s()
            if self.deadlines:
                assert delay_s == max(0.0, min(self.deadlines.values()) - self.clock.monotonic())
            else:
                assert delay_s is None

        self.loop.run_until_complete(check())


async def everything_is_kept(registry: Registry) -> None:
    """A registration comes back as it was given, whatever is in it."""
    links = ObjectLinks.parse(b'</lwm2m>;rt="oma.lwm2m";ct="110 112",</lwm2m/3303/0>;ver=1.1')
    new = registration(
        "urn:dev:os:\u00e4 'quoted' %",
        "/rd/a-b_c",
        address="[2001:db8::1%2]:5683",
        lifetime_s=0xFFFFFFFF,
        version="1.2",
        binding="UQ",
        queue_mode=True,
        links=links,
        parameters={"site": "attic; 'x'", "empty": ""},
        secure=True,
        identity="psk:\u00fc",
        registered_at=1_700_000_000.25,
        updated_at=1_700_000_001.5,
    )
    assert await registry.register(new) is None
    found = await registry.by_endpoint(new.endpoint)
    assert found == new
    assert found is not None
    assert (found.links.root, found.links.formats) == (("lwm2m",), (110, 112))
    assert await registry.by_identity("psk:\u00fc") == new
    assert await registry.deregister(new.location) == new


async def changes_at_once_are_one_after_the_other(registry: Registry) -> None:
    """Each Register is told what it has replaced: together they are one history."""

    async def register(lane: int) -> list[tuple[str, str | None, str]]:
        told = []
        for turn in range(25):
            new = registration(f"dev{turn % 5}", f"/rd/{lane}-{turn}")
            before = await registry.register(new)
            told.append((new.endpoint, before.location if before else None, new.location))
        return told

    told = [item for lane in await asyncio.gather(*map(register, range(8))) for item in lane]
    for endpoint in {name for name, _, _ in told}:
        history = {before: after for name, before, after in told if name == endpoint}
        assert len(history) == sum(name == endpoint for name, _, _ in told)
        location = history.pop(None)
        while history:
            location = history.pop(location)
        last = await registry.by_endpoint(endpoint)
        assert last is not None
        assert last.location == location
    assert await registry.count() == 5


async def a_location_that_was_replaced_is_none(registry: Registry) -> None:
    """Update and De-register of an old location leave the new registration alone."""
    await registry.register(registration("a", "/rd/1"))
    new = registration("a", "/rd/2")
    await registry.register(new)
    assert await registry.update("/rd/1", RegistrationUpdate("192.0.2.9:1", 0.0)) is None
    assert await registry.deregister("/rd/1") is None
    assert await registry.by_location("/rd/1") is None
    assert await registry.by_location("/rd/2") == new


async def pages_have_everything_once(registry: Registry) -> None:
    """Pages are in order, and what comes and goes meanwhile disturbs nobody else."""
    names = [f"dev{number:03}" for number in range(250)]
    await asyncio.gather(*(registry.register(registration(n, f"/rd/{n}")) for n in names))
    found: list[str] = []
    while page := await registry.page(found[-1] if found else "", 70):
        assert len(page) <= 70
        found += [item.endpoint for item in page]
        last = found[-1]
        await registry.deregister(f"/rd/{last}")  # the next page begins behind it all the same
        await registry.register(registration("dev000-late", "/rd/late"))
    assert found == names


async def observations_are_records(registry: Registry) -> None:
    """The last record of an id counts; registrations that come and go touch none of them."""
    await registry.register(registration("a", "/rd/1"))
    registry.put_observation(ObservationRecord("a", "1", "{}"))
    registry.put_observation(ObservationRecord("a", "1", "[1]"))
    registry.put_observation(ObservationRecord("b", "1", "\u00e4"))
    registry.put_observation(ObservationRecord("b", "2", "x"))
    registry.remove_observation("b", "2")
    registry.remove_observation("nobody", "1")
    await registry.deregister("/rd/1")
    await registry.settle()
    assert sorted(await registry.observations()) == [("a", "1", "[1]"), ("b", "1", "\u00e4")]


CHECKS = (
    everything_is_kept,
    changes_at_once_are_one_after_the_other,
    a_location_that_was_replaced_is_none,
    pages_have_everything_once,
    observations_are_records,
)
