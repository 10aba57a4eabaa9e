"""Large objects, the asyncio driver, compiled modules, and memory that stays what it is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import GET
from lwm2m_host import Server
from lwm2m_host.events import Deregistered
from lwm2m_host.testing.unix import UnixDeviceError, find_micropython, find_root

from tests.integration.conftest import PATIENCE_S, Start

LINES = {rid: f"line {rid}: " + "abcdefghijklmnop"[: rid % 16] for rid in range(60)}


async def test_an_object_larger_than_a_datagram_is_read_in_blocks(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch("large.py", servers=[server.uri], mtu=256, width=width)
    device = await station.registered_with(server)
    content = await device.read("/26243/0", raw=True)
    assert len(content.payload) > 3 * 256
    assert await _strings(device, "/26243/0") == LINES
    assert (await device.read("/26242/0/0", format="opaque", raw=True)).payload == bytes(
        i & 255 for i in range(1500)
    )
    links = await device.discover("/26243/0")
    assert len(links) == 1 + len(LINES)
    # The first block says that there are more, and it is no larger than the mtu allows.
    for size in (None, 0, 6):
        message = Message(code=GET, uri_path=("26243", "0"))
        if size is not None:
            message.opt.block2 = (0, False, size)
        message.remote = device.registration.remote
        answer = await server.context.request(message, handle_blockwise=False).response
        block = answer.opt.block2
        assert block.more
        assert block.block_number == 0
        assert block.size == len(answer.payload) == (16 if size == 0 else 128)


async def test_a_block_behind_the_end_is_refused(launch: Start, server: Server) -> None:
    station = await launch("large.py", servers=[server.uri], mtu=256)
    device = await station.registered_with(server)
    message = Message(code=GET, uri_path=("26243", "0"))
    message.opt.block2 = (1000, False, 3)
    message.remote = device.registration.remote
    answer = await server.context.request(message, handle_blockwise=False).response
    assert answer.code.dotted == "4.00"
    assert await _strings(device, "/26243/0") == LINES


async def _strings(device, path: str) -> dict[int, str]:
    # Nobody has told the server what these resources are: they come as bytes.
    return {rid: value.decode() for rid, value in (await device.read(path)).items()}


async def test_the_asyncio_driver_serves_beside_another_task_and_leaves_cleanly(
    launch: Start, server: Server, width: int
) -> None:
    station = await launch("asynchronous.py", servers=[server.uri], lifetime_s=2, width=width)
    device = await station.registered_with(server)
    before = int.from_bytes(await device.read("/26244/0/0"), "big")
    for _ in range(50):
        assert await device.read("/3/0/0") == "Acme"
    await station.happened("updated", "updated")  # timers run as well
    assert int.from_bytes(await device.read("/26244/0/0"), "big") > before
    with server.events() as stream:
        await device.execute("/26244/0/1")
        async with asyncio.timeout(PATIENCE_S):
            while not isinstance(await anext(stream), Deregistered):
                pass
    assert await station.wait(PATIENCE_S) == 0
    assert station.output.rstrip().endswith("left")
    assert station.events()[-1] == "deregistered"
    assert "Traceback" not in station.output


async def test_memory_is_flat_over_two_thousand_reads(launch: Start, server: Server) -> None:
    _needs(32)
    station = await launch("frugal.py", servers=[server.uri], width=32, heap="80k")
    device = await station.registered_with(server)
    for _ in range(20):
        before = await device.read("/3/0/10")
    assert 0 < before < 80
    for _ in range(1000):
        await device.read("/3/0/0")
        await device.read("/3/0/10")
    # A leak of one byte at each read would show.
    assert await device.read("/3/0/10") >= before - 1
    assert station.events() == ["registered"]


async def test_compiled_modules_do_the_same(launch: Start, server: Server, width: int) -> None:
    modules = find_root() / "build" / "mpy" / "lwm2m"
    sources = find_root() / "firmware" / "lwm2m"
    if not _is_current(modules, sources):
        pytest.skip("build/mpy is not there, or older than the sources: run `make mpy`")
    station = await launch(servers=[server.uri], source="mpy", width=width)
    device = await station.registered_with(server)
    assert await device.read("/3/0/0") == "Open Mobile Alliance"
    await device.write("/1/0/1", 120)
    assert await device.read("/1/0/1") == 120
    await device.execute("/1/0/8")
    await station.happened("updated")


def _is_current(modules: Path, sources: Path) -> bool:
    for source in sources.rglob("*.py"):
        compiled = modules / source.relative_to(sources).with_suffix(".mpy")
        if not compiled.is_file() or compiled.stat().st_mtime < source.stat().st_mtime:
            return False
    return True


def _needs(width: int) -> None:
    try:
        find_micropython(width)
    except UnixDeviceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("source", [os.environ.get("MP_SOURCE") or "py"])
async def test_a_wrong_configuration_of_the_client_is_one_clear_error(
    launch: Start, source: str
) -> None:
    station = await launch(servers=["http://127.0.0.1"], source=source)
    assert await station.wait(PATIENCE_S) == 1
    assert station.output.rstrip().splitlines()[-1] == (
        "ValueError: uri: coap://host[:port] is needed"
    )
