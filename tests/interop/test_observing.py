"""Our device, observed by aiocoap and by libcoap, with their own observation machinery.

A device hears nobody but its server: both take the server's port, after one that lets it register.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.error import ObservationCancelled
from aiocoap.numbers.codes import DELETE, GET, NOT_FOUND, POST, PUT
from lwm2m_host.testing.unix import UnixDevice

from tests.integration.peer import Peer
from tests.interop.aiocoap_server import Aiocoap, aiocoap_server
from tests.interop.peers import PATIENCE_S, Program, libcoap

REPORTING = Path(__file__).parents[1] / "integration" / "devices" / "reporting.py"
PLACE = ("3303", "0", "5700")
LINES = ("26243", "0")
CONTROL, TEMPERATURE, TURN = "26251", "2", "5"
TEXT, TLV = 0, 11542


@pytest.fixture
async def start(width: int, tmp_path: Path) -> AsyncIterator[Any]:
    """Starts our device: `device = await start(uri, sample_ms=50)`."""
    running: list[UnixDevice] = []

    async def begin(uri: str, **config: Any) -> UnixDevice:
        file = tmp_path / "device.json"
        file.write_text(json.dumps({"endpoint": "observed", "servers": [uri], **config}))
        device = UnixDevice(REPORTING, [file], width=width)
        await device.start()
        running.append(device)
        return device

    yield begin
    for device in running:
        await device.stop()
        print(f"--- {device.script.name} printed:\n{device.output}")


# --- aiocoap --------------------------------------------------------------------------------


Observed = tuple[Aiocoap, UnixDevice]


@pytest.fixture
async def observed(start: Any) -> AsyncIterator[Observed]:
    async with aiocoap_server(start) as found:
        yield found


async def following(asked: Any, count: int) -> list[Message]:
    """So many notifications."""
    found: list[Message] = []
    async with asyncio.timeout(PATIENCE_S):
        async for message in asked.observation:
            found.append(message)
            if len(found) == count:
                break
    return found


async def until_its_end(asked: Any) -> list[Message]:
    """All notifications until there are no more."""
    found: list[Message] = []
    with contextlib.suppress(ObservationCancelled):
        async for message in asked.observation:
            found.append(message)
    return found


async def test_int_301_aiocoap_observes_a_resource(observed: Observed):
    server, _ = observed
    asked = server.request(GET, PLACE, observe=0, accept=TEXT)
    async with asyncio.timeout(PATIENCE_S):
        first = await asked.response
    assert (float(first.payload), first.opt.content_format) == (0, TEXT)
    notes = asyncio.create_task(following(asked, 3))
    await asyncio.sleep(0)
    await server.change(TEMPERATURE, "0='1.5,2.5,3.5'")
    found = await notes
    assert [float(note.payload) for note in found] == [1.5, 2.5, 3.5]
    assert {note.token for note in found} == {first.token}
    numbers = [first.opt.observe, *(note.opt.observe for note in found)]
    assert numbers == sorted(set(numbers))


async def test_int_302_aiocoap_forgets_and_answers_with_reset(observed: Observed):
    server, device = observed
    answer = await server.request(
        PUT, ("3303", "0"), uri_query=("con=1",)
    ).response  # aiocoap resets confirmable ones alone
    assert answer.code.is_successful()
    asked = server.request(GET, PLACE, observe=0, accept=TEXT)
    await asked.response
    notes = asyncio.create_task(following(asked, 1))
    await asyncio.sleep(0)
    await server.change(TEMPERATURE, "0='1'")
    assert float((await notes)[0].payload) == 1
    asked.observation.cancel()
    # The first after that is still taken for an answer, and acknowledged.
    await server.change(TEMPERATURE, "0='2,3'")
    await device.wait_output("status cancelled (3303, 0, 5700) to 1", PATIENCE_S)
    await server.change(TEMPERATURE, "0='4'")
    asked = server.request(GET, PLACE, observe=0, accept=TEXT)
    assert float((await asked.response).payload) in (3, 4)


async def test_aiocoap_fetches_the_rest_of_a_large_notification(observed: Observed):
    """RFC 7959 §2.6."""
    server, _ = observed
    asked = server.request(GET, LINES, observe=0, accept=TLV)
    async with asyncio.timeout(PATIENCE_S):
        first = await asked.response
    assert len(first.payload) > 1280
    assert first.payload.count(b"turn 0 line") == 60
    notes = asyncio.create_task(following(asked, 1))
    await asyncio.sleep(0)
    await server.change(TURN)
    (note,) = await notes
    assert note.payload == first.payload.replace(b"turn 0", b"turn 1")


async def test_aiocoap_is_told_when_what_it_observes_is_deleted(observed: Observed):
    """RFC 7641 §4.2: 4.04 is the last notification."""
    server, device = observed
    identity = bytes.fromhex("8300410061")  # resource 0: {0: "a"}
    answer = await server.request(POST, ("16",), payload=identity, content_format=TLV).response
    assert answer.code.is_successful(), answer
    place = answer.opt.location_path
    assert place == ("16", "0")
    asked = server.request(GET, place, observe=0, accept=TLV)
    assert (await asked.response).code.is_successful()
    notes = asyncio.create_task(until_its_end(asked))
    await asyncio.sleep(0)
    assert (await server.request(DELETE, place).response).code.is_successful()
    async with asyncio.timeout(PATIENCE_S):
        assert [note.code for note in await notes] == [NOT_FOUND]
    await device.wait_output("status cancelled (16, 0) to 1", PATIENCE_S)


# --- libcoap --------------------------------------------------------------------------------


async def released(port: int) -> None:
    """Wait until nothing is bound to a port any more: a closed socket of asyncio still is."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    pass
                else:
                    return
            await asyncio.sleep(0.01)


