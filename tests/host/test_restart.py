"""A server that comes back: its devices, its observations, and what it had acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import History, Server, Timing
from lwm2m_host.coap.timing import Clock
from lwm2m_host.errors import HistoryError, NotObserved, RegistryError
from lwm2m_host.registration.registration import Registration
from lwm2m_host.registration.registry import ObservationRecord
from lwm2m_host.registration.sqlite import SqliteRegistry

from tests.host.fake_device import FakeDevice, changed, content
from tests.host.observing import PACK, TEMPERATURE, degrees
from tests.waiting import PATIENCE_S, until


def server_of(folder: Path, port: int = 0) -> Server:
    """The server whose state is in a folder."""
    return Server(
        port=port,
        timing=Timing(timeout_s=PATIENCE_S),
        registry=SqliteRegistry(folder / "registry.sqlite", Clock()),
        history=History(folder / "history.sqlite"),
    )


async def test_devices_are_manageable_without_a_word_from_them(tmp_path: Path) -> None:
    async with server_of(tmp_path) as first, FakeDevice(first.uri) as fake:
        fake.answers["POST", "/3/0/4"] = changed()
        await fake.register("lt=300", "b=U", "site=attic")
        before = await first.registration("fake")
        await first.close()
        async with server_of(tmp_path, first.port) as second:
            assert await second.registration("fake") == before
            await second.device("fake").execute("/3/0/4")
            assert len(fake.seen) == 1
            assert (await fake.update()).code == Code.CHANGED


async def test_observations_go_on_without_a_word_to_the_device(tmp_path: Path) -> None:
    async with server_of(tmp_path) as first, FakeDevice(first.uri) as fake:
        fake.answers["GET", TEMPERATURE] = degrees(20)
        await fake.register("lt=300")
        observation = await first.device("fake").observe(TEMPERATURE)
        await first.close()
        async with server_of(tmp_path, first.port) as second:
            (again,) = second.device("fake").observations
            assert (again.id, again.state) == (observation.id, "active")
            fake.notify(TEMPERATURE, degrees(21))
            assert (await anext(again)).value == 21
            mid = fake.notify(TEMPERATURE, degrees(22), con=True)
            assert (await anext(again)).value == 22
            await until(lambda: mid in fake.acknowledged)
            assert not fake.resets
            assert len(fake.seen) == 1  # the Observe of the first server
            await again.cancel()
        async with server_of(tmp_path, first.port) as third:
            assert third.device("fake").observations == []


async def test_a_composite_observation_goes_on(tmp_path: Path) -> None:
    async with server_of(tmp_path) as first, FakeDevice(first.uri) as fake:
        fake.answers["FETCH", "/"] = content(PACK, 110)
        await fake.register("lt=300")
        await first.device("fake").observe_composite(["/3303/0/5700", "/3/0/0"])
        await first.close()
        async with server_of(tmp_path, first.port) as second:
            (again,) = second.device("fake").observations
            assert again.composite
            fake.notify("/", content(PACK, 110))
            assert (await anext(again)).value
            await again.cancel()
            assert fake.seen[-1].payload == fake.seen[0].payload


async def test_an_observation_waits_for_a_device_that_was_away(tmp_path: Path) -> None:
    async with server_of(tmp_path) as first, FakeDevice(first.uri) as fake:
        fake.answers["GET", TEMPERATURE] = degrees(20)
        await fake.register("lt=300")
        await first.device("fake").observe(TEMPERATURE)
        await fake.deregister()
        await first.close()
        async with server_of(tmp_path, first.port) as second:
            (again,) = second.device("fake").observations
            assert again.state == "paused"
            await fake.register("lt=300")
            await until(lambda: again.state == "active")


async def test_an_observation_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    registry = SqliteRegistry(tmp_path / "registry.sqlite", Clock())
    await registry.open()
    for text in ("{}", "[]", '{"paths": ["nonsense"]}'):
        registry.put_observation(ObservationRecord("fake", text, text))
    await registry.close()
    async with server_of(tmp_path) as server:
        assert len(server.observations) == 0


async def test_a_send_is_acknowledged_once_it_is_in_the_history(tmp_path: Path) -> None:
    async with server_of(tmp_path) as server, FakeDevice(server.uri) as fake:
        await fake.register("lt=300")
        assert server.history is not None
        pack = b'[{"n":"/3303/0/5700","v":21.5}]'
        answers = await asyncio.gather(
            *(fake.send(Code.POST, ("dp",), (), pack, 110) for _ in range(5))
        )
        assert {answer.code for answer in answers} == {Code.CHANGED}
        history_rows = server.history._count
        assert history_rows == 0


async def test_a_send_that_cannot_be_written_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: History) -> None:
        raise HistoryError("the disk is full")

    monkeypatch.setattr(History, "committed", fail)
    async with server_of(tmp_path) as server, FakeDevice(server.uri) as fake:
        await fake.register("lt=300")
        pack = b'[{"n":"/3303/0/5700","v":21.5}]'
        answer = await fake.send(Code.POST, ("dp",), (), pack, 110)
        assert answer.code == Code.SERVICE_UNAVAILABLE


async def test_a_register_that_cannot_be_written_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: SqliteRegistry, new: Registration) -> None:
        raise RegistryError("the disk is full")

    monkeypatch.setattr(SqliteRegistry, "register", fail)
    async with server_of(tmp_path) as server, FakeDevice(server.uri) as fake:
        answer = await fake.register("lt=300")
        assert answer.code == Code.SERVICE_UNAVAILABLE
        assert await server.registry.count() == 0


async def test_a_device_at_another_address_has_another_token(tmp_path: Path) -> None:
    async with server_of(tmp_path) as server, FakeDevice(server.uri) as fake:
        fake.answers["GET", TEMPERATURE] = degrees(20)
        await fake.register("lt=300")
        observation = await server.device("fake").observe(TEMPERATURE)
        async with FakeDevice(server.uri) as other:
            other.answers["GET", TEMPERATURE] = degrees(30)
            await other.register("lt=300")
            await until(lambda: other.seen)
            assert other.seen[0].token != fake.seen[0].token
            await until(lambda: observation.value == 30)
            mid = fake.notify(TEMPERATURE, degrees(666))
            await until(lambda: mid in fake.resets)
            assert observation.value == 30
            await fake.register("lt=300")
            await until(lambda: observation.value == 20)
            assert len({fake.seen[0].token, fake.seen[-1].token, other.seen[0].token}) == 3


async def test_an_observation_that_was_replaced_is_stored_once(tmp_path: Path) -> None:
    async with server_of(tmp_path) as first, FakeDevice(first.uri) as fake:
        fake.answers["GET", TEMPERATURE] = degrees(20)
        await fake.register("lt=300")
        for _ in "123":
            await first.device("fake").observe(TEMPERATURE)
        await first.close()
        async with server_of(tmp_path, first.port) as second:
            assert len(second.observations) == 1
            with pytest.raises(NotObserved):
                await second.device("fake").cancel("/3/0/9")
