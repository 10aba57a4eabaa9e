"""Observations and Send of the real firmware in MicroPython."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lwm2m_host import Server, errors
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.device import Device
from lwm2m_host.testing.unix import UnixDevice

from tests.waiting import PATIENCE_S

PROGRAM = r"""
import sys, time
from lwm2m.client import Client
from lwm2m.formats.senml_cbor import SenmlCbor, SenmlEtchCbor
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.objects.ipso import Temperature
from lwm2m.types import E, RW, STR


class Tests(Object):
    OID = 26241
    RESOURCES = (1, E, "push", 2, STR | RW, "text")
    text = "x" * 1500

    def push(self):
        client.send("/3303/0/5700", "/3/0/0")


client = Client("urn:dev:reports")
client.add_server(sys.argv[1], lifetime_s=60, lwm2m="1.2")
client.add_format(SenmlCbor())
client.add_format(SenmlEtchCbor())
client.add(Device(manufacturer="Acme"))
t = client.add(Temperature(unit="Cel"))
client.add(Tests())
value = 20.0
while True:
    value += 0.5
    t.value = value
    client.wait(min(client.step(), 100))
"""

TEMPERATURE = "/3303/0/5700"


@dataclass
class Bench:
    process: UnixDevice
    server: Server
    device: Device


@pytest.fixture(params=[64, 32])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    try:
        find_micropython(request.param)
    except CheckoutError as problem:
        pytest.skip(str(problem))
    script = tmp_path / "device.py"
    script.write_text(PROGRAM)
    async with (
        asyncio.timeout(PATIENCE_S),
        Server(port=0) as server,
        UnixDevice(script, [server.uri], width=request.param) as process,
    ):
        device = await process.during(server.wait_for("urn:dev:reports", PATIENCE_S))
        yield Bench(process, server, device)
        process.check()
        assert "Traceback" not in process.output


async def test_values_arrive_in_order_until_they_are_cancelled(bench: Bench) -> None:
    async with bench.device.observe(TEMPERATURE) as observation:
        values = [observation.first.value] + [(await anext(observation)).value for _ in range(5)]
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert observation.duplicates == observation.stale == observation.unreadable == 0
    count = observation.count
    await asyncio.sleep(0.5)
    assert observation.count == count


async def test_composite(bench: Bench) -> None:
    async with bench.device.observe_composite([TEMPERATURE, "/3/0/0"]) as observation:
        note = await anext(observation)
    assert note.value["/3/0/0"] == "Acme"
    assert note.value[TEMPERATURE] > observation.first.value[TEMPERATURE]


async def test_a_send_arrives(bench: Bench) -> None:
    with bench.device.sends() as sends:
        await bench.device.execute("/26241/0/1", force=True)
        report = await anext(sends)
    assert report.values["/3/0/0"] == "Acme"
    assert report.values[TEMPERATURE] > 20
    assert report.unknown == ()


async def test_a_notification_in_blocks(bench: Bench) -> None:
    async with bench.device.observe("/26241/0/2", force=True) as observation:
        await bench.device.write("/26241/0/2", "y" * 2000, force=True)
        value = (await anext(observation)).value
    assert value in ("y" * 2000, b"y" * 2000)


async def test_what_is_forgotten_goes_quiet_and_a_refresh_goes_on(bench: Bench) -> None:
    one = await bench.device.observe(TEMPERATURE)
    await anext(one)
    one.forget()
    await asyncio.sleep(0.5)
    two = await bench.device.observe(TEMPERATURE)
    three = await bench.device.observe(TEMPERATURE)
    assert two.reason == "replaced"
    for _ in range(3):
        await anext(three)
    assert three.duplicates == 0
    await three.cancel()


async def test_whoever_registers_anew_under_the_name_is_observed_again(
    bench: Bench, tmp_path: Path
) -> None:
    observation = await bench.device.observe(TEMPERATURE)
    for _ in range(3):
        await anext(observation)
    bench.process.check()
    arguments = [bench.server.uri]
    async with UnixDevice(tmp_path / "device.py", arguments, width=bench.process.width) as again:
        # The first one is still there: its notifications are those of an address that is gone.
        while not (await anext(observation)).after_gap:
            pass
        value = (await anext(observation)).value
        assert value > (await anext(observation)).value - 50
        assert observation.state == "active"
        await observation.cancel()
        assert "Traceback" not in again.output


async def test_a_refusal_is_its_code(bench: Bench) -> None:
    with pytest.raises(errors.NotFound):
        await bench.device.observe("/3303/9/5700")
