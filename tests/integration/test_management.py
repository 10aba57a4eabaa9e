"""Device management (LwM2M 1.1 core §6.3): values of every type, and every refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import DELETE, FETCH, GET, POST, PUT, Code
from aiocoap.optiontypes import OpaqueOption
from lwm2m_host import Device, Server
from lwm2m_host.errors import (
    BadRequest,
    Forbidden,
    InternalServerError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotImplementedByDevice,
    ResponseError,
    Unauthorized,
    UnsupportedContentFormat,
)
from lwm2m_host.model.values import ObjLink
from lwm2m_host.model.xml import parse_xml

from tests.integration.conftest import Start, Station
from tests.raw_request import send_raw

TEXT, LINK, OCTETS, JSON, TLV = 0, 40, 42, 50, 11542

TYPES = {
    0: "Boolean",
    1: "Integer",
    2: "Unsigned Integer",
    3: "Float",
    4: "String",
    5: "Opaque",
    6: "Time",
    7: "Objlnk",
    8: "Integer",
    10: "String",
    11: "String",
    13: "Integer",
    14: "Integer",
    15: "Integer",
}


def _definition() -> bytes:
    """The valve of devices/own_object.py in OMA's format."""
    items = "".join(
        f'<Item ID="{rid}"><Name>r{rid}</Name><Operations>RW</Operations>'
        f"<MultipleInstances>{'Multiple' if rid == 8 else 'Single'}</MultipleInstances>"
        f"<Mandatory>Optional</Mandatory><Type>{kind}</Type></Item>"
        for rid, kind in TYPES.items()
    )
    return (
        "<LWM2M><Object><Name>Valve</Name><ObjectID>26241</ObjectID>"
        "<MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>"
        f"<Resources>{items}</Resources></Object></LWM2M>"
    ).encode()


@pytest.fixture
async def valve(launch: Start, server: Server, width: int) -> Device:
    """The device with an object of its own, whose definition the server knows."""
    for item in parse_xml(_definition()):
        server.models.add(item)
    station = await launch("own_object.py", servers=[server.uri], width=width)
    return await station.registered_with(server)


# Read


async def test_int_201_and_203_querying_basic_information_as_text_and_as_tlv(
    device: Device,
) -> None:
    expected = {0: "Open Mobile Alliance", 1: "Lightweight M2M Client", 2: "345000123"}
    for rid, value in expected.items():
        for form in ("text", "tlv"):
            assert await device.read(f"/3/0/{rid}", format=form) == value
    content = await device.read("/3/0/0", format="text", raw=True)
    assert content == (TEXT, b"Open Mobile Alliance")
    content = await device.read("/3/0/2", format="tlv", raw=True)
    assert content == (TLV, b"\xc8\x02\x09345000123")


async def test_int_222_to_225_read_on_object_instance_resource_and_resource_instance(
    device: Device,
) -> None:
    whole = await device.read("/3")
    assert list(whole) == [0]
    instance = await device.read("/3/0")
    now = datetime.now(UTC)
    for tree in (whole[0], instance):
        assert abs(tree.pop(13) - now) < timedelta(seconds=5)
        assert 0 < tree.pop(10) <= tree.pop(21) < 1 << 20  # kB free, kB in all
        assert tree == {
            0: "Open Mobile Alliance",
            1: "Lightweight M2M Client",
            2: "345000123",
            3: "1.0",
            6: {0: 1, 1: 5},
            7: {0: 3800, 1: 5000},
            8: {0: 125, 1: 900},
            9: 100,
            11: {0: 0},
            14: "+02:00",
            15: "Europe/Berlin",
            16: "U",
            22: {0: ObjLink(3303, 0)},
        }
    assert await device.read("/3/0/7") == {0: 3800, 1: 5000}
    assert await device.read("/3/0/7/1") == 5000
    assert await device.read("/3/0/7/1", format="text") == 5000
    assert await device.read("/3303/0/5700") == pytest.approx(21.5)
    assert await device.read("/1/0") == {0: 1, 1: 60, 5: 86400, 6: False, 7: "U"}


