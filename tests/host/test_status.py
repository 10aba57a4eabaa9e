"""The state of a server in numbers: as values, over HTTP, and as a command."""

from __future__ import annotations

import asyncio
import json
import time

from aiocoap.numbers.codes import Code
from lwm2m_host import Server

from tests.host.commands import serve
from tests.host.fake_device import FakeDevice
from tests.waiting import until


async def test_status_counts_devices_and_datagrams(server: Server, fake: FakeDevice) -> None:
    before = await server.status()
    assert (before.registered, before.refused, before.observations) == (1, 0, 0)
    await fake.update()
    assert (await fake.send(Code.POST, ("rd",), ())).code == Code.BAD_REQUEST
    after = await server.status()
    assert after.refused == 1
    assert after.coap.received == before.coap.received + 2
    assert after.coap.remembered == before.coap.remembered + 2
    assert after.coap.dropped == 0
    assert after.uptime_s >= before.uptime_s


async def test_a_loop_that_stood_still_shows(server: Server) -> None:
    async def measured() -> float:
        return (await server.status()).loop_delay_ms

    begin = time.monotonic()
    while await measured() < 100:
        assert time.monotonic() - begin < 60
        time.sleep(0.2)  # noqa: ASYNC251
        await asyncio.sleep(0)


async def test_events_that_streams_lose_are_counted(server: Server, fake: FakeDevice) -> None:
    with server.events(limit=1):
        for _ in range(3):
            await fake.update()
        assert (await server.status()).events_dropped == 2


async def test_status_is_a_command() -> None:
    async with serve() as serving:
        done = await serving.run("status", "--json", "--server", serving.url)
        assert done.code == 0
        found = json.loads(done.out)
        assert found["registered"] == 0
        assert found["coap"]["received"] == 0
        done = await serving.run("status", "--server", serving.url)
        assert done.code == 0
        assert "datagrams dropped by the kernel" in done.out


async def test_requests_under_way_are_counted(server: Server, fake: FakeDevice) -> None:
    fake.delay_s = 0.2
    reading = asyncio.create_task(server.device("fake").read("/3/0"))
    await until(lambda: server.sender.endpoint.status.under_way)
    await asyncio.gather(reading, return_exceptions=True)
    assert (await server.status()).coap.under_way == 0
