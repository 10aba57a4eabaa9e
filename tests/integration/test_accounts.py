"""Accounts that come and go while a device runs, as real servers see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import NotFound
from lwm2m_host.registration.events import Deregistered, Updated

from tests.integration.conftest import PATIENCE_S, Start


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
