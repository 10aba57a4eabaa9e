"""Inputs and faults of a server under load: one test for the whole kind (docs/cases.md)."""

from __future__ import annotations

import asyncio
import logging
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import FoldedLog, History, ModelError, Models, Path, Sent, Server, formats
from lwm2m_host import device as device_module
from lwm2m_host.cli import serve as serve_module
from lwm2m_host.coap.timing import FakeClock
from lwm2m_host.errors import FormatError, ServerError
from lwm2m_host.events import Event, EventBus
from lwm2m_host.formats import Entry, Format
from lwm2m_host.formats import link as link_format
from lwm2m_host.model.xml import parse_xml
from lwm2m_host.registration.events import Registered
from lwm2m_host.registration.registration import ObjectLinks
from lwm2m_host.reporting import history as history_module
from lwm2m_host.reporting.report import Report, Sample, Send
from lwm2m_host.web.api import events as events_module
from lwm2m_host.web.api import query
from lwm2m_host.web.plane import application
from starlette.requests import Request

from tests.benchmarks.fleet import Fleet
from tests.host.fake_device import FakeDevice, content
from tests.host.registrations import registration
from tests.waiting import PATIENCE_S, until

DIGITS = "9" * 5000


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


# H-02


async def test_h_02_all_devices_may_be_read_at_once(server: Server) -> None:
    fleet = Fleet(server.port, 300)
    try:
        await asyncio.to_thread(fleet.register)
        reads = asyncio.gather(
            *(server.device(f"load-{number}").read("/3303/0/5700") for number in range(300))
        )
        await asyncio.to_thread(fleet.serve, reads.done)
        assert await reads == [21.5] * 300
    finally:
        fleet.close()


async def test_h_02_few_operations_begin_in_one_turn_of_the_loop(server: Server) -> None:
    begun = 0
    seen: list[int] = []

    async def operate() -> None:
        nonlocal begun
        admission = server.sender.admission()
        if admission is not None:
            await admission
        begun += 1

    work = asyncio.gather(*(operate() for _ in range(500)))
    while not work.done():
        seen.append(begun)
        await asyncio.sleep(0)
    steps = [after - before for before, after in zip(seen, [*seen[1:], 500], strict=True)]
    assert sum(steps) == 500
    # What the last turn admitted and what this one does may meet in one.
    assert max(steps) <= 2 * 32


# M-01


