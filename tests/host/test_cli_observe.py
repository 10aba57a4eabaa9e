"""observe, observe-composite, cancel, observations and history, against a running server."""

from __future__ import annotations

import csv
import io
import json
import signal
from pathlib import Path as FilePath

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host.cli.plot import plot

from tests.host.commands import Serving, finish, next_line, serve, spawn
from tests.host.fake_device import FakeDevice, changed
from tests.host.observing import PACK, TEMPERATURE, degrees, timed
from tests.waiting import until


async def registered(running: Serving) -> FakeDevice:
    fake = FakeDevice(running.coap, "urn:dev:1")
    await fake.__aenter__()
    await fake.register("lt=60")
    fake.answers["GET", TEMPERATURE] = degrees(21.5)
    return fake


async def test_observe_prints_a_line_for_each_value_and_cancels() -> None:
    async with serve() as running:
        fake = await registered(running)
        process = await spawn("observe", "urn:dev:1", TEMPERATURE, "--count", "3", url=running.url)
        await until(lambda: fake.observers)
        fake.notify(TEMPERATURE, degrees(22.0))
        fake.notify(TEMPERATURE, degrees(22.5))
        done = await finish(process)
        assert (done.code, done.error) == (0, "")
        lines = [line.split("\t") for line in done.out.splitlines()]
        assert [line[1:] for line in lines] == [
            [TEMPERATURE, value, lines[0][3]] for value in ("21.5", "22", "22.5")
        ]
        assert all(line[0].endswith("Z") for line in lines)
        assert fake.seen[-1].observe == 1
        await fake.__aexit__()


async def test_observe_writes_attributes_first_and_ends_with_sigterm() -> None:
    async with serve() as running:
        fake = await registered(running)
        fake.answers["PUT", TEMPERATURE] = changed()
        arguments = ("--pmin", "1", "--gt", "30.5", "--json")
        process = await spawn("observe", "urn:dev:1", TEMPERATURE, *arguments, url=running.url)
        await until(lambda: fake.observers)
        assert fake.seen[-2].query == ("pmin=1", "gt=30.5")
        first = json.loads(await next_line(process))
        assert (first["value"], first["first"], first["path"]) == (21.5, True, TEMPERATURE)
        await fake.register("lt=60")  # it goes on after that, and says so
        lines = [json.loads(await next_line(process)) for _ in "123"]
        assert [line.get("note", line.get("value")) for line in lines] == [
            "paused: the device registered anew",
            "active: after a gap",
            21.5,
        ]
        process.send_signal(signal.SIGTERM)
        done = await finish(process)
        assert done.code == 0
        assert fake.seen[-1].observe == 1
        await fake.__aexit__()


async def test_the_end_of_an_observation_ends_the_command() -> None:
    async with serve() as running:
        fake = await registered(running)
        process = await spawn("observe", "urn:dev:1", TEMPERATURE, url=running.url)
        await until(lambda: fake.observers)
        fake.notify(TEMPERATURE, (Code.NOT_FOUND, b"", None), sequence=-1, con=True)
        done = await finish(process)
        assert done.code == 0
        assert "ended: 4.04 Not Found" in done.out
        await fake.__aexit__()


async def test_composite_and_lists_and_cancel() -> None:
    async with serve() as running:
        fake = await registered(running)
        fake.answers["FETCH", "/"] = (Code.CONTENT, PACK, 110)
        arguments = ("/3/0/0", TEMPERATURE, "--count", "1", "--keep", "--json")
        process = await spawn("observe-composite", "urn:dev:1", *arguments, url=running.url)
        done = await finish(process)
        assert [json.loads(line)["path"] for line in done.out.splitlines()] == [
            "/3/0/0",
            TEMPERATURE,
        ]
        listed = await running.run("observations", "--json", "--server", running.url)
        [item] = json.loads(listed.out)
        assert item["composite"]
        assert item["paths"] == ["/3/0/0", TEMPERATURE]
        devices = await running.run("devices", "--json", "--server", running.url)
        assert json.loads(devices.out)[0]["observations"] == 1
        wrong = await running.run("cancel", "urn:dev:1", TEMPERATURE, "--server", running.url)
        assert (wrong.code, "nothing is observed there" in wrong.error) == (1, True)
        done = await running.run("cancel", "urn:dev:1", "--all", "--server", running.url)
        assert done.out == f"/3/0/0 {TEMPERATURE} cancelled\n"
        assert (fake.seen[-1].code, fake.seen[-1].observe) == (Code.FETCH, 1)
        await fake.__aexit__()


