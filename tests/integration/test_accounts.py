"""Accounts that come and go while a device runs, as real servers see it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import NotFound
from lwm2m_host.registration.events import Deregistered, Updated

from tests.integration.conftest import PATIENCE_S, Start
from tests.ports import free_port


@pytest.fixture
async def second() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


async def test_removed_account_says_good_bye_and_its_rights_go_to_others(
    launch: Start, server: Server, second: Server, width: int
) -> None:
    station = await launch("accounts.py", servers=[server.uri, second.uri], width=width)
    owner = await station.registered_with(server, 1)
    other = await station.registered_with(second, 2)
    assert await other.read("/3303/0/5700") == 21.5
    async with asyncio.timeout(PATIENCE_S):
        with server.events() as farewells, second.events() as news:
            await owner.observe("/3303/0/5700")
            await other.execute("/26241/0/1", "0='1'")
            while not isinstance(await anext(farewells), Deregistered):
                pass
            while True:
                event = await anext(news)
                if isinstance(event, Updated) and event.registration.objects[1].instances == (1,):
                    break
    await station.happened("deregistered", "removed")
    # Server 2 could change /3303/0 and owns it now; nobody but server 1 could reach /3304/0.
    rights = await other.read("/2")
    assert {tree[3] for tree in rights.values() if tree[0] == 3303} == {2}
    assert {tuple(tree[2]) for tree in rights.values() if tree[0] == 3303} == {(2,)}
    with pytest.raises(NotFound):
        await other.read("/3304/0")
    assert await other.read("/3303/0/5700") == 21.5
    # The account comes back, as another one.
    await other.execute("/26241/0/2", f"0='{server.uri}'")
    again = await station.during(server.wait_for(station.endpoint, PATIENCE_S))
    assert (await again.registration()).objects[1].instances == (0, 1)
    assert await station.interrupt() == 0


async def test_device_keeps_its_local_port_over_a_restart(
    launch: Start, server: Server, width: int
) -> None:
    port = free_port()
    addresses = []
    for _ in range(2):
        station = await launch(servers=[server.uri], width=width, terms={"local_port": port})
        device = await station.registered_with(server)
        addresses.append((await device.registration()).address)
        assert await device.read("/1/0/0") == 1
        station.process_signal(signal.SIGKILL)
        await station.wait(PATIENCE_S)
    assert addresses == [f"127.0.0.1:{port}"] * 2


async def test_parameters_of_an_account_are_those_on_the_wire(
    launch: Start, server: Server, width: int
) -> None:
    """A server that never answers hears a Register as often as the account says."""
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    deaf.settimeout(PATIENCE_S)
    uri = f"coap://127.0.0.1:{deaf.getsockname()[1]}/base?key=1"
    terms = {"ack_timeout_ms": 100, "max_retransmit": 1, "retry_timer_s": 1}
    await launch(servers=[uri], width=width, terms=terms)
    heard = [await asyncio.to_thread(deaf.recv, 1280) for _ in range(4)]
    deaf.close()
    mids = [datagram[2:4] for datagram in heard]
    assert mids[0] == mids[1] != mids[2] == mids[3]
    for datagram in heard:
        assert b"\xb4base\x02rd" in datagram
        assert b"key=1" in datagram
