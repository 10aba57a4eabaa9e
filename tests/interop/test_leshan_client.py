"""A client on Eclipse Leshan's library, registered with our host server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lwm2m_host import Device, Server
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import (
    BadRequest,
    FormatError,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
)
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.values import ObjLink
from lwm2m_host.registration.events import Deregistered, Updated

from tests.interop.leshan.programs import MODELS, START_S, LeshanClient
from tests.interop.peers import PATIENCE_S

ENDPOINT = "urn:dev:os:leshan-client"

# What src/InteropClient.java sets. Its unsigned integer is none that fits 63 bits: below.
EVERYTHING: dict[int, Any] = {
    0: "grüß Gott",
    1: -9007199254740993,
    3: 0.1,
    4: True,
    5: b"\x00\x01\xfe\xff",
    6: datetime(2030, 1, 1, tzinfo=UTC),
    7: ObjLink(3303, 0),
    8: {0: "zero", 300: "three hundred"},
    9: {0: -1, 1: 70000},
    10: "read only",
}


# One loop for all tests, because they share a client: it takes a second to start. `make interop`
# runs them.
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    models = Models.default()
    assert models.load(MODELS) == []
    timing = Timing(timeout_s=PATIENCE_S)
    async with Server(port=0, models=models, timing=timing, **options) as running:
        yield running


@asynccontextmanager
async def registered(server: Server, folder: Path) -> AsyncIterator[LeshanClient]:
    async with LeshanClient(server.uri, ENDPOINT, folder) as running:
        await server.wait_for(ENDPOINT, START_S)
        await running.says("registered /rd/")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LeshanClient]:
    """Leshan's client, registered."""
    async with registered(server, tmp_path_factory.mktemp("leshan")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def device(client: LeshanClient, server: Server) -> AsyncIterator[Device]:
    """The server's handle on it; what a test has changed of object 26241 is put back."""
    handle = server.device(ENDPOINT)
    yield handle
    values = {rid: value for rid, value in EVERYTHING.items() if rid != 10}
    await handle.write("/26241/0", values | {2: (1 << 64) - 1})


# --- registration ---------------------------------------------------------------------------


async def test_int_101_leshan_registers_with_us(device: Device):
    found = await device.registration()
    assert (found.version, found.lifetime_s, found.binding) == ("1.1", 60, "U")
    assert found.links.root == ()
    assert found.links.formats == (60, 110, 112, 11542, 11543)
    objects = {oid: (item.version, item.instances) for oid, item in found.links.objects.items()}
    assert objects == {
        1: ("1.1", (0,)),
        3: ("1.1", (0,)),
        6: (None, (0,)),
        3303: ("1.1", (0,)),
        26241: (None, (0,)),
    }


async def test_int_102_leshan_updates_its_lifetime(device: Device, server: Server):
    waiting = asyncio.create_task(server.wait_event(Updated, ENDPOINT, PATIENCE_S))
    await asyncio.sleep(0)
    await device.write("/1/0/1", 90)
    await device.execute("/1/0/8")
    await waiting
    assert (await device.registration()).lifetime_s == 90
    await device.write("/1/0/1", 60)
    await device.execute("/1/0/8")


async def test_leshan_updates_when_it_is_told_to(client: LeshanClient, server: Server):
    waiting = asyncio.create_task(server.wait_event(Updated, ENDPOINT, PATIENCE_S))
    await asyncio.sleep(0)
    await client.tell("update")
    await waiting


async def test_int_103_leshan_deregisters(tmp_path: Path):
    async with serving() as server, registered(server, tmp_path) as client:
        waiting = asyncio.create_task(server.wait_event(Deregistered, ENDPOINT, PATIENCE_S))
        await asyncio.sleep(0)
        assert await client.deregister() == 0
        await waiting
        assert await server.registrations() == []


async def test_leshan_registers_anew_with_a_server_that_has_forgotten_it(tmp_path: Path):
    async with serving() as server, registered(server, tmp_path) as client:
        await server.close()
        async with Server(port=server.port) as other:
            await client.tell("update")
            device = await other.wait_for(ENDPOINT, PATIENCE_S)
            assert await device.read("/3/0/1") == "interop"


# --- Read and Discover ----------------------------------------------------------------------


async def test_int_201_we_read_a_resource_of_each_type(device: Device):
    for rid, value in EVERYTHING.items():
        assert await device.read(f"/26241/0/{rid}") == value, rid


async def test_we_read_instances_and_objects(device: Device):
    whole = await device.read("/26241/0")
    assert {rid: whole[rid] for rid in EVERYTHING} == EVERYTHING
    assert await device.read("/26241") == {0: whole}
    assert await device.read("/3303/0") == {5601: 18.25, 5602: 23.75, 5700: 21.5, 5701: "Cel"}
    found = await device.read("/3/0")
    assert (found[0], found[1], found[2]) == ("Eclipse Leshan", "interop", "4711")
    found = await device.read("/6/0")
    assert found == {0: 52.52, 1: 13.405, 5: datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}


async def test_we_read_a_resource_instance(device: Device):
    assert await device.read("/26241/0/8/300") == "three hundred"


async def test_we_read_what_has_changed(client: LeshanClient, device: Device):
    await client.tell("set 7.25")
    await client.says("set to 7.25")
    assert await device.read("/3303/0/5700") == 7.25
    await client.tell("set 21.5")
    await client.says("set to 21.5")


@pytest.mark.parametrize("path", ["/9", "/9/0", "/3/1", "/3/0/99"])
async def test_we_read_what_is_not_there(device: Device, path: str):
    with pytest.raises(NotFound):
        await device.read(path)


@pytest.mark.parametrize("path", ["/26241/0/11", "/26241/0/12"])
async def test_leshan_refuses_to_have_read_what_is_not_readable(device: Device, path: str):
    """Our API refuses it before it is sent, so this is sent below it."""
    with pytest.raises(MethodNotAllowed):
        await device.request("GET", path)


@pytest.mark.parametrize("format", ["text", "cbor"])
async def test_we_read_single_values(device: Device, format: str):
    for rid in (0, 1, 3, 4, 5, 6, 7, 10):
        assert await device.read(f"/26241/0/{rid}", format=format) == EVERYTHING[rid], rid
    assert await device.read("/26241/0/2", format=format) == (1 << 64) - 1


async def test_we_read_opaque(device: Device):
    assert await device.read("/26241/0/5", format="opaque") == EVERYTHING[5]


@pytest.mark.parametrize("format", ["text", "opaque", "cbor"])
async def test_leshan_fails_at_an_instance_in_a_format_for_values(device: Device, format: str):
    """It says 5.00 where 4.06 is due: we must name it for what it is."""
    with pytest.raises(InternalServerError):
        await device.read("/26241/0", format=format)


TREES = ["tlv", "json", "senml-json", "senml-cbor"]

# As this milestone writes them: object links as text in JSON and SenML, opaque values of SenML
# JSON in the alphabet and with the padding of RFC 4648 §4, where RFC 8428 §5 asks for §5.
QUIRKS = {"json": [7], "senml-json": [5, 7], "senml-cbor": [7]}


@pytest.mark.parametrize("format", TREES)
async def test_we_read_each_value_in_each_format(device: Device, format: str):
    for rid, value in EVERYTHING.items():
        if rid not in QUIRKS.get(format, []):
            assert await device.read(f"/26241/0/{rid}", format=format) == value, rid
    if format != "tlv":
        assert await device.read("/26241/0/2", format=format) == (1 << 64) - 1


@pytest.mark.parametrize("format", [format for format in TREES if format in QUIRKS])
async def test_what_leshan_writes_in_its_own_way_is_read_or_refused(device: Device, format: str):
    for rid in QUIRKS[format]:
        found = None
        with suppress(FormatError):
            found = await device.read(f"/26241/0/{rid}", format=format)
        assert found in (None, EVERYTHING[rid])


@pytest.mark.parametrize("format", TREES)
async def test_we_read_instances_in_each_format(device: Device, format: str):
    assert await device.read("/3303/0", format=format) == {
        5601: 18.25,
        5602: 23.75,
        5700: 21.5,
        5701: "Cel",
    }
    assert (await device.read("/3/0", format=format))[0] == "Eclipse Leshan"


async def test_we_discover(device: Device):
    found = {item.target: item.attributes for item in await device.discover("/3")}
    assert found["/3"] == {"ver": "1.1"}
    assert {"/3/0", "/3/0/0", "/3/0/16"} <= set(found)
    found = {item.target: item.attributes for item in await device.discover("/26241/0")}
    assert set(found) == {"/26241/0", *(f"/26241/0/{rid}" for rid in range(13))}
    assert [item.target for item in await device.discover("/3/0/0")] == ["/3/0/0"]


async def test_leshan_refuses_to_discover_everything(device: Device):
    with pytest.raises(BadRequest, match="not a bootstrap server"):
        await device.discover("/")


# --- Write, Execute, Create, Delete ---------------------------------------------------------

# No time after 2038: this milestone writes it in 32 bits.
VALUES: list[tuple[int, Any]] = [
    (0, "über 🌍"),
    (0, ""),
    (1, 0),
    (1, -1),
    (1, 128),
    (1, -129),
    (1, 70000),
    (1, -9007199254740993),
    (2, 0),
    (2, 127),
    (2, 70000),
    (2, (1 << 63) - 1),
    (3, 2.5),
    (3, -1e300),
    (4, False),
    (5, b"\x00\xff\x00"),
    (6, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
    (7, ObjLink(3, 0)),
    (8, {0: "a", 7: "b"}),
    (9, {0: 1, 65534: -70000}),
]


@pytest.mark.parametrize("format", ["tlv", "text", "cbor", "json", "senml-json", "senml-cbor"])
async def test_int_227_we_write_a_resource_of_each_type(device: Device, format: str):
    for rid, value in VALUES:
        if format in ("text", "cbor") and isinstance(value, dict):
            continue
        path = f"/26241/0/{rid}"
        await device.write(path, value, format=format)
        assert await device.read(path) == value, rid


@pytest.mark.parametrize("value", [128, 255, 65535, 1 << 31, (1 << 32) - 1])
async def test_unsigned_integers_are_the_same_to_who_takes_tlv_as_signed(
    device: Device, value: int
):
    """This milestone does, so a leading bit that is set must have a byte of zeros before it."""
    await device.write("/26241/0/2", value)
    assert await device.read("/26241/0/2", format="text") == value


async def test_we_write_opaque(device: Device):
    await device.write("/26241/0/5", b"\x80\x00", format="opaque")
    assert await device.read("/26241/0/5") == b"\x80\x00"


@pytest.mark.parametrize("format", TREES)
async def test_int_227_we_replace_an_instance(device: Device, format: str):
    await device.write("/26241/0", {0: "new", 1: 4, 8: {3: "c"}}, format=format)
    assert await device.read("/26241/0") == {0: "new", 1: 4, 8: {3: "c"}, 10: "read only"}


@pytest.mark.parametrize("format", TREES)
async def test_int_226_we_update_an_instance(device: Device, format: str):
    await device.write("/26241/0", {1: 4, 4: False}, update=True, format=format)
    found = await device.read("/26241/0")
    assert {rid: found[rid] for rid in EVERYTHING} == EVERYTHING | {1: 4, 4: False}


async def test_we_write_and_read_in_blocks(device: Device):
    large = bytes(range(256)) * 12
    await device.write("/26241/0/5", large)
    assert await device.read("/26241/0/5") == large


async def test_leshan_refuses_to_have_written_what_is_read_only(device: Device):
    path = "/26241/0/10"
    with pytest.raises(MethodNotAllowed):
        await device.request("PUT", path, b"x", 0)
    assert await device.read("/26241/0/10") == "read only"


@pytest.mark.parametrize(("arguments", "seen"), [("", "null"), ("0='a b',3", "0='a b',3")])
async def test_int_241_we_execute(client: LeshanClient, device: Device, arguments: str, seen: str):
    await device.execute("/26241/0/12", arguments)
    await client.says(f"executed /26241/0/12 {seen}\n")


async def test_we_create_and_delete(device: Device, server: Server):
    waiting = asyncio.create_task(server.wait_event(Updated, ENDPOINT, PATIENCE_S))
    await asyncio.sleep(0)
    assert str(await device.create("/26241", {0: "made"})) == "/26241/1"
    await waiting
    assert (await device.registration()).links.objects[26241].instances == (0, 1)
    assert str(await device.create("/26241/9", {0: "made", 9: {0: 5}})) == "/26241/9"
    found = await device.read("/26241/9")
    assert (found[0], found[9]) == ("made", {0: 5})
    with pytest.raises(BadRequest):
        await device.create("/26241/0", {0: "there already"})
    for path in ("/26241/9", "/26241/1"):
        await device.delete(path)
        with pytest.raises(NotFound):
            await device.read(path)


async def test_leshan_cannot_do_attributes_and_says_so(device: Device):
    with pytest.raises(InternalServerError, match="not implemented"):
        await device.write_attributes("/3303/0/5700", pmin=10)
