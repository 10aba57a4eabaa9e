"""Large objects, the asyncio driver, compiled modules, and memory that stays what it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import GET
from lwm2m_host import Server
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.registration.events import Deregistered

from tests.integration.compiled import compile_package
from tests.integration.conftest import PATIENCE_S, Start
from tests.raw_request import send_raw

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
        answer = await send_raw(server, device, message)
        block = answer.opt.block2
        assert block.more
        assert block.block_number == 0
        assert block.size == len(answer.payload) == (16 if size == 0 else 128)


async def test_a_block_behind_the_end_is_refused(launch: Start, server: Server) -> None:
    station = await launch("large.py", servers=[server.uri], mtu=256)
    device = await station.registered_with(server)
    message = Message(code=GET, uri_path=("26243", "0"))
    message.opt.block2 = (1000, False, 3)
    answer = await send_raw(server, device, message)
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


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as mpy-cross makes it from the sources of this moment."""
    return compile_package(tmp_path_factory.mktemp("compiled"))


async def test_compiled_modules_do_the_same(
    launch: Start, server: Server, width: int, compiled: Path
) -> None:
    station = await launch(servers=[server.uri], path=[compiled], width=width)
    device = await station.registered_with(server)
    assert f"modules from {compiled}/lwm2m/client.mpy" in station.output
    assert await device.read("/3/0/0") == "Open Mobile Alliance"
    await device.write("/1/0/1", 120)
    assert await device.read("/1/0/1") == 120
    await device.execute("/1/0/8")
    await station.happened("updated")


def _needs(width: int) -> None:
    try:
        find_micropython(width)
    except CheckoutError as error:
        pytest.skip(str(error))


async def test_a_server_address_that_cannot_be_is_one_clear_error(launch: Start) -> None:
    station = await launch(servers=["http://127.0.0.1"])
    assert await station.wait(PATIENCE_S) == 1
    assert station.output.rstrip().splitlines()[-1] == (
        "ValueError: uri: coap://host[:port] is needed"
    )
