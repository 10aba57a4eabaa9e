"""Composite operations, asked for by plain aiocoap: the paths of a FETCH travel once, and further
blocks of its answer, and of each notification, are asked for without them (RFC 7959 §3.3).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import CONTENT, FETCH, PUT
from lwm2m_host.testing.unix import UnixDevice

from tests.interop.aiocoap_server import TEXT, Aiocoap, aiocoap_server
from tests.interop.peers import PATIENCE_S

DEVICE = Path(__file__).parent / "leshan" / "devices" / "managed.py"
SENML_JSON = 110
WHOLE = json.dumps([{"n": path} for path in ("/1", "/3", "/3303", "/26241")]).encode()


@pytest.fixture(params=[256, 576])
async def server(
    request: pytest.FixtureRequest, width: int, tmp_path: Path
) -> AsyncIterator[Aiocoap]:
    """aiocoap, with a device whose datagrams are small."""
    running: list[UnixDevice] = []

    async def start(uri: str) -> UnixDevice:
        file = tmp_path / "device.json"
        config = {"endpoint": "whole", "uri": uri, "lifetime_s": 300, "formats": True}
        file.write_text(json.dumps({**config, "mtu": request.param}))
        device = UnixDevice(DEVICE, [file], width=width)
        await device.start()
        running.append(device)
        return device

    try:
        async with aiocoap_server(start) as (server, _):
            yield server
    finally:
        for device in running:
            await device.stop()


def fetch(server: Aiocoap, **fields: Any) -> Any:
    return server.request(
        FETCH, (), payload=WHOLE, content_format=SENML_JSON, accept=SENML_JSON, **fields
    )


def values(answer: Message) -> dict[str, Any]:
    """{path: value} of a pack in SenML JSON."""
    assert (answer.code, answer.opt.content_format) == (CONTENT, SENML_JSON)
    found, base = {}, ""
    for record in json.loads(answer.payload):
        base = record.pop("bn", base)
        name = base + record.pop("n", "")
        found[name] = next(iter(record.values()), None)
    return found


def is_whole(found: dict[str, Any]) -> None:
    assert found["/3/0/0"] == "MicroPython"
    assert found["/3303/0/5700"] == 21.5
    assert found["/26241/0/8/300"] == "three hundred"
    assert len(found) >= 30


async def test_f_01_aiocoap_reads_the_whole_device_in_blocks(server: Aiocoap) -> None:
    async with asyncio.timeout(PATIENCE_S):
        answer = await fetch(server).response
    assert answer.opt.block2.block_number > 0
    is_whole(values(answer))


async def test_f_01_aiocoap_observes_the_whole_device_in_blocks(server: Aiocoap) -> None:
    asked = fetch(server, observe=0)
    async with asyncio.timeout(PATIENCE_S):
        first = await asked.response
        assert first.opt.observe is not None
        is_whole(values(first))
        notifications = aiter(asked.observation)
        for value in (b"7", b"8"):
            notification = asyncio.ensure_future(anext(notifications))
            await asyncio.sleep(0)
            answer = await server.request(
                PUT, ("26241", "0", "1"), payload=value, content_format=TEXT
            ).response
            assert answer.code.is_successful()
            told = await notification
            assert told.opt.block2.block_number > 0
            found = values(told)
            is_whole(found)
            assert found["/26241/0/1"] == int(value)
