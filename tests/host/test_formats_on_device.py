"""Every format and the composite operations against the real firmware in MicroPython."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Server
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.device import Device
from lwm2m_host.testing.unix import UnixDevice

from tests.waiting import PATIENCE_S

PROGRAM = r"""
import sys
from lwm2m.client import Client
from lwm2m.formats.cbor import Cbor
from lwm2m.formats.json import Json
from lwm2m.formats.lwm2m_cbor import Lwm2mCbor
from lwm2m.formats.senml_cbor import SenmlCbor
from lwm2m.formats.senml_json import SenmlJson
from lwm2m.formats.text import Text
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.types import BOOL, CORELNK, FLOAT, INT, MULTI, OBJLNK, OPAQUE, RW, STR, TIME, UINT


class Things(Object):
    OID = 3442
    RESOURCES = (
        110, STR | RW, "text",
        120, INT | RW, "whole",
        125, UINT | RW, "large",
        130, FLOAT | RW, "real",
        140, BOOL | RW, "flag",
        150, OPAQUE | RW, "raw",
        160, TIME | RW, "when",
        170, OBJLNK | RW, "link",
        180, CORELNK | RW, "core",
        1110, STR | RW | MULTI, "texts",
        1120, INT | RW | MULTI, "wholes",
    )
    text = "gr\u00fcn \"\\"
    whole = -(1 << 63)
    large = 1 << 63
    real = 3.25
    flag = True
    raw = b"\x00\xff\xfe"
    when = 946684800
    link = (3, 0)
    core = "</3442>"
    texts = {0: "a"}
    wholes = {0: 1024, 7: -1}


client = Client("urn:dev:all")
client.add_server(sys.argv[1], lifetime_s=60, lwm2m="1.2")
for make in (Text, Cbor, Json, SenmlJson, SenmlCbor, Lwm2mCbor):
    client.add_format(make())
client.add(Device())
client.add(Things())
while True:
    client.wait(client.step())
"""

TREES = ("tlv", "senml-json", "senml-cbor", "json", "lwm2m-cbor")
SINGLES = (*TREES, "text", "cbor")


def _missing(width: int) -> str:
    try:
        find_micropython(width)
    except CheckoutError as error:
        return str(error)
    return ""


@pytest.fixture(
    params=[
        pytest.param(w, marks=pytest.mark.skipif(bool(_missing(w)), reason=_missing(w)))
        for w in (64, 32)
    ]
)
async def device(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Device]:
    program = tmp_path / "device.py"
    program.write_text(PROGRAM)
    async with (
        Server(port=0) as server,
        UnixDevice(program, [server.uri], width=request.param, source="py") as process,
    ):
        yield await process.during(server.wait_for("urn:dev:all", PATIENCE_S))


async def test_trees_in_every_format_are_the_same(device: Device) -> None:
    wanted: dict[int, Any] = await device.read("/3442/0", format="tlv")
    assert wanted[120] == -(1 << 63)
    assert wanted[125] == 1 << 63
    for form in TREES:
        assert await device.read("/3442/0", format=form) == wanted, form
        assert await device.read("/3442", format=form) == {0: wanted}, form
        await device.write("/3442/0", {120: 7, 1120: {3: 4, 5: 6}}, format=form, update=True)
        assert await device.read("/3442/0/120", format=form) == 7
        await device.write("/3442/0", wanted, format=form)
        await device.write("/3442/0/1120", {3: 4}, format=form)
        assert await device.read("/3442/0/1120", format=form) == {3: 4}
        await device.write("/3442/0/1120/3", 44, format=form)
        assert await device.read("/3442/0/1120/3", format=form) == 44
        await device.write("/3442/0/1120", wanted[1120], format=form)
        assert await device.read("/3442/0") == wanted, form


async def test_single_values_in_every_format(device: Device) -> None:
    wanted: dict[int, Any] = await device.read("/3442/0")
    for form in SINGLES:
        for rid, value in wanted.items():
            if rid > 1000:
                continue
            assert await device.read(f"/3442/0/{rid}", format=form) == value, (form, rid)
            await device.write(f"/3442/0/{rid}", value, format=form)
    assert await device.read("/3442/0") == wanted


@pytest.mark.parametrize("form", [None, "senml-json", "senml-cbor", "lwm2m-cbor"])
async def test_composite_operations(device: Device, form: str | None) -> None:
    paths = ["/3442/0/110", "/3/0/16", "/3442/0/1120", "/99", "/3442/5"]
    assert await device.read_composite(paths, format=form) == {
        "/3442/0/110": 'grün "\\',
        "/3/0/16": "U",
        "/3442/0/1120": {0: 1024, 7: -1},
    }
    await device.write_composite({"/3442/0/120": 77, "/1/0": {1: 80}}, format=form)
    assert await device.read("/3442/0/120") == 77
    assert await device.read("/1/0/1") == 80