async def test_int_237_read_without_an_accepted_format(device: Device, server: Server) -> None:
    for path, form in ("/3", TLV), ("/3/0", TLV), ("/3/0/7", TLV), ("/3/0/0", TEXT):
        answer = await _raw(server, device, GET, path)
        assert (answer.code, answer.opt.content_format) == (Code.CONTENT, form)


# Discover


async def test_int_260_discover(device: Device) -> None:
    async def paths(path: str) -> list[str]:
        return [link.target for link in await device.discover(path)]

    readable = (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 21, 22)
    below = [f"/3/0/{rid}" for rid in readable]
    assert await paths("/3") == ["/3", "/3/0", *below]
    assert await paths("/3/0") == ["/3/0", *below]
    assert await paths("/3/0/0") == ["/3/0/0"]
    links = await device.discover("/3/0/7")
    assert [link.target for link in links] == ["/3/0/7", "/3/0/7/0", "/3/0/7/1"]
    assert links[0].attributes == {"dim": "2"}
    assert "/1/0/8" in await paths("/1")
    assert (await device.discover("/3"))[0].attributes == {"ver": "1.1"}


# Write


async def test_int_205_and_215_setting_basic_information_as_text_and_as_tlv(
    device: Device,
) -> None:
    for form, values in ("text", (101, 10, False)), ("tlv", (70000, 0, True)):
        for rid, value in zip((2, 3, 6), values, strict=True):
            await device.write(f"/1/0/{rid}", value, format=form)
            assert await device.read(f"/1/0/{rid}") == value


async def test_int_226_and_227_partial_update_and_replace(device: Device) -> None:
    await device.write("/1/0", {2: 5, 3: 60}, update=True)
    assert await device.read("/1/0") == {0: 1, 1: 60, 2: 5, 3: 60, 5: 86400, 6: False, 7: "U"}
    # What a replacing write does not mention is gone.
    await device.write("/1/0", {1: 90, 3: 50, 6: True, 7: "U"})
    tree = await device.read("/1/0")
    assert 2 not in tree
    assert {rid: tree[rid] for rid in (0, 1, 3, 6, 7)} == {0: 1, 1: 90, 3: 50, 6: True, 7: "U"}


async def test_int_228_write_on_a_resource_instance(valve: Device) -> None:
    assert await valve.read("/26241/0/8") == {0: 10, 5: 20}
    await valve.write("/26241/0/8/5", -300)
    assert await valve.read("/26241/0/8") == {0: 10, 5: -300}
    await valve.write("/26241/0/8", {1: 1})
    assert await valve.read("/26241/0/8") == {1: 1}
    await valve.write("/26241/0", {8: {2: 2}}, update=True)
    assert await valve.read("/26241/0/8") == {1: 1, 2: 2}


async def test_the_clock_is_set_and_goes_on(device: Device) -> None:
    moment = datetime(2031, 5, 17, 12, 0, tzinfo=UTC)
    await device.write("/3/0/13", moment)
    assert timedelta(0) <= await device.read("/3/0/13") - moment < timedelta(seconds=10)
    await device.write("/3/0/14", "+05:30")
    assert await device.read("/3/0/14") == "+05:30"


# Objects of one's own

VALUES: list[tuple[int, Any]] = [
    (0, True),
    (0, False),
    *((1, sign * n) for n in (0, 1, 127, 128, 32768, 1 << 30, 1 << 31) for sign in (1, -1)),
    (1, (1 << 63) - 1),
    (1, -(1 << 63)),
    (2, (1 << 32) - 1),
    (2, (1 << 64) - 1),
    (3, 0.0),
    (3, -1.5),
    (3, 1e10),
    (4, ""),
    (4, "a"),
    (4, "Grüße, 世界"),
    (4, "x" * 300),
    (5, b""),
    (5, b"\x00\xff\x80"),
    (5, bytes(range(256))),
    (6, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    (6, datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)),
    (7, ObjLink(1, 0)),
    (7, ObjLink(65535, 65535)),
    (8, {}),
    (8, {0: 1, 65534: -1, 300: 70000}),
]


