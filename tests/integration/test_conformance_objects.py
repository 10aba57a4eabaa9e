"""OMA's enabler tests of the objects: Server 55x, Device 65x, Connectivity Monitoring 70x,
Location 80x, Connectivity Statistics 90x, Portfolio 16xx. See docs/conformance.md."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiocoap.numbers.codes import DELETE, GET, POST, PUT, Code
from lwm2m_host import Device, Server
from lwm2m_host.errors import MethodNotAllowed, NotFound
from lwm2m_host.registration.events import Updated

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_management import (
    ABOUT,
    ACCOUNT,
    IDENTITY,
    TEXT,
    TLV,
    TREES,
    ask,
    everything,
    steady,
    told,
)


@pytest.fixture
async def station(launch: Start, server: Server, width: int) -> Station:
    started = await launch(
        "conformance.py", servers=[server.uri], width=width, terms={"pmin_s": 1, "pmax_s": 10}
    )
    await started.registered_with(server)
    return started


@pytest.fixture
async def device(station: Station, server: Server) -> Device:
    return server.device(station.endpoint)


async def access(server: Server, device: Device, path: str, operations: str) -> None:
    """Exactly these of R, W, E are there: the others are 4.05, and change nothing."""
    wrong = {
        "R": await ask(server, device, GET, path),
        "W": await ask(server, device, PUT, path, b"\x00", content_format=TLV),
        "E": await ask(server, device, POST, path, b"x", content_format=TEXT),
    }
    for operation, answer in wrong.items():
        if operation not in operations:
            assert answer.code == Code.METHOD_NOT_ALLOWED, (path, operation, answer.code)
        else:  # what was sent is no good, so that nothing happens
            expected = Code.CONTENT if operation == "R" else Code.BAD_REQUEST
            assert answer.code == expected, (path, operation, answer.code)


async def no_create_no_delete(server: Server, device: Device, oid: int) -> None:
    """Instances of this object are not the servers' business."""
    before = await everything(device)
    answer = await ask(server, device, POST, f"/{oid}", b"", content_format=TLV)
    assert answer.code == Code.METHOD_NOT_ALLOWED
    assert (await ask(server, device, DELETE, f"/{oid}/0")).code == Code.METHOD_NOT_ALLOWED
    assert await everything(device) == before


# Server (object 1)


async def test_int_551_access_to_the_resources_of_the_server_object(
    device: Device, server: Server
) -> None:
    for rid in (1, 2, 3, 5, 6, 7):
        await access(server, device, f"/1/0/{rid}", "RW")
    await access(server, device, "/1/0/0", "R")
    for rid in (4, 8):
        await access(server, device, f"/1/0/{rid}", "E")
    assert await device.read("/1/0") == ACCOUNT


async def test_int_556_registration_update_trigger(device: Device, server: Server) -> None:
    with server.events() as stream:
        await device.execute("/1/0/8")
        async with asyncio.timeout(PATIENCE_S):
            event = await anext(stream)
    assert isinstance(event, Updated)


async def test_int_565_and_566_accounts_are_neither_created_nor_deleted_by_servers(
    device: Device, server: Server
) -> None:
    await no_create_no_delete(server, device, 1)


# Device (object 3)


async def test_int_651_access_to_the_resources_of_the_device_object(
    station: Station, device: Device, server: Server
) -> None:
    for rid in (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 16, 21):
        await access(server, device, f"/3/0/{rid}", "R")
    await access(server, device, "/3/0/13", "RW")
    for rid in (4, 5, 12):
        await access(server, device, f"/3/0/{rid}", "E")
    assert steady(await device.read("/3/0")) == ABOUT
    assert "rebooting" not in station.output


@pytest.mark.parametrize("form", ["text", "cbor", *TREES])
async def test_int_652_the_firmware_version(device: Device, form: str) -> None:
    assert await device.read("/3/0/3", format=form) == "1.0"


async def test_int_656_factory_reset(station: Station, device: Device) -> None:
    await device.execute("/3/0/5")
    assert await device.read("/3/0/9") == 100  # it was answered, and happens soon
    await station.says("resetting")


