"""Other people's servers beside ours, where a copy is at hand: CPU for a Register and an Update
with 10,000 devices.

Leshan's is the program of tests/interop on Leshan's newest libraries, which `make interop` brings.
WAKAAMA=path names Wakaama's lwm2mserver, built from its examples/server by cmake, with
CMAKE_BUILD_TYPE=Release.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from device_runs import ROOT, BenchError
from fleet import Fleet

Metrics = dict[str, float]

MANY = 10_000
SAMPLE = 2_000
START_S = 60.0
# Wakaama refuses a content format that it has not got itself.
LINKS = b'</>;rt="oma.lwm2m",</1/0>,</3/0>,</3303/0>'
NEWEST = ROOT / "build" / "interop" / "leshan-newest"
MODELS = ROOT / "tests" / "interop" / "leshan" / "models"
HOW_TO_LESHAN = "Leshan: not measured; make interop fetches its libraries (needs java and maven)"
HOW_TO_WAKAAMA = (
    "Wakaama: not measured; set WAKAAMA to the lwm2mserver of eclipse-wakaama/wakaama on GitHub"
)


def leshan(port: int) -> list[str]:
    """The command of Leshan's server; empty where it is not here."""
    if not shutil.which("java") or not (NEWEST / "classes" / "ManagingServer.class").exists():
        return []
    path = f"{NEWEST / 'classes'}:{NEWEST / 'lib'}/*"
    return ["java", "-Xmx1g", "-cp", path, "ManagingServer", str(port), str(MODELS)]


def wakaama(port: int) -> list[str]:
    """The command of Wakaama's server; empty where none is named. Raises BenchError."""
    named = os.environ.get("WAKAAMA")
    if not named:
        return []
    program = Path(named).expanduser().absolute()
    if not os.access(program, os.X_OK) or program.is_dir():
        raise BenchError(f"WAKAAMA={named}: no program")
    return [str(program), "-4", "-l", str(port)]


def measure_others(metrics: Metrics) -> list[str]:
    """leshan.* and wakaama.*. Returns a line for each that is not here."""
    missing = []
    for name, command_of, how_to in (
        ("leshan", leshan, HOW_TO_LESHAN),
        ("wakaama", wakaama, HOW_TO_WAKAAMA),
    ):
        port = _free_port()
        command = command_of(port)
        if command:
            _measure(metrics, name, command, port)
        else:
            missing.append(how_to)
    return missing


def _measure(metrics: Metrics, name: str, command: list[str], port: int) -> None:
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_bound(process, port)
            fleet = Fleet(port, MANY, links=LINKS)
            fleet.register()
            if len(fleet.locations) < MANY:
                raise BenchError(f"{name}: {len(fleet.locations)} registered, {fleet.codes}")
            sample = range(0, MANY, MANY // SAMPLE)
            for operation, work in (("register", fleet.register), ("update", fleet.update)):
                before_s = _cpu_s(process.pid)
                work(sample)
                spent_ms = (_cpu_s(process.pid) - before_s) * 1000
                metrics[f"{name}.{operation}.cpu_ms_10k"] = spent_ms / SAMPLE
            fleet.close()
        finally:
            process.kill()
            process.wait()
    if fleet.lost:
        raise BenchError(f"{name}: {fleet.lost} requests have no answer")


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_bound(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return
        time.sleep(0.05)
    raise BenchError(f"{process.args!r} does not listen on {port}")


if __name__ == "__main__":
    found: Metrics = {}
    print("\n".join(measure_others(found)))
    for key, value in found.items():
        print(f"{key:36} {value:8.3f}")
