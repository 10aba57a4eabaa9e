"""``serve --durable`` and the loss of power: what was acknowledged had been flushed to the disk.

A library that is preloaded (powercut.c) keeps a second disk beside the files, which has what was
flushed and nothing else. It takes the place of the files after each cut.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.commands import finish
from tests.host.load import Load, free_port, locations, sent, started

pytestmark = pytest.mark.slow

ROUNDS = 6
SOURCE = Path(__file__).with_name("powercut.c")

Cut = Callable[[], None]


@pytest.fixture
def cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Cuts the power: the files in ``here`` are what was flushed of them."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here: apt install gcc")
    library = tmp_path / "powercut.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    here, disk = tmp_path / "here", tmp_path / "disk"
    for folder in (here, disk):
        folder.mkdir()
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("POWERCUT_FROM", str(here))
    monkeypatch.setenv("POWERCUT_TO", str(disk))

    def lose_what_was_not_flushed() -> None:
        shutil.rmtree(here)
        shutil.copytree(disk, here, ignore=shutil.ignore_patterns("*.part"))

    return lose_what_was_not_flushed


async def rounds(folder: Path, cut: Cut, *options: str) -> tuple[Load, set[str]]:
    """Load, and the power goes, again and again: what was acknowledged, what was lost of it."""
    pick = random.Random(17)
    load = Load(free_port())
    lost: set[str] = set()
    for turn in range(ROUNDS):
        process, _ = await started(folder, load.fleet.server[1], *options)
        if turn == 0:
            await asyncio.to_thread(load.fleet.register)
        load.killed.clear()
        running = asyncio.create_task(asyncio.to_thread(load.run))
        await asyncio.sleep(pick.uniform(0.2, 0.7))
        process.kill()
        await finish(process)
        await asyncio.sleep(0.05)  # answers that are in the socket already
        load.killed.set()
        await running
        cut()
        # Reading tidies up, which the other disk would not hear of.
        look = folder.with_name(f"look-{turn}")
        shutil.copytree(folder, look)
        found = await locations(look / "r.sqlite")
        lost |= {f"load-{device}" for device in load.locations} - set(found)
    load.fleet.close()
    return load, lost


async def test_what_was_acknowledged_survives_the_loss_of_power(tmp_path: Path, cut: Cut) -> None:
    load, lost = await rounds(tmp_path / "here", cut, "--durable")
    assert not lost
    assert load.refused == []
    assert len(load.locations) > 0
    assert len(load.values) > 100
    assert load.values <= sent(tmp_path / "here" / "h.sqlite")


async def test_without_durable_a_registration_may_be_lost_and_the_files_are_good(
    tmp_path: Path, cut: Cut
) -> None:
    load, lost = await rounds(tmp_path / "here", cut)
    assert lost
    assert load.values <= sent(tmp_path / "here" / "h.sqlite")
