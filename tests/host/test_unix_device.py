"""Programs in MicroPython's unix port, started and ended by UnixDevice; the pytest fixtures."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from lwm2m_host import checkout
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.errors import DeviceTimeout
from lwm2m_host.testing import unix
from lwm2m_host.testing.unix import UnixDevice, UnixDeviceError

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def _missing(width: int) -> str:
    try:
        find_micropython(width)
    except CheckoutError as error:
        return str(error)
    return ""


needs_64 = pytest.mark.skipif(bool(_missing(64)), reason=_missing(64))
needs_32 = pytest.mark.skipif(bool(_missing(32)), reason=_missing(32))


def script(folder: Path, text: str) -> Path:
    file = folder / "program.py"
    file.write_text(textwrap.dedent(text))
    return file


@pytest.mark.parametrize(
    ("width", "largest"),
    [
        pytest.param(64, "9223372036854775807", marks=needs_64),
        pytest.param(32, "2147483647", marks=needs_32),
    ],
)
async def test_a_program_runs_at_the_width_asked_for(
    tmp_path: Path, width: int, largest: str
) -> None:
    program = script(tmp_path, "import sys\nprint(sys.maxsize, sys.argv[1:])")
    async with UnixDevice(program, ["a", tmp_path], width=width) as device:
        assert await device.wait(PATIENCE_S) == 0
    assert device.output.split() == [largest, "['a',", f"'{tmp_path}']"]


@needs_64
async def test_heap_environment_and_module_path_reach_the_program(tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "mine.py").write_text("NAME = 'mine'")
    program = script(
        tmp_path,
        """
        import gc, os, sys, mine
        print(gc.mem_free() + gc.mem_alloc() < 100000, os.getenv("COLOUR"), mine.NAME)
        print([p for p in sys.path if p.endswith("/firmware")] != [])
        """,
    )
    async with UnixDevice(
        program, env={"COLOUR": "red"}, heap="64k", path=[tmp_path / "extra"]
    ) as device:
        assert await device.wait(PATIENCE_S) == 0
    assert device.output.split() == ["True", "red", "mine", "True"]


@needs_64
async def test_compiled_modules_are_preferred_to_sources_beside_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder, text in (("firmware", "source"), ("build/mpy", "compiled")):
        (tmp_path / folder / "lwm2m").mkdir(parents=True)
        (tmp_path / folder / "lwm2m" / "which.py").write_text(f"NAME = {text!r}")
    (tmp_path / "firmware" / "main.py").write_text("import lwm2m.which as w; print(w.NAME)")
    interpreter = find_micropython(64)
    monkeypatch.setenv("LWM2M_MICROPYTHON", str(interpreter))
    monkeypatch.setattr(unix, "find_root", lambda: tmp_path)
    told = []
    for source in ("py", "mpy"):
        async with UnixDevice("firmware/main.py", source=source) as device:
            await device.wait(PATIENCE_S)
        told.append(device.output.strip())
    assert told == ["source", "compiled"]


@needs_64
async def test_leaving_ends_the_process(tmp_path: Path) -> None:
    program = script(tmp_path, "import time\nprint('up')\nwhile True: time.sleep(1)")
    async with UnixDevice(program) as device:
        await device.wait_output("up")
        pid = device.pid
    assert device.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@needs_64
async def test_a_program_that_does_not_want_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix, "STOP_TIMEOUT_S", 0.2)
    program = script(
        tmp_path,
        """
        import ffi, time
        ffi.open(None).func("p", "signal", "ip")(15, 1)  # SIGTERM: ignored
        print('up')
        while True: time.sleep(1)
        """,
    )
    async with UnixDevice(program) as device:
        await device.wait_output("up")
    assert device.returncode == -9


@needs_64
async def test_an_early_death_is_reported_with_the_output(tmp_path: Path) -> None:
    program = script(tmp_path, "print('so far')\nraise ValueError('broken here')")
    async with UnixDevice(program) as device:
        with pytest.raises(UnixDeviceError) as caught:
            await device.during(asyncio.sleep(10))
        with pytest.raises(UnixDeviceError):
            await device.wait_output("never")
    assert "program.py ended with 1" in str(caught.value)
    assert "so far" in str(caught.value)
    assert "ValueError: broken here" in str(caught.value)


@needs_64
async def test_waiting_during_a_program_gives_the_result_or_the_error(tmp_path: Path) -> None:
    async def result() -> int:
        return 5

    async def problem() -> None:
        raise DeviceTimeout("late")

    async with UnixDevice(script(tmp_path, "import time; time.sleep(30)")) as device:
        assert await device.during(result()) == 5
        with pytest.raises(DeviceTimeout):
            await device.during(problem())
        with pytest.raises(UnixDeviceError, match="did not print 'x' in"):
            await device.wait_output("x", 0.05)


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UnixDeviceError, match="no program at"):
        await UnixDevice(tmp_path / "nothing.py").start()
    with pytest.raises(CheckoutError, match="32 or 64 bits"):
        find_micropython(16)
    with pytest.raises(UnixDeviceError, match="source is"):
        UnixDevice("x.py", source="exe")
    monkeypatch.setenv("LWM2M_MICROPYTHON", str(tmp_path / "none"))
    with pytest.raises(CheckoutError, match=r"LWM2M_MICROPYTHON=.* cannot be run"):
        find_micropython(64)
    monkeypatch.delenv("LWM2M_MICROPYTHON")
    monkeypatch.delenv("MICROPYTHON", raising=False)
    monkeypatch.setattr(checkout, "find_root", lambda: tmp_path)
    with pytest.raises(CheckoutError, match="run `make setup`"):
        find_micropython(64)
    (tmp_path / "build" / "micropython").mkdir(parents=True)
    (tmp_path / "build" / "micropython" / "mp32.missing").write_text("no 32-bit library\n")
    with pytest.raises(CheckoutError, match="no 32-bit library"):
        find_micropython(32)


PROGRAM = """
import json, sys
from lwm2m.client import Client
from lwm2m.objects.device import Device

