"""Inputs that devices and users of other software sent, and what must come of them.

Each test bears the number of its line in docs/cases.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import sqlite3
import struct
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path as FilePath

import cbor2
import httpx
import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Models, Path, Server, errors
from lwm2m_host.cli.app import run
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.device import Device
from lwm2m_host.events import Event
from lwm2m_host.formats import CBOR, JSON, LWM2M_CBOR, SENML_CBOR, SENML_JSON, TLV, Format
from lwm2m_host.model.values import DataType, ObjLink, to_json
from lwm2m_host.model.xml import parse_xml
from lwm2m_host.reporting.events import Unreadable
from lwm2m_host.reporting.history import History, read
from lwm2m_host.web import ControlPlane

from tests.host.commands import Serving, finish, next_line, serve, spawn
from tests.host.fake_device import FakeDevice, changed, content
from tests.host.object_files import definition, item
from tests.host.observing import TEMPERATURE, degrees
from tests.waiting import PATIENCE_S, until

ROOT = FilePath(__file__).resolve().parents[2]
ACME = bytes.fromhex("c400") + b"Acme"


@pytest.fixture
def device(server: Server, fake: FakeDevice) -> Device:
    return server.device("fake")


@pytest.fixture
async def plane(server: Server) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(server, port=0) as running:
        yield running


# S-01, S-17, S-25: what a Register says


@pytest.mark.parametrize(
    ("links", "accept"),
    [
        (b"</>;ct=110, </1/0>,</3/0>", 110),
        (b'</1/0>,</3/0>,</>;ct="60 112"', 112),
        (b'</lwm2m>;rt="oma.lwm2m";ct=110,</lwm2m/3/0>', 110),
        (b'</lwm2m>;rt="oma.lwm2m",</lwm2m>;ct=110,</lwm2m/3/0>', 110),
        (b'</>;ct=110,</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>', 11542),
        (b"</3/0>;ct=110", 11542),
    ],
)
async def test_s_01_the_formats_of_the_root_link_count_without_rt(
    server: Server, device: Device, fake: FakeDevice, links: bytes, accept: int
) -> None:
    await fake.register(links=links)
    root = "/lwm2m" if b"/lwm2m/" in links else ""
    fake.answers["GET", f"{root}/3/0/0"] = content(b"Acme", 0)
    assert await device.read("/3/0/0") == "Acme"
    assert fake.seen[-1].accept == accept


async def test_s_17_links_to_resources_name_their_objects_and_instances(
    server: Server, fake: FakeDevice
) -> None:
    links = b'</3/0/0>;obs,</3/0/1>;obs;ver=9.9,</3200/0/5501>;rt="Counter";obs,</4/1/2/3>'
    await fake.register(links=links)
    objects = (await server.registration("fake")).objects
    assert {oid: known.instances for oid, known in objects.items()} == {
        3: (0,),
        4: (1,),
        3200: (0,),
    }
    assert objects[3].version is None


@pytest.mark.parametrize("name", ["Gerät\u00a05", "\U0001f468\u200d\U0001f469", "a b", "\ufeffx"])
async def test_s_25_names_may_hold_spaces_and_joiners(server: Server, name: str) -> None:
    async with FakeDevice(server.uri, name) as fake:
        assert (await fake.register()).code == Code.CREATED
        assert (await server.registration(name)).endpoint == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a\tb", "ep holds the control character U+0009"),
        ("a\u2028b", "ep holds the control character U+2028"),
        ("a\u202eb", "ep holds the control character U+202E"),
        ("a\x85b", "ep holds the control character U+0085"),
    ],
)
async def test_s_25_names_that_break_a_line_are_refused_with_the_reason(
    server: Server, name: str, reason: str
) -> None:
    async with FakeDevice(server.uri, name) as fake:
        answer = await fake.register()
        assert (answer.code, answer.payload.decode()) == (Code.BAD_REQUEST, reason)
    assert await server.registrations() == []


@pytest.mark.parametrize(
    ("lifetime", "code"),
    [("0", Code.CREATED), ("4294967295", Code.CREATED), ("4294967296", Code.BAD_REQUEST)],
)
async def test_s_26_lifetimes_up_to_32_bits_are_kept(
    server: Server, lifetime: str, code: Code
) -> None:
    async with FakeDevice(server.uri, "long") as fake:
        assert (await fake.register(f"lt={lifetime}")).code == code
        if code == Code.CREATED:
            assert (await server.registration("long")).lifetime_s == int(lifetime)
            await server.expire_due()
            assert await server.registrations()


# S-02, S-03, S-07: times


LATE_MS = b'[{"bn":"/3303/0/5700","v":1,"t":1717150530123}]'


@pytest.mark.parametrize("json_too", [False, True])
async def test_s_02_observe_shows_a_time_without_a_date_as_a_number(json_too: bool) -> None:
    async with serve() as running, FakeDevice(running.coap, "urn:dev:1") as fake:
        await fake.register("lt=60")
        fake.answers["GET", TEMPERATURE] = degrees(21.5)
        flags = ("--json", "--count", "3") if json_too else ("--count", "3")
        process = await spawn("observe", "urn:dev:1", TEMPERATURE, *flags, url=running.url)
        await until(lambda: fake.observers)
        fake.notify(TEMPERATURE, (Code.CONTENT, LATE_MS, 110))
        fake.notify(TEMPERATURE, degrees(22.0))
        done = await finish(process)
        assert (done.code, done.error) == (0, "")
        lines = done.out.splitlines()
        told = [json.loads(row)["time"] if json_too else row.split("\t")[0] for row in lines]
        assert told[1] == "1717150530123.0"
        assert told[2].endswith("Z")


async def test_s_02_events_show_a_time_without_a_date_as_a_number() -> None:
    async with serve() as running, FakeDevice(running.coap, "urn:dev:1") as fake:
        await fake.register("lt=60")
        follower = await spawn("events", "--json", url=running.url)
        while follower.returncode is None:  # until it listens
            await fake.update()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    assert await next_line(follower)
                    break
        await fake.send(Code.POST, ("dp",), (), LATE_MS, 110)
        while "samples" not in (line := await next_line(follower)):
            assert line, "it has ended"
        assert json.loads(line)["samples"][0]["time"] == "1717150530123.0"
        follower.terminate()
        assert "Traceback" not in (await finish(follower)).error


INFINITE = [
    (110, b'[{"n":"/3303/0/5700","v":1,"bt":1e308,"t":1e308}]'),
    (110, b'[{"n":"/3303/0/5700","v":1,"t":1e300}]'),
    (110, b'[{"n":"/3303/0/5700","v":1e308,"bv":1e308}]'),
    (112, cbor2.dumps([{0: "/3303/0/5700", 2: 1.0, -3: 1e308, 6: 1e308}])),
    (112, cbor2.dumps([{0: "/3303/0/5700", 2: 1.0, 6: float("inf")}])),
]


@pytest.mark.parametrize(("number", "pack"), INFINITE)
async def test_s_03_what_no_clock_can_tell_is_refused_and_not_kept(
    tmp_path: FilePath, clock: FakeClock, number: int, pack: bytes
) -> None:
    history = History(tmp_path / "h.sqlite")
    async with (
        Server(port=0, clock=clock, history=history) as server,
        FakeDevice(server.uri) as fake,
        ControlPlane(server, port=0) as plane,
        httpx.AsyncClient(base_url=plane.url, trust_env=False) as http,
    ):
        await fake.register("lt=60")
        answer = await fake.send(Code.POST, ("dp",), (), pack, number)
        assert answer.code == Code.BAD_REQUEST
        good = b'[{"n":"/3303/0/5700","v":2}]'
        assert (await fake.send(Code.POST, ("dp",), (), good, 110)).code == Code.CHANGED
        rows = (await http.get("/api/history?ep=fake")).json()
        assert [row["value"] for row in rows] == [2.0]


async def test_s_03_a_history_that_holds_infinity_is_readable_again(tmp_path: FilePath) -> None:
    file = tmp_path / "h.sqlite"
    history = History(file)
    history.open()
    history.close()
    with sqlite3.connect(file) as base:
        for moment in (float("inf"), float("-inf"), 5.0):
            base.execute(
                "INSERT INTO samples (ep, path, time_s, received_s, timed, source, value) "
                "VALUES ('fake', '/3303/0/5700', ?, 7.0, 1, 'send', '1.5')",
                (moment,),
            )
    base.close()
    rows = read(file, "fake", Path())
    assert [(row.time_s, row.timed) for row in rows] == [(7.0, False), (5.0, True), (7.0, False)]
    async with (
        Server(port=0, history=History(file)) as server,
        ControlPlane(server, port=0) as plane,
        httpx.AsyncClient(base_url=plane.url, trust_env=False) as http,
    ):
        answer = await http.get("/api/history?ep=fake")
    assert (answer.status_code, len(answer.json())) == (200, 3)
    out = io.StringIO()
    with redirect_stdout(out):
        assert run(["history", "fake", "--file", str(file), "--json"]) == 0
    assert len(out.getvalue().splitlines()) == 3


async def test_s_03_an_event_that_cannot_be_told_ends_no_stream(
    server: Server, plane: ControlPlane, fake: FakeDevice
) -> None:
    async with (
        httpx.AsyncClient(base_url=plane.url, trust_env=False) as http,
        http.stream("GET", "/api/events") as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith(":")
        server._bus.emit(Event(float("inf"), "fake"))
        await fake.update()
        async with asyncio.timeout(PATIENCE_S):
            while await anext(lines) != "event: UPDATED":
                pass


@pytest.mark.parametrize(
    ("pack", "expected"),
    [
        ('{"bn":"/3303/0/","e":[{"n":"5700","v":1,"t":-5}]}', -5.0),
        ('{"bn":"/3303/0/","e":[{"n":"5700","v":1,"t":0}]}', 0.0),
        ('{"bn":"/3303/0/","bt":-60,"e":[{"n":"5700","v":1,"t":-5}]}', -65.0),
    ],
)
def test_s_07_negative_times_of_the_json_of_1_0_count_from_now(pack: str, expected: float) -> None:
    now_s = 1.7e9
    codec = type(JSON)(now=lambda: now_s)
    [entry] = codec.decode(pack.encode(), Path(), Models.default().type_of)
    assert entry.time_s == now_s + expected


def test_s_07_other_times_of_the_json_of_1_0_are_absolute() -> None:
    pack = b'{"bn":"/3303/0/","bt":1600000000,"e":[{"n":"5700","v":1,"t":-5}]}'
    [entry] = JSON.decode(pack, Path(), Models.default().type_of)
    assert entry.time_s == 1599999995.0


# S-11: names that look like paths


@pytest.mark.parametrize("name", [".", "..", "3303", "a/b", "%2E", "?x#y", "observe"])
async def test_s_11_a_command_reaches_the_device_of_that_name(
    server: Server, plane: ControlPlane, name: str
) -> None:
    commands = Serving(server.uri, plane.url)
    async with FakeDevice(server.uri, name) as fake, FakeDevice(server.uri, "3") as other:
        await fake.register()
        await other.register()
        fake.answers["GET", "/3/0/9"] = content(b"55", 0)
        fake.answers["PUT", TEMPERATURE] = changed()
        there = ("--server", plane.url)
        done = await commands.run("read", name, "/3/0/9", "--json", *there)
        assert (done.code, json.loads(done.out)["value"]) == (0, 55), done.error
        done = await commands.run("write-attributes", name, TEMPERATURE, "pmin=1", *there)
        assert done.code == 0, done.error
        assert (fake.seen[-1].path, fake.seen[-1].query) == (TEMPERATURE, ("pmin=1",))
        assert other.seen == []


# S-13, S-22, S-23: definitions


@pytest.mark.parametrize(("word", "operations"), [("NONE", ""), ("", ""), ("R, W", "RW")])
def test_s_13_operations_are_those_that_are_written(word: str, operations: str) -> None:
    [model] = parse_xml(definition(items=item(5, "Flow", word)))
    assert model.resources[5].operations == operations


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (definition(items=item(5, "Flow", "EXECUTE")), "unknown operations 'EXECUTE'"),
        (definition(items=item(5, "Flow", "read/write")), "unknown operations"),
        (definition(items=item(5, "Flow", "R", multi="Many")), "MultipleInstances is multiple"),
        (definition(items=item(5, "Flow", "R", must="Yes")), "Mandatory is mandatory or optional"),
    ],
)
def test_s_13_words_that_are_not_known_refuse_the_file(data: bytes, reason: str) -> None:
    with pytest.raises(errors.ModelError, match=reason):
        parse_xml(data)


def test_s_22_new_object_tells_of_a_resource_without_a_type(tmp_path: FilePath) -> None:
    file = tmp_path / "pump.xml"
    file.write_bytes(definition("10482", items=item(5, "Flow", "R", "") + item(6, "Go", "E", "")))
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        assert run(["new-object", str(file), "--out", str(tmp_path)]) == 0
    assert error.getvalue().count("\n") == 1
    assert "resource 5 Flow has no type in the definition" in error.getvalue()
    [line] = [row for row in (tmp_path / "pump.py").read_text().splitlines() if '"flow"' in row]
    assert line.endswith("# the definition tells no type: add one, as in _STR")


def test_s_23_a_default_namespace_is_read() -> None:
    data = definition(items=item(5, "Flow", "R")).replace(
        b"<LWM2M>", b'<LWM2M xmlns="http://example.com/lwm2m">'
    )
    [model] = parse_xml(data)
    assert (model.id, model.resources[5].name) == (30000, "Flow")


# S-15, S-16, S-19: answers and notifications


async def test_s_15_a_number_that_is_repeated_is_told_once(
    server: Server, device: Device, fake: FakeDevice
) -> None:
    fake.answers["GET", TEMPERATURE] = degrees(20.0)
    found: list[Event] = []
    server.on_event(found.append)
    observation = await device.observe(TEMPERATURE, format="text")
    for value in (21.0, 22.0, 23.0, 24.0, 25.0):
        fake.notify(TEMPERATURE, degrees(value), sequence=2)
    await until(lambda: observation.duplicates + observation.count == 5)
    told = [event for event in found if isinstance(event, Unreadable)]
    assert [event.path for event in told] == [TEMPERATURE]
    assert "repeats the number 2" in told[0].reason
    assert "ordered=False" in told[0].reason


async def test_s_15_unordered_takes_them_all(device: Device, fake: FakeDevice) -> None:
    fake.answers["GET", TEMPERATURE] = degrees(20.0)
    observation = await device.observe(TEMPERATURE, format="text", ordered=False)
    for value in (21.0, 22.0, 22.0, 21.0):
        fake.notify(TEMPERATURE, degrees(value), sequence=2)
    await until(lambda: observation.count == 4)
    assert observation.duplicates == 0
    assert observation.value == 21.0


@pytest.mark.parametrize(
    ("path", "payload", "value"),
    [
        ("/3/0/0", b"Acme", "Acme"),
        ("/3/0/0", b"Acm", "Acm"),  # would be a TLV of a resource instance
        ("/3/0/9", b"55", 55),
        (TEMPERATURE, b"21.5", 21.5),
        ("/3/0/0", ACME, "Acme"),
    ],
)
async def test_s_16_an_answer_without_content_format(
    device: Device, fake: FakeDevice, path: str, payload: bytes, value: object
) -> None:
    fake.answers["GET", path] = content(payload, None)
    assert await device.read(path) == value
    observation = await device.observe(path)
    assert observation.value == value


@pytest.mark.parametrize(("path", "payload"), [("/3/0/9", b"Acme"), ("/3/0", b"Acme")])
async def test_s_16_what_cannot_be_guessed_says_what_is_missing(
    device: Device, fake: FakeDevice, path: str, payload: bytes
) -> None:
    fake.answers["GET", path] = content(payload, None)
    with pytest.raises(errors.FormatError, match="names no Content-Format"):
        await device.read(path)


@pytest.mark.parametrize(
    ("number", "path", "payload", "value"),
    [
        (1541, "/3/0/0", b"Acme", "Acme"),
        (1542, "/3/0/0", ACME, "Acme"),
        (1543, "/3/0/0", b'{"bn":"/3/0/","e":[{"n":"0","sv":"Acme"}]}', "Acme"),
        (1544, "/19/0/0/0", b"\x01\x02", b"\x01\x02"),
    ],
)
async def test_s_19_the_numbers_of_early_drafts_are_read(
    device: Device, fake: FakeDevice, number: int, path: str, payload: bytes, value: object
) -> None:
    fake.answers["GET", path] = content(payload, number)
    assert await device.read(path) == value


# F-18: object links


def link_type(path: Path) -> DataType:
    return DataType.OBJLNK


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (SENML_JSON, b'[{"n":"/3/0/22","vs":"3303:0"}]'),
        (SENML_JSON, b'[{"n":"/3/0/22","vlo":"3303:0"}]'),
        (SENML_CBOR, cbor2.dumps([{0: "/3/0/22", 3: "3303:0"}])),
        (SENML_CBOR, cbor2.dumps([{0: "/3/0/22", "vlo": "3303:0"}])),
        (JSON, b'{"bn":"/3/0/","e":[{"n":"22","sv":"3303:0"}]}'),
        (JSON, b'{"bn":"/3/0/","e":[{"n":"22","ov":"3303:0"}]}'),
        (CBOR, cbor2.dumps("3303:0")),
        (LWM2M_CBOR, cbor2.dumps({3: {0: {22: "3303:0"}}})),
        (TLV, bytes.fromhex("c4160ce70000")),
    ],
)
def test_f_18_an_object_link_as_text_is_read(codec: Format, payload: bytes) -> None:
    [entry] = codec.decode(payload, Path.parse("/3/0/22"), link_type)
    assert entry.value == ObjLink(3303, 0)


def test_f_18_an_object_link_is_written_as_vlo_and_ov() -> None:
    path = Path.parse("/3/0/22")
    [entry] = CBOR.decode(cbor2.dumps("3303:0"), path, link_type)
    assert b'"vlo":"3303:0"' in SENML_JSON.encode([entry], path, link_type)
    assert cbor2.loads(SENML_CBOR.encode([entry], path, link_type))[0]["vlo"] == "3303:0"
    assert b'"ov":"3303:0"' in JSON.encode([entry], path, link_type)


# B-06: negative numbers

_KINDS = {
    "_STR": "string",
    "_INT": "integer",
    "_UINT": "unsigned",
    "_FLOAT": "float",
    "_BOOL": "boolean",
    "_OPAQUE": "opaque",
    "_TIME": "time",
    "_OBJLNK": "objlnk",
    "_CORELNK": "corelnk",
}


def test_b_06_the_types_of_the_device_are_those_of_the_definitions() -> None:
    models, compared = Models.default(), 0
    for file in (ROOT / "firmware/lwm2m/objects").glob("*.py"):
        for part in file.read_text().split("\nclass ")[1:]:
            oid = re.search(r"^    OID = (\d+)$", part, re.M)
            table = re.search(r"^    RESOURCES = \((.*?)^    \)", part, re.M | re.S)
            version = re.search(r'^    VERSION = "(.*)"$', part, re.M)
            if oid is None or table is None:
                continue
            model = models.object(int(oid[1]), version[1] if version else None)
            assert model is not None, oid[1]
            for rid, flags in re.findall(r"^ +(\d+), ([_A-Z| ]+),", table[1], re.M):
                kinds = [_KINDS[flag] for flag in flags.split(" | ") if flag in _KINDS]
                told = model.resources[int(rid)].type.value
                assert (*kinds, "none")[0] == told, (oid[1], rid, flags)
                compared += 1
    assert compared > 100


async def test_b_06_a_negative_lifetime_stays_here(device: Device, fake: FakeDevice) -> None:
    for path in ("/1/0/1", "/1/0/2", "/1/0/3", "/1/0/5"):
        with pytest.raises(errors.ValueTypeError, match="-5 is out of range for unsigned"):
            await device.write(path, -5)
    assert fake.seen == []


# B-08: floats of four bytes


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (TLV, b"\xe4\x16\x44" + struct.pack(">f", 22.23)),
        (CBOR, b"\xfa" + struct.pack(">f", 22.23)),
        (LWM2M_CBOR, b"\xa1\x19\x0c\xe7\xa1\x00\xa1\x19\x16\x44\xfa" + struct.pack(">f", 22.23)),
        (SENML_CBOR, b"\x81\xa2\x00\x6c/3303/0/5700\x02\xfa" + struct.pack(">f", 22.23)),
    ],
)
def test_b_08_a_float_of_four_bytes_is_shown_short_and_kept_exact(
    codec: Format, payload: bytes
) -> None:
    path = Path.parse(TEMPERATURE)
    [entry] = codec.decode(payload, path, Models.default().type_of)
    exact = struct.unpack(">f", struct.pack(">f", 22.23))[0]
    assert entry.value == exact
    assert (str(entry.value), repr(entry.value), f"{entry.value!s}") == ("22.23",) * 3
    assert json.dumps(to_json({0: entry.value})) == '{"0": 22.23}'
    assert codec.decode(
        codec.encode([entry], path, Models.default().type_of), path, Models.default().type_of
    ) == [entry]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (struct.pack(">f", 3.4028235e38), "3.4028235e+38"),
        (struct.pack(">f", 1e-45), "1e-45"),
        (struct.pack(">f", 16777216.0), "16777216.0"),
        (struct.pack(">f", 0.1), "0.1"),
        (struct.pack(">f", -0.0), "-0.0"),
        (struct.pack(">f", float("inf")), "inf"),
        (struct.pack(">f", float("nan")), "nan"),
        (struct.pack(">e", 0.1), "0.1"),
    ],
)
def test_b_08_edges_of_short_floats(data: bytes, text: str) -> None:
    head = b"\xfa" if len(data) == 4 else b"\xf9"
    [entry] = CBOR.decode(head + data, Path.parse(TEMPERATURE), Models.default().type_of)
    assert str(entry.value) == text


async def test_b_08_commands_and_the_history_show_it_short(
    server: Server, plane: ControlPlane, fake: FakeDevice
) -> None:
    fake.answers["GET", TEMPERATURE] = content(b"\xe4\x16\x44" + struct.pack(">f", 22.23))
    commands = Serving(server.uri, plane.url)
    there = ("--server", plane.url)
    done = await commands.run("read", "fake", TEMPERATURE, *there)
    assert "22.23 " in done.out
    done = await commands.run("read", "fake", TEMPERATURE, "--json", *there)
    assert '"value": 22.23}' in done.out


# B-14: a refusal names what was asked for


async def test_b_14_a_create_of_an_instance_that_is_there(
    device: Device, fake: FakeDevice
) -> None:
    fake.answers["POST", "/3303"] = (Code.BAD_REQUEST, b"", None)
    with pytest.raises(errors.BadRequest) as caught:
        await device.create("/3303/1", {5700: 1.0}, force=True)
    assert str(caught.value) == "4.00 Bad Request: /3303/1 (instance 1 is there already)"
    with pytest.raises(errors.BadRequest, match=r"4\.00 Bad Request: /3303/7$"):
        await device.create("/3303/7", {5700: 1.0}, force=True)
    fake.answers["POST", "/3303"] = (Code.BAD_REQUEST, b"no room", None)
    with pytest.raises(errors.BadRequest, match=r"/3303/1 \(no room\)"):
        await device.create("/3303/1", {5700: 1.0}, force=True)


async def test_b_14_a_refused_composite_names_its_paths(device: Device, fake: FakeDevice) -> None:
    refusal = (Code.UNSUPPORTED_CONTENT_FORMAT, b"", None)
    fake.answers["FETCH", "/"] = fake.answers["iPATCH", "/"] = refusal
    paths = ["/3/0/0", TEMPERATURE]
    with pytest.raises(errors.UnsupportedContentFormat, match=f"/3/0/0 {TEMPERATURE}$"):
        await device.read_composite(paths)
    with pytest.raises(errors.UnsupportedContentFormat, match=f"/3/0/0 {TEMPERATURE}$"):
        await device.observe_composite(paths)
    with pytest.raises(errors.UnsupportedContentFormat, match=r"/1/0/1 /3/0/14$"):
        await device.write_composite({"/1/0/1": 300, "/3/0/14": "+01"})
