"""Our client on real MicroPython, on an RP2040 that is emulated: deployed with the real mpremote,
over a line that tortures, through resets and power cuts. `make emulate` builds what they need."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lwm2m_host import Registered, Server
from lwm2m_host.checkout import find_micropython

from boards.emulator.emulator import FROZEN, ROOT, Emulator, EmulatorError, missing
from tests.emulator.conftest import ENDPOINT, PATIENCE_S, Deploy

pytestmark = pytest.mark.slow

TEMPERATURE = "/3303/0/5700"
PPP = {"kind": "ppp", "uart": 0, "tx": 0, "rx": 1}


async def mpremote(board: Emulator, *verbs: str) -> str:
    """What the real mpremote prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mpremote", "connect", board.port, *verbs),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_example_registers_and_goes_on_after_resets(
    board: Emulator, server: Server, deploy: Deploy
):
    report = await deploy()
    assert report["board"] == "emulator"
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    assert sorted((await device.registration()).objects) == [1, 3, 3303]
    assert await device.read(TEMPERATURE) == 21.5
    again = await deploy()
    assert again["copied"] == []
    location = (await device.registration()).location
    with server.events(Registered) as registered:
        await board.control("power", state="cycle")
        async with asyncio.timeout(PATIENCE_S):
            await anext(registered)
    assert (await device.registration()).location != location
    assert await device.read("/3/0/0") == "Acme"


