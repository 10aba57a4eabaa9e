"""A Register from another address under ``refuse-while-alive``: two devices of one name, or one
that comes back after a reboot, or from behind a NAT that has forgotten it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiocoap.numbers.codes import EMPTY, Code
from aiocoap.numbers.types import ACK, CON
from lwm2m_host import Server, TakeoverPolicy, Timing
from lwm2m_host.coap.messages import Peer
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.registration import takeover
from lwm2m_host.registration.peers import Peers
from lwm2m_host.registration.takeover import Takeovers

from tests.host.datagram_device import DatagramDevice
from tests.host.fake_device import FakeDevice
from tests.host.registrations import registration
from tests.waiting import PATIENCE_S, until

SHORT_S = 0.2


def serving(timeout_s: float, **arguments: Any) -> Server:
    timing = Timing(timeout_s=timeout_s)
    return Server(port=0, timing=timing, on_takeover="refuse-while-alive", **arguments)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Its patience with silence is short."""
    async with serving(SHORT_S) as running:
        yield running


@pytest.fixture
async def patient() -> AsyncIterator[Server]:
    async with serving(PATIENCE_S) as running:
        yield running


async def ping(device: DatagramDevice) -> Any:
    """The next ping that a device gets."""
    while (message := await device.receive()).code != EMPTY or message.mtype != CON:
        pass
    return message


async def test_a_second_device_is_refused_until_the_lifetime_of_the_first_is_over() -> None:
    clock = FakeClock()
    async with (
        serving(PATIENCE_S, clock=clock) as server,
        FakeDevice(server.uri, "same") as first,
        FakeDevice(server.uri, "same") as second,
    ):
        await first.register("lt=60")
        assert (await second.register()).code == Code.FORBIDDEN
        assert (await first.update()).code == Code.CHANGED
        assert (await first.register("lt=60")).code == Code.CREATED
        clock.advance(61)
        await server.expire_due()
        assert (await second.register()).code == Code.CREATED


async def test_a_device_that_has_rebooted_registers_from_its_new_port(
    patient: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with DatagramDevice(patient) as before, FakeDevice(patient.uri, "bare") as after:
        before.close()
        assert (await after.register()).code == Code.CREATED  # ICMP told it at once
        assert (await patient.registration("bare")).address.endswith(f":{after.port}")
        assert "where nobody replies, and now registers from" in caplog.text


async def test_a_device_whose_nat_has_forgotten_it_registers_from_another_host(
    server: Server,
) -> None:
    async with (
        DatagramDevice(server),  # what is sent there is lost
        DatagramDevice(server, host="127.0.0.2") as after,
    ):
        assert (await server.registration("bare")).address.startswith("127.0.0.2:")
        assert after.location


async def test_a_device_that_acknowledges_a_ping_is_alive(patient: Server) -> None:
    async with DatagramDevice(patient) as first, FakeDevice(patient.uri, "bare") as second:
        registering = asyncio.create_task(second.register())
        asked = await ping(first)
        first.send(ACK, mid=asked.mid)  # no reset, but a reply
        assert (await registering).code == Code.FORBIDDEN


async def test_an_update_counts_where_the_ping_has_no_reply() -> None:
    async with (
        serving(1.5) as server,
        DatagramDevice(server) as first,
        FakeDevice(server.uri, "bare") as second,
    ):
        registering = asyncio.create_task(second.register())
        await ping(first)
        first.update()
        assert (await registering).code == Code.FORBIDDEN


async def test_a_sleeping_device_makes_room_for_its_own_host_only(server: Server) -> None:
    async with DatagramDevice(server, "bare", "Q"):
        with pytest.raises(AssertionError):
            async with DatagramDevice(server, "bare", "Q", host="127.0.0.2"):
                pass
        async with DatagramDevice(server, "bare", "Q") as again:
            registered = await server.registration("bare")
            assert registered.location == "/" + "/".join(again.location)


async def test_registers_for_one_name_share_a_ping(patient: Server) -> None:
    async with (
        DatagramDevice(patient) as first,
        FakeDevice(patient.uri, "bare") as second,
        FakeDevice(patient.uri, "bare") as third,
    ):
        registering = [
            asyncio.create_task(second.register()),
            asyncio.create_task(third.register()),
        ]
        asked = await ping(first)
        await until(lambda: second.acknowledged and third.acknowledged)
        assert patient.sender.endpoint.status.under_way == 1
        first.reset(asked)
        assert {(await item).code for item in registering} == {Code.FORBIDDEN}


async def test_registers_that_wait_for_a_reply_are_bounded(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "WAITING_LIMIT", 0)
    async with DatagramDevice(server), FakeDevice(server.uri, "bare") as second:
        assert (await second.register()).code == Code.SERVICE_UNAVAILABLE


async def test_a_server_may_close_while_it_waits_for_a_reply() -> None:
    async with (
        serving(PATIENCE_S) as server,
        DatagramDevice(server) as first,
        FakeDevice(server.uri, "bare") as second,
    ):
        registering = asyncio.create_task(second.register())
        await ping(first)
        await server.close()
        registering.cancel()
        await asyncio.gather(registering, return_exceptions=True)


@pytest.mark.parametrize("policy", list(TakeoverPolicy))
async def test_behind_dtls_the_identity_decides(policy: TakeoverPolicy) -> None:
    asked: list[Peer] = []

    async def replies(peer: Peer) -> bool:
        asked.append(peer)
        return True

    peers = Peers()
    takeovers = Takeovers(policy, peers, replies, lambda: 0.0)
    present = replace(registration("same", "/rd/1"), secure=True, identity="one")
    peers.put("same", Peer(present.address, secure=True, identity="one"))
    new = "192.0.2.99:5684"
    assert await takeovers.allows(present, Peer(new, secure=True, identity="one"))
    assert not await takeovers.allows(present, Peer(new))
    assert asked == []
    accepted = policy is not TakeoverPolicy.REFUSE_WHILE_ALIVE
    assert await takeovers.allows(present, Peer(new, secure=True, identity="two")) is accepted
