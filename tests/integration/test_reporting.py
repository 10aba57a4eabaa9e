"""Observations and what happens to those who hold them: restarts, Disable, several servers, many
of them, and large ones."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Device, Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import BadRequest
from lwm2m_host.registration.events import Updated
from lwm2m_host.reporting.events import ObservationChanged
from lwm2m_host.reporting.observation import Observation
from lwm2m_host.testing.plugin import RelayFactory

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_reporting import (
    SEND,
    TEMPERATURE,
    TURN,
    VOLTAGE,
    heard,
    sent,
    silent,
)

PLACE = "/3303/0/5700"


@pytest.fixture
async def second() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


# Restarts


@pytest.mark.parametrize("con", [False, True], ids=["non", "con"])
async def test_a_server_that_has_restarted_says_so_by_reset_and_is_registered_with_anew(
    launch: Start, width: int, con: bool
) -> None:
    """RFC 7641 §3.6: RST to each notification of what it does not know any more, and three in a
    row tell the device that it knows nothing. By its lifetime it would notice in half a minute."""
    async with Server(port=0) as first:
        station = await launch("reporting.py", servers=[first.uri], width=width, sample_ms=20)
        device = await station.registered_with(first)
        if con:
            await device.write_attributes("/3303", con=1, force=True)
        for path in ("/3303", "/3303/0", PLACE):
            await device.observe(path)
        port = first.port
    async with Server(port=port) as again:
        device = await again.wait_for(station.endpoint, PATIENCE_S)
        await station.happened("registered", "registered")
        assert "event update" not in station.output
        assert station.output.count("status cancelled") == 3
        observation = await device.observe(PLACE)
        assert (await heard(observation)).value > observation.first.value


async def test_a_device_that_restarts_has_its_attributes_and_is_observed_again(
    launch: Start, server: Server, width: int, tmp_path: Path
) -> None:
    """The power goes: nobody says good-bye. What the server wrote is in the Store; what it
    observes it asks for again."""
    config = {"servers": [server.uri], "width": width, "store": str(tmp_path / "state.json")}
    station = await launch("reporting.py", **config)
    device = await station.registered_with(server)
    await device.write_attributes(PLACE, gt=30, pmin=0)
    await device.write_attributes("/3/0", con=1, force=True)
    observation = await device.observe(PLACE)
    voltage = await device.observe("/3/0/7")
    station.process_signal(signal.SIGKILL)
    await station.wait(PATIENCE_S)
    again = await launch("reporting.py", **config)
    await again.registered_with(server)
    for item in (observation, voltage):
        assert (await heard(item)).after_gap
    found = {link.target: link.attributes for link in await device.discover("/3303/0")}
    assert found[PLACE] == {"pmin": "0", "gt": "30"}
    await device.execute(TEMPERATURE, "0='10,20,31,32,29'")
    assert [(await heard(observation)).value for _ in range(2)] == [31, 29]
    await device.execute(VOLTAGE, "0='3000'")
    note = await heard(voltage)
    assert note.value == {0: 3000}
    assert note.confirmable
    await silent(device, observation, voltage)


async def test_without_a_store_attributes_end_with_the_device(
    launch: Start, server: Server
) -> None:
    station = await launch("reporting.py", servers=[server.uri])
    device = await station.registered_with(server)
    await device.write_attributes(PLACE, gt=30)
    station.process_signal(signal.SIGKILL)
    await station.wait(PATIENCE_S)
    again = await launch("reporting.py", servers=[server.uri])
    await again.registered_with(server)
    found = {link.target: link.attributes for link in await device.discover("/3303/0")}
    assert found[PLACE] == {}


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"attributes": [1]}', b"\xff\x00", b'{"attributes": {"": {"/": 3}}}']
)
async def test_a_damaged_store_is_an_empty_one(
    launch: Start, server: Server, tmp_path: Path, damage: bytes
) -> None:
    store = tmp_path / "state.json"
    store.write_bytes(damage)
    station = await launch("reporting.py", servers=[server.uri], store=str(store))
    device = await station.registered_with(server)
    await device.write_attributes(PLACE, gt=30)
    assert "/3303/0/5700" in json.dumps(json.loads(store.read_text()))
    assert (await device.observe(PLACE)).first.value == 0


async def test_disable_pauses_what_is_observed_until_the_device_is_back(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch(
        "reporting.py", servers=[server.uri], width=width, terms={"disable_timeout_s": 1}
    )
    device = await station.registered_with(server)
    observation = await device.observe(PLACE)
    once = await device.observe("/3/0/7", reobserve=False)
    with server.events(ObservationChanged) as stream:
        await device.execute("/1/0/4")
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            while len(seen) < 3:
                event = await anext(stream)
                seen.append((str(event.path), event.state))
    assert sorted(seen[:2]) == [("/3/0/7", "ended"), (PLACE, "paused")]
    assert seen[2] == (PLACE, "active")
    assert once.state == "ended"
    assert (await heard(observation)).after_gap
    await device.execute(TEMPERATURE, "0='5'")
    assert (await heard(observation)).value == 5
    await device.execute(VOLTAGE, "0='3000'")
    await silent(device, once)
    assert station.events() == ["registered", "deregistered", "registered"]


# Several servers, many observations, large ones


async def test_two_servers_observe_the_same_on_terms_of_their_own(
    launch: Start, server: Server, second: Server, width: int
) -> None:
    station = await launch("reporting.py", servers=[server.uri, second.uri], width=width)
    one = await station.registered_with(server, 1)
    other = await station.registered_with(second, 2)
    await one.write_attributes(PLACE, gt=30)
    await other.write_attributes(PLACE, lt=10, con=1, force=True)
    above = await one.observe(PLACE, format="senml-cbor")
    below = await other.observe(PLACE, format="text")
    await one.execute(TEMPERATURE, "0='12,20,31,32,9,8,11'")
    assert [(await heard(above)).value for _ in range(2)] == [31, 9]
    notes = [await heard(below) for _ in range(3)]
    assert [note.value for note in notes] == [12, 9, 11]
    assert [note.confirmable for note in notes] == [True] * 3
    await station.says("temperatures set")
    await above.cancel()
    await silent(one, above)
    await one.execute(TEMPERATURE, "0='1'")
    assert (await heard(below)).value == 1
    await silent(other, below)


async def test_a_hundred_observations_of_one_device(
    launch: Start, server: Server, width: int
) -> None:
    count = 100
    station = await launch("reporting.py", servers=[server.uri], width=width, sensors=count)
    device = await station.registered_with(server)
    found = [await device.observe(f"/3303/{iid}/5700") for iid in range(count)]
    assert len(server.observations) == count
    await told_once_each(station, device, found, 0)
    # All of them are asked for again when the device has registered anew.
    with server.events() as stream:
        await device.write("/1/0/5", 1)
        await device.execute("/1/0/4")
        async with asyncio.timeout(PATIENCE_S):
            async for event in stream:
                if event.kind == "registered":
                    break
    for item in found:
        assert (await heard(item)).after_gap
    await told_once_each(station, device, found, 100)


async def told_once_each(
    station: Station, device: Device, found: list[Observation], base: int
) -> None:
    """Ten of them change: these are told, once, and the others are not."""
    counts = [item.count for item in found]
    # An Execute has ten arguments.
    args = ",".join(f"{iid}='{base + iid + 1}'" for iid in range(10))
    await device.execute(TEMPERATURE, args)
    for iid in range(10):
        assert (await heard(found[iid])).value == base + iid + 1
    await device.read("/3/0/0")
    told = [item.count - before for item, before in zip(found, counts, strict=True)]
    assert told == [1] * 10 + [0] * (len(found) - 10)
    station.check()


@pytest.mark.parametrize("form", ["tlv", "senml-cbor", "senml-json"])
async def test_a_large_notification_comes_in_blocks(
    launch: Start, server: Server, width: int, form: str
) -> None:
    """RFC 7959 §2.6: the first block is the notification, the rest is fetched."""
    station = await launch("reporting.py", servers=[server.uri], width=width, mtu=640)
    device = await station.registered_with(server)
    observation = await device.observe("/26243/0", format=form)
    for turn in range(3):
        note = observation.first if not turn else await heard(observation)
        lines = {rid: plain(value) for rid, value in note.value.items()}
        assert lines == {
            rid: f"turn {turn} line {rid}: " + "abcdefghijklmnop"[: rid % 16] for rid in range(60)
        }
        await device.execute(TURN)
    await heard(observation)
    assert observation.incomplete == observation.unreadable == 0


def plain(value: Any) -> str:
    """A text of an object that nobody has defined: TLV does not tell what it is."""
    return value.decode() if isinstance(value, bytes) else str(value)


# Attributes in the request


async def test_an_observe_with_attributes_that_cannot_be_is_refused_and_observes_nothing(
    station: Station, server: Server
) -> None:
    device = server.device(station.endpoint)
    for attributes in ({"gt": 10, "lt": 20}, {"epmin": 5, "epmax": 2}):
        with pytest.raises(BadRequest):
            await device.observe(PLACE, attributes=attributes, force=True)
    with pytest.raises(BadRequest):
        await device.observe("/3/0/0", attributes={"gt": 10}, force=True)
    assert len(server.observations) == 0
    async with device.observe(PLACE, attributes={"gt": 10}, force=True) as observation:
        await device.execute(TEMPERATURE, "0='5,11,12,9'")
        assert [(await heard(observation)).value for _ in range(2)] == [11, 9]
        await silent(device, observation)


@pytest.fixture
async def station(launch: Start, server: Server, width: int) -> Station:
    started = await launch("reporting.py", servers=[server.uri], width=width, mtu=1088)
    await started.registered_with(server)
    return started


# Send


async def test_a_handler_may_send(station: Station, server: Server) -> None:
    """The report is written while the answer to the Execute is: neither spoils the other."""
    device = server.device(station.endpoint)
    for _ in range(3):
        report = await sent(server, device, SEND, "0='/3/0/0,/3/0/7',9='now'")
        assert report.values == {"/3/0/0": "Open Mobile Alliance", "/3/0/7": {0: 3800, 1: 5000}}
    await station.says("report {1: True}")


async def test_a_large_send_comes_in_blocks(launch: Start, server: Server, width: int) -> None:
    """RFC 7959 §2.5, Block1."""
    station = await launch("reporting.py", servers=[server.uri], width=width, mtu=640)
    device = await station.registered_with(server)
    report = await sent(server, device, SEND, "0='/26243,/3'")
    assert len(report.samples) > 60
    assert report.values["/26243/0/15"] == "turn 0 line 15: abcdefghijklmno"
    assert report.values["/3/0/0"] == "Open Mobile Alliance"
    await station.says("report {1: True}")


async def test_a_send_to_two_servers_is_muted_by_one(
    launch: Start, server: Server, second: Server
) -> None:
    station = await launch("reporting.py", servers=[server.uri, second.uri])
    one = await station.registered_with(server, 1)
    other = await station.registered_with(second, 2)
    await one.write("/1/0/23", True)
    with other.sends() as stream:
        await one.execute(SEND, "0='/3/0/0'")
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(stream)).values == {"/3/0/0": "Open Mobile Alliance"}
    await station.says("True")
    assert "'muted'" in station.output


# A NAT in between


@pytest.mark.parametrize("con", [False, True], ids=["non", "con"])
async def test_an_observation_outlives_a_nat_rebinding(
    launch: Start, server: Server, lwm2m_relay: RelayFactory, con: bool
) -> None:
    """The next Update tells the server where the device is now. What is notified before comes
    from an address that the server does not know."""
    relay = await lwm2m_relay(server)
    station = await launch(
        "reporting.py",
        servers=[relay.uri],
        lifetime_s=2,
        exchange={"ack_timeout_ms": 50},
        sample_ms=50,
    )
    device = await station.registered_with(server)
    if con:
        await device.write_attributes(PLACE, con=1, force=True)
    observation = await device.observe(PLACE)
    address = (await device.registration()).address
    for _ in range(2):
        await heard(observation)
        relay.rebind()
        await server.wait_event(Updated, timeout_s=PATIENCE_S)
        for _ in range(10):
            await heard(observation)
        assert (await device.registration()).address != address
        address = (await device.registration()).address
    assert observation.state == "active"
    assert station.events().count("registered") == 1
