"""Composite operations, asked for as the newest Leshan and Californium do: the paths of a FETCH
travel once, and the further blocks of its answer are asked for without them (RFC 7959 §3.3).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lwm2m_host.testing.unix import UnixDevice

from tests.interop.leshan.programs import ManagingServer

DEVICE = Path(__file__).parent / "leshan" / "devices" / "managed.py"
WHOLE = ("/1", "/3", "/3303", "/26241")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ManagingServer]:
    running = ManagingServer(tmp_path)
    async with running:
        await running.says("ready")
        yield running


def device(server: ManagingServer, folder: Path, width: int, mtu: int) -> UnixDevice:
    """A device with every format, and 26 resources whose SenML takes several datagrams."""
    config = folder / "device.json"
    config.write_text(
        json.dumps(
            {
                "endpoint": f"composite-{width}-{mtu}",
                "uri": server.uri,
                "lifetime_s": 300,
                "formats": True,
                "mtu": mtu,
            }
        )
    )
    return UnixDevice(DEVICE, [config], width=width)


@pytest.mark.parametrize(
    ("mtu", "format"),
    [
        (256, "CBOR"),
        pytest.param(256, "JSON", marks=pytest.mark.slow),
        pytest.param(576, "CBOR", marks=pytest.mark.slow),
        pytest.param(576, "JSON", marks=pytest.mark.slow),
    ],
)
async def test_f_01_a_composite_read_of_the_whole_device_comes_in_blocks(
    server: ManagingServer, tmp_path: Path, width: int, mtu: int, format: str
) -> None:
    async with device(server, tmp_path, width, mtu):
        endpoint = (await server.line("registered")).split(" ")[1]
        code, values = await server.ask(f"read {format} {endpoint} {' '.join(WHOLE)}", "read")
        assert code == "CONTENT(205)"
        assert values["/3/0/0"] == "MicroPython"
        assert values["/3303/0/5700"] == "21.5"
        assert values["/26241/0/0"] == "grüß_Gott"
        assert values["/26241/0/1"] == "-9007199254740993"
        assert values["/26241/0/8/300"] == "three_hundred"
        assert values["/26241/1/0"] == "second"
        assert len(values) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("mtu", [256, 576])
async def test_f_01_a_composite_observation_of_the_whole_device_comes_in_blocks(
    server: ManagingServer, tmp_path: Path, width: int, mtu: int
) -> None:
    async with device(server, tmp_path, width, mtu):
        endpoint = (await server.line("registered")).split(" ")[1]
        code, first = await server.ask(f"observe JSON {endpoint} {' '.join(WHOLE)}", "observed")
        assert code == "CONTENT(205)"
        assert len(first) >= 30
        after = len(server.output)
        await server.tell(f"write {endpoint} /26241/0/1 7")
        told = await server.notified(after)
        assert told["/26241/0/1"] == "7"
        assert len(told) == len(first)
        code, _ = await server.ask(f"cancel {endpoint}", "cancelled")
        assert code == "CONTENT(205)"
