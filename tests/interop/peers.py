"""Our exchange layer in MicroPython's unix port, and other people's CoAP programs.

What is not on this machine is skipped with the command that brings it; `make interop` fetches
what can be had without root.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiocoap import Message
from lwm2m_host.checkout import find_root
from lwm2m_host.testing.unix import UnixDevice

from tests.waiting import PATIENCE_S

HERE = Path(__file__).parent
DEVICE = HERE / "device"
FETCHED = find_root() / "build" / "interop"

Answer = dict[str, Any]


def body(n: int) -> bytes:
    """The bytes that the device makes up, too."""
    return bytes((at * 7 + (at >> 8)) & 255 for at in range(n))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Datagram(NamedTuple):
    """One line of the device's record: "in", "out" or "lost", and what aiocoap reads in it."""

    direction: str
    message: Message

    @property
    def kind(self) -> str:
        return f"{self.direction} {self.message.mtype.name} {self.message.code.dotted}"


class Peer(UnixDevice):
    """A device with a record of its datagrams."""

    def __init__(self, script: Path, config: dict[str, Any], folder: Path, **options: Any) -> None:
        # A file, because MicroPython takes no argument of more than 255 bytes
        file = folder / f"{script.stem}-{config['port']}.json"
        file.write_text(json.dumps(config))
        super().__init__(script, [file], **options)
        self.port: int = config["port"]
        self.uri = f"coap://127.0.0.1:{self.port}"

    def record(self) -> list[Datagram]:
        """Every datagram so far that is one."""
        found = []
        for line in self.output.splitlines():
            direction, _, text = line.partition(" ")
            if direction in ("in", "out", "lost") and len(text) >= 8:
                found.append(Datagram(direction, Message.decode(bytes.fromhex(text))))
        return found

    def kinds(self) -> list[str]:
        """The record in short: "in CON 0.01", "out ACK 2.05", …"""
        return [datagram.kind for datagram in self.record()]

    async def does(self, *kinds: str) -> None:
        """Wait until the record is this, in short, and compare."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while len(self.kinds()) < len(kinds):
                    self.check()
                    await asyncio.sleep(0.005)
        assert self.kinds() == list(kinds)

    def answers(self) -> list[Answer]:
        """What the asks of a client came to."""
        return [
            json.loads(line.partition(" ")[2])
            for line in self.output.splitlines()
            if line.startswith("answer ")
        ]


# --- programs -------------------------------------------------------------------------------


class Program:
    """Somebody else's program. Use it as ``async with``."""

    def __init__(
        self,
        command: Sequence[str | Path],
        env: dict[str, str] | None = None,
        *,
        folder: Path | None = None,
        stdin: int = asyncio.subprocess.DEVNULL,
    ) -> None:
        self.command = [str(word) for word in command]
        self.env = {**os.environ, **(env or {})}
        self.folder = folder
        self.stdin = stdin
        self.output = ""

    async def __aenter__(self) -> Program:
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            env=self.env,
            cwd=self.folder,
            stdin=self.stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.reader = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self.process.stdout
        while data := await self.process.stdout.read(4096):
            self.output += data.decode("utf-8", "replace")

    async def says(self, text: str) -> None:
        """Wait until it has printed a text."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.output:
                assert self.process.returncode is None, self.output
                await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.reader
        print(f"--- {self.command[0]} printed:\n{self.output}")


async def run(
    command: Sequence[str | Path],
    env: dict[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> tuple[int, bytes, str]:
    """Run a program to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(patience_s):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    print(f"--- {command}: {process.returncode}\n{out[:2000]!r}\n{err.decode()}")
    return process.returncode, out, err.decode("utf-8", "replace")


async def listening(port: int) -> None:
    """Wait until something is bound to a UDP port of the loopback interface."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    return
            await asyncio.sleep(0.01)


def libcoap(name: str) -> Path:
    """A program of libcoap, e.g. "coap-client": on PATH, or as `make interop` has fetched it."""
    for candidate in (f"{name}-notls", name):
        found = shutil.which(candidate) or shutil.which(FETCHED / "libcoap" / candidate)
        if found:
            return Path(found)
    pytest.skip("libcoap is not here: apt install libcoap3-bin, or make interop")


def node_coap(script: str) -> tuple[list[str | Path], dict[str, str]]:
    """The command and the environment for one of our scripts on node-coap."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not here: apt install nodejs npm, then make interop")
    for folder in (HERE / "node", FETCHED / "node"):
        if (folder / "node_modules" / "coap").is_dir():
            return [node, HERE / "node" / script], {"NODE_PATH": str(folder / "node_modules")}
    pytest.skip("node-coap is not here: npm ci in tests/interop/node, or make interop")


def microcoapy() -> Path:
    """The folder of a copy of microCoAPy."""
    named = os.environ.get("MICROCOAPY")
    if not named:
        pytest.skip("no MICROCOAPY=path of a checkout of insighio/microCoAPy on GitHub")
    folder = Path(named).expanduser().absolute()
    if not (folder / "microcoapy" / "coap_packet.py").is_file():
        pytest.fail(f"MICROCOAPY={named}: there is no microcoapy/coap_packet.py")
    return folder