async def test_int_657_error_codes_are_shown_and_reset(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch("conformance.py", servers=[server.uri], width=width, error=3)
    device = await station.registered_with(server)
    for form in TREES:
        assert await device.read("/3/0/11", format=form) == {0: 3}
    await device.execute("/3/0/12")
    for form in TREES:
        assert await device.read("/3/0/11", format=form) == {0: 0}


async def test_the_clock_of_the_device_is_set_in_every_format(device: Device) -> None:
    for n, form in enumerate(("text", "cbor", *TREES)):
        moment = datetime(2037 + n % 2, 5, 17, 12, 0, tzinfo=UTC)  # before and after 31 bits
        await device.write("/3/0/13", moment, format=form)
        shown = await device.read("/3/0/13", format=form)
        assert timedelta(0) <= shown - moment < timedelta(seconds=10), form


async def test_int_680_and_685_the_device_object_is_neither_created_nor_deleted(
    device: Device, server: Server
) -> None:
    await no_create_no_delete(server, device, 3)


# Connectivity Monitoring (object 4)


@pytest.mark.parametrize("form", TREES)
async def test_int_701_querying_connectivity_monitoring(device: Device, form: str) -> None:
    expected: dict[int, Any] = {0: 21, 1: {0: 21, 1: 41}, 2: -61, 4: {0: "192.0.2.1"}}
    assert await device.read("/4/0", format=form) == expected
    for rid, value in expected.items():
        assert await device.read(f"/4/0/{rid}", format=form) == value


async def test_int_705_connectivity_monitoring_cannot_be_written(
    device: Device, server: Server
) -> None:
    for rid in (0, 1, 2, 4):
        await access(server, device, f"/4/0/{rid}", "R")


async def test_int_730_and_735_connectivity_monitoring_is_neither_created_nor_deleted(
    device: Device, server: Server
) -> None:
    await no_create_no_delete(server, device, 4)


# Location (object 6)


@pytest.mark.parametrize("form", TREES)
async def test_int_801_querying_location(device: Device, form: str) -> None:
    moment = datetime.fromtimestamp(1700000000, UTC)
    expected = {0: 47.5, 1: 8.25, 2: 408.0, 5: moment}
    assert await device.read("/6/0", format=form) == expected


async def test_int_805_location_cannot_be_written(device: Device, server: Server) -> None:
    for rid in (0, 1, 2, 5):
        await access(server, device, f"/6/0/{rid}", "R")


async def test_int_830_and_835_location_is_neither_created_nor_deleted(
    device: Device, server: Server
) -> None:
    await no_create_no_delete(server, device, 6)


# Connectivity Statistics (object 7)


async def test_int_901_a_collection_from_start_to_stop(device: Device) -> None:
    await device.execute("/7/0/6")
    for _ in range(12):
        await device.read("/3")
    await device.execute("/7/0/7")
    counted = await device.read("/7/0")
    assert counted[2] >= 1  # kB sent
    assert counted[3] >= 0
    assert 40 < counted[5] <= counted[4] <= 700  # bytes: mean, largest
    await device.read("/3")
    assert await device.read("/7/0") == counted
    await device.execute("/7/0/6")
    assert (await device.read("/7/0"))[2] == 0


async def test_int_905_only_the_collection_period_can_be_written(
    device: Device, server: Server
) -> None:
    for rid in (2, 3, 4, 5):
        await access(server, device, f"/7/0/{rid}", "R")
    await access(server, device, "/7/0/8", "RW")
    for form in ("text", "cbor", *TREES):
        await device.write("/7/0/8", 30, format=form)
        assert await device.read("/7/0/8", format=form) == 30
        await device.write("/7/0/8", 0, format=form)


async def test_int_930_and_935_connectivity_statistics_is_neither_created_nor_deleted(
    device: Device, server: Server
) -> None:
    await no_create_no_delete(server, device, 7)


# Portfolio (object 16)


@pytest.mark.parametrize("form", TREES)
async def test_int_1600_and_1605_querying_and_setting_the_portfolio(
    device: Device, server: Server, form: str
) -> None:
    assert await device.read("/16/0", format=form) == {0: IDENTITY}
    await device.write("/16/0/0", {0: "a", 3: "b"}, format=form)
    assert await device.read("/16/0/0", format=form) == {0: "a", 3: "b"}
    await device.execute("/16/0/1", "0='nonce'")
    assert await device.read("/16/0/2", format=form) == {0: b"proof of nonce"}
    assert await device.read("/16/0/3", format=form) == 1
    await access(server, device, "/16/0/2", "R")
    with pytest.raises(MethodNotAllowed):
        await device.read("/16/0/1", force=True)


async def test_int_1620_more_instances_of_a_resource_of_the_portfolio(device: Device) -> None:
    await device.write("/16/0/0", {4: "Host Device #5"}, update=True)
    assert await device.read("/16/0/0") == IDENTITY | {4: "Host Device #5"}
    assert told(await device.discover("/16/0"))["/16/0/0"] == {"dim": "5"}


@pytest.mark.parametrize("form", TREES)
async def test_int_1630_create_a_portfolio_instance(device: Device, form: str) -> None:
    links = told(await device.discover("/16/0"))
    assert links["/16/0/0"] == {"dim": "4"}
    values = {0: {0: "Host Device ID #2", 1: "Host Device Model #2"}}
    await device.create("/16/1", values, format=form)
    assert told(await device.discover("/16/1"))["/16/1/0"] == {"dim": "2"}
    assert await device.read("/16", format=form) == {0: {0: IDENTITY}, 1: values}


async def test_int_1635_delete_a_portfolio_instance(device: Device, server: Server) -> None:
    with server.events() as stream:
        await device.delete("/16/0")
        async with asyncio.timeout(PATIENCE_S):
            event = await anext(stream)
    assert isinstance(event, Updated)
    assert event.registration.objects[16].instances == ()
    assert [link.target for link in await device.discover("/16")] == ["/16"]
    for path in ("/16/0", "/16/0/0", "/16/0/0/0"):
        with pytest.raises(NotFound):
            await device.read(path)
