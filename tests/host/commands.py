"""`lwm2m-host` for tests: as a process, or in a thread beside a server."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from lwm2m_host.cli.app import run
from lwm2m_host.formats import Entry
from lwm2m_host.formats.tlv import TlvFormat
from lwm2m_host.model.catalogue import Models
from lwm2m_host.model.path import Path

from tests.waiting import PATIENCE_S

COMMAND = [sys.executable, "-W", "error", "-c", "from lwm2m_host.cli import main; main()"]


@dataclass
class Done:
    code: int
    out: str
    error: str


def tlv(base: str, values: dict[str, object]) -> bytes:
    entries = [Entry(Path.parse(path), value) for path, value in values.items()]  # type: ignore[arg-type]
    return TlvFormat().encode(entries, Path.parse(base), Models.default().type_of)


async def spawn(*arguments: str, url: str = "") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env={**os.environ, "LWM2M_HOST_URL": url or "http://127.0.0.1:9", "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process) -> Done:
    out, error = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), error.decode())


async def next_line(process: asyncio.subprocess.Process) -> str:
    """The next line of a command's output, without its end."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
    return line.decode().rstrip("\n")


@dataclass
class Serving:
    """A running server and the commands that talk to it."""

    coap: str
    url: str
    process: asyncio.subprocess.Process | None = None

    async def run(self, *arguments: str) -> Done:
        """A command in this process, in a thread: the server is in the loop."""

        def command() -> Done:
            out, error = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(error):
                code = run(list(arguments))
            return Done(code, out.getvalue(), error.getvalue())

        return await asyncio.to_thread(command)


@asynccontextmanager
async def serve(*arguments: str) -> AsyncIterator[Serving]:
    """`lwm2m-host serve` as a process of its own."""
    history = () if "--history" in arguments else ("--no-history",)
    process = await spawn(
        "serve", "--host", "127.0.0.1", "--port", "0", "--http-port", "0", *history, *arguments
    )
    try:
        lines = [await next_line(process) for _ in "12"]
        assert [line.split()[0] for line in lines] == ["devices", "commands"]
        yield Serving(lines[0].split()[1], lines[1].split()[1], process)
    finally:
        if process.returncode is None:
            process.terminate()
            await finish(process)
