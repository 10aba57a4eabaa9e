"""The command line, as a process, against a server that is itself the process `serve`."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiocoap.numbers.codes import Code
from lwm2m_host import Server, __version__
from lwm2m_host.cli.app import run
from lwm2m_host.web import ControlPlane

from tests.host.commands import Done, Serving, finish, serve, spawn, tlv
from tests.host.fake_device import FakeDevice, changed, content
from tests.waiting import PATIENCE_S


@pytest.fixture
async def serving(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    async with Server(port=0) as server, ControlPlane(server, port=0) as plane:
        monkeypatch.setenv("LWM2M_HOST_URL", plane.url)
        yield Serving(server.uri, plane.url)


@pytest.fixture
async def device(serving: Serving) -> AsyncIterator[FakeDevice]:
    async with FakeDevice(serving.coap, "urn:dev:1") as fake:
        await fake.register("lt=60")
        yield fake


async def test_devices_are_listed(serving: Serving, device: FakeDevice) -> None:
    done = await serving.run("devices")
    assert done.code == 0
    assert done.error == ""
    assert "urn:dev:1" in done.out
    assert f"127.0.0.1:{device.port}" in done.out
    assert "3303/0 3303/1" in done.out


async def test_devices_as_json_have_a_stable_shape(serving: Serving, device: FakeDevice) -> None:
    done = await serving.run("devices", "--json")
    [item] = json.loads(done.out)
    assert item["endpoint"] == "urn:dev:1"
    assert item["lifetime_s"] == 60
    assert item["objects"] == {"1": [0], "3": [0], "3303": [0, 1]}
    assert list(item) == [
        "endpoint",
        "address",
        "version",
        "lifetime_s",
        "binding",
        "queue_mode",
        "registered_at",
        "updated_at",
        "expires_at",
        "objects",
        "observations",
    ]


async def test_no_device_is_said_and_is_no_error(serving: Serving) -> None:
    assert (await serving.run("devices")) == Done(0, "no device is registered\n", "")
    assert (await serving.run("devices", "--json")) == Done(0, "[]\n", "")


async def test_read_prints_names_values_and_units(serving: Serving, device: FakeDevice) -> None:
    device.answers["GET", "/3303/0"] = content(
        tlv("/3303/0", {"/3303/0/5700": 21.5, "/3303/0/5701": "Cel"})
    )
    done = await serving.run("read", "urn:dev:1", "/3303/0")
    assert done.code == 0
    row = next(line for line in done.out.splitlines() if "5700" in line)
    assert re.split(r"\s{2,}", row.strip()) == ["/3303/0/5700", "Sensor Value", "21.5", "Cel"]


async def test_read_as_json(serving: Serving, device: FakeDevice) -> None:
    device.answers["GET", "/3"] = content(
        tlv("/3", {"/3/0/0": "Acme", "/3/0/7/0": 3800, "/3/0/13": 1367491215})
    )
    done = await serving.run("read", "urn:dev:1", "3", "--json")
    assert json.loads(done.out) == {
        "endpoint": "urn:dev:1",
        "path": "/3",
        "value": {"0": {"0": "Acme", "7": {"0": 3800}, "13": "2013-05-02T10:40:15Z"}},
    }


async def test_read_in_a_format(serving: Serving, device: FakeDevice) -> None:
    device.answers["GET", "/3303/0/5700"] = content(b"21.5", 0)
    done = await serving.run("read", "urn:dev:1", "/3303/0/5700", "--format", "text", "--json")
    assert json.loads(done.out)["value"] == 21.5
    assert device.seen[-1].accept == 0


async def test_what_a_device_sends_cannot_drive_the_terminal(
    serving: Serving, device: FakeDevice
) -> None:
    device.answers["GET", "/3/0/0"] = content(tlv("/3/0/0", {"/3/0/0": "\x1b[31m[red]x[/red]"}))
    done = await serving.run("read", "urn:dev:1", "/3/0/0")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "[red]x[/red]" in done.out


@pytest.mark.parametrize(
    ("path", "value", "payload"),
    [
        ("/1/0/1", "300", "c201012c"),
        ("/1/0/6", "true", "c10601"),
        ("/3311/0/5851", "50", "e116db32"),
        ("/3303/0/5750", "5", "e1167635"),
        ("/3303/0/5750", '{"a"}', "e516767b2261227d"),
        ("/3/0/13", "2013-05-02T10:40:15Z", "c40d5182428f"),
        ("/5/0/0", "hex:0aff", "c2000aff"),
        ("/2/0/2", '{"127": 1}', "8302417f01"),
        ("/9999/0/0", "hex:0aff", "c2000aff"),
    ],
)
async def test_write_converts_the_value_by_its_type(
    serving: Serving, device: FakeDevice, path: str, value: str, payload: str
) -> None:
    device.answers["PUT", path] = changed()
    done = await serving.run("write", "urn:dev:1", path, value)
    assert done == Done(0, f"{path} written\n", "")
    assert device.seen[-1].payload.hex() == payload


async def test_write_of_an_instance_and_partial_update(
    serving: Serving, device: FakeDevice
) -> None:
    device.answers["PUT", "/1/0"] = changed()
    device.answers["POST", "/1/0"] = changed()
    done = await serving.run("write", "urn:dev:1", "/1/0", '{"1": 60}', "--json")
    assert json.loads(done.out) == {"endpoint": "urn:dev:1", "path": "/1/0", "ok": True}
    assert device.seen[-1].code == Code.PUT
    await serving.run("write", "urn:dev:1", "/1/0", '{"1": 60}', "--update")
    assert device.seen[-1].code == Code.POST


async def test_execute(serving: Serving, device: FakeDevice) -> None:
    device.answers["POST", "/3/0/4"] = changed()
    done = await serving.run("execute", "urn:dev:1", "/3/0/4", "0='now'")
    assert done == Done(0, "/3/0/4 executed\n", "")
    assert device.seen[-1].payload == b"0='now'"


async def test_discover(serving: Serving, device: FakeDevice) -> None:
    device.answers["GET", "/3"] = content(b"</3>,</3/0>;pmin=10;x", 40)
    done = await serving.run("discover", "urn:dev:1", "/3")
    assert "pmin=10 x" in done.out
    done = await serving.run("discover", "urn:dev:1", "/3", "--json")
    assert json.loads(done.out) == [
        {"path": "/3", "attributes": {}},
        {"path": "/3/0", "attributes": {"pmin": "10", "x": None}},
    ]


async def test_events_are_followed(serving: Serving) -> None:
    process = await spawn("events", "--json", "--count", "2", url=serving.url)
    assert process.stdout is not None
    async with FakeDevice(serving.coap, "dev") as fake:
        while True:  # the follower needs a moment to connect
            await fake.register("lt=60")
            try:
                line = await asyncio.wait_for(process.stdout.readline(), 0.3)
                break
            except TimeoutError:
                continue
        first = json.loads(line)
        await fake.deregister()
        rest = (await finish(process)).out.splitlines()
    assert (first["event"], first["endpoint"], first["lifetime_s"]) == ("registered", "dev", 60)
    assert len(rest) == 1
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("read", "urn:dev:1", "/3/x"), "bad path '/3/x'"),
        (("read", "urn:dev:1", "/"), "cannot read the root /"),
        (("execute", "urn:dev:1", "/3/0"), "cannot execute the instance /3/0"),
        (("write", "urn:dev:1", "/3303/0/5700", "abc"), "5700 Sensor Value expects a float"),
        (("write", "urn:dev:1", "/1/0", "5"), "/1/0 expects JSON"),
        (("write", "urn:dev:1", "/1/0/1"), "Missing argument 'VALUE'"),
        (("write", "urn:dev:1", "/1/0/1", "1", "--update"), "--update needs an instance"),
        (("read", "urn:dev:1", "/3", "--format", "yaml"), "unknown format 'yaml'"),
        (("read", "urn:dev:1", "/3", "--timeout", "soon"), "--timeout"),
        (("execute", "urn:dev:1", "/3/0/4", "now"), "expects arguments as in"),
        (("frobnicate",), "No such command"),
        (("serve", "--models", "/nowhere/at/all"), "no folder of object definitions"),
        (("serve", "--port", "99999"), "--port"),
    ],
)
async def test_wrong_arguments_are_one_line_and_exit_code_2(
    serving: Serving, device: FakeDevice, arguments: tuple[str, ...], message: str
) -> None:
    done = await serving.run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.error
    assert done.error.startswith("lwm2m-host: ")
    assert done.error.count("\n") == 1
    assert device.seen == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("read", "urn:dev:1", "/3/0/99"), "4.04 Not Found: /3/0/99"),
        (("read", "nobody", "/3/0"), "nobody is not registered"),
        (("write", "urn:dev:1", "/3/0/0", "x", "--force"), "4.05 Method Not Allowed: /3/0/0"),
    ],
)
async def test_refusals_are_one_line_and_exit_code_1(
    serving: Serving, device: FakeDevice, arguments: tuple[str, ...], message: str
) -> None:
    device.answers["PUT", "/3/0/0"] = (Code.METHOD_NOT_ALLOWED, b"", None)
    assert (await serving.run(*arguments)) == Done(1, "", f"lwm2m-host: {message}\n")


async def test_a_timeout_is_one_line_and_exit_code_1(serving: Serving, device: FakeDevice) -> None:
    async def slow(_: object) -> tuple[Code, bytes, int | None]:
        await asyncio.sleep(10)
        return (Code.CONTENT, b"", None)

    device.answers["GET", "/3/0"] = slow
    done = await serving.run("read", "urn:dev:1", "/3/0", "--timeout", "0.3")
    assert done.code == 1
    assert done.error == "lwm2m-host: urn:dev:1 did not answer in 0.3 s: /3/0\n"


async def test_without_a_server_the_command_says_how_to_start_one() -> None:
    done = await finish(await spawn("devices"))
    assert done.code == 1
    assert done.error == (
        "lwm2m-host: no server answers at http://127.0.0.1:9; start one with: lwm2m-host serve\n"
    )


async def test_serve_says_when_a_port_is_taken(serving: Serving) -> None:
    port = serving.coap.rpartition(":")[2]
    where = ("--host", "127.0.0.1", "--port", port)
    done = await finish(await spawn("serve", "--no-history", *where))
    assert done.code == 1
    assert f"UDP 127.0.0.1:{port} is in use" in done.error
    assert done.error.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serve_serves_and_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    async with serve() as serving, FakeDevice(serving.coap, "dev") as fake:
        await fake.register()
        fake.answers["GET", "/3/0/0"] = content(tlv("/3/0/0", {"/3/0/0": "Acme"}))
        done = await finish(await spawn("read", "dev", "/3/0/0", "--json", url=serving.url))
        assert json.loads(done.out)["value"] == "Acme"
        assert done.error == ""
        assert serving.process is not None
        serving.process.send_signal(number)
        done = await finish(serving.process)
    assert done.code == 0
    assert done.error == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d dev registered\n", done.out)


async def test_serve_takes_further_definitions(tmp_path: Path) -> None:
    (tmp_path / "30000.xml").write_text(
        "<LWM2M><Object><Name>Pump</Name><ObjectID>30000</ObjectID><Resources>"
        '<Item ID="5"><Name>Flow</Name><Operations>R</Operations><Type>Float</Type>'
        "<Units>l/s</Units></Item></Resources></Object></LWM2M>"
    )
    async with (
        serve("--models", str(tmp_path)) as serving,
        FakeDevice(serving.coap, "dev") as fake,
    ):
        await fake.register()
        fake.answers["GET", "/30000/0/5"] = content(bytes.fromhex("c4053fc00000"))
        done = await finish(await spawn("read", "dev", "/30000/0/5", url=serving.url))
    assert re.search(r"Flow\s+1\.5\s+l/s", done.out)


async def test_version_and_help() -> None:
    assert (await finish(await spawn("--version"))).out == f"lwm2m-host {__version__}\n"
    done = await finish(await spawn("--help"))
    assert done.code == 0
    for command in ("serve", "devices", "read", "write", "execute", "discover", "events"):
        assert command in done.out


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8080", "http:", "http://x:port"])
def test_bad_server_address_is_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--server", url]) == 2
    assert capsys.readouterr().err == f"lwm2m-host: bad server address {url!r}\n"


@contextmanager
def answering(data: bytes) -> Iterator[str]:
    """The address of a server that sends `data` to whoever connects, and closes."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>", "{} is not an lwm2m-host server"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", "{} answered 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "the connection to {} broke"),
        (b"SSH-2.0-OpenSSH\r\n", "the connection to {} broke"),
        (b"", "the connection to {} broke"),
    ],
)
def test_server_of_another_kind_is_one_line(
    data: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(data) as url:
        assert run(["devices", "--server", url]) == 1
    error = capsys.readouterr().err
    assert message.format(url) in error
    assert error.count("\n") == 1


def test_events_end_with_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    event = {"event": "unreadable", "time": 0, "ep": "x", "res": "/3", "reason": "no codec"}
    head = b"HTTP/1.1 200 OK\r\n\r\n: hello\n\n"
    with answering(head + f"data: {json.dumps(event)}\n\n".encode()) as url:
        assert run(["events", "--json", "--server", url]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "no codec"
