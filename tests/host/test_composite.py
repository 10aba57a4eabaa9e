"""Composite operations, the choice of a format, attributes: on a scripted device."""

from __future__ import annotations

import json

import cbor2
import httpx
import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from lwm2m_host import Server, errors, formats
from lwm2m_host.device import Device
from lwm2m_host.web.plane import application

from tests.host.fake_device import FakeDevice, changed, content

SENML = b"""[{"bn":"/3/0/","n":"0","vs":"Acme"},{"n":"7/0","v":3800},{"n":"7/1","v":5000},
    {"bn":"/1/0/1","v":300}]"""


@pytest.fixture
def device(server: Server, fake: FakeDevice) -> Device:
    return server.device("fake")


async def declare(fake: FakeDevice, formats: str) -> None:
    links = f'</>;rt="oma.lwm2m";ct="{formats}",</1/0>,</3/0>,</3303/0>'.encode()
    await fake.register(links=links)


async def test_read_composite_is_a_fetch_with_a_list_of_paths(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["FETCH", "/"] = content(SENML, 110)
    found = await device.read_composite(["/3/0", "/3/0/7", "/1/0/1", "/3303"])
    assert found == {
        "/3/0": {0: "Acme", 7: {0: 3800, 1: 5000}},
        "/3/0/7": {0: 3800, 1: 5000},
        "/1/0/1": 300,
    }
    seen = fake.seen[-1]
    assert seen.code == Code.FETCH
    assert (seen.content_format, seen.accept) == (112, 112)
    assert cbor2.loads(seen.payload) == [{0: "/3/0"}, {0: "/1/0/1"}, {0: "/3303"}]


@pytest.mark.parametrize(
    ("form", "sent", "accept"),
    [
        ("senml-json", 110, 110),
        (112, 112, 112),
        ("senml-etch-json", 320, 110),
        ("senml-etch-cbor", 322, 112),
        ("lwm2m-cbor", 112, 11544),
    ],
)
async def test_read_composite_in_a_chosen_format(
    device: Device, fake: FakeDevice, form: str | int, sent: int, accept: int
) -> None:
    fake.answers["FETCH", "/"] = content(SENML, 110)
    await device.read_composite(["/"], format=form)
    assert (fake.seen[-1].content_format, fake.seen[-1].accept) == (sent, accept)


async def test_read_composite_of_the_root_is_a_dict_of_objects(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["FETCH", "/"] = content(cbor2.dumps({3: {0: {9: 5}}, 1: {0: {1: 60}}}), 11544)
    found = await device.read_composite(["/"], format="lwm2m-cbor")
    assert found == {"/": {3: {0: {9: 5}}, 1: {0: {1: 60}}}}


async def test_a_device_that_declares_senml_json_gets_it(device: Device, fake: FakeDevice) -> None:
    await declare(fake, "0 110 11542")
    fake.answers["FETCH", "/"] = content(SENML, None)
    assert (await device.read_composite(["/1/0/1", "/3"]))["/1/0/1"] == 300
    assert (fake.seen[-1].content_format, fake.seen[-1].accept) == (110, 110)


async def test_a_large_composite_answer_comes_block_by_block(
    device: Device, fake: FakeDevice
) -> None:
    text = "x" * 5000
    fake.answers["FETCH", "/"] = content(json.dumps([{"n": "/3/0/0", "vs": text}]).encode(), 110)
    assert await device.read_composite(["/3/0/0"]) == {"/3/0/0": text}


async def test_each_block_of_a_composite_answer_is_asked_for_with_the_paths(
    server: Server, device: Device
) -> None:
    """The device need not remember what it was asked."""
    payload = json.dumps([{"n": "/3/0/0", "vs": "x" * 2500}]).encode()
    asked = []

    class Blocks(FakeDevice):
        async def needs_blockwise_assembly(self, _: Message) -> bool:
            return False

        async def render(self, request: Message) -> Message:
            asked.append(cbor2.loads(request.payload))
            number = request.opt.block2.block_number if request.opt.block2 else 0
            message = Message(code=Code.CONTENT, payload=payload[number * 512 :][:512])
            message.opt.content_format = 110
            message.opt.block2 = (number, len(payload) > (number + 1) * 512, 5)
            return message

    async with Blocks(server.uri, "blocks") as fake:
        await fake.register()
        found = await server.device("blocks").read_composite(["/3/0/0"])
    assert found == {"/3/0/0": "x" * 2500}
    assert asked == [[{0: "/3/0/0"}]] * 5


async def test_what_was_not_asked_for_is_refused(device: Device, fake: FakeDevice) -> None:
    fake.answers["FETCH", "/"] = content(SENML, 110)
    with pytest.raises(errors.FormatError, match="/1/0/1 was not asked for"):
        await device.read_composite(["/3/0"])


async def test_formats_of_one_object_carry_no_composite(device: Device, fake: FakeDevice) -> None:
    for form in ("tlv", "json", "text"):
        with pytest.raises(errors.FormatError, match="cannot carry a composite"):
            await device.read_composite(["/3"], format=form)
        with pytest.raises(errors.FormatError, match="cannot carry a composite"):
            await device.write_composite({"/1/0/1": 5}, format=form)
    with pytest.raises(errors.PathError, match="no path"):
        await device.read_composite([])
    with pytest.raises(errors.ValueTypeError, match="no value"):
        await device.write_composite({})
    assert fake.seen == []


async def test_write_composite_is_an_ipatch(device: Device, fake: FakeDevice) -> None:
    fake.answers["iPATCH", "/"] = changed()
    await device.write_composite({"/1/0/1": 300, "/3/0": {14: "+01:00"}, "/2/0/2": {1: 31}})
    seen = fake.seen[-1]
    assert (seen.code, seen.content_format) == (Code.iPATCH, 112)
    told = {item.get(-2, "") + item.get(0, ""): item for item in cbor2.loads(seen.payload)}
    assert (told["/1/0/1"][2], told["/3/0/14"][3], told["/2/0/2/1"][2]) == (300, "+01:00", 31)
    await device.write_composite({"/1/0/1": 300}, format="lwm2m-cbor")
    assert cbor2.loads(fake.seen[-1].payload) == {1: {0: {1: 300}}}
    with pytest.raises(errors.OperationRefused, match="/3/0/0 Manufacturer may only be read"):
        await device.write_composite({"/1/0/1": 300, "/3/0/0": "x"})
    with pytest.raises(errors.FormatError, match="occurs twice"):
        await device.write_composite({"/1/0/1": 300, "/1/0": {1: 60}})
    assert len(fake.seen) == 2


async def test_reads_and_writes_follow_what_the_device_declares(
    device: Device, fake: FakeDevice
) -> None:
    await declare(fake, "112")
    fake.answers["GET", "/1/0/1"] = content(cbor2.dumps([{-2: "/1/0/1", 2: 60}]), 112)
    fake.answers["PUT", "/1/0/1"] = changed()
    assert await device.read("/1/0/1") == 60
    assert fake.seen[-1].accept == 112
    await device.write("/1/0/1", 300)
    assert fake.seen[-1].content_format == 112
    assert cbor2.loads(fake.seen[-1].payload) == [{-2: "/1/0/", 0: "1", 2: 300}]


@pytest.mark.parametrize(
    ("form", "payload"),
    [
        ("cbor", bytes.fromhex("19012c")),
        ("senml-json", b'[{"bn":"/1/0/","n":"1","v":300}]'),
        ("json", b'{"bn":"/1/0/","e":[{"n":"1","v":300}]}'),
        ("lwm2m-cbor", bytes.fromhex("a101a100a10119012c")),
        ("text", b"300"),
    ],
)
async def test_a_value_in_every_format(
    device: Device, fake: FakeDevice, form: str, payload: bytes
) -> None:
    fake.answers["PUT", "/1/0/1"] = changed()
    await device.write("/1/0/1", 300, format=form)
    assert fake.seen[-1].payload == payload
    fake.answers["GET", "/1/0/1"] = content(payload, fake.seen[-1].content_format)
    assert await device.read("/1/0/1", format=form) == 300


@pytest.mark.parametrize(
    ("form", "payload"),
    [("senml-json", b"[]"), ("senml-cbor", b"\x80"), ("lwm2m-cbor", b"\xa0")],
)
async def test_what_is_empty_is_an_empty_pack(
    device: Device, fake: FakeDevice, form: str, payload: bytes
) -> None:
    number = formats.get(form).number
    for path in ("/3/0/7", "/3303/0", "/3303", "/3/0/0"):
        fake.answers["GET", path] = content(payload, number)
    assert await device.read("/3/0/7", format=form) == {}
    assert await device.read("/3303/0", format=form) == {}
    assert await device.read("/3303", format=form) == {}
    with pytest.raises(errors.FormatError, match="holds no value for /3/0/0"):
        await device.read("/3/0/0", format=form)


async def test_create_in_senml_names_the_instance(device: Device, fake: FakeDevice) -> None:
    fake.answers["POST", "/3303"] = lambda _: Message(code=Code.CREATED)
    await device.create("/3303/2", {5750: "attic"}, format="senml-json")
    assert fake.seen[-1].payload == b'[{"bn":"/3303/2/","n":"5750","vs":"attic"}]'
    with pytest.raises(errors.FormatError, match="needs the id of the new instance"):
        await device.create("/3303", {5750: "attic"}, format="senml-json")


async def test_a_device_that_prefers_senml_gets_tlv_where_it_chooses_the_id(
    device: Device, fake: FakeDevice
) -> None:
    await declare(fake, "112")
    fake.answers["POST", "/3303"] = lambda _: Message(
        code=Code.CREATED, location_path=("3303", "7")
    )
    await device.create("/3303", {5750: "attic"})
    assert fake.seen[-1].content_format == 11542
    await device.create("/3303/7")  # and for what has no resources
    assert (fake.seen[-1].content_format, fake.seen[-1].payload) == (11542, b"\x00\x07")
    await device.create("/3303/7", {5750: "attic"})
    assert fake.seen[-1].content_format == 112


async def test_links_tell_version_and_dimension(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", "/3"] = content(
        b'</3>;ver=1.1;pmin=5,</3/0>,</3/0/6>;dim=2;pmax=60,</3/0/9>;lt=1.5,</3/1>;ver="1.0"', 40
    )
    obj, instance, power, battery, quoted = await device.discover("/3")
    assert (obj.version, obj.dimension, obj.attributes["pmin"]) == ("1.1", None, "5")
    assert (instance.version, instance.dimension) == (None, None)
    assert (power.dimension, power.attributes["pmax"]) == (2, "60")
    assert battery.attributes == {"lt": "1.5"}
    assert quoted.version == "1.0"


@pytest.mark.parametrize(
    ("attributes", "query"),
    [
        ({"pmin": 0, "pmax": 60}, ("pmin=0", "pmax=60")),
        ({"gt": 25.0, "lt": -0.1, "st": 1e-7}, ("gt=25", "lt=-0.1", "st=0.0000001")),
        ({"epmin": 1, "epmax": 2, "hqmax": 3}, ("epmin=1", "epmax=2", "hqmax=3")),
        ({"con": True, "pmin": None}, ("con=1", "pmin")),
    ],
)
async def test_attributes_as_the_device_sees_them(
    device: Device,
    fake: FakeDevice,
    attributes: dict[str, float | None],
    query: tuple[str, ...],
) -> None:
    await fake.register(version="1.2")
    fake.answers["PUT", "/3303/0/5700"] = changed()
    await device.write_attributes("/3303/0/5700", force=False, timeout_s=None, **attributes)
    assert fake.seen[-1].query == query


@pytest.mark.parametrize(
    ("path", "attributes", "message"),
    [
        ("/3303/0/5700", {"pmin": -1}, "pmin is a whole number"),
        ("/3303/0/5700", {"pmax": 1.5}, "pmax is a whole number"),
        ("/3303/0/5700", {"con": 2}, "con is 0 or 1"),
        ("/3303/0/5700", {"gt": float("nan")}, "gt is a finite number"),
        ("/3303/0/5700", {"st": 0}, "st is more than 0"),
        ("/3303/0/5700", {"lt": 5, "gt": 5}, "is less than gt"),
        ("/3303/0/5700", {"lt": 1, "gt": 5, "st": 2}, "is less than gt"),
        ("/3303/0/5750", {"gt": 5}, "/3303/0/5750 Application Type is string: no gt"),
        ("/3303/0/5700", {"edge": 1}, "is float: no edge"),
        ("/3303/0", {"gt": 5}, "gt is for resources, not for the instance /3303/0"),
    ],
)
async def test_attributes_that_a_device_must_refuse_stay_here(
    device: Device, fake: FakeDevice, path: str, attributes: dict[str, float], message: str
) -> None:
    fake.answers["PUT", path] = changed()
    with pytest.raises(ValueError, match=message):
        await device.write_attributes(path, force=False, timeout_s=None, **attributes)
    assert fake.seen == []
    await device.write_attributes(path, force=True, timeout_s=None, **attributes)
    assert len(fake.seen) == 1


async def test_composite_over_http(server: Server, fake: FakeDevice) -> None:
    transport = httpx.ASGITransport(application(server))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        fake.answers["FETCH", "/"] = content(SENML, 110)
        fake.answers["iPATCH", "/"] = changed()
        url = "/api/clients/fake/composite"
        answer = (await http.get(url, params={"paths": "/3,/1/0/1,/3303/0/5700"})).json()
        assert answer["content"]["/1/0/1"]["value"] == 300
        assert answer["content"]["/3"]["instances"][0]["resources"][0]["value"] == "Acme"
        assert answer["content"]["/3303/0/5700"] is None
        answer = (await http.get(url, params={"paths": "/", "format": "senml-json"})).json()
        assert [item["id"] for item in answer["content"]["/"]["objects"]] == [3, 1]
        body = {"/1/0/1": {"id": 1, "value": "300"}, "/3/0": {"14": "Z"}}
        assert (await http.put(url, json=body)).json()["success"] is True
        assert len(cbor2.loads(fake.seen[-1].payload)) == 2
        for bad in ([], 5, {"/x": 1}, {"/3/0/0": "x"}, {"/1/0/1": "x"}, {}):
            assert (await http.put(url, json=bad)).status_code == 400
        assert (await http.get(url)).status_code == 400
        assert (await http.post(url)).status_code == 405
        assert (await http.put(f"{url}?force=maybe", json=body)).status_code == 400
        answer = await http.put(f"{url}?force=1", json={"/3/0/0": 5})
        assert answer.status_code == 200
        assert cbor2.loads(fake.seen[-1].payload) == [{-2: "/3/0/", 0: "0", 2: 5}]
