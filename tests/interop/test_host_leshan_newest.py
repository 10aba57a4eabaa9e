"""The host's server and a device on Leshan's newest client library, most of it in blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lwm2m_host import Device, Server
from lwm2m_host.registration.events import Deregistered

from tests.interop.leshan.programs import MODELS, NEWEST, NEWEST_PLACE, JavaProgram, leshan
from tests.interop.managing import BYTES, server
from tests.interop.peers import body
from tests.waiting import PATIENCE_S, until

# Java takes seconds to start: `make interop` runs them.
pytestmark = pytest.mark.slow

ENDPOINT = "newest"
TEXT = "/26241/0/0"
TEXTS = {at: f"text number {at}" for at in range(100)}
FORMATS = ["senml-json", "senml-cbor"]

Theirs = tuple[JavaProgram, Device, Server]


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[Theirs]:
    async with server() as host:
        words = [host.uri, ENDPOINT, "300", str(MODELS)]
        command = [*leshan(NEWEST, NEWEST_PLACE), "NewestClient", *words]
        async with JavaProgram(command, tmp_path) as program:
            await program.says("registered ")
            yield program, host.device(ENDPOINT), host


async def test_rfc7959_2_5_leshan_registers_in_blocks_updates_and_deregisters(
    theirs: Theirs,
) -> None:
    program, device, host = theirs
    found = await device.registration()
    assert found.objects[26241].instances == tuple(range(150))
    assert len(found.links.text) > 1024
    assert (await host.status()).coap.uploads == 0
    await program.tell("update")
    await program.says("updated")
    assert (await device.registration()).location == found.location
    leaving = asyncio.create_task(host.wait_event(Deregistered, ENDPOINT, PATIENCE_S))
    await asyncio.sleep(0)
    assert program.process.stdin
    program.process.stdin.close()
    await leaving
    assert await host.registrations() == []


async def test_rfc7959_2_4_and_2_5_we_write_and_read_leshan_in_blocks(theirs: Theirs) -> None:
    program, device, _ = theirs
    for size in (1024, 1025, 4000):
        await device.write(BYTES, body(size))
        assert await device.read(BYTES) == body(size)
    for format in ("tlv", *FORMATS):
        assert await device.read("/26241/0/8", format=format) == TEXTS
    assert (await device.read("/26241/99"))[1] == 119
    await device.execute("/26241/0/12")
    await program.says("executed 12")


@pytest.mark.parametrize("format", FORMATS)
async def test_rfc8132_2_composite_reads_of_leshan_come_in_blocks(
    theirs: Theirs, format: str
) -> None:
    _, device, _ = theirs
    assert await device.read_composite(["/26241/0/8", "/3/0/1"], format=format) == {
        "/26241/0/8": TEXTS,
        "/3/0/1": "newest",
    }
    paths = [f"/26241/{iid}/1" for iid in range(100)]  # the question has blocks, too
    found = await device.read_composite(paths, format=format)
    assert found == {path: 20 + iid for iid, path in enumerate(paths)}


async def test_int_301_to_303_we_observe_leshan_and_take_our_leave_or_forget(
    theirs: Theirs,
) -> None:
    program, device, host = theirs
    async with device.observe(TEXT, format="text") as observation:
        assert observation.first.value == "first"
        for text in ("second", "x" * 3000, "last"):
            await program.tell(f"set {text}")
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(observation)).value == text
    again = await device.observe(TEXT, format="text")
    again.forget()
    await program.tell("set reset")
    await program.says("set to reset")
    assert await device.read(TEXT) == "reset"
    await until(lambda: host.sender.endpoint.status.observations == 0)


@pytest.mark.parametrize("format", FORMATS)
async def test_we_observe_several_paths_of_leshan_in_blocks(theirs: Theirs, format: str) -> None:
    program, device, _ = theirs
    async with device.observe_composite([TEXT, "/26241/0/8"], format=format) as observation:
        assert observation.first.value == {TEXT: "first", "/26241/0/8": TEXTS}
        await program.tell("set second")
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(observation)).value == {TEXT: "second", "/26241/0/8": TEXTS}


@pytest.mark.parametrize("format", ["JSON", "CBOR"])
async def test_rfc7959_2_5_leshan_sends_in_blocks(theirs: Theirs, format: str) -> None:
    program, device, _ = theirs
    paths = [f"/26241/0/8/{at}" for at in TEXTS]
    with device.sends() as stream:
        await program.tell(f"send {format} /3/0/1 {' '.join(paths)}")
        await program.says(f"sent {format} CHANGED(204)")
        async with asyncio.timeout(PATIENCE_S):
            report = await anext(stream)
    assert report.values["/3/0/1"] == "newest"
    sent = {path: value for path, value in report.values.items() if path != "/3/0/1"}
    assert sent in ({"/26241/0/8": TEXTS}, dict(zip(paths, TEXTS.values(), strict=True)))
