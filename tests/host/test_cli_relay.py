"""`lwm2m-host relay`: a process between sockets of the test, and its refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys

import pytest
from lwm2m_host.cli.app import run

from tests.host.commands import next_line
from tests.waiting import PATIENCE_S

COMMAND = [sys.executable, "-W", "error", "-c", "from lwm2m_host.cli import main; main()", "relay"]

PING = bytes.fromhex("40001234")


async def relay(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env={**os.environ, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def interrupt(process: asyncio.subprocess.Process) -> tuple[list[str], str]:
    process.send_signal(signal.SIGINT)
    out, error = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0, error
    return out.decode().splitlines(), error.decode()


async def test_it_relays_logs_and_counts_until_ctrl_c() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE_S)
        client.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{server.getsockname()[1]}"
        process = await relay(
            *("--listen", "127.0.0.1:0", "--target", target, "--duplicate", "1", "--log"),
            *("--seed", "7", "--rebind-every", "60", "--blackout", "1/600", "--delay", "1-2"),
        )
        words = (await next_line(process)).split()
        assert words[0] == "relay"
        assert words[2:] == ["->", target, "seed", "7"]
        host, _, port = words[1].rpartition(":")
        client.sendto(PING, (host, int(port)))
        logged = await next_line(process)
        assert server.recv(100) == server.recv(100) == PING
    out, error = await interrupt(process)
    assert "-> 4 B CON EMPTY mid 4660: duplicated, delayed " in logged
    assert out[-2:] == ["up     1 received, 2 passed, 1 duplicated, 1 delayed", "down   -"]
    assert error == ""


async def test_json_is_one_object_per_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        process = await relay(
            *("--listen", "127.0.0.1:0", "--target", "127.0.0.1:9", "--loss", "1"),
            *("--json", "--log", "--seed", "3"),
        )
        head = json.loads(await next_line(process))
        assert (head["target"], head["seed"]) == ("127.0.0.1:9", 3)
        host, _, port = head["listen"].rpartition(":")
        client.sendto(PING, (host, int(port)))
        entry = json.loads(await next_line(process))
        place = f"127.0.0.1:{client.getsockname()[1]}"
    out, _ = await interrupt(process)
    assert entry.pop("time") > 0
    assert entry == {
        "direction": "up",
        "client": place,
        "size": 4,
        "coap": {"type": "CON", "code": "EMPTY", "mid": 0x1234, "token": ""},
        "decision": "lost",
    }
    (last,) = map(json.loads, out)
    assert (last["up"]["received"], last["up"]["lost"], last["rebinds"]) == (1, 1, 0)
    assert set(last["down"].values()) == {0}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--loss 1.5", 2, "loss is a probability from 0 to 1, not 1.5"),
        ("--duplicate=-1", 2, "duplicate is a probability"),
        ("--reorder nan", 2, "reorder is a probability"),
        ("--corrupt many", 2, "valid number"),
        ("--delay 5-", 2, "delay is milliseconds as in 200 or 50-400, not 5-"),
        ("--delay 9-3", 2, "delay is a range of milliseconds, not 9-3"),
        ("--blackout 60/10", 2, "blackout is a duration and a longer period, not 60/10"),
        ("--blackout ten", 2, "blackout is seconds of a period as in 10/60, not ten"),
        ("--rebind-every 0", 2, "rebind every 0 s: more than 0 is needed"),
        ("--target :5", 2, "target is HOST[:PORT], IPv6 in brackets, not :5"),
        ("--target ::1", 2, "target is HOST[:PORT]"),
        ("--target localhost:0", 2, "target: port 0"),
        ("--listen 70000", 2, "listen is [HOST:]PORT, IPv6 in brackets, not 70000"),
        ("--listen localhost", 2, "listen is [HOST:]PORT"),
        ("--target no.such.host.invalid", 1, "no such target: no.such.host.invalid"),
        ("--listen 192.0.2.1:9999", 1, "cannot listen on UDP 192.0.2.1:9999"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["relay", *arguments.split()]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lwm2m-host: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1