def test_m_01_the_log_is_bounded_whatever_the_kinds(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    folded = FoldedLog(logging.getLogger("lwm2m_host.test"), clock.monotonic, 10)
    with caplog.at_level(logging.INFO):
        for number in range(500):
            folded.warning(f"kind {number}", "a stranger")
            folded.info("a stranger")
        assert len(caplog.records) == 10
        clock.advance(61)
        folded.info("an hour later")
    assert lines_of(caplog)[-2:] == ["990 lines were left out in the last minute", "an hour later"]


def test_m_01_events_of_strangers_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log = FoldedLog(logging.getLogger("lwm2m_host.test"), FakeClock().monotonic, 50)
    bus = EventBus(log)
    seen = []
    bus.on_event(seen.append)
    with caplog.at_level(logging.INFO):
        for number in range(200):
            name = f"stranger-{number}"
            bus.emit(Registered(0.0, name, registration(name, f"/rd/{number}")))
    assert len(seen) == 200
    assert len(caplog.records) == 50


@pytest.mark.parametrize("payload", [b"\xff", b"[{"])
async def test_m_01_sends_that_cannot_be_decoded_are_one_line(
    server: Server, fake: FakeDevice, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    for _ in range(20):
        answer = await fake.send(Code.POST, ("dp",), (), payload, 110)
        assert answer.code == Code.BAD_REQUEST
    assert sum("cannot be decoded" in line for line in lines_of(caplog)) == 1


async def test_m_01_notifications_that_cannot_be_decoded_are_one_line(
    server: Server, fake: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    path = "/3303/0/5700"
    fake.answers["GET", path] = content(b"20", 0)
    await fake.register("lt=60", links=b"</3303/0>")
    observation = await server.device("fake").observe(path)
    for _ in range(20):
        fake.notify(path, content(b"\xff\xff", 0))
    await until(lambda: observation.unreadable == 20)
    assert sum("cannot be decoded" in line for line in lines_of(caplog)) == 1


# M-02


def report(endpoint: str, count: int) -> Report:
    samples = tuple(Sample(float(n), Path.parse("/3303/0/5700"), n, True) for n in range(count))
    return Report(endpoint, time.time(), samples, 110)


def test_m_02_a_device_that_floods_leaves_room_in_front_of_the_disk(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "DEVICE_WAITING", 30)
    history = History(tmp_path / "h")  # not open: nothing is written yet
    assert [history.add(report("flood", 10), "send") for _ in range(6)] == [True] * 4 + [False] * 2
    assert history.add(report("honest", 10), "send")
    assert history.dropped == 20
    history.open()
    history.flush()
    assert history.add(report("flood", 10), "send")
    assert len(history.query("honest", Path())) == 10
    history.close()
    assert not history._count_of


# M-03


async def test_m_03_all_bodies_together_have_a_limit(
    server: Server, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "ALL_BODIES_BYTES", 1000)
    app = application(server)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        url = "/api/clients/fake/3/0/15"
        for _ in range(3):  # what was used is given back, whatever became of it
            assert (await http.put(url, content=b'"' + b"x" * 700 + b'"')).status_code != 503
            assert app.state.bodies.held == 0
        other = Request({"type": "http", "app": app})
        app.state.bodies.take(other, 600)
        answer = await http.put(url, content=b'"' + b"x" * 700 + b'"')
        assert answer.status_code == 503
        assert "too many large requests" in answer.json()["message"]
        assert app.state.bodies.held == 600
        with pytest.raises(ServerError):
            app.state.bodies.take(other, 401)
        app.state.bodies.give_back(other)
        assert app.state.bodies.held == 0


# M-09


def test_m_09_a_clock_that_is_wrong_at_the_start_deletes_nothing(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_PRUNE_EVERY", 1)
    history = History(tmp_path / "h", age_s=30 * 86400)
    history.open()
    history.add(report("a", 3), "send")
    history.close()
    real = time.time
    for years in (1, -40):
        shift_s = years * 365 * 86400
        monkeypatch.setattr(time, "time", lambda shift_s=shift_s: real() + shift_s)
        again = History(tmp_path / "h", age_s=30 * 86400)
        again.open()
        again.add(replace(report("b", 1), received_at=real()), "send")
        again.flush()
        assert len(again.query("a", Path())) == 3
        again.close()


# M-11


def seconds_to_decode(form: Format, count: int) -> float:
    """CPU time of the thread for so many values, there and back."""
    type_of = Models.default().type_of
    entries = [Entry(Path((3303, number, 5700)), float(number)) for number in range(count)]
    begin = time.thread_time()
    payload = form.encode(entries, Path(), type_of)
    assert len(form.decode(payload, Path(), type_of)) == count
    return time.thread_time() - begin


@pytest.mark.parametrize("number", [110, 112, 11544])
def test_m_11_each_value_of_a_large_payload_costs_the_same(number: int) -> None:
    form = formats.get(number)
    few = min(seconds_to_decode(form, 1000) for _ in range(3))
    many = min(seconds_to_decode(form, 8000) for _ in range(3))
    # A look at all the others for each would make it 64 times as much.
    assert many < few * 25


async def test_m_11_a_large_event_is_told_beside_the_loop(
    server: Server, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = threading.Event()
    data = events_module.data

    def wait_for_the_loop(event: Event, server: Server) -> dict[str, Any]:
        if event.kind == "send":
            assert seen.wait(PATIENCE_S)
        return data(event, server)

    monkeypatch.setattr(events_module, "data", wait_for_the_loop)
    blocks = events_module.Blocks(server)
    samples = tuple(
        Sample(1.0, Path.parse(f"/3303/{number}/5700"), 1.0, True) for number in range(500)
    )
    send = Send("fake", 1.0, samples, 110, {}, values={}, unknown=())
    event = Sent(1.0, "fake", await server.registration("fake"), send)
    telling = [asyncio.ensure_future(blocks.of(event)) for _ in range(3)]
    await asyncio.sleep(0)
    await fake.update()  # the loop goes on
    seen.set()
    texts = await asyncio.gather(*telling)
    assert len({id(text) for text in texts}) == 1
    assert texts[0].startswith("event: SEND")


async def test_m_11_a_large_answer_is_decoded_beside_the_loop(
    server: Server, fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    decode = device_module.decode

    def watch(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return decode(*arguments)

    monkeypatch.setattr(device_module, "decode", watch)
    for number in (1, 1000):
        records = ",".join(f'{{"n":"/3303/{iid}/5700","v":1}}' for iid in range(number))
        fake.answers["GET", "/3303"] = content(f"[{records}]".encode(), 110)
        assert len(await server.device("fake").read("/3303")) == number
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


# L-03


@pytest.mark.parametrize(
    "links",
    [
        f"</>;ct={DIGITS},</3/0>",
        f'</>;rt="oma.lwm2m";ct="110 {DIGITS}",</3/0>',
        f"</3>;ver={DIGITS},</3/0>",
        f'</3>;ver="{DIGITS}.{DIGITS}",</3/0>',
        f"</3/0>;dim={DIGITS};ssid={DIGITS}",
        f"</3/0>,</{DIGITS}/0>,</3/{DIGITS}>",
    ],
)
async def test_l_03_numbers_of_5000_digits_in_links_are_no_numbers(
    server: Server, fake: FakeDevice, links: str
) -> None:
    parsed = ObjectLinks.of(link_format.parse(links.encode()))
    assert parsed.objects[3].instances == (0,)
    await server.registry.register(
        replace(await server.registration("fake"), links=parsed, location="/rd/digits")
    )
    transport = httpx.ASGITransport(application(server))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/api/clients")).json()[0]["endpoint"] == "fake"
        specs = (await http.get("/api/objectspecs/fake")).json()
        assert [item["id"] for item in specs] == [3]
        fake.answers["GET", "/3/0/9"] = content(b"80", 0)
        assert (await http.get("/api/clients/fake/3/0/9")).json()["content"]["value"] == 80


@pytest.mark.parametrize("number", [0, 60, 110, 112])
async def test_l_03_numbers_of_5000_digits_in_answers_are_errors(
    server: Server, fake: FakeDevice, number: int
) -> None:
    texts = {0: DIGITS, 60: DIGITS, 110: f'[{{"n":"/3/0/9","v":{DIGITS}}}]', 112: DIGITS}
    fake.answers["GET", "/3/0/9"] = content(texts[number].encode(), number)
    with pytest.raises(FormatError) as caught:
        await server.device("fake").read("/3/0/9")
    assert len(str(caught.value)) < 500


# L-04

DEFINITION = """<LWM2M><Object><Name>n</Name><ObjectID>{oid}</ObjectID>
<ObjectVersion>{version}</ObjectVersion><MultipleInstances>Single</MultipleInstances>
<Mandatory>Optional</Mandatory><Resources><Item ID="{rid}"><Name>r</Name><Type>{type}</Type>
<Operations>{operations}</Operations></Item></Resources></Object></LWM2M>"""
GOOD = {"oid": "26241", "version": "1.0", "rid": "0", "type": "Integer", "operations": "R"}


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("text", [DIGITS, "\u0664", "-1", "1\u00b2", "x" * 5000])
def test_l_04_definitions_with_odd_numbers_are_refused_in_one_short_line(
    name: str, text: str
) -> None:
    assert parse_xml(DEFINITION.format(**GOOD).encode())
    with pytest.raises(ModelError) as caught:
        parse_xml(DEFINITION.format(**{**GOOD, name: text}).encode(), "file.xml")
    assert str(caught.value).startswith("file.xml: ")
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


# L-05


def test_l_05_lines_of_the_log_have_no_control_sequences() -> None:
    evil = "a\x1b[31m\x9b2J\u202eb\r\n12:00:00 root registered"
    try:
        raise ValueError(evil)
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    formatter = serve_module.TextFormatter("%(message)s")
    record = logging.LogRecord("a", logging.WARNING, "", 0, "%s is refused", (evil,), None)
    assert formatter.format(record).isprintable()
    failed = logging.LogRecord("a", logging.ERROR, "", 0, "failed", (), trace)
    lines = formatter.format(failed).split("\n")
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)


# L-06


def test_l_06_a_state_folder_that_was_open_is_closed(tmp_path: FilePath) -> None:
    folder = tmp_path / "lwm2m-host"
    folder.mkdir(mode=0o755)
    for name in ("history.sqlite", "history.sqlite-wal", "other.txt"):
        (folder / name).write_text("")
        (folder / name).chmod(0o644)
    serve_module.make_private(folder)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {"history.sqlite": 0o600, "history.sqlite-wal": 0o600, "other.txt": 0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    serve_module.make_private(tmp_path / "none")


# L-11


def test_l_11_without_a_state_folder_the_server_keeps_values_in_memory(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert serve_module._usual_file() is None
    made = serve_module._registry(FakeClock(), 5683, None, False, False)
    assert type(made).__name__ == "MemoryRegistry"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("until the server ends" in line for line in lines)