async def test_values_of_every_type_come_back_as_they_were_written(valve: Device) -> None:
    for rid, value in VALUES:
        await valve.write(f"/26241/0/{rid}", value)
        assert await valve.read(f"/26241/0/{rid}", format="tlv") == value, (rid, value)
        if isinstance(value, bytes):
            await valve.write(f"/26241/7/{rid}", value, format="opaque")
            assert await valve.read(f"/26241/7/{rid}", format="opaque") == value
        if not isinstance(value, dict):
            other = "opaque" if rid == 5 else "text"
            assert await valve.read(f"/26241/0/{rid}", format=other) == value, (rid, value)
            await valve.write(f"/26241/7/{rid}", value, format="text")
            assert await valve.read(f"/26241/7/{rid}") == value, (rid, value)


async def test_an_object_of_ones_own_is_executed_with_its_arguments(valve: Device) -> None:
    await valve.execute("/26241/0/9")
    assert await valve.read("/26241/0/10") == "nothing"
    await valve.execute("/26241/0/9", "0='hot water',2")
    assert await valve.read("/26241/0/10") == "[(0, 'hot water'), (2, None)]"
    # The other instance has not been touched.
    assert await valve.read("/26241/7/10") == ""


async def test_a_handlers_mistake_is_5_00_and_the_device_goes_on(valve: Device) -> None:
    with pytest.raises(InternalServerError):
        await valve.execute("/26241/0/12")
    await valve.write("/26241/0/2", 13)
    for path in ("/26241/0/13", "/26241/0", "/26241"):
        with pytest.raises(InternalServerError):
            await valve.read(path)
    await valve.execute("/26241/0/9")


async def test_a_handler_refuses_and_nothing_is_written(valve: Device) -> None:
    await valve.write("/26241/0/14", 5)
    with pytest.raises(Forbidden):
        await valve.write("/26241/0/14", -5)
    with pytest.raises(Forbidden):
        await valve.write("/26241/0", {1: 99, 4: "new", 14: -1}, update=True)
    assert await valve.read("/26241/0/14") == 5
    assert await valve.read("/26241/0/1") == 0
    assert await valve.read("/26241/0/4") == ""


async def test_what_can_only_be_written_cannot_be_read(valve: Device) -> None:
    await valve.write("/26241/0/11", "hush")
    with pytest.raises(MethodNotAllowed):
        await valve.read("/26241/0/11")
    assert "hush" not in str(await valve.read("/26241"))


# Execute


async def test_int_241_reboot_is_answered_before_it_happens(
    station: Station, device: Device
) -> None:
    await device.execute("/3/0/4")
    assert "rebooting" not in station.output
    assert await device.read("/3/0/9") == 100  # still there
    await station.says("rebooting")


async def test_error_codes_are_reset(device: Device) -> None:
    await device.execute("/3/0/12")
    assert await device.read("/3/0/11") == {0: 0}


async def test_what_the_device_cannot_do_is_refused(device: Device) -> None:
    with pytest.raises((NotFound, NotImplementedByDevice)):
        await device.execute("/3/0/5")  # no factory_reset was given


# Refusals

