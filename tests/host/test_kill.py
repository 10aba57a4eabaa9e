"""A server that is killed at random moments under load: nothing that it acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import httpx
import pytest
from lwm2m_host.model.path import Path as ObjectPath
from lwm2m_host.reporting.history import read

from tests.host.commands import finish
from tests.host.load import OBSERVED, Load, free_port, locations, sent, started
from tests.waiting import PATIENCE_S

ROUNDS = 20


@pytest.mark.slow
async def test_nothing_that_was_acknowledged_is_lost_by_kills_under_load(tmp_path: Path) -> None:
    pick = random.Random(13)
    port = free_port()
    load = Load(port)
    process, url = await started(tmp_path, port)
    await asyncio.to_thread(load.fleet.register)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        asking = asyncio.create_task(
            client.post(f"{url}/api/clients/load-{OBSERVED}/3303/0/5700/observe")
        )
        await asyncio.to_thread(load.fleet.serve, asking.done)
        assert (await asking).status_code == 200
    for _ in range(ROUNDS):
        load.killed.clear()
        running = asyncio.create_task(asyncio.to_thread(load.run))
        await asyncio.sleep(pick.uniform(0.1, 0.6))
        load.fleet.notify(1, 1000)
        process.kill()
        await finish(process)
        await asyncio.sleep(0.05)  # answers that are in the socket already
        load.killed.set()
        await running
        found = await locations(tmp_path / "r.sqlite")
        for device, location in load.locations.items():
            # A later one may have been written, and killed before it was acknowledged.
            assert f"load-{device}" in found, location
        process, url = await started(tmp_path, port)
    # The observation goes on: a notification arrives in the history.
    asked = load.fleet.requests
    load.fleet.notify(1, 1000)
    begin = time.monotonic()
    notified = -1.0
    while notified != 20.0:
        assert time.monotonic() - begin < PATIENCE_S
        await asyncio.sleep(0.05)
        rows = read(tmp_path / "h.sqlite", f"load-{OBSERVED}", ObjectPath.parse("/3303/0/5700"))
        notified = rows[-1].value if rows[-1].source == "notify" else -1.0
    assert load.fleet.requests == asked
    process.terminate()
    await finish(process)
    assert load.refused == []
    assert len(load.values) > 100
    assert load.values <= sent(tmp_path / "h.sqlite")
    load.fleet.close()
