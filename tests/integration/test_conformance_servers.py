"""Two servers at once (OMA's int-950, 951) and the rights of each (object 2, LwM2M 1.1 core §8).

What belongs to server 1 may be read by server 2, /16/0 is all its own, everybody may create
containers (19), only server 1 test objects (3442): see devices/conformance.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from aiocoap.numbers.codes import DELETE, GET, POST, PUT, Code
from lwm2m_host import Device, Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import Unauthorized
from lwm2m_host.registration.events import Deregistered, Registered, Updated

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_management import (
    COMPOSITE,
    IDENTITY,
    TEXT,
    TLV,
    TREES,
    ask,
    told,
)

READ, WRITE, EXECUTE, DELETE_RIGHT, CREATE = 1, 2, 4, 8, 16


class Pair(NamedTuple):
    """A device, and what each of its two servers has of it."""

    station: Station
    servers: tuple[Server, Server]
    owner: Device
    other: Device

    async def acl(self, oid: int, iid: int) -> str:
        """The path of the Access Control instance for /oid/iid."""
        for acl_iid, tree in (await self.owner.read("/2")).items():
            if (tree[0], tree[1]) == (oid, iid):
                return f"/2/{acl_iid}"
        raise AssertionError(f"no Access Control instance for /{oid}/{iid}")

    async def all(self) -> Any:
        """What the owner can see, clocks and counters aside, and all rights."""
        tree = await self.owner.read_composite(
            ["/1/0", "/2", "/3/0/0", "/3/0/14", "/16", "/19", "/3442/0/110", "/3442/0/1120"]
        )
        return tree, [str(link) for oid in (2, 16, 19) for link in await links(self.owner, oid)]


async def links(device: Device, oid: int) -> list[Any]:
    return await device.discover(f"/{oid}")


@pytest.fixture
async def second() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


@pytest.fixture
async def pair(launch: Start, server: Server, second: Server, width: int) -> Pair:
    station = await launch(
        "conformance.py", servers=[server.uri, second.uri], width=width, access=True, mtu=1088
    )
    owner = await station.registered_with(server, 1)
    other = await station.registered_with(second, 2)
    return Pair(station, (server, second), owner, other)


# Registrations and attributes


async def test_int_950_a_device_is_registered_with_two_servers(pair: Pair) -> None:
    first, second = [await item.registration(pair.station.endpoint) for item in pair.servers]
    assert first.objects.keys() == second.objects.keys()
    assert first.objects[1].instances == (0, 1)
    assert await pair.owner.read("/1/0/0") == 1
    assert await pair.other.read("/1/1/0") == 2
    # What one server does to its registration is not the other's.
    with pair.servers[1].events() as quiet, pair.servers[0].events() as stream:
        async with asyncio.timeout(PATIENCE_S):
            await pair.owner.write("/1/0/1", 77)
            assert isinstance(await anext(stream), Updated)
            await pair.owner.write("/1/0/5", 1)
            await pair.owner.execute("/1/0/4")
            assert isinstance(await anext(stream), Deregistered)
            assert isinstance(await anext(stream), Registered)
        assert await pair.other.read("/1/1/1") == 60
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(quiet)
    assert (await pair.owner.registration()).lifetime_s == 77
    assert (await pair.other.registration()).lifetime_s == 60


async def test_int_951_each_server_has_attributes_of_its_own(pair: Pair) -> None:
    await pair.owner.write_attributes("/3303/0/5700", pmin=5, gt=30)
    await pair.other.write_attributes("/3303/0/5700", pmin=60)
    for device, expected in (
        (pair.owner, {"pmin": "5", "gt": "30"}),
        (pair.other, {"pmin": "60"}),
    ):
        assert told(await device.discover("/3303/0"))["/3303/0/5700"] == expected
    await pair.owner.write_attributes("/3303/0/5700", pmin=None, gt=None)
    assert told(await pair.owner.discover("/3303/0"))["/3303/0/5700"] == {}
    assert told(await pair.other.discover("/3303/0"))["/3303/0/5700"] == {"pmin": "60"}


# Rights


async def test_the_default_entry_lets_others_read_and_no_more(pair: Pair) -> None:
    before = await pair.all()
    for path in ("/3/0/0", "/3303/0", "/3442/0", "/1/0"):
        assert await pair.other.read(path) == await pair.owner.read(path)
    for form in TREES:
        for path, value in (("/1/0/2", 5), ("/3442/0/110", "x"), ("/3/0/14", "+01:00")):
            with pytest.raises(Unauthorized):
                await pair.other.write(path, value, format=form)
        with pytest.raises(Unauthorized):
            await pair.other.write("/3442/0", {110: "x"}, update=True, format=form)
    for path in ("/1/0/8", "/3/0/4", "/3442/0/3"):
        with pytest.raises(Unauthorized):
            await pair.other.execute(path)
    with pytest.raises(Unauthorized):
        await pair.other.delete("/3442/0")
    assert await pair.all() == before
    assert "rebooting" not in pair.station.output


async def test_what_is_the_owners_alone_is_closed_to_others(pair: Pair) -> None:
    server = pair.servers[1]
    before = await pair.all()
    for path in ("/16/0", "/16/0/0", "/16/0/0/1"):
        assert (await ask(server, pair.other, GET, path)).code == Code.UNAUTHORIZED
        answer = await ask(server, pair.other, PUT, path, b"", query=("pmin=1",))
        assert answer.code == Code.UNAUTHORIZED
    for path in ("/16/0/0/1", "/16/0/0"):
        answer = await ask(server, pair.other, PUT, path, b"x", content_format=TEXT)
        assert answer.code == Code.UNAUTHORIZED
    answer = await ask(server, pair.other, POST, "/16/0/1")
    assert answer.code == Code.UNAUTHORIZED
    assert (await ask(server, pair.other, DELETE, "/16/0")).code == Code.UNAUTHORIZED
    for form in COMPOSITE:
        read = await pair.other.read_composite(["/16", "/3/0/0"], format=form)
        assert read == {"/3/0/0": "Open Mobile Alliance"}
        with pytest.raises(Unauthorized):
            await pair.other.write_composite({"/1/1/2": 9, "/16/0/0/1": "x"}, format=form)
    assert await pair.all() == before
    assert await pair.owner.read("/16/0/0") == IDENTITY
    # Discover needs no right (§8.2), and tells no value.
    assert "/16/0/0" in told(await pair.other.discover("/16"))


async def test_reading_an_object_gives_only_the_instances_with_the_right(pair: Pair) -> None:
    await pair.owner.write(await pair.acl(3442, 0), {2: {1: 15, 2: 0}}, update=True)
    await pair.owner.create("/3442/5", {110: "for all"})
    acl = await pair.acl(3442, 5)
    await pair.owner.write(acl, {2: {0: READ, 1: 15}}, update=True)
    assert list(await pair.owner.read("/3442")) == [0, 5]
    assert list(await pair.other.read("/3442")) == [5]
    read = (await pair.other.read_composite(["/3442"]))["/3442"]
    assert list(read) == [5]


async def test_the_owner_grants_and_takes_away_each_right(pair: Pair) -> None:
    acl = await pair.acl(3442, 0)
    server = pair.servers[1]
    tries: dict[int, Any] = {
        READ: lambda: ask(server, pair.other, GET, "/3442/0/110"),
        WRITE: lambda: ask(server, pair.other, PUT, "/3442/0/120", b"7", content_format=TEXT),
        EXECUTE: lambda: ask(server, pair.other, POST, "/3442/0/2"),
    }
    good = {READ: Code.CONTENT, WRITE: Code.CHANGED, EXECUTE: Code.CHANGED}
    for rights in range(8):
        await pair.owner.write(f"{acl}/2", {1: 31, 2: rights})
        for right, attempt in tries.items():
            expected = good[right] if rights & right else Code.UNAUTHORIZED
            assert (await attempt()).code == expected, (rights, right)
    # The right to delete is used up by it.
    await pair.owner.write(f"{acl}/2", {1: 31, 2: DELETE_RIGHT})
    await pair.other.delete("/3442/0")
    assert acl.removeprefix("/2/") not in map(str, await pair.owner.read("/2"))


async def test_access_control_is_changed_by_its_owner_alone(pair: Pair) -> None:
    before = await pair.all()
    acl = await pair.acl(3442, 0)
    assert await pair.other.read(acl) == await pair.owner.read(acl)  # everybody may read it
    for path, value in ((f"{acl}/2", {2: 31}), (f"{acl}/3", 2), (f"{acl}/2/0", 31)):
        with pytest.raises(Unauthorized):
            await pair.other.write(path, value, force=True)
    with pytest.raises(Unauthorized):
        await pair.other.write(acl, {2: {2: 31}, 3: 2}, update=True)
    for code, path in ((DELETE, acl), (POST, "/2")):
        for device, server in zip((pair.owner, pair.other), pair.servers, strict=True):
            answer = await ask(server, device, code, path)
            assert answer.code in (Code.UNAUTHORIZED, Code.METHOD_NOT_ALLOWED)
    assert await pair.all() == before
    await pair.owner.write(f"{acl}/3", 2)  # given away
    with pytest.raises(Unauthorized):
        await pair.owner.write(f"{acl}/3", 1)
    await pair.other.write(f"{acl}/2", {2: 31})


async def test_who_creates_an_instance_owns_it_and_may_delete_it(pair: Pair) -> None:
    before = await pair.all()
    server = pair.servers[0]
    path = str(await pair.other.create("/19", {0: {0: b"two"}}))
    assert path == "/19/0"
    acl = await pair.acl(19, 0)
    assert (await pair.owner.read(acl))[3] == 2
    # Server 1 owns nearly all here, and has no right to this.
    for code, target in ((GET, path), (DELETE, path)):
        assert (await ask(server, pair.owner, code, target)).code == Code.UNAUTHORIZED
    answer = await ask(server, pair.owner, PUT, f"{path}/0/0", b"x", content_format=TLV)
    assert answer.code == Code.UNAUTHORIZED
    await pair.other.write(f"{path}/0/0", b"changed")
    assert await pair.other.read(f"{path}/0") == {0: b"changed"}
    await pair.other.delete(path)
    assert await pair.all() == before


async def test_who_has_no_right_to_create_creates_nothing(pair: Pair) -> None:
    before = await pair.all()
    for oid, values in ((3442, {110: "x"}), (16, {0: {0: "x"}})):
        with pytest.raises(Unauthorized):
            await pair.other.create(f"/{oid}", values)
    assert await pair.all() == before
    assert str(await pair.owner.create("/3442", {110: "x"})) == "/3442/1"
