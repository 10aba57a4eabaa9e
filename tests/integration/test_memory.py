"""Without memory a message is lost, never the program (docs/memory.md)."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from lwm2m_host import Server
from lwm2m_host.checkout import find_micropython
from lwm2m_host.errors import Lwm2mError

from tests.integration.compiled import compile_package
from tests.integration.conftest import PATIENCE_S, Start
from tests.memory.run import PROGRAM, MemoryRunError, each_allocation, run

NOTHING = {"ended": 0, "lost_registrations": 0, "inconsistent": 0}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled package."""
    return compile_package(tmp_path_factory.mktemp("compiled"))


def _faults(found: dict[str, int]) -> dict[str, int]:
    return {name: found[name] for name in NOTHING}


def _fill(compiled: Path, width: int, *blocks: int) -> None:
    found = run(find_micropython(width), "full_heap.py", *blocks, heap="400k", modules=compiled)
    assert _faults(found) == NOTHING
    assert found["rounds"] == len(blocks)
    assert found["lost"] > 0


def test_a_heap_that_is_full_but_for_some_blocks_loses_messages_only(
    compiled: Path, width: int
) -> None:
    _fill(compiled, width, 0, 8, 60)


@pytest.mark.slow
def test_a_heap_that_is_full_but_for_any_number_of_blocks(compiled: Path, width: int) -> None:
    _fill(compiled, width, *range(40), *range(40, 260, 5))


def test_some_allocations_fail_in_turn(compiled: Path) -> None:
    if not PROGRAM.exists():
        pytest.skip("no MicroPython whose allocations can fail: `make memory` builds it")
    found = run(PROGRAM, "each_allocation.py", "all", 1, 7, 401, modules=compiled)
    assert _faults(found) == NOTHING
    assert found["failed"] == found["rounds"] > 10


@pytest.mark.slow
@pytest.mark.parametrize(("row", "stride"), [(1, 1), (3, 7), (8, 7)])
def test_each_allocation_fails_once(row: int, stride: int) -> None:
    try:
        found = each_allocation("all", row, stride)
    except MemoryRunError as problem:
        if "run make setup" in str(problem) or "apt" in str(problem):
            pytest.skip(str(problem))
        raise
    assert _faults(found) == NOTHING
    assert found["failed"] >= 7000 // stride * row


@pytest.mark.parametrize("spare", [0, 1500, 6000])
async def test_a_client_with_128_kb_that_is_observed_lives_on(
    launch: Start, server: Server, compiled: Path, spare: int
) -> None:
    """A client of 64 bits with so much heap died of a MemoryError in `Udp.receive`."""
    station = await launch(
        "scarce.py",
        servers=[server.uri],
        width=64,
        heap="128k",
        path=(compiled,),
        spare=spare,
        scarce_ms=1500,
    )
    device = await station.registered_with(server)
    await device.observe("/3303/0/5700")

    async def ask() -> None:
        while "plenty" not in station.output:
            with contextlib.suppress(Lwm2mError, TimeoutError):
                await device.read("/3303/0", timeout_s=1)
            with contextlib.suppress(Lwm2mError, TimeoutError):
                await device.write("/3/0/14", "+01:00", timeout_s=1)

    async with asyncio.timeout(PATIENCE_S):
        await ask()
    # The memory is there again: everything works, by itself.
    device = await server.wait_for(station.endpoint, PATIENCE_S)
    assert await device.read("/3/0/0") == "Acme"
    await device.write("/3/0/14", "+02:00")
    assert await device.read("/3/0/14") == "+02:00"
    observation = await device.observe("/3303/0/5700")
    async with asyncio.timeout(PATIENCE_S):
        await anext(aiter(observation))
    station.check()