REFUSED: list[tuple[str, Code, str, dict[str, Any]]] = [
    # int-221: operations on the Security object
    ("4.01", GET, "/0", {}),
    ("4.01", GET, "/0/0", {}),
    ("4.01", GET, "/0/0/0", {}),
    ("4.01", GET, "/0/0", {"accept": LINK}),
    ("4.01", PUT, "/0/0/0", {"payload": b"coap://evil", "content_format": TEXT}),
    ("4.01", POST, "/0/0/0", {}),
    ("4.04", GET, "/4", {}),
    ("4.04", GET, "/3/1", {}),
    ("4.04", GET, "/3/0/99", {}),
    ("4.04", GET, "/3/0/17", {}),  # defined, but this device does not have it
    ("4.04", GET, "/3/0/7/9", {}),
    ("4.04", GET, "/3/0/0/0", {}),
    ("4.04", GET, "/x", {}),
    ("4.04", GET, "/3/0/00", {}),
    ("4.04", GET, "/3/0/7/1/1", {}),
    ("4.04", GET, "/65536/0", {}),
    ("4.04", PUT, "/1/0/99", {"payload": b"1", "content_format": TEXT}),
    ("4.04", POST, "/3/0/99", {}),
    ("4.05", GET, "/3/0/4", {}),
    ("4.05", PUT, "/3/0/0", {"payload": b"new", "content_format": TEXT}),
    ("4.05", PUT, "/3/0/4", {"payload": b"1", "content_format": TEXT}),
    ("4.05", POST, "/3/0/0", {}),
    ("4.05", POST, "/1/0/1", {"payload": b"5", "content_format": TEXT}),
    ("4.05", DELETE, "/3/0", {}),
    ("4.05", DELETE, "/1/0/1", {}),
    ("4.05", FETCH, "/3/0", {}),
    ("4.06", GET, "/3/0", {"accept": JSON}),
    ("4.06", GET, "/3/0", {"accept": TEXT}),
    ("4.06", GET, "/3/0/7", {"accept": TEXT}),
    ("4.06", GET, "/3/0/0", {"accept": OCTETS}),
    ("4.06", GET, "/3/0/0", {"accept": 65000}),
    ("4.15", PUT, "/1/0/1", {"payload": b"5", "content_format": JSON}),
    ("4.15", PUT, "/1/0/1", {"payload": b"5", "content_format": LINK}),
    ("4.15", PUT, "/1/0/1", {"payload": b"5", "content_format": OCTETS}),
    ("4.15", PUT, "/1/0", {"payload": b"5", "content_format": TEXT}),
    ("4.15", POST, "/1/0/8", {"payload": b"\x00", "content_format": TLV}),
    ("4.00", PUT, "/1/0/1", {"payload": b"many", "content_format": TEXT}),
    ("4.00", PUT, "/1/0/1", {"payload": b"", "content_format": TEXT}),
    ("4.00", PUT, "/1/0/1", {"payload": b"-1", "content_format": TEXT}),
    ("4.00", PUT, "/1/0/6", {"payload": b"2", "content_format": TEXT}),
    ("4.00", PUT, "/1/0/7", {"payload": b"Z", "content_format": TEXT}),
    ("4.00", PUT, "/3/0/14", {"payload": b"noon", "content_format": TEXT}),
    ("4.00", PUT, "/3/0/15", {"payload": b"\xff\xfe", "content_format": TEXT}),
    ("4.00", PUT, "/1/0/1", {"payload": b"\xc2\x01", "content_format": TLV}),
    ("4.00", PUT, "/1/0/1", {"payload": b"\xc1\x02\x05", "content_format": TLV}),
    ("4.00", PUT, "/1/0/1", {"payload": b"\xc0\x01", "content_format": TLV}),
    ("4.00", PUT, "/1/0/6", {"payload": b"\xc1\x06\x02", "content_format": TLV}),
    ("4.00", PUT, "/1/0/1", {"payload": b"\x81\x01\x05", "content_format": TLV}),
    ("4.00", PUT, "/1/0", {"payload": b"\xc1\x01\x05", "content_format": TLV}),  # 6, 7 missing
    ("4.00", PUT, "/1/0", {}),
    ("4.00", POST, "/1/0/8", {"payload": b"a", "content_format": TEXT}),
    ("4.00", POST, "/1/0/8", {"payload": b"0='", "content_format": TEXT}),
    ("4.02", GET, "/3/0/0", {"option": (9, b"")}),
    ("4.02", PUT, "/1/0/1", {"payload": b"5", "content_format": TEXT, "option": (2049, b"x")}),
    ("4.02", GET, "/3/0/0", {"option": (1, b"etag")}),  # If-Match
    ("5.05", GET, "/3/0/0", {"option": (35, b"coap://[::1]/")}),  # Proxy-Uri
    ("5.01", POST, "/3/0/5", {}),
]


