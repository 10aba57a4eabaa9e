"""Settings: the device's own code judges them, messages name the field, keys stay secret."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lwm2m_host import Server
from lwm2m_host.board import provision
from lwm2m_host.board.errors import BadSetting
from lwm2m_host.board.remote import Identity
from lwm2m_host.checkout import find_micropython, find_root
from lwm2m_host.cli.app import run

from tests.waiting import PATIENCE_S

SECRET = "correct horse battery"
GOOD: dict[str, Any] = {"endpoint": "urn:dev:os:x", "server": "coap://192.0.2.10"}
WIFI = {"kind": "wifi", "ssid": "Upstairs", "country": "DE"}


def load_on_device(folder: Path) -> dict[str, Any]:
    """What lwm2m.config.load makes of it, in MicroPython."""
    program = (
        "import json, sys; from lwm2m.config import load; print(json.dumps(load(sys.argv[1])))"
    )
    said = subprocess.check_output(
        [find_micropython(), "-c", program, str(folder / "config.json")],
        env={**os.environ, "MICROPYPATH": f"{find_root() / 'firmware'}:.frozen"},
    )
    loaded: dict[str, Any] = json.loads(said)
    return loaded


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    return file


def command(*arguments: str) -> int:
    return run(["board", "provision", "--no-check", *arguments])


def test_what_is_written_loads_on_the_device(
    tmp_path: Path, password: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = command(
        *("--out", str(out), "--endpoint", "urn:dev:os:1", "--server", "coap://192.0.2.10:5683"),
        *("--lifetime", "120", "--wifi-ssid", "Upstairs", "--wifi-password-file", str(password)),
        *("--country", "DE", "--hostname", "meter", "--ntp", "ntp.example.com"),
        *("--watchdog-ms", "8000"),
    )
    captured = capfd.readouterr()
    assert (code, captured.err) == (0, "")
    assert captured.out == f"{out}/config.json written\n{out}/keys.json written\n"
    loaded = load_on_device(out)
    assert loaded["endpoint"] == "urn:dev:os:1"
    assert loaded["servers"] == [{"uri": "coap://192.0.2.10:5683", "lifetime_s": 120}]
    assert loaded["network"] == {
        "kind": "wifi",
        "ssid": "Upstairs",
        "country": "DE",
        "hostname": "meter",
        "password": SECRET,
    }
    assert (loaded["ntp"], loaded["watchdog_ms"]) == ("ntp.example.com", 8000)


def test_keys_are_in_a_file_of_their_own_that_others_cannot_read(
    tmp_path: Path, password: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = ["--out", str(tmp_path), "--endpoint", "e", "--server", "coap://192.0.2.10"]
    wifi = ["--wifi-ssid", "Upstairs", "--wifi-password-file", str(password)]
    previous = os.umask(0)
    try:
        assert command(*base, *wifi) == 0
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert SECRET not in (tmp_path / "config.json").read_text()
    (tmp_path / "keys.json").chmod(0o644)
    assert command(*base, *wifi) == 0
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "keys.json",
        "password",
    ]
    # A message about a key does not hold it either.
    password.write_text("short")
    assert command(*base, *wifi) == 1
    captured = capfd.readouterr()
    assert "wifi_password: 8 to 64 characters are needed" in captured.err
    assert SECRET not in captured.out + captured.err
    assert "short" not in captured.out + captured.err


def test_what_was_there_stays_unless_it_is_given_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision.write(
        tmp_path,
        {**GOOD, "interval_s": 7, "network": WIFI, "device": {"model": "T"}},
        {"wifi_password": SECRET},
    )
    assert command("--out", str(tmp_path), "--server", "coap://192.0.2.11") == 0
    loaded = load_on_device(tmp_path)
    assert loaded["servers"] == [{"uri": "coap://192.0.2.11"}]
    assert (loaded["interval_s"], loaded["device"]) == (7, {"model": "T"})
    assert loaded["network"] == {**WIFI, "password": SECRET}
    assert command("--out", str(tmp_path), "--country", "FR") == 0
    assert load_on_device(tmp_path)["network"]["country"] == "FR"
    assert command("--out", str(tmp_path), "--wifi-ssid", "") == 0
    assert "network" not in load_on_device(tmp_path)
    monkeypatch.setenv("LWM2M_WIFI_PASSWORD", "")
    assert command("--out", str(tmp_path), "--wifi-ssid", "Open") == 0
    assert load_on_device(tmp_path)["network"]["password"] is None
    assert json.loads((tmp_path / "keys.json").read_text()) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 2, "endpoint: is missing; give --endpoint"),
        ("--endpoint e", 2, "server: is missing; give --server"),
        ("--endpoint e --server 192.0.2.10", 1, "server: coap://host:port is needed, not"),
        ("--lifetime -1", 1, "lifetime_s: 0 to 536870911 seconds are needed"),
        ("--watchdog-ms 5", 1, "watchdog_ms: 1000 to 3600000 milliseconds are needed"),
        (f"--wifi-ssid {33 * 'x'}", 1, "network.ssid: a text of 1 to 32 bytes is needed"),
        ("--wifi-ssid x --country de", 1, "network.country: two capital letters are needed"),
        ("--wifi-ssid x --hostname a_b", 1, "network.hostname: 1 to 32 letters, digits"),
        ("--country DE", 2, "--country and --hostname are for a Wi-Fi: give --wifi-ssid"),
        ("--wifi-password-file none --wifi-ssid x", 2, "--wifi-password-file: none: No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_field(
    arguments: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = arguments.split()
    if "none" not in words:
        monkeypatch.setenv("LWM2M_WIFI_PASSWORD", SECRET)
    if arguments and not arguments.startswith("--endpoint"):
        words = ["--endpoint", "e", "--server", "coap://192.0.2.10", *words]
    assert command("--out", str(tmp_path), *words) == code
    captured = capfd.readouterr()
    assert captured.err.startswith(f"lwm2m-host: {message}"), captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_wifi_without_a_password_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LWM2M_WIFI_PASSWORD", raising=False)
    base = ["--out", str(tmp_path), "--endpoint", "e", "--server", "coap://192.0.2.10"]
    assert command(*base, "--wifi-ssid", "x") == 2
    assert "wifi_password: is missing; give --wifi-password-file" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{", "\xff", '"x"', "[" * 5000])
def test_files_that_are_no_settings_are_said(
    text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert command("--out", str(tmp_path), "--endpoint", "e") == 1
    captured = capfd.readouterr()
    assert f"{tmp_path}/config.json: " in captured.err
    assert (tmp_path / "config.json").read_text(encoding="latin-1") == text


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["endpoint", "server", "servers", "network", "ntp", "device", "mtu", "x"]),
        _json,
    ),
    st.dictionaries(st.sampled_from(["wifi_password", "x"]), _json, max_size=1),
)
def test_any_settings_are_taken_or_refused_by_name(
    changes: dict[str, Any], keys: dict[str, Any]
) -> None:
    try:
        provision.check({**GOOD, **changes}, keys)
    except BadSetting as error:
        complaint = error
    else:
        return
    assert complaint.field
    assert "\n" not in str(complaint)


# --- who is it? -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unique", "mac", "endpoint"),
    [
        ("e660583883724a32", "28cdc1000102", "urn:dev:mac:28cdc1fffe000102"),
        ("2465d80a11c0", "", "urn:dev:mac:2465d8fffe0a11c0"),
        ("e660583883724a32", "", "urn:dev:os:rp2-e660583883724a32"),
        ("e660583883724a32", "000000000000", "urn:dev:os:rp2-e660583883724a32"),
        ("", "", ""),
    ],
)
def test_an_endpoint_name_out_of_the_numbers_of_a_board(
    unique: str, mac: str, endpoint: str
) -> None:
    assert provision.endpoint_of(Identity("rp2", (1,), "", "", 0, unique, mac)) == endpoint


# --- is there a server? -----------------------------------------------------------------------


async def test_a_server_that_is_there_answers() -> None:
    import asyncio

    async with Server(port=0) as server:
        assert await asyncio.to_thread(provision.ask_server, server.uri) == ""


@contextmanager
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_no_server_wrong_server_silent_server(capfd: pytest.CaptureFixture[str]) -> None:
    with udp() as sock:
        port = sock.getsockname()[1]
        told = provision.ask_server(f"coap://127.0.0.1:{port}", 0.3)
        assert told == f"no answer from 127.0.0.1, UDP port {port}"
    told = provision.ask_server(f"coap://127.0.0.1:{port}", 0.3)
    assert told == f"nobody listens at 127.0.0.1, UDP port {port}"
    assert provision.ask_server("coap://no.such.host.invalid") == "no host no.such.host.invalid"
    assert "needs the keys" in provision.ask_server("coaps://127.0.0.1")


@pytest.mark.parametrize("answer", [b"", b"hello", b"\x70\x00\0\0", b"\x60\x45MM", bytes(64)])
def test_something_else_than_a_coap_server_is_no_answer(answer: bytes) -> None:
    with udp() as sock:
        sock.settimeout(PATIENCE_S)

        def serve() -> None:
            _, peer = sock.recvfrom(64)
            sock.sendto(answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        uri = f"coap://127.0.0.1:{sock.getsockname()[1]}"
        assert "no answer from" in provision.ask_server(uri, 0.3)
        thread.join()


def test_no_server_is_a_warning_and_the_settings_are_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with udp() as sock:
        port = sock.getsockname()[1]
    arguments = ["--out", str(tmp_path), "--endpoint", "e"]
    assert run(["board", "provision", *arguments, "--server", f"coap://127.0.0.1:{port}"]) == 0
    captured = capfd.readouterr()
    assert captured.err == (
        f"warning: server: nobody listens at 127.0.0.1, UDP port {port} "
        "(asked from this computer)\n"
    )
    assert (tmp_path / "config.json").is_file()


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "x",
        "coap://",
        "coap://:5",
        "coap://h:99999",
        "coap://[::1",
        "coap://h/path",
        "coap://u@h",
    ],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(BadSetting, match="server: coap://host:port is needed"):
        provision.ask_server(uri)


@given(st.text(max_size=30))
def test_any_text_as_an_address_is_no_crash(text: str) -> None:
    assert provision.is_local(f"coap://{text}") in (True, False)


# --- somebody to ask --------------------------------------------------------------------------


def test_what_is_missing_is_asked_for_and_the_password_is_not_shown(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "LWM2M_WIFI_PASSWORD"}
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from lwm2m_host.cli import main; main()",
            *("board", "provision", "--no-check", "--out", str(tmp_path)),
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    try:
        for question, answer in (
            (b"Endpoint name", "urn:dev:os:asked"),
            (b"Server", "coap://192.0.2.10"),
            (b"Wi-Fi", "Upstairs"),
            (b"Its password", SECRET),
        ):
            shown += until(ours, question)
            while question == b"Its password" and termios.tcgetattr(ours)[3] & termios.ECHO:
                time.sleep(0.01)
            os.write(ours, answer.encode() + b"\n")
        assert process.wait(PATIENCE_S) == 0
        shown += until(ours, b"keys.json written")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert SECRET.encode() not in shown
    loaded = load_on_device(tmp_path)
    assert loaded["endpoint"] == "urn:dev:os:asked"
    assert loaded["network"] == {"kind": "wifi", "ssid": "Upstairs", "password": SECRET}


def until(descriptor: int, text: bytes) -> bytes:
    shown = b""
    end = time.monotonic() + PATIENCE_S
    while text not in shown:
        assert time.monotonic() < end, shown
        if select.select([descriptor], [], [], 0.1)[0]:
            shown += os.read(descriptor, 1024)
    return shown