with open(sys.argv[1]) as file:
    config = json.load(file)
if config.get("dies"):
    raise ValueError("as told")
client = Client(config["endpoint"])
client.add_server(config["server"], lifetime_s=config["lifetime_s"])
client.add(Device(manufacturer=config.get("maker", "Acme")))
print("up")
while True:
    client.wait(client.step())
"""

TESTS = """
import pytest
SCRIPT = {script!r}

@pytest.mark.lwm2m_device(script=SCRIPT)
async def test_plain(lwm2m_device, lwm2m_server, lwm2m_process):
    assert lwm2m_device.endpoint == "urn:dev:os:test-1"
    assert await lwm2m_device.read("/3/0/0") == "Acme"
    assert await lwm2m_server.devices() == [lwm2m_device]
    assert "up" in lwm2m_process.output
    assert (await lwm2m_device.registration()).lifetime_s == 60

@pytest.mark.lwm2m_device(
    script=SCRIPT, endpoint="other", config={{"lifetime_s": 20, "maker": "Ajax"}}
)
async def test_marked(lwm2m_device):
    assert lwm2m_device.endpoint == "other"
    assert await lwm2m_device.read("/3/0/0") == "Ajax"
    assert (await lwm2m_device.registration()).lifetime_s == 20

@pytest.mark.lwm2m_device(script=SCRIPT, config={{"dies": True}})
async def test_dead(lwm2m_device):
    pass

@pytest.mark.lwm2m_device(script=SCRIPT, colour=5)
async def test_wrong(lwm2m_device):
    pass
"""


@needs_64
def test_the_fixtures_give_a_registered_device(tmp_path: Path) -> None:
    (tmp_path / "device.py").write_text(PROGRAM)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (tmp_path / "test_it.py").write_text(TESTS.format(script=str(tmp_path / "device.py")))
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-c", "pytest.ini", "--strict-markers", "-rA"),
            *("-p", "no:lwm2m", "-p", "lwm2m_host.testing.plugin", "-p", "no:cacheprovider"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MP_SOURCE": "py"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "PASSED test_it.py::test_plain" in done.stdout, done.stdout
    assert "PASSED test_it.py::test_marked" in done.stdout
    assert "ERROR test_it.py::test_dead" in done.stdout
    assert "ValueError: as told" in done.stdout
    assert "ERROR test_it.py::test_wrong" in done.stdout
    assert "takes only the keywords" in done.stdout
    assert "2 passed, 2 errors" in done.stdout
