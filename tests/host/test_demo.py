"""`lwm2m-host demo` as a user meets it: real processes, their output and their end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.demo.session import Session
from lwm2m_host.demo.tour import Tour, TourFailed
from lwm2m_host.demo.view import Row, commands, tree_table
from rich.console import Console

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
SESSION = "lwm2m_host.demo.session"
COMMAND = [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "demo"]


def _missing(width: int) -> str:
    try:
        find_micropython(width)
    except CheckoutError as error:
        return str(error)
    return ""


needs_64 = pytest.mark.skipif(bool(_missing(64)), reason=_missing(64))
needs_32 = pytest.mark.skipif(bool(_missing(32)), reason=_missing(32))


def run(*arguments: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The demo as a process; `before` is Python that changes something in it."""
    python, option, program, demo = COMMAND
    return subprocess.run(
        [python, option, f"import {SESSION}\n{before}\n{program}", demo, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def ports() -> tuple[str, ...]:
    return ("--port", "0", "--http-port", "0")


@pytest.mark.parametrize(
    "width", [pytest.param("64", marks=needs_64), pytest.param("32", marks=needs_32)]
)
def test_the_tour_shows_every_operation_and_ends_well(width: str, ports: tuple[str, ...]) -> None:
    done = run("--once", "--width", width, *ports)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    steps = [line.split()[1] for line in done.stdout.splitlines() if line[:2].strip().isdigit()]
    assert steps[:6] == ["Server", "Device", "Register", "Discover", "Read", "Poll"]
    assert steps[6:] == ["Observe", "Write", "Execute", "Refusal", "Command", "De-register"]
    assert f"{width} bits" in done.stdout
    assert "All 12 steps worked" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert any(row[-1:] == ["Cel"] and "/3303/0/5700" in row for row in rows)
    assert any(row[-1:] == ["kB"] and "/3/0/10" in row for row in rows)


@needs_64
def test_the_tour_fails_with_what_a_dead_device_printed(
    tmp_path: Path, ports: tuple[str, ...]
) -> None:
    done = run("--once", *ports, LWM2M_MICROPYTHON=_program(tmp_path, "echo no memory; exit 3"))
    assert done.returncode == 1
    assert "no memory" in done.stdout
    assert done.stderr == "lwm2m-host: the device ended with exit code 3\n"


@needs_64
def test_the_tour_does_not_wait_for_ever_for_a_silent_device(
    tmp_path: Path, ports: tuple[str, ...]
) -> None:
    silent = _program(tmp_path, f"echo $$ > {tmp_path}/pid; echo hm; exec sleep 60")
    done = run("--once", *ports, before=f"{SESSION}.REGISTER_S = 1", LWM2M_MICROPYTHON=silent)
    assert done.returncode == 1
    assert "hm" in done.stdout
    assert done.stderr == "lwm2m-host: weather-1 did not register in 1 s\n"
    assert not _alive(int((tmp_path / "pid").read_text()))


def test_wrong_arguments_are_one_line() -> None:
    for arguments, words in (
        (("--width", "16"), "--width is 64 or 32, not 16"),
        (("--port", "70000"), "Invalid value for '--port'"),
        (("--twice",), "No such option: --twice"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("lwm2m-host: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


@needs_64
def test_default_ports_that_are_taken_are_replaced_and_told() -> None:
    with contextlib.ExitStack() as stack:
        for kind, port in ((socket.SOCK_DGRAM, 5683), (socket.SOCK_STREAM, 8080)):
            taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
            with contextlib.suppress(OSError):  # taken already: that is as good
                taken.bind(("127.0.0.1", port))
        done = run("--once")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "UDP port 5683 is taken: devices are served on " in done.stdout
    assert "TCP port 8080 is taken: commands are served on " in done.stdout


def test_a_port_that_was_asked_for_and_is_taken_is_an_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        done = run("--once", "--port", port, "--http-port", "0")
    assert done.returncode == 1
    assert f"UDP 127.0.0.1:{port} is in use" in done.stderr
    assert done.stderr.count("\n") == 1


@needs_64
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_without_a_terminal_it_prints_lines_until_a_signal_ends_everything(
    number: int, tmp_path: Path, ports: tuple[str, ...]
) -> None:
    # A script in between tells the process id of the device.
    real = find_micropython(64)
    told = _program(tmp_path, f'echo $$ > {tmp_path}/pid; exec {real} "$@"')
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *ports,
        cwd=ROOT,
        env={**os.environ, "LWM2M_MICROPYTHON": told},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    seen = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "execute weather-1" not in seen:
                seen += (await process.stdout.readline()).decode()
            assert _alive(int((tmp_path / "pid").read_text()))
            process.send_signal(number)
            seen += (await process.stdout.read()).decode()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "weather-1 registered" in seen
    assert "/3303/0/5700" in seen
    assert "weather-1 has de-registered; the demo is over" in seen
    assert "\x1b" not in seen
    assert not _alive(int((tmp_path / "pid").read_text()))


@needs_64
async def test_in_a_terminal_it_keeps_a_table_and_leaves_the_screen_as_it_was(
    ports: tuple[str, ...],
) -> None:
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *ports,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.set_blocking(controller, False)
    seen = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while seen.count("object tree, read in") < 3:
                seen += await _available(controller)
            process.send_signal(signal.SIGINT)
            ended = asyncio.create_task(process.wait())
            while not ended.done():
                seen += await _available(controller)
            seen += await _available(controller)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(controller)
    assert process.returncode == 0
    assert "\x1b[?1049h" in seen
    last = seen.rpartition("\x1b[?1049l")[2]  # back on the normal screen
    assert "weather-1 has de-registered; the demo is over" in last
    for words in ("Sensor Value", "Cel", "try in a second terminal", "registered"):
        assert words in seen


def test_a_short_screen_shows_what_matters_most() -> None:
    tree = [Row("Device", f"/3/0/{rid}", f"name {rid}", "1", "") for rid in range(10)]
    tree.append(Row("Temperature", "/3303/0/5700", "Sensor Value", "21.5", "Cel"))
    out = Console(width=100, record=True, file=io.StringIO())
    out.print(tree_table(tree, limit=2))
    text = out.export_text()
    assert "/3303/0/5700" in text
    assert "/3/0/0" in text
    assert "/3/0/5" not in text


def test_text_of_a_device_is_shown_as_it_is() -> None:
    out = Console(width=100, record=True, file=io.StringIO())
    out.print(tree_table([Row("[red]x", "/3/0/0", "n", "[bold]\x1b[2J", "")]))
    text = out.export_text()
    assert "[red]x" in text
    assert "[bold]" in text
    assert "\x1b" not in text


class _Moved:
    """As much of a session as `commands` looks at."""

    endpoint = "e"

    class plane:
        port = 4711
        url = "http://127.0.0.1:4711"


def test_the_commands_name_the_server_when_it_is_not_at_its_default() -> None:
    session = _Moved()
    assert all("--server http://127.0.0.1:4711" in line for line, _ in commands(session))  # type: ignore[arg-type]
    session.plane.port = 8080
    assert not any("--server" in line for line, _ in commands(session))  # type: ignore[arg-type]


async def test_a_step_that_is_not_done_in_time_fails_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Fine:
        async def check(self) -> None:
            pass

    async def forever(_: Session) -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr("lwm2m_host.demo.tour.STEP_S", 0.05)
    out = Console(file=io.StringIO())
    tour = Tour(Fine(), out)  # type: ignore[arg-type]
    with pytest.raises(TourFailed, match=r"Nap: not done in 0\.05 s"):
        await tour._step("Nap", "", forever)


def _program(folder: Path, text: str) -> str:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _available(descriptor: int) -> str:
    await asyncio.sleep(0.02)
    try:
        return os.read(descriptor, 1 << 16).decode("utf-8", "replace")
    except (BlockingIOError, OSError):
        return ""
