"""Fixtures: an emulated board, and the server that its client registers with."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Server
from lwm2m_host.coap.timing import Timing

from boards.emulator.emulator import ROOT, Emulator, missing
from tests.waiting import PATIENCE_S

EXAMPLE = ROOT / "boards" / "emulator" / "example" / "main.py"
ENDPOINT = "urn:dev:os:emulated"

Deploy = Callable[..., Awaitable[dict[str, Any]]]


def _copy_if(source: Path, target: Path) -> None:
    """Copy what is there to where nothing is yet."""
    if source.exists() and not target.exists():
        shutil.copy(source, target)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


@pytest.fixture(scope="session")
def flash_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flash with the example on it, once a test has deployed it: most of a deployment is the
    time that it takes, and what has not changed is not copied again."""
    return tmp_path_factory.mktemp("flash") / "flash.img"


@pytest.fixture
async def board(tmp_path: Path, flash_before: Path) -> AsyncIterator[Emulator]:
    """A board, blank or with an older deployment. What it printed is in the report of a failed
    test."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    emulator = Emulator(tmp_path / "board", seed="tests")
    emulator.folder.mkdir()
    _copy_if(flash_before, emulator.folder / "flash.img")
    try:
        async with emulator:
            yield emulator
    finally:
        print(f"--- the board printed:\n{emulator.printed}")


@pytest.fixture
def deploy(board: Emulator, server: Server, tmp_path: Path, flash_before: Path) -> Deploy:
    """Deploys as a user does: `await deploy(program, network=…)`; further keywords are settings.
    Returns what the command reports."""

    async def command(app: Path = EXAMPLE, **settings: Any) -> dict[str, Any]:
        folder = tmp_path / "settings"
        folder.mkdir(exist_ok=True)
        settings = {
            "endpoint": ENDPOINT,
            "server": f"coap://10.0.0.1:{server.port}",
            **settings,
        }
        (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("lwm2m-host"), "board", "deploy", "--json"),
            *("--port", board.port, "--app", str(app), "--config", str(folder)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        if app == EXAMPLE:
            _copy_if(board.folder / "flash.img", flash_before)
        report: dict[str, Any] = json.loads(output)
        return report

    return command