async def test_a_loop_that_hangs_is_reset_by_the_watchdog_and_the_board_knows(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy(watchdog_ms=2000)
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    seen = len(board.printed)
    starts = len((await board.control("status"))["starts"])
    await device.execute("/3/0/4")
    assert (await board.wait_starts(starts + 1))["why"] == "watchdog"
    cause = await board.says(r"^boot (\d)", seen)
    assert cause[1] == "3"  # machine.WDT_RESET
    await board.says("^event registered", seen)
    await asyncio.sleep(3)  # longer than the watchdog lasts: it is fed
    assert len((await board.control("status"))["starts"]) == starts + 1


async def test_reads_come_through_a_line_that_loses_doubles_and_corrupts(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy()
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    await board.control("faults", loss=0.15, duplicate=0.2, corrupt=0.1, delay_ms=[0, 80])
    for _ in range(15):
        assert await device.read(TEMPERATURE) == 21.5
    told = await board.control("statistics")
    assert told["up"]["corrupted"] == told["frames"]["bad_fcs"] > 0
    assert told["down"]["corrupted"] > 0
    assert told["up"]["lost"] + told["down"]["lost"] > 0


async def test_damaged_frames_are_dropped_by_the_board_too(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy()
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    await board.control("turnarounds")
    await board.control("faults", direction="down", corrupt=1)
    reading = asyncio.create_task(device.read(TEMPERATURE))
    await asyncio.sleep(1)
    assert await board.control("turnarounds") == []
    assert (await board.control("statistics"))["down"]["corrupted"] == 1
    await board.control("faults", direction="down", corrupt=0)
    assert await reading == 21.5


async def test_the_program_that_users_start_from_runs_over_ppp(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy(ROOT / "firmware" / "main.py", network=PPP, watchdog_ms=8000, lifetime_s=60)
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    assert 10 < await device.read(TEMPERATURE) < 40
    location = (await device.registration()).location
    await board.control("blackout", duration_s=3)
    await asyncio.sleep(3)
    assert 10 < await device.read(TEMPERATURE) < 40
    assert (await device.registration()).location == location


async def test_settings_survive_a_power_cut_at_any_write_to_the_flash(board: Emulator):
    """littlefs keeps the old file or has the new one: what our own stores build upon."""
    await mpremote(board, "exec", "open('kept', 'w').write('old')")
    for writes in range(1, 8):
        await board.control("cut", after_writes=writes)
        program = "f = open('new', 'w'); f.write('new' * 50); f.close()\nimport os\n"
        program += "os.rename('new', 'kept')"
        # The power may go in the middle of it.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mpremote", "connect", board.port, "exec", program),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        cut = (await board.control("status"))["state"] == "off"
        await board.control("power", state="cycle")
        kept = await mpremote(board, "exec", "print(open('kept').read())")
        assert kept.strip() in ("old", "new" * 50)
        if not cut:
            break
        await mpremote(board, "exec", "f = open('kept', 'w'); f.write('old'); f.close()")
    else:
        pytest.fail("the program writes more often than was cut")
    assert writes > 2


async def test_a_port_of_the_host_can_be_another_one(board: Emulator):
    """UDP 123 is not ours to open; a test's NTP server is somewhere else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE_S)

        def serve() -> None:
            data, address = sock.recvfrom(100)
            sock.sendto(data[::-1], address)

        thread = threading.Thread(target=serve)
        thread.start()
        await board.control("map", port=123, to=sock.getsockname()[1])
        program = """
import machine, network, socket, time
uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1), rxbuf=4096)
link = network.PPP(uart)
link.connect()
while not link.isconnected(): time.sleep_ms(5)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
sock.sendto(b'time?', ('10.0.0.1', 123))
print(sock.recv(100))
"""
        assert "?emit" in await mpremote(board, "exec", program)
        thread.join()


async def test_an_emulator_that_is_killed_has_lost_nothing_but_its_memory(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy()
    await server.wait_for(ENDPOINT, PATIENCE_S)
    await board.stop()
    async with Emulator(board.folder, image=None) as second:
        seen = len(second.printed)
        await second.says("^event registered", seen)


async def test_memory_of_the_board_is_told_by_the_command(
    board: Emulator, server: Server, deploy: Deploy
):
    await deploy()
    await server.wait_for(ENDPOINT, PATIENCE_S)
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("lwm2m-host"), "board", "memory", "--json"),
        *("--port", board.port, "--wait", str(PATIENCE_S)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    told = json.loads(output)
    assert told["registered"]
    assert 200_000 < told["total"] < 264 * 1024
    assert 20_000 < told["took"] < 60_000
    assert told["stages"]["registered"]["largest"] > 50_000


async def test_program_that_derives_and_overrides_runs_with_the_frozen_package(tmp_path: Path):
    """tests/host/test_board_ways.py has it in the other ways."""
    reason = missing(FROZEN)
    if reason:
        pytest.skip(reason)
    program = ROOT / "tests" / "host" / "allowed_program.py"
    plain = await asyncio.create_subprocess_exec(
        *(find_micropython(32), program),
        env={"MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
        stdout=asyncio.subprocess.PIPE,
    )
    expected, _ = await plain.communicate()
    assert expected.startswith(b"asked")
    async with Emulator(tmp_path / "board", image=FROZEN) as board:
        said = await mpremote(board, "run", str(program))
    assert said.replace("\r\n", "\n") == expected.decode()


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path):
    reason = missing()
    if reason:
        pytest.skip(reason)

    async def start(**options: object) -> None:
        async with Emulator(tmp_path, **options):
            pass

    with pytest.raises(EmulatorError, match="loss is a probability"):
        asyncio.run(start(loss=2))
    with pytest.raises(EmulatorError, match="--delay takes A-B"):
        asyncio.run(start(delay=5))
    (tmp_path / "flash.img").write_bytes(b"short")
    with pytest.raises(EmulatorError, match="no image of this flash"):
        asyncio.run(start())


def test_make_emulate_ends_with_numbers():
    reason = missing()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, ROOT / "boards" / "emulator" / "emulate.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("boot", "deploy", "registered", "read", "write", "observed", "watchdog", "power"):
        assert step in done.stdout
    metrics = json.loads((ROOT / "build" / "emulator" / "metrics.json").read_text())
    assert metrics["rp2040.packed.heap_free_bytes"] >= 110 * 1024
    assert metrics["rp2040.packed.heap_bytes"] > 0
    assert all(metrics[f"rp2040.{name}_ms"] > 0 for name in ("import", "register", "read"))