async def test_int_221_and_256_every_refusal_and_nothing_has_changed(
    station: Station, device: Device, server: Server
) -> None:
    before = await _stable(device)
    told = [
        (code, str(method), path, more, (await _raw(server, device, method, path, **more)))
        for code, method, path, more in REFUSED
    ]
    wrong = [
        f"{method} {path} {more}: {answer.code.dotted} instead of {code}"
        for code, method, path, more, answer in told
        if answer.code.dotted != code
    ]
    assert not wrong, "\n".join(wrong)
    assert await _stable(device) == before
    assert station.events() == ["registered"]
    assert "Traceback" not in station.output


async def test_int_221_the_security_object_cannot_be_deleted(
    device: Device, server: Server
) -> None:
    for path in ("/0", "/0/0", "/0/0/0"):
        answer = await _raw(server, device, DELETE, path)
        assert answer.code in (Code.UNAUTHORIZED, Code.METHOD_NOT_ALLOWED)
    await device.execute("/1/0/8")


async def test_an_option_that_need_not_be_understood_changes_nothing(
    device: Device, server: Server
) -> None:
    answer = await _raw(server, device, GET, "/3/0/2", option=(2050, b"elective"))
    assert (answer.code, answer.payload) == (Code.CONTENT, b"345000123")


async def test_refusals_are_exceptions_of_the_api(device: Device) -> None:
    for kind, call in (
        (NotFound, device.read("/4")),
        (Unauthorized, device.read("/0/0")),
        (MethodNotAllowed, device.write("/3/0/0", "new", force=True)),
        (NotAcceptable, device.read("/3/0", format="text")),
        (BadRequest, device.write("/3/0/14", "noon")),
        (MethodNotAllowed, device.create("/3303", {5750: "x"})),
        (MethodNotAllowed, device.delete("/3303/0")),
    ):
        with pytest.raises(ResponseError) as caught:
            await call
        assert type(caught.value) is kind


async def test_a_client_without_the_text_format_speaks_tlv(launch: Start, server: Server) -> None:
    station = await launch(servers=[server.uri], formats=False)
    device = await station.registered_with(server)
    assert await device.read("/3/0/0") == "Open Mobile Alliance"
    answer = await _raw(server, device, GET, "/3/0/0")
    assert answer.opt.content_format == TLV
    with pytest.raises(NotAcceptable):
        await device.read("/3/0/0", format="text")
    with pytest.raises(UnsupportedContentFormat):
        await device.write("/1/0/1", 5, format="text")
    await device.write("/1/0/1", 120)
    assert await device.read("/1/0/1") == 120


async def _stable(device: Device) -> Any:
    """All that a write could have changed."""
    tree = [await device.read(path) for path in ("/1", "/3", "/3303")]
    for rid in (10, 13):
        del tree[1][0][rid]
    return tree


async def _raw(
    server: Server,
    device: Device,
    code: Code,
    path: str,
    *,
    option: tuple[int, bytes] | None = None,
    payload: bytes = b"",
    **options: int,
) -> Message:
    """The answer to a request of one datagram, whatever its code."""
    segments = path.strip("/").split("/")
    message = Message(code=code, payload=payload, uri_path=segments)
    for name, value in options.items():
        setattr(message.opt, name, value)
    if option is not None:
        message.opt.add_option(OpaqueOption(*option))
    return await send_raw(server, device, message)
