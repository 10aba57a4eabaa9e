"""What the README promises: a test of a device is one fixture and one line."""

from __future__ import annotations

import pytest
from lwm2m_host import Device, Server
from lwm2m_host.testing.unix import UnixDevice


async def test_reports_temperature(lwm2m_device: Device) -> None:
    assert await lwm2m_device.read("/3303/0/5700") == pytest.approx(21, abs=5)
    assert await lwm2m_device.read("/3303/0/5701") == "Cel"
    assert 0 <= await lwm2m_device.read("/3304/0/5700") <= 100


@pytest.mark.lwm2m_device(
    endpoint="urn:dev:os:mine",
    config={"lifetime_s": 40, "device": {"manufacturer": "Ajax"}},
    width=32,
)
async def test_a_marker_says_how_the_device_is_started(
    lwm2m_device: Device, lwm2m_server: Server, lwm2m_process: UnixDevice
) -> None:
    assert lwm2m_device.endpoint == "urn:dev:os:mine"
    assert (await lwm2m_device.registration()).lifetime_s == 40
    assert await lwm2m_device.read("/3/0/0") == "Ajax"
    assert await lwm2m_server.devices() == [lwm2m_device]
    assert lwm2m_process.returncode is None
