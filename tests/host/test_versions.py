"""What a server may ask of a device, by the version that it registered with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import cbor2
import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Server, errors
from lwm2m_host.device import Device
from lwm2m_host.web import ControlPlane

from tests.host.commands import Serving
from tests.host.fake_device import FakeDevice, changed, content
from tests.host.observing import PACK, TEMPERATURE, degrees

Ask = Callable[[Device, bool], Awaitable[object]]


async def _observe(device: Device, force: bool) -> None:
    await device.observe_composite(["/3", TEMPERATURE], force=force)


async def _observe_with(device: Device, force: bool) -> None:
    await device.observe(TEMPERATURE, format="text", attributes={"pmin": 1}, force=force)


OPERATIONS: list[tuple[str, str, Ask]] = [
    ("1.1", "Read-Composite", lambda d, f: d.read_composite(["/3", TEMPERATURE], force=f)),
    ("1.1", "Write-Composite", lambda d, f: d.write_composite({"/1/0/1": 60}, force=f)),
    ("1.1", "Observe-Composite", lambda d, f: _observe(d, f)),
    ("1.2", "attributes in an Observe", lambda d, f: _observe_with(d, f)),
    ("1.1", "resource instance, /3/0/7/0", lambda d, f: d.read("/3/0/7/0", force=f)),
    ("1.1", "resource instance, /16/0/0/1", lambda d, f: d.write("/16/0/0/1", "x", force=f)),
    ("1.1", "attribute epmin", lambda d, f: d.write_attributes(TEMPERATURE, force=f, epmin=1)),
    ("1.1", "attribute epmax", lambda d, f: d.write_attributes(TEMPERATURE, force=f, epmax=1)),
    ("1.2", "attribute con", lambda d, f: d.write_attributes(TEMPERATURE, force=f, con=1)),
    ("1.2", "attribute hqmax", lambda d, f: d.write_attributes(TEMPERATURE, force=f, hqmax=1)),
    ("1.2", "attribute edge", lambda d, f: d.write_attributes("/3342/0/5500", force=f, edge=1)),
    ("1.2", "Discover with a depth", lambda d, f: d.discover("/3", depth=2, force=f)),
    (
        "1.2",
        "(null in a )?Write-Composite",
        lambda d, f: d.write_composite({"/16/0/0/1": None}, force=f),
    ),
    ("1.2", "Delete of a resource instance", lambda d, f: d.delete("/16/0/0/1", force=f)),
]


def answers(fake: FakeDevice) -> None:
    fake.answers |= {
        ("FETCH", "/"): content(PACK, 110),
        ("iPATCH", "/"): changed(),
        ("GET", "/3/0/7/0"): content(b"5", 0),
        ("GET", "/3"): content(b"</3>", 40),
        ("GET", TEMPERATURE): degrees(20.0),
        ("PUT", "/16/0/0/1"): changed(),
        ("PUT", TEMPERATURE): changed(),
        ("PUT", "/3342/0/5500"): changed(),
        ("DELETE", "/16/0/0/1"): (Code.DELETED, b"", None),
    }


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_every_version_may_register(server: Server, version: str) -> None:
    async with FakeDevice(server.uri, "v") as fake:
        assert (await fake.register(version=version)).code == Code.CREATED
        assert (await server.registration("v")).version == version


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize(("since", "name", "ask"), OPERATIONS)
async def test_what_a_version_does_not_have_stays_here(
    server: Server, fake: FakeDevice, version: str, since: str, name: str, ask: Ask
) -> None:
    await fake.register(version=version)
    answers(fake)
    device = server.device("fake")
    if version < since:
        reason = f"{name}.*: needs LwM2M 1.[12]; fake registered with {version}"
        with pytest.raises(errors.NotInVersion, match=reason):
            await ask(device, False)
        assert fake.seen == []
        await ask(device, True)
        assert len(fake.seen) == 1
    else:
        await ask(device, False)
        assert len(fake.seen) == 1


async def test_a_null_deletes_and_comes_as_senml_etch(server: Server, fake: FakeDevice) -> None:
    await fake.register(version="1.2")
    answers(fake)
    device = server.device("fake")
    await device.write_composite({"/16/0": {0: {1: None, 2: "b"}}, "/3/0/14": None})
    assert fake.seen[-1].content_format == 322
    assert cbor2.loads(fake.seen[-1].payload) == [
        {0: "/16/0/0/1", 2: None},
        {0: "/3/0/14", 2: None},
        {-2: "/16/0/", 0: "0/2", 3: "b"},
    ]
    await device.write_composite({"/16/0/0/1": None}, format="senml-json")
    assert fake.seen[-1].content_format == 320
    assert json.loads(fake.seen[-1].payload) == [{"n": "/16/0/0/1", "v": None}]
    with pytest.raises(errors.FormatError, match="cannot carry null"):
        await device.write_composite({"/16/0/0/1": None}, format="lwm2m-cbor")
    with pytest.raises(errors.OperationRefused):
        await device.write_composite({"/3/0/0": None})
    with pytest.raises(errors.ValueTypeError, match="got None"):
        await device.write("/16/0/0/1", None)


async def test_depth_null_and_delete_by_http_and_as_commands(
    server: Server, fake: FakeDevice
) -> None:
    await fake.register(version="1.2")
    answers(fake)
    async with ControlPlane(server, port=0) as plane:
        commands = Serving(server.uri, plane.url)
        there = ("--server", plane.url)
        done = await commands.run("discover", "fake", "/3", "--depth", "1", *there)
        assert (done.code, fake.seen[-1].query) == (0, ("depth=1",)), done.error
        done = await commands.run("write-composite", "fake", '{"/16/0/0/1": null}', *there)
        assert done.code == 0, done.error
        assert cbor2.loads(fake.seen[-1].payload) == [{0: "/16/0/0/1", 2: None}]
        done = await commands.run("delete", "fake", "/16/0/0/1", *there)
        assert (done.code, fake.seen[-1].path) == (0, "/16/0/0/1"), done.error
        await fake.register(version="1.1")
        done = await commands.run("delete", "fake", "/16/0/0/1", *there)
        assert done.code == 2
        assert "needs LwM2M 1.2; fake registered with 1.1" in done.error
        done = await commands.run("delete", "fake", "/16/0/0/1", "--force", *there)
        assert done.code == 0


async def test_a_send_of_a_device_of_1_0_is_taken(server: Server, fake: FakeDevice) -> None:
    await fake.register(version="1.0")
    answer = await fake.send(Code.POST, ("dp",), (), b'[{"n":"/3303/0/5700","v":1}]', 110)
    assert answer.code == Code.CHANGED


OF_1_0: list[tuple[str, Callable[[Device], Awaitable[object]]]] = [
    ("GET", lambda d: d.read("/3")),
    ("GET", lambda d: d.read(TEMPERATURE, format="text")),
    ("GET", lambda d: d.discover("/3")),
    ("PUT", lambda d: d.write("/3/0/14", "+01:00", format="text")),
    ("POST", lambda d: d.execute("/3/0/4")),
    ("DELETE", lambda d: d.delete("/16/0")),
    ("GET", lambda d: d.observe(TEMPERATURE, format="text")),
    ("PUT", lambda d: d.write_attributes(TEMPERATURE, pmin=1, pmax=9, gt=5, lt=1, st=0.5)),
]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_operations_of_1_0_go_out_in_every_version(
    server: Server, fake: FakeDevice, version: str
) -> None:
    await fake.register(version=version)
    fake.answers |= {
        ("GET", "/3"): content(b"", 11542),
        ("GET", TEMPERATURE): degrees(20.0),
        ("PUT", "/3/0/14"): changed(),
        ("POST", "/3/0/4"): changed(),
        ("DELETE", "/16/0"): (Code.DELETED, b"", None),
        ("PUT", TEMPERATURE): changed(),
    }
    device = server.device("fake")
    for n, (method, ask) in enumerate(OF_1_0, start=1):
        if n == 3:
            fake.answers["GET", "/3"] = content(b"</3>", 40)
        await ask(device)
        assert (len(fake.seen), fake.seen[-1].code.name) == (n, method)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("number", [11542, 11543, 110, 112, 11544])
async def test_formats_are_not_held_to_the_version(
    server: Server, fake: FakeDevice, version: str, number: int
) -> None:
    root = b'</>;rt="oma.lwm2m";ct=%d,</3/0>' % number
    await fake.register(version=version, links=root)
    fake.answers["GET", "/3/0"] = content(b"", 11542)
    await server.device("fake").read("/3/0")
    assert fake.seen[-1].accept == number
