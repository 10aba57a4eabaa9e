"""OMA's enabler tests of device management, LightweightM2M-1.1-int-201 to 281: what
docs/conformance.md lists and the tests of the firmware do not prove yet, in every format.

The configuration is OMA's: objects 1 and 3 with a value of each kind, here with their numbers.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
from aiocoap.numbers.codes import DELETE, FETCH, GET, POST, PUT, Code, iPATCH
from lwm2m_host import Device, Server
from lwm2m_host.errors import (
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Unauthorized,
    UnsupportedContentFormat,
)
from lwm2m_host.registration.events import Updated

from tests.integration.conftest import PATIENCE_S, Start, Station
from tests.integration.oma_management import (
    ABOUT,
    ACCOUNT,
    CBOR,
    COMPOSITE,
    IDENTITY,
    JSON,
    LINK,
    LWM2M_CBOR,
    OCTETS,
    SENML_CBOR,
    SENML_JSON,
    SINGLE,
    TEXT,
    TLV,
    TREES,
    ask,
    everything,
    full,
    steady,
    told,
)


@pytest.fixture
async def station(launch: Start, server: Server, width: int) -> Station:
    """The device of the conformance tests, at each width."""
    started = await launch(
        "conformance.py", servers=[server.uri], width=width, terms={"pmin_s": 1, "pmax_s": 10}
    )
    await started.registered_with(server)
    return started


@pytest.fixture
async def device(station: Station, server: Server) -> Device:
    return server.device(station.endpoint)


# Registration, as far as management brings it about


async def test_int_107_the_lifetime_is_extended_by_updates(device: Device, server: Server) -> None:
    with server.events() as stream:
        await device.write("/1/0/1", 2)
        async with asyncio.timeout(PATIENCE_S):
            events = [await anext(stream) for _ in range(3)]
    assert [type(event) for event in events] == [Updated] * 3
    assert {event.registration.lifetime_s for event in events} == {2}
    assert await device.read("/1/0/1") == 2


# 201 to 212: single values


@pytest.mark.parametrize(
    ("form", "number"), [("text", TEXT), ("cbor", CBOR)], ids=["int_201_text", "int_211_cbor"]
)
async def test_int_201_and_211_querying_basic_information_in_formats_for_one_value(
    device: Device, form: str, number: int
) -> None:
    expected = {f"/3/0/{rid}": ABOUT[rid] for rid in (0, 1, 2, 9, 16)}
    expected |= {f"/1/0/{rid}": ACCOUNT[rid] for rid in (0, 1, 6, 7)}
    expected |= {"/3/0/7/1": 5000, "/3/0/11/0": 0}
    for path, value in expected.items():
        assert await device.read(path, format=form) == value, path
        assert (await device.read(path, format=form, raw=True)).format == number
    assert abs(await device.read("/3/0/13", format=form) - datetime.now(UTC)) < timedelta(
        seconds=5
    )
    # More than one value is beyond them.
    for path in ("/3", "/3/0", "/3/0/7"):
        with pytest.raises(NotAcceptable):
            await device.read(path, format=form)


@pytest.mark.parametrize("form", ["text", "cbor"], ids=["int_205_text", "int_212_cbor"])
async def test_int_205_and_212_setting_basic_information_in_formats_for_one_value(
    device: Device, form: str
) -> None:
    for values in ({2: 101, 3: 1010, 5: 2000, 6: True}, {2: 1, 3: 10, 5: 86400, 6: False}):
        for rid, value in values.items():
            await device.write(f"/1/0/{rid}", value, format=form)
        for rid, value in values.items():
            assert await device.read(f"/1/0/{rid}", format=form) == value
            assert await device.read(f"/1/0/{rid}", format="tlv") == value
    assert await device.read("/1/0") == ACCOUNT


# 203, 204, 231, 232: reading in formats that carry instances

QUERYING = [
    pytest.param("tlv", TLV, id="int_203_tlv"),
    pytest.param("json", JSON, id="int_204_json"),
    pytest.param("senml-json", SENML_JSON, id="int_231_senml_json"),
    pytest.param("senml-cbor", SENML_CBOR, id="int_232_senml_cbor"),
    pytest.param("lwm2m-cbor", LWM2M_CBOR, id="lwm2m_cbor"),
]


@pytest.mark.parametrize(("form", "number"), QUERYING)
async def test_int_203_204_231_and_232_querying_basic_information(
    device: Device, form: str, number: int
) -> None:
    expected: dict[str, Any] = {
        "/1": {0: ACCOUNT},
        "/1/0": ACCOUNT,
        "/1/0/6": False,
        "/3/0/0": ABOUT[0],
        "/3/0/7": ABOUT[7],
        "/3/0/7/1": 5000,
        "/3/0/16": "U",
        "/3/0/11/0": 0,
        "/16": {0: {0: IDENTITY}},
        "/3303/0/5700": pytest.approx(21.5),
    }
    for path, value in expected.items():
        assert await device.read(path, format=form) == value, path
    assert steady(await device.read("/3/0", format=form)) == ABOUT
    assert steady((await device.read("/3", format=form))[0]) == ABOUT
    assert (await device.read("/1/0", format=form, raw=True)).format == number


# 215, 220, 233, 234: writing in formats that carry instances


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("tlv", id="int_215_tlv"),
        pytest.param("json", id="int_220_json"),
        pytest.param("senml-cbor", id="int_233_senml_cbor"),
        pytest.param("senml-json", id="int_234_senml_json"),
        pytest.param("lwm2m-cbor", id="lwm2m_cbor"),
    ],
)
async def test_int_215_220_233_and_234_setting_basic_information(
    device: Device, form: str
) -> None:
    changes = {2: 101, 3: 1010, 5: 2000, 6: True, 7: "U"}
    await device.write("/1/0", changes, update=True, format=form)
    assert await device.read("/1/0", format=form) == ACCOUNT | changes
    # Replaced by what it was; 0 can only be read, and stays.
    before = {rid: value for rid, value in ACCOUNT.items() if rid}
    await device.write("/1/0", before, format=form)
    assert await device.read("/1/0", format=form) == ACCOUNT
    await device.write("/1/0/1", 63, format=form)
    assert await device.read("/1/0/1") == 63
    await device.write("/16/0/0/0", "written", format=form)
    assert await device.read("/16/0/0", format=form) == IDENTITY | {0: "written"}
    await device.write("/16/0/0", {7: "seven"}, format=form)
    assert await device.read("/16/0/0", format=form) == {7: "seven"}
    await device.write("/16/0", {0: {1: "one"}}, update=True, format=form)
    assert await device.read("/16/0/0", format=form) == {7: "seven", 1: "one"}


# 221: the Security object


async def test_int_221_the_security_object_is_closed_to_every_operation_in_every_format(
    device: Device, server: Server
) -> None:
    before = await everything(device)
    for form in (TEXT, CBOR, TLV, JSON, SENML_JSON, SENML_CBOR, LWM2M_CBOR, LINK):
        for path in ("/0", "/0/0", "/0/0/0"):
            answer = await ask(server, device, GET, path, accept=form)
            assert answer.code == Code.UNAUTHORIZED, (path, form)
            for code in (PUT, POST):
                answer = await ask(server, device, code, path, b"\x00", content_format=form)
                assert answer.code == Code.UNAUTHORIZED, (code, path, form)
    for path in ("/0", "/0/0", "/0/0/0"):
        answer = await ask(server, device, PUT, path, query=("pmin=10",))
        assert answer.code == Code.UNAUTHORIZED
        answer = await ask(server, device, GET, path, observe=0)
        assert (answer.code, answer.opt.observe) == (Code.UNAUTHORIZED, None)
        assert (await ask(server, device, POST, path)).code == Code.UNAUTHORIZED
        assert (await ask(server, device, DELETE, path)).code == Code.UNAUTHORIZED
    paths = cbor2.dumps([{0: "/0/0"}])
    for observe in (None, 0):
        answer = await ask(
            server, device, FETCH, "/", paths, content_format=SENML_CBOR, observe=observe
        )
        assert (answer.code, answer.opt.observe) == (Code.UNAUTHORIZED, None)
    for form in COMPOSITE:
        read = await device.read_composite(["/0", "/0/0/0", "/3/0/0"], format=form, force=True)
        assert read == {"/3/0/0": ABOUT[0]}
        with pytest.raises(Unauthorized):
            await device.write_composite(
                {"/1/0/2": 99, "/0/0/0": "coap://192.0.2.66"}, format=form, force=True
            )
    assert await everything(device) == before


# 222 to 228: every level, every format


async def test_int_222_to_225_read_at_every_level_in_every_format(device: Device) -> None:
    await device.write("/3442/0/1120", {0: 1, 300: -70000, 65534: 1 << 40})
    whole = await device.read("/3442/0")
    for form in TREES:
        # A multiple resource without instances is not to be seen in every format.
        assert full((await device.read("/3442", format=form))[0]) == full(whole)
        assert full(await device.read("/3442/0", format=form)) == full(whole)
        assert await device.read("/3442/0/1120", format=form) == whole[1120]
        assert await device.read("/3442/0/1120/65534", format=form) == 1 << 40
    for rid, value in whole.items():
        for form in SINGLE:
            # A text of type Objlnk or Opaque is well-defined too.
            if not isinstance(value, dict):
                assert await device.read(f"/3442/0/{rid}", format=form) == value, (rid, form)
            elif value:
                riid = max(value)
                path = f"/3442/0/{rid}/{riid}"
                assert await device.read(path, format=form) == value[riid], (path, form)


async def test_int_226_and_227_update_and_replace_in_every_format(device: Device) -> None:
    for n, form in enumerate(TREES):
        # Two lifetimes that are not too short, so that an Update is sent for each.
        await device.write("/1/0", {1: 70 + n, 6: True}, update=True, format=form)
        assert await device.read("/1/0") == ACCOUNT | {1: 70 + n, 6: True}
        await device.write("/1/0", {1: 60, 2: 1, 3: 10, 5: 86400, 6: False, 7: "U"}, format=form)
        assert await device.read("/1/0") == ACCOUNT
        await device.write("/1/0", {1: 60, 6: False, 7: "U"}, format=form)
        left = await device.read("/1/0")
        assert 2 not in left
        assert 3 not in left
        await device.write("/1/0", {2: 1, 3: 10, 5: 86400}, update=True, format=form)
        assert await device.read("/1/0") == ACCOUNT


async def test_int_227_a_replaced_lifetime_is_in_the_registration(
    device: Device, server: Server
) -> None:
    for n, form in enumerate(SINGLE):
        with server.events() as stream:
            await device.write("/1/0/1", 600 + n, format=form)
            async with asyncio.timeout(PATIENCE_S):
                event = await anext(stream)
        assert isinstance(event, Updated)
        assert (await device.registration()).lifetime_s == 600 + n
        assert await device.read("/1/0/1") == 600 + n


async def test_int_228_write_on_a_resource_instance_in_every_format(device: Device) -> None:
    for form in SINGLE:
        await device.write("/16/0/0/1", f"in {form}", format=form)
        assert await device.read("/16/0/0") == IDENTITY | {1: f"in {form}"}
    for form in TREES:
        with pytest.raises(NotFound):
            await device.write("/16/0/0/9", "new", format=form)
        # One that is not there is added by a write of the resource, nothing else is touched.
        await device.write("/16/0/0", {9: "new"}, update=True, format=form)
        assert await device.read("/16/0/0") == IDENTITY | {1: "in lwm2m-cbor", 9: "new"}
        await device.write("/16/0/0", IDENTITY | {1: "in lwm2m-cbor"}, format=form)


# 229, 235, 236, 280, 281: Read-Composite


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_229_and_280_read_composite(device: Device, form: str) -> None:
    read = await device.read_composite(["/3", "/1/0"], format=form)
    assert list(read) == ["/3", "/1/0"]
    assert steady(read["/3"][0]) == ABOUT
    assert read["/1/0"] == ACCOUNT
    paths = ["/1/0/1", "/3/0/11/0", "/3/0/16", "/16/0/0", "/3303/0/5700"]
    assert await device.read_composite(paths, format=form) == {
        "/1/0/1": 60,
        "/3/0/11/0": 0,
        "/3/0/16": "U",
        "/16/0/0": IDENTITY,
        "/3303/0/5700": pytest.approx(21.5),
    }
    read = await device.read_composite(["/3/0/16", "/3/0/11/0", "/1/0"], format=form)
    assert read == {"/3/0/16": "U", "/3/0/11/0": 0, "/1/0": ACCOUNT}


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_235_read_composite_of_the_root(
    device: Device, server: Server, form: str
) -> None:
    answer = await ask(
        server, device, FETCH, "/", cbor2.dumps([{0: "/"}]), content_format=SENML_CBOR
    )
    assert (answer.code, answer.opt.block2.more) == (Code.CONTENT, True)
    whole = (await device.read_composite(["/"], format=form))["/"]
    assert set(whole) == {1, 3, 4, 6, 7, 16, 3303, 3442}  # neither 0 nor what has no instance
    for oid in (1, 4, 6, 16, 3303, 3442):
        expected = {iid: full(tree) for iid, tree in (await device.read(f"/{oid}")).items()}
        assert {iid: full(tree) for iid, tree in whole[oid].items()} == expected
    assert steady(whole[3][0]) == ABOUT


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_236_and_281_read_composite_of_what_is_only_partly_there(
    device: Device, form: str
) -> None:
    paths = ["/1/0", "/3/0/11/0", "/3339/0/5522", "/3353/0/6030", "/3/7", "/3/0/7/9", "/0/0/0"]
    read = await device.read_composite(paths, format=form, force=True)
    assert read == {"/1/0": ACCOUNT, "/3/0/11/0": 0}
    # 8 can only be executed.
    read = await device.read_composite(["/1/0/1", "/1/0/7", "/1/0/8"], format=form, force=True)
    assert read == {"/1/0/1": 60, "/1/0/7": "U"}
    # Nothing of it is there: that is a success too.
    assert await device.read_composite(["/3339/0", "/3/0/99"], format=form, force=True) == {}


async def test_int_237_read_without_a_format_is_answered_in_one_that_all_know(
    device: Device, server: Server
) -> None:
    for path in ("/1", "/3", "/16"):
        answer = await ask(server, device, GET, path)
        assert (answer.code, answer.opt.content_format) == (Code.CONTENT, TLV)


# 230, 257: Write-Composite


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_230_write_composite(device: Device, form: str) -> None:
    names = {0: "aa", 1: "bb", 2: "cc", 3: "dd"}
    values = {"/1/0/1": 61, "/1/0/6": True, "/16/0/0": names}
    await device.write_composite(values, format=form)
    assert await device.read("/1/0") == ACCOUNT | {1: 61, 6: True}
    assert await device.read("/16/0/0") == names
    # A record for one instance leaves the others alone.
    await device.write_composite({"/16/0/0/2": "two", "/3442/0/120": -5}, format=form)
    assert await device.read("/16/0/0") == names | {2: "two"}
    assert await device.read("/3442/0/120") == -5


NOT_TO_BE_WRITTEN: list[tuple[type[Exception], str, Any]] = [
    (MethodNotAllowed, "/3/0/0", "read-only"),
    (MethodNotAllowed, "/1/0/8", 1),
    (NotFound, "/3/0/99", 1),
    (NotFound, "/3/7/14", "+01:00"),
    (NotFound, "/3339/0/5522", 1),
    (BadRequest, "/1/0/7", "Z"),
    (BadRequest, "/1/0/3", -1),
    (BadRequest, "/1/0/6", "yes"),
    (BadRequest, "/3/0/14", "noon"),
    (Unauthorized, "/0/0/0", "coap://192.0.2.66"),
]


@pytest.mark.parametrize("form", COMPOSITE)
async def test_int_257_a_composite_write_that_fails_in_part_changes_nothing(
    device: Device, form: str
) -> None:
    before = await everything(device)
    for kind, path, value in NOT_TO_BE_WRITTEN:
        good = {"/1/0/2": 102, "/16/0/0": {0: "x"}, "/3442/0/110": "x"}
        for values in (good | {path: value}, {path: value} | good):
            with pytest.raises(kind):
                await device.write_composite(values, format=form, force=True)
    assert await everything(device) == before
    await device.write_composite({"/1/0/2": 102, "/1/0/6": True, "/3/0/14": "+01:00"}, format=form)
    assert await device.read("/1/0") == ACCOUNT | {2: 102, 6: True}
    assert await device.read("/3/0/14") == "+01:00"


# 256: a write fails


@pytest.mark.parametrize("form", SINGLE)
async def test_int_256_write_failures_in_every_format_change_nothing(
    device: Device, form: str
) -> None:
    before = await everything(device)
    refused: list[tuple[type[Exception], str, Any]] = [
        (MethodNotAllowed, "/1/0/0", 123),
        (MethodNotAllowed, "/3/0/2", "forged"),
        (MethodNotAllowed, "/1/0/8", 1),
        (NotFound, "/1/0/99", 1),
        (NotFound, "/1/9/1", 1),
        (NotFound, "/3339/0/5522", 1),
        (BadRequest, "/1/0/7", "Z"),
        (BadRequest, "/3/0/14", "noon"),
    ]
    if form != "tlv":  # there 0xff is 255: servers exist that write unsigned integers so
        refused.append((BadRequest, "/1/0/3", -1))
    for kind, path, value in refused:
        with pytest.raises(kind):
            await device.write(path, value, format=form, force=True)
    if form in TREES:
        instances: list[tuple[type[Exception], dict[int, Any]]] = [
            (MethodNotAllowed, {2: 99, 0: 123}),
            (MethodNotAllowed, {0: 123, 2: 99}),
            (BadRequest, {2: 99, 1: 1 << 40}),
            (BadRequest, {2: 99, 7: "Z"}),
        ]
        for update in (True, False):
            for kind, values in instances:
                whole = {1: 77, 6: True, 7: "U"} | values
                with pytest.raises(kind):
                    await device.write("/1/0", whole, update=update, format=form, force=True)
        with pytest.raises(BadRequest):  # 6 and 7 are mandatory
            await device.write("/1/0", {1: 77}, format=form, force=True)
    assert await everything(device) == before


MALFORMED = {
    TLV: (b"\xc8", b"\xc1\x01", b"\xc1\x02\x63\xff"),
    JSON: (b"", b"{", b'{"e":[{"n":"/2"}]}', b'{"e":[{"n":"/2","v":}]}', b"[]"),
    SENML_JSON: (b"", b"[", b"{}", b'[{"n":"/1/0/2","v":9},]', b'[{"n":"/1/0/2","vs":"9"}]'),
    SENML_CBOR: (
        b"",
        b"\x81",
        cbor2.dumps({0: "/1/0/2", 2: 9}),
        cbor2.dumps([{0: "/1/0/2", 2: 9}])[:-1],
        cbor2.dumps([{0: "/1/0/2", 3: "9"}]),
        cbor2.dumps([{0: "/1/0/2", 2: 9}]) + b"\x00",
    ),
    LWM2M_CBOR: (b"", b"\xa1", cbor2.dumps({2: "x"}), b"\xbf\x02\x09", cbor2.dumps([2, 9])),
}


async def test_int_256_malformed_payloads_change_nothing(device: Device, server: Server) -> None:
    before = await everything(device)
    for form, payloads in MALFORMED.items():
        for payload in payloads:
            for code, path in ((PUT, "/1/0"), (POST, "/1/0"), (PUT, "/1/0/2")):
                if not payload and code == POST:
                    continue
                answer = await ask(server, device, code, path, payload, content_format=form)
                assert answer.code == Code.BAD_REQUEST, (form, payload, code, path)
            if form in (SENML_JSON, SENML_CBOR, LWM2M_CBOR):
                answer = await ask(server, device, iPATCH, "/", payload, content_format=form)
                assert answer.code == Code.BAD_REQUEST, (form, payload)
    assert await everything(device) == before


# Formats that are not there


async def test_accept_of_a_format_that_the_device_has_not_is_4_06(
    device: Device, server: Server
) -> None:
    for path in ("/3", "/3/0", "/3/0/0", "/3/0/7/0"):
        for accept in (41, 50, 65535, OCTETS):
            answer = await ask(server, device, GET, path, accept=accept)
            assert answer.code == Code.NOT_ACCEPTABLE, (path, accept)
    paths = cbor2.dumps([{0: "/3/0/0"}])
    for accept in (TLV, JSON, TEXT, CBOR, LINK, 50):
        answer = await ask(
            server, device, FETCH, "/", paths, content_format=SENML_CBOR, accept=accept
        )
        assert answer.code == Code.NOT_ACCEPTABLE, accept


async def test_a_composite_read_is_answered_in_the_format_that_is_accepted(
    device: Device, server: Server
) -> None:
    paths = cbor2.dumps([{0: "/3/0/16"}])
    for accept in (SENML_JSON, SENML_CBOR, LWM2M_CBOR):
        answer = await ask(
            server, device, FETCH, "/", paths, content_format=SENML_CBOR, accept=accept
        )
        assert (answer.code, answer.opt.content_format) == (Code.CONTENT, accept)
    for etch, plain in ((320, SENML_JSON), (322, SENML_CBOR)):
        payload = b'[{"n":"/3/0/16"}]' if etch == 320 else paths
        answer = await ask(server, device, FETCH, "/", payload, content_format=etch)
        assert (answer.code, answer.opt.content_format) == (Code.CONTENT, plain)


async def test_content_in_a_format_that_the_device_has_not_is_4_15(
    device: Device, server: Server
) -> None:
    before = await everything(device)
    for form in (LINK, OCTETS, 41, 50, 65535):
        for code, path in ((PUT, "/1/0/2"), (PUT, "/1/0"), (POST, "/1/0"), (POST, "/3442")):
            if code == POST and path == "/3442" and form == LINK:
                continue  # see below
            answer = await ask(server, device, code, path, b"9", content_format=form)
            assert answer.code == Code.UNSUPPORTED_CONTENT_FORMAT, (code, path, form)
    for form in (TEXT, CBOR, TLV, JSON, LINK, 50):
        for code in (FETCH, iPATCH):
            answer = await ask(server, device, code, "/", b"9", content_format=form)
            assert answer.code == Code.UNSUPPORTED_CONTENT_FORMAT, (code, form)
    assert await everything(device) == before


async def test_int_270_link_format_cannot_create(device: Device, server: Server) -> None:
    answer = await ask(server, device, POST, "/3442", b"</3442/1>", content_format=LINK)
    assert answer.code == Code.UNSUPPORTED_CONTENT_FORMAT


async def test_a_device_that_has_loaded_no_format_but_tlv_refuses_the_others(
    launch: Start, server: Server
) -> None:
    station = await launch("plain.py", servers=[server.uri], formats=False)
    device = await station.registered_with(server)
    for form in ("text", "cbor", "json", "senml-json", "senml-cbor", "lwm2m-cbor"):
        with pytest.raises(NotAcceptable):
            await device.read("/3/0/0", format=form)
        with pytest.raises(UnsupportedContentFormat):
            await device.write("/1/0/5", 7, format=form)
    for form in COMPOSITE:
        with pytest.raises(UnsupportedContentFormat):
            await device.read_composite(["/3/0/0"], format=form)
        with pytest.raises(UnsupportedContentFormat):
            await device.write_composite({"/1/0/5": 7}, format=form)
    assert await device.read("/1/0/5") == 86400


# 241: Execute


async def test_int_241_an_execution_with_arguments_and_its_refusals(
    device: Device, server: Server
) -> None:
    await device.execute("/3442/0/3", "0='ten',7")
    assert await device.read("/3442/0/4") == {0: "ten", 7: ""}
    for payload in (b"x", b"0=", b"0='a", b"10", b"0,0"):
        answer = await ask(server, device, POST, "/3442/0/3", payload, content_format=TEXT)
        assert answer.code == Code.BAD_REQUEST, payload
    with pytest.raises(MethodNotAllowed):
        await device.execute("/3/0/0", force=True)
    with pytest.raises(NotFound):
        await device.execute("/3/0/99", force=True)
    assert await device.read("/3442/0/4") == {0: "ten", 7: ""}


# 260, 261: Discover and Write-Attributes


async def test_int_260_discover_shows_the_attributes_where_they_were_written(
    device: Device,
) -> None:
    links = told(await device.discover("/3"))
    present = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 21)
    assert list(links) == ["/3", "/3/0", *(f"/3/0/{rid}" for rid in present)]
    assert links["/3"] == {"ver": "1.1"}
    await device.write_attributes("/3", pmin=10)
    await device.write_attributes("/3", pmax=200)
    assert told(await device.discover("/3"))["/3"] == {"ver": "1.1", "pmin": "10", "pmax": "200"}
    links = told(await device.discover("/3/0"))
    assert list(links) == ["/3/0", *(f"/3/0/{rid}" for rid in present)]
    assert {links[f"/3/0/{rid}"]["dim"] for rid in (6, 7, 8)} == {"2"}
    await device.write_attributes("/3/0/7", lt=1)
    await device.write_attributes("/3/0/7", gt=6)
    await device.write_attributes("/3/0/7", st=1)
    found = told(await device.discover("/3/0"))["/3/0/7"]
    assert {name: float(value) for name, value in found.items()} == {
        "dim": 2,
        "lt": 1,
        "gt": 6,
        "st": 1,
    }


async def test_int_261_attributes_of_a_multiple_resource_are_written_and_taken_away(
    device: Device,
) -> None:
    async def attributes(path: str) -> dict[str, Any]:
        found = dict(told(await device.discover(path))[path])
        found.pop("dim", None)
        return found

    await device.write_attributes("/3/0/11", pmin=10, pmax=100, epmin=1, epmax=20)
    written = {"pmin": "10", "pmax": "100", "epmin": "1", "epmax": "20"}
    assert await attributes("/3/0/11") == written
    await device.write_attributes("/3/0/11", pmax=320, epmin=None)
    assert await attributes("/3/0/11") == {"pmin": "10", "pmax": "320", "epmax": "20"}
    await device.write_attributes("/3/0/11/0", pmax=50)  # of the instance, not of the resource
    assert await attributes("/3/0/11") == {"pmin": "10", "pmax": "320", "epmax": "20"}
    await device.write_attributes("/3/0/11", pmin=None, pmax=None, epmax=None)
    assert await attributes("/3/0/11") == {}
    # No value has changed by it.
    assert await device.read("/3/0/11") == {0: 0}


async def test_int_260_discover_shows_assigned_and_inherited_attributes_at_each_level(
    device: Device,
) -> None:
    await device.write_attributes("/3", pmin=10)
    await device.write_attributes("/3/0", pmax=200)
    await device.write_attributes("/3/0/7", lt=1, gt=6, st=1)
    # What was asked for has what it inherits, each link what was written for it.
    links = told(await device.discover("/3"))
    assert links["/3"] == {"ver": "1.1", "pmin": "10"}
    assert links["/3/0"] == {"pmax": "200"}
    assert links["/3/0/7"] == {"dim": "2", "lt": "1", "gt": "6", "st": "1"}
    assert links["/3/0/8"] == {"dim": "2"}
    links = told(await device.discover("/3/0"))
    assert links["/3/0"] == {"pmin": "10", "pmax": "200"}
    assert links["/3/0/7"] == {"dim": "2", "lt": "1", "gt": "6", "st": "1"}
    assert links["/3/0/0"] == {}
    links = told(await device.discover("/3/0/7"))
    expected = {"dim": "2", "pmin": "10", "pmax": "200", "lt": "1", "gt": "6", "st": "1"}
    assert links["/3/0/7"] == expected
    # The lower one goes before the higher one, and its end brings that back.
    await device.write_attributes("/3/0/7", pmin=1)
    assert told(await device.discover("/3/0/7"))["/3/0/7"] == expected | {"pmin": "1"}
    await device.write_attributes("/3/0/7", pmin=None)
    assert told(await device.discover("/3/0/7"))["/3/0/7"] == expected


async def test_int_261_a_multiple_resource_and_its_instances_show_what_was_written_for_them(
    device: Device,
) -> None:
    await device.write_attributes("/3", pmin=10)
    await device.write_attributes("/3/0/7", pmax=100, epmin=1)
    await device.write_attributes("/3/0/7/1", pmax=50)
    links = told(await device.discover("/3/0/7"))
    assert links == {
        "/3/0/7": {"dim": "2", "pmin": "10", "pmax": "100", "epmin": "1"},
        "/3/0/7/0": {},
        "/3/0/7/1": {"pmax": "50"},
    }
    await device.write_attributes("/3/0/7", pmax=None, epmin=None)
    await device.write_attributes("/3/0/7/1", pmax=None)
    links = told(await device.discover("/3/0/7"))
    assert links == {"/3/0/7": {"dim": "2", "pmin": "10"}, "/3/0/7/0": {}, "/3/0/7/1": {}}


async def test_int_261_discover_of_a_multiple_resource_lists_its_instances(
    device: Device,
) -> None:
    assert list(told(await device.discover("/3/0/7"))) == ["/3/0/7", "/3/0/7/0", "/3/0/7/1"]
    await device.write_attributes("/3/0/11/0", pmax=100)
    links = told(await device.discover("/3/0/11"))
    assert links["/3/0/11/0"] == {"pmax": "100"}


async def test_int_261_attributes_that_cannot_be_are_refused_as_a_whole(
    device: Device, server: Server
) -> None:
    await device.write_attributes("/3303/0/5700", pmin=5, gt=30)
    before = await everything(device)
    for path, *query in (
        ("/3303/0/5700", "pmin=-1"),
        ("/3303/0/5700", "pmin=x"),
        ("/3303/0/5700", "pmin=1.5"),
        ("/3303/0/5700", "lt=40"),  # not below gt
        ("/3303/0/5700", "lt=20", "st=5"),  # lt + 2 st = gt
        ("/3303/0/5700", "pmin=7", "nonsense=1"),
        ("/3303/0/5701", "gt=1"),  # a text has no thresholds
        ("/3303/0", "gt=1"),
        ("/3303", "st=1"),
    ):
        answer = await ask(server, device, PUT, path, query=tuple(query))
        assert answer.code == Code.BAD_REQUEST, (path, query)
    answer = await ask(server, device, PUT, "/3303/9", query=("pmin=1",))
    assert answer.code == Code.NOT_FOUND
    assert await everything(device) == before


# 1.2


async def test_depth_null_and_delete_of_a_resource_instance(device: Device) -> None:
    assert list(told(await device.discover("/16", depth=0))) == ["/16"]
    assert list(told(await device.discover("/16", depth=1))) == ["/16", "/16/0"]
    deep = told(await device.discover("/16", depth=3))
    assert [path for path in deep if path.startswith("/16/0/0/")] == [
        f"/16/0/0/{riid}" for riid in IDENTITY
    ]
    await device.delete("/16/0/0/3")
    left = {riid: value for riid, value in IDENTITY.items() if riid != 3}
    assert await device.read("/16/0/0") == left
    with pytest.raises(NotFound):
        await device.delete("/16/0/0/3")
    await device.write_composite({"/16/0/0/2": None, "/16/0/0/1": "new", "/3442/0/110": None})
    assert await device.read("/16/0/0") == {0: IDENTITY[0], 1: "new"}
    with pytest.raises(NotFound):
        await device.read("/3442/0/110")
    # The last one of a mandatory resource stays.
    await device.delete("/16/0/0/1")
    with pytest.raises(MethodNotAllowed):
        await device.delete("/16/0/0/0")
    with pytest.raises(BadRequest):
        await device.write_composite({"/16/0/0/0": None})
    assert await device.read("/16/0/0") == {0: IDENTITY[0]}


# Create and Delete


@pytest.mark.parametrize("form", TREES)
async def test_int_270_and_290_an_instance_is_created_and_deleted(
    device: Device, form: str
) -> None:
    before = await everything(device)
    values = {0: {0: "Host Device ID #2", 1: "Host Device Model #2"}}
    assert str(await device.create("/16/7", values, format=form)) == "/16/7"
    assert await device.read("/16") == {0: {0: IDENTITY}, 7: values}
    assert told(await device.discover("/16/7"))["/16/7/0"] == {"dim": "2"}
    await device.delete("/16/7")
    with pytest.raises(NotFound):
        await device.read("/16/7")
    assert await everything(device) == before


async def test_int_270_the_device_chooses_the_instance_id(device: Device, server: Server) -> None:
    with server.events() as stream:
        for iid in (1, 2):
            assert str(await device.create("/16", {0: {0: f"number {iid}"}})) == f"/16/{iid}"
        async with asyncio.timeout(PATIENCE_S):
            while (await device.registration()).objects[16].instances != (0, 1, 2):
                assert isinstance(await anext(stream), Updated)
    assert await device.read("/16/2") == {0: {0: "number 2"}}
    await device.delete("/16/1")
    assert str(await device.create("/16", {0: {}})) == "/16/1"  # the lowest that is free


async def test_int_271_a_multiple_resource_gets_more_instances(device: Device) -> None:
    await device.write("/16/0", {0: {4: "four", 65534: "last"}}, update=True)
    assert await device.read("/16/0/0") == IDENTITY | {4: "four", 65534: "last"}


async def test_int_270_what_cannot_be_created_or_deleted_is_refused_and_nothing_changes(
    device: Device, server: Server
) -> None:
    before = await everything(device)
    good = b'[{"bn":"/16/5/","n":"0/0","vs":"x"}]'
    refused: list[tuple[Code, Code, str, bytes, int]] = [
        (Code.BAD_REQUEST, POST, "/16", good.replace(b"/5", b"/0"), SENML_JSON),  # is there
        (Code.BAD_REQUEST, POST, "/16", b"", TLV),  # lacks what is mandatory
        (Code.BAD_REQUEST, POST, "/16", good.replace(b'"x"', b"7"), SENML_JSON),
        (Code.BAD_REQUEST, POST, "/16", good[:-1], SENML_JSON),
        (Code.BAD_REQUEST, POST, "/16", good.replace(b"16", b"19"), SENML_JSON),
        # What is unknown or read-only is not processed, and then what is mandatory is missing.
        (Code.BAD_REQUEST, POST, "/16", good.replace(b"0/0", b"9"), SENML_JSON),
        (Code.BAD_REQUEST, POST, "/16", good.replace(b"0/0", b"3"), SENML_JSON),
        (Code.UNSUPPORTED_CONTENT_FORMAT, POST, "/16", b"x", TEXT),
        (Code.METHOD_NOT_ALLOWED, POST, "/3", b"", TLV),
        (Code.METHOD_NOT_ALLOWED, POST, "/3303", b"", TLV),
        (Code.NOT_FOUND, POST, "/3339", b"", TLV),
    ]
    for expected, code, path, payload, form in refused:
        answer = await ask(server, device, code, path, payload, content_format=form)
        assert answer.code == expected, (path, payload)
    for expected, path in (
        (Code.METHOD_NOT_ALLOWED, "/16"),
        (Code.METHOD_NOT_ALLOWED, "/16/0/0"),
        (Code.METHOD_NOT_ALLOWED, "/3/0"),
        (Code.METHOD_NOT_ALLOWED, "/1/0"),
        (Code.NOT_FOUND, "/16/9"),
        (Code.NOT_FOUND, "/3339/0"),
    ):
        assert (await ask(server, device, DELETE, path)).code == expected, path
    assert await everything(device) == before