async def test_int_301_and_303_libcoap_subscribes_and_takes_its_leave(start: Any, tmp_path: Path):
    """`coap-client -s` observes for a while, prints each notification, and ends with Observe 1."""
    program = libcoap("coap-client")
    async with Peer() as peer:
        device = await start(peer.uri, sample_ms=50)
        await peer.register()
        await device.wait_output("event registered", PATIENCE_S)
        assert peer.device
        port = int(peer.uri.rpartition(":")[2])
        place = f"coap://127.0.0.1:{peer.device[1]}/3303/0/5700"
    await released(port)
    command = [program, "-p", port, "-s", 1, "-w", "-A", TEXT, place]
    async with Program(command) as client:
        async with asyncio.timeout(PATIENCE_S):
            assert await client.process.wait() == 0
            await client.reader
        values = [float(line) for line in client.output.split()]
    assert len(values) > 5
    *told, last = values
    assert told == [told[0] + number for number in range(len(told))]
    assert last - told[-1] in (0, 1)  # the answer to its leave has the value once more
    await device.wait_output("status cancelled (3303, 0, 5700) to 1", PATIENCE_S)


async def test_int_302_libcoap_knows_nothing_any_more_and_answers_with_reset(start: Any):
    """A second coap-client at the same port: the device still tells what the first observed."""
    program = libcoap("coap-client")
    async with Peer() as peer:
        device = await start(peer.uri, sample_ms=50)
        await peer.register()
        await device.wait_output("event registered", PATIENCE_S)
        assert peer.device
        port = int(peer.uri.rpartition(":")[2])
        place = f"coap://127.0.0.1:{peer.device[1]}"
    await released(port)
    async with Program([program, "-p", port, "-s", 60, f"{place}/3303/0/5700"]) as client:
        async with asyncio.timeout(PATIENCE_S):
            while device.output.count("status sent") < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        client.process.send_signal(signal.SIGKILL)
        await client.process.wait()
    async with Program([program, "-p", port, "-s", 60, f"{place}/3/0/16"]):
        await device.wait_output("status cancelled (3303, 0, 5700) to 1", PATIENCE_S)