async def test_history_survives_kill_9(tmp_path: FilePath) -> None:
    file = tmp_path / "history.sqlite"
    async with serve("--history", str(file)) as running:
        fake = await registered(running)
        arguments = ("--keep", "--count", "1")
        observing = await spawn("observe", "urn:dev:1", TEMPERATURE, *arguments, url=running.url)
        await finish(observing)
        fake.notify(TEMPERATURE, timed((1.6e9, 1.5), (1.6e9 + 1, 2.5)), con=True)
        await fake.send(
            Code.POST, ("dp",), (), b'[{"n":"/3/0/0","vs":"=Acme, \\"Inc\\""}]', content_format=110
        )
        ask = ("history", "urn:dev:1", "--server", running.url)
        assert (await running.run(*ask)).out.count("3303") == 3
        assert (
            await running.run(*ask, "/3303/0/5701")
        ).out == "no notification and no Send is stored\n"
        assert running.process is not None
        running.process.kill()
        await running.process.wait()
        await fake.__aexit__()
    ask = ("history", "urn:dev:1", "/", "--file", str(file))
    done = await Serving("", "").run(*ask, "--csv")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["path"], row["value"], row["source"]) for row in rows] == [
        (TEMPERATURE, "1.5", "notify"),
        (TEMPERATURE, "2.5", "notify"),
        (TEMPERATURE, "21.5", "observe"),
        ("/3/0/0", '\'=Acme, "Inc"', "send"),
    ]
    assert rows[0]["time"] == "2020-09-13T12:26:40.000Z"
    done = await Serving("", "").run(*ask, "--json", "--limit", "1")
    assert json.loads(done.out)["value"] == '=Acme, "Inc"'
    done = await Serving("", "").run(*ask, "--since", "1h")
    assert "2020" not in done.out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("observe", "x", "/"), "cannot observe the root /"),
        (("cancel", "x"), "either paths or --all"),
        (("history", "x", "/3", "--since", "soon"), "expects a time"),
        (("history", "x", "/3", "--csv", "--json"), "either --csv or --json"),
    ],
)
async def test_wrong_arguments_are_said(arguments: tuple[str, ...], text: str) -> None:
    done = await Serving("", "").run(*arguments)
    assert done.code == 2
    assert text in done.error


async def test_a_history_file_that_is_none_is_said(tmp_path: FilePath) -> None:
    file = tmp_path / "x"
    ask = ("history", "x", "--file", str(file))
    assert "there is no history at" in (await Serving("", "").run(*ask)).error
    file.write_bytes(b"no database" * 1000)
    done = await Serving("", "").run(*ask)
    assert (done.code, "cannot be read" in done.error) == (1, True)


def test_the_curve_has_its_extremes_at_the_top_and_the_bottom() -> None:
    lines = plot([(0, 20.0), (10, 30.0), (20, 25.0)], 30, 4)
    assert len(lines) == 4
    assert lines[0].startswith("30 ")
    assert lines[3].startswith("20 ")
    assert {len(line) for line in lines} == {30}
    assert any(char != "\u2800" for char in lines[0][3:])
    assert lines[0][3] == "\u2800"  # it begins low


@pytest.mark.parametrize("points", [[], [(0.0, float("nan"))], [(0.0, float("inf"))]])
def test_nothing_to_draw_is_no_curve(points: list[tuple[float, float]]) -> None:
    assert plot(points, 30, 4) == []


def test_one_value_and_the_largest_floats_are_drawn() -> None:
    assert len(plot([(0, 5.0)], 30, 3)) == 3
    assert len(plot([(0, -1.7e308), (1, 1.7e308)], 30, 3)) == 3
