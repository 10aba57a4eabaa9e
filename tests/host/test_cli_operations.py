"""create, delete, write-attributes, read-composite, write-composite, and --force."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import cbor2
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from lwm2m_host import Server
from lwm2m_host.web import ControlPlane

from tests.host.commands import Done, Serving
from tests.host.fake_device import FakeDevice, changed, content

EP = "urn:dev:1"


@pytest.fixture
async def serving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    async with Server(port=0) as server, ControlPlane(server, port=0) as plane:
        monkeypatch.setenv("LWM2M_HOST_URL", plane.url)
        yield Serving(server.uri, plane.url)


@pytest.fixture
async def device(serving: Serving) -> AsyncIterator[FakeDevice]:
    async with FakeDevice(serving.coap, EP) as fake:
        await fake.register("lt=60")
        yield fake


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        (("/3303", '{"5750": "attic"}'), "e516766174746963"),
        (("/3303/7", '{"5750": "attic"}'), "080708e516766174746963"),
        (("/3303/7",), "0007"),
        (("/3303",), ""),
    ],
)
async def test_create(
    serving: Serving, device: FakeDevice, arguments: tuple[str, ...], payload: str
) -> None:
    device.answers["POST", "/3303"] = lambda _: Message(
        code=Code.CREATED, location_path=("3303", "7")
    )
    assert await serving.run("create", EP, *arguments) == Done(0, "/3303/7 created\n", "")
    assert device.seen[-1].payload.hex() == payload
    done = await serving.run("create", EP, *arguments, "--json")
    assert json.loads(done.out) == {"endpoint": EP, "path": "/3303/7", "ok": True}


async def test_create_in_a_format_with_a_multiple_resource(
    serving: Serving, device: FakeDevice
) -> None:
    device.answers["POST", "/2"] = lambda _: Message(code=Code.CREATED)
    values = '{"0": 3303, "1": 0, "2": {"1": 31}, "3": 1}'
    done = await serving.run("create", EP, "/2/5", values, "--format", "lwm2m-cbor", "--force")
    assert done.code == 0, done.error
    assert cbor2.loads(device.seen[-1].payload) == {2: {5: {0: 3303, 1: 0, 2: {1: 31}, 3: 1}}}


async def test_delete(serving: Serving, device: FakeDevice) -> None:
    device.answers["DELETE", "/3303/1"] = (Code.DELETED, b"", None)
    assert await serving.run("delete", EP, "/3303/1") == Done(0, "/3303/1 deleted\n", "")


async def test_write_attributes(serving: Serving, device: FakeDevice) -> None:
    device.answers["PUT", "/3303/0/5700"] = changed()
    done = await serving.run("write-attributes", EP, "/3303/0/5700", "pmin=10", "lt=-2.5", "pmax=")
    assert done == Done(0, "/3303/0/5700 written\n", "")
    assert device.seen[-1].query == ("pmin=10", "lt=-2.5", "pmax")


async def test_read_composite_prints_what_came(serving: Serving, device: FakeDevice) -> None:
    pack = [{"bn": "/3303/0/", "n": "5700", "v": 21.5}, {"n": "5701", "vs": "Cel"}]
    device.answers["FETCH", "/"] = content(json.dumps(pack).encode(), 110)
    done = await serving.run("read-composite", EP, "/3303/0", "/3303/0/5700", "/1/0/1")
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.out.splitlines()]
    assert ["/3303/0/5700", "Sensor Value", "21.5", "Cel"] in rows
    assert ["/1/0/1", "(no answer)"] in rows
    done = await serving.run("read-composite", EP, "/", "--json", "--format", "senml-json")
    assert json.loads(done.out) == {
        "endpoint": EP,
        "values": {"/": {"3303": {"0": {"5700": 21.5, "5701": "Cel"}}}},
    }
    assert (device.seen[-1].content_format, device.seen[-1].accept) == (110, 110)


async def test_write_composite(serving: Serving, device: FakeDevice) -> None:
    device.answers["iPATCH", "/"] = changed()
    done = await serving.run("write-composite", EP, "/1/0/1=300", '{"/3/0": {"14": "Z"}}')
    assert done == Done(0, "/1/0/1 written\n/3/0 written\n", "")
    assert [item.get(2, item.get(3)) for item in cbor2.loads(device.seen[-1].payload)] == [
        300,
        "Z",
    ]
    done = await serving.run("write-composite", EP, "/3303/0/5750=a=b", "--json")
    assert json.loads(done.out) == {"endpoint": EP, "paths": ["/3303/0/5750"], "ok": True}
    assert cbor2.loads(device.seen[-1].payload)[0][3] == "a=b"


async def test_force_sends_what_the_definition_refuses(
    serving: Serving, device: FakeDevice
) -> None:
    device.answers["PUT", "/3303/0/5700"] = changed()
    done = await serving.run("write", EP, "/3303/0/5700", "5")
    assert done == Done(2, "", "lwm2m-host: /3303/0/5700 Sensor Value may only be read\n")
    assert device.seen == []
    assert (await serving.run("write", EP, "/3303/0/5700", "5", "--force")).code == 0
    assert (await serving.run("write", EP, "/3303/0/5700", "warm", "--force")).code == 0
    assert device.seen[-1].payload == bytes.fromhex("e41644") + b"warm"
    device.answers["GET", "/3/0/4"] = (Code.METHOD_NOT_ALLOWED, b"", None)
    assert "may only be executed" in (await serving.run("read", EP, "/3/0/4")).error
    assert "4.05" in (await serving.run("read", EP, "/3/0/4", "--force")).error
    device.answers["POST", "/3/0/0"] = (Code.METHOD_NOT_ALLOWED, b"", None)
    assert "may only be read" in (await serving.run("execute", EP, "/3/0/0")).error
    assert "4.05" in (await serving.run("execute", EP, "/3/0/0", "--force")).error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", EP, "/3303/0/5700"), "cannot create the resource"),
        (("create", EP, "/3303", "attic"), "expects JSON"),
        (("create", EP, "/3303/1", '{"x": 5}'), "expects resource ids"),
        (("create", EP, "/1"), "/1 needs 1 Lifetime, 6 "),
        (("delete", EP, "/3303"), "cannot delete the object"),
        (("delete", EP, "/3303/0/1"), "cannot delete the resource"),
        (("write-attributes", EP, "/3/0", "pmin"), "attributes are as in pmin=10"),
        (("write-attributes", EP, "/3/0", "pmin=1", "pmin=2"), "attributes are as in pmin=10"),
        (("write-attributes", EP, "/3/0", "timeout=1"), "attributes are as in pmin=10"),
        (("write-attributes", EP, "/3/0", "stp=1"), "unknown attribute stp"),
        (("write-attributes", EP, "/3/0", "pmin=soon"), "attribute pmin expects a number"),
        (("write-attributes", EP, "/3/0"), "Missing argument"),
        (("read-composite", EP, "/3/x"), "bad path"),
        (("read-composite", EP, "/3/0/4"), "/3/0/4 Reboot may only be executed"),
        (("write-composite", EP, "/1/0/1"), "expects PATH=VALUE"),
        (("write-composite", EP, "/1/0/1=5", "/1/0/1=6"), "occurs twice"),
        (("write-composite", EP, "/1/0/1=soon"), "/1/0/1 Lifetime expects an unsigned integer"),
        (("write-composite", EP, "/3=5"), "cannot write the object"),
    ],
)
async def test_wrong_arguments_are_one_line_and_exit_code_2(
    serving: Serving, device: FakeDevice, arguments: tuple[str, ...], message: str
) -> None:
    done = await serving.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.error
    assert done.error.count("\n") == 1
    assert device.seen == []
