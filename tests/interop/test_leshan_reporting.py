"""Information reporting and Eclipse Leshan: its demo server observes our device and is sent
values; our host observes a client on its library.

This milestone's server has no Observe-Composite, cancels by RST alone, and shows a Send only in
its log of CoAP messages; its client knows no attributes, and reads composites without observing
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import NotObserved
from lwm2m_host.model.catalogue import Models

from tests.interop.leshan.programs import MODELS, START_S, Events, Json, LeshanClient, LeshanServer
from tests.interop.leshan.station import Join, Station, join, plain
from tests.interop.peers import PATIENCE_S

__all__ = ["join"]  # a fixture

pytestmark = pytest.mark.slow  # `make interop` runs them

REPORTING = Path(__file__).parents[1] / "integration" / "devices" / "reporting.py"
PLACE = "/3303/0/5700"
VOLTAGE, TEMPERATURE, SEND = "/26251/0/0", "/26251/0/2", "/26251/0/3"
FORMATS = [None, "TLV", "TEXT", "CBOR", "SENML_JSON", "SENML_CBOR"]


@pytest.fixture(scope="module")
def leshan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeshanServer]:
    server = LeshanServer(tmp_path_factory.mktemp("leshan"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        print(f"--- Leshan:\n{server.log.read_text()}")


@pytest.fixture
async def device(join: Join, leshan: LeshanServer) -> Station:
    return await join(leshan, REPORTING, servers=[leshan.uri], mtu=1088)


async def execute(device: Station, path: str, args: str) -> None:
    assert await device.status("POST", path, text=args) == "CHANGED(204)"


async def notified(events: Events, count: int) -> list[Any]:
    """The values of the first notifications that Leshan has shown."""

    def shown() -> list[Json]:
        return [data["val"] for name, data in events.all if name == "NOTIFICATION"]

    async with asyncio.timeout(PATIENCE_S):
        while len(shown()) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return [plain(value) for value in shown()]


# --- Leshan observes us ---------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
async def test_int_301_leshan_observes_a_resource(device: Station, format: str | None):
    options = {"format": format} if format else {}
    async with device.leshan.events(device.endpoint) as events:
        answer = await device.ask("POST", f"{PLACE}/observe", **options)
        assert answer["status"] == "CONTENT(205)"
        assert plain(answer["content"]) == 0
        for value in (1.5, -2, 1e10):
            await execute(device, TEMPERATURE, f"0='{value}'")
            await device.wait_output("temperatures set", PATIENCE_S)
            found = await notified(events, 1)
            assert found[-1] == value
            events.all.clear()


async def test_int_301_leshan_observes_an_instance_and_an_object(device: Station):
    for path, pick in (("/3303/0", lambda it: it[5700]), ("/3303", lambda it: it[0][5700])):
        for format in ("TLV", "SENML_JSON", "SENML_CBOR"):
            async with device.leshan.events(device.endpoint) as events:
                answer = await device.ask("POST", f"{path}/observe", format=format)
                assert answer["status"] == "CONTENT(205)"
                value = pick(plain(answer["content"])) + 1
                await execute(device, TEMPERATURE, f"0='{value}'")
                found = await notified(events, 1)
                assert pick(found[0]) == value, (path, format)
            assert (await device.ask("DELETE", f"{path}/observe")) is not None


async def test_int_302_leshan_cancels_by_reset(device: Station):
    for path in ("/3/0/7", PLACE):
        assert await device.status("POST", f"{path}/observe") == "CONTENT(205)"
    async with device.leshan.events(device.endpoint) as events:
        await execute(device, VOLTAGE, "0='3000'")
        assert (await notified(events, 1))[0] == {"0": 3000}
        await device.ask("DELETE", "/3/0/7/observe")
        await execute(device, VOLTAGE, "0='3001'")
        await device.wait_output("status cancelled (3, 0, 7) to 1", PATIENCE_S)
        await execute(device, TEMPERATURE, "0='7'")
        assert (await notified(events, 2))[1:] == [7]


async def test_leshan_is_told_by_its_attributes(device: Station):
    code = await device.status("PUT", f"{PLACE}/attributes", gt=30, lt=10, st=5, pmin=0)
    assert code == "CHANGED(204)"
    async with device.leshan.events(device.endpoint) as events:
        assert await device.status("POST", f"{PLACE}/observe") == "CONTENT(205)"
        await execute(device, TEMPERATURE, "0='4,11,13,29,31,32,38,9'")
        assert await notified(events, 5) == [11, 29, 31, 38, 9]
        # With pmax what does not change is told as well.
        assert await device.status("PUT", f"{PLACE}/attributes", pmax=1) == "CHANGED(204)"
        assert (await notified(events, 7))[5:7] == [9, 9]


@pytest.mark.parametrize("format", ["SENML_JSON", "SENML_CBOR"])
async def test_leshan_takes_stored_samples_with_their_times(
    join: Join, leshan: LeshanServer, format: str
):
    """LwM2M 1.1 Core §6.4.3: each is confirmable, and has its base time."""
    device = await join(leshan, REPORTING, servers=[leshan.uri], mtu=1088, terms={"storing": True})
    async with device.leshan.events(device.endpoint) as events:
        assert await device.status("POST", f"{PLACE}/observe", format=format) == "CONTENT(205)"
        for value in (1, 2, 3):
            await execute(device, TEMPERATURE, f"0='{value}'")
            assert (await notified(events, value))[-1] == value
        # Several in one pack are taken, too, but it shows one value for each notification.
        await execute(device, TEMPERATURE, "0='4,5,6,7,8,9'")
        await device.wait_output("stored 1 9", PATIENCE_S)
        await device.read("/3/0/0")
        await execute(device, TEMPERATURE, "0='10'")
        async with asyncio.timeout(PATIENCE_S):
            while (await notified(events, 4))[-1] != 10:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert device.output.count("stored 1 ") == 10
    assert "timed_out" not in device.output
    assert "cancelled" not in device.output


async def test_int_306_leshan_takes_what_we_send(device: Station):
    async with device.leshan.events(device.endpoint) as events:
        await execute(device, SEND, "0='/3/0/0,/3303/0/5700'")
        await device.wait_output("report {1: True}", PATIENCE_S)
        await events.wait(
            "COAPLOG", lambda it: it["incoming"] and it["code"] == "POST" and "dp" in it["options"]
        )


# --- We observe Leshan ----------------------------------------------------------------------


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[tuple[LeshanClient, Server]]:
    models = Models.default()
    assert models.load(MODELS) == []
    async with (
        Server(port=0, models=models, timing=Timing(timeout_s=PATIENCE_S)) as server,
        LeshanClient(server.uri, "urn:dev:os:leshan-client", folder) as running,
    ):
        await server.wait_for("urn:dev:os:leshan-client", START_S)
        await running.says("registered /rd/")
        yield running, server


async def test_int_301_to_303_we_observe(tmp_path: Path):
    async with client(tmp_path) as (running, server):
        device = server.device("urn:dev:os:leshan-client")
        value = 21.5
        for format in ("tlv", "text", "cbor", "senml-json", "senml-cbor"):
            async with device.observe(PLACE, format=format) as observation:
                assert observation.first.value == value
                for _ in range(2):
                    value += 1
                    await running.tell(f"set {value}")
                    async with asyncio.timeout(PATIENCE_S):
                        assert (await anext(observation)).value == value
        async with device.observe("/3303/0", format="senml-json") as instance:
            await running.tell("set 5")
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(instance)).value[5700] == 5
        # Cancelled by Observe 1 so far; now by RST.
        observation = await device.observe(PLACE)
        observation.forget()
        await running.tell("set 6")
        await running.says("set to 6")
        async with device.observe(PLACE) as again:
            assert again.first.value == 6


async def test_int_306_leshan_sends_to_us(tmp_path: Path):
    async with client(tmp_path) as (running, server):
        device = server.device("urn:dev:os:leshan-client")
        for format in ("SENML_JSON", "SENML_CBOR"):
            with device.sends() as stream:
                await running.tell(f"send {format} /3303/0/5700 /3/0/0 /3303/0/5701")
                async with asyncio.timeout(PATIENCE_S):
                    report = await anext(stream)
            assert report.values == {
                "/3303/0/5700": 21.5,
                "/3/0/0": "Eclipse Leshan",
                "/3303/0/5701": "Cel",
            }
            await running.says(f"sent {format} CHANGED(204)")


@pytest.mark.parametrize("format", ["senml-json", "senml-cbor"])
async def test_int_229_and_230_we_read_and_write_several_paths_at_once(
    tmp_path: Path, format: str
):
    async with client(tmp_path) as (_, server):
        device = server.device("urn:dev:os:leshan-client")
        paths = ["/3/0/0", PLACE, "/26241/0/9"]
        assert await device.read_composite(paths, format=format) == {
            "/3/0/0": "Eclipse Leshan",
            PLACE: 21.5,
            "/26241/0/9": {0: -1, 1: 70000},
        }
        await device.write_composite({"/26241/0/0": "both", "/26241/0/1": 5}, format=format)
        assert await device.read("/26241/0/0") == "both"
        assert await device.read("/26241/0/1") == 5
        with pytest.raises(NotObserved):
            await device.observe_composite(paths, format=format)
