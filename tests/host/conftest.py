"""Fixtures: a server on a free port, and a device that aiocoap plays."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import FakeClock, Timing

from tests.host.fake_device import FakeDevice
from tests.waiting import PATIENCE_S


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[Server]:
    async with Server(port=0, clock=clock, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


@pytest.fixture
async def fake(server: Server) -> AsyncIterator[FakeDevice]:
    """A device that is registered as "fake"."""
    async with FakeDevice(server.uri) as device:
        await device.register("lt=60")
        yield device
