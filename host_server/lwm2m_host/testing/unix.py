"""A device without a board: a program running in MicroPython's unix port.

async with UnixDevice("firmware/main.py", ["config.json"]) as device:
    ...
    print(device.output)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from .. import Lwm2mError
from ..checkout import find_micropython, find_root
from ..lifecycle import Lifecycle

T = TypeVar("T")

STOP_TIMEOUT_S = 3.0
OUTPUT_LIMIT = 1_000_000  # characters that are kept, the newest ones


_FOLDERS = {"py": "firmware", "mpy": "build/mpy", "packed": "build/packed"}


class UnixDeviceError(Lwm2mError):
    """No program to start, or it ended when it should not have."""


_FOLDERS = {"py": "firmware", "mpy": "build/mpy", "packed": "build/packed"}


class UnixDevice(Lifecycle):
    """A MicroPython program as a process. Use it as ``async with``.

    script: path of the program, from the project's folder or absolute.
    args: its arguments.
    env: further environment variables.
    width: 64 or 32 bits.
    heap: heap size as ``-X heapsize`` takes it, for example "64k".
    source: "py" runs the sources, "mpy" the compiled modules in build/mpy, "packed" those in
        build/packed; by default what
        MP_SOURCE in the environment says, else "py".
    path: folders to put in front of MICROPYPATH.
    """

    def __init__(
        self,
        script: str | Path,
        args: Sequence[str | Path] = (),
        env: Mapping[str, str] | None = None,
        *,
        width: int = 64,
        heap: str | None = None,
        source: str | None = None,
        path: Sequence[str | Path] = (),
    ) -> None:
        self.root = find_root()
        self.script = self.root / script
        self.args = [str(item) for item in args]
        self.env = dict(env or {})
        self.width = width
        self.heap = heap
        self.source = source or os.environ.get("MP_SOURCE") or "py"
        self.path = [Path(item).absolute() for item in path]
        if self.source not in _FOLDERS:
            raise UnixDeviceError(f"source is one of {', '.join(_FOLDERS)}, not {self.source!r}")
        self._copy: TemporaryDirectory[str] | None = None
        self._output = ""
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def output(self) -> str:
        """The output of the program so far, standard error included."""
        return self._output

    @property
    def pid(self) -> int:
        """Process id. Raises UnixDeviceError when it was never started."""
        if self._process is None:
            raise UnixDeviceError("the program has not been started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code; None while the program runs, negative when a signal ended it."""
        return self._process.returncode if self._process else None

    def _command(self) -> list[str]:
        if not self.script.is_file():
            raise UnixDeviceError(f"no program at {self.script}")
        heap = ["-X", f"heapsize={self.heap}"] if self.heap else []
        interpreter = find_micropython(self.width)
        return [str(interpreter), *heap, str(self._program()), *self.args]

    def _environment(self) -> dict[str, str]:
        """The variables it starts with: MICROPYPATH, and those given."""
        modules = self.root / _FOLDERS[self.source]
        folders = [*self.path, modules]
        if self.script.parent != self.root / "firmware":
            folders.append(self.script.parent)
        return {
            **os.environ,
            "MICROPYPATH": ":".join([*map(str, folders), ".frozen"]),
            **self.env,
        }

    def _program(self) -> Path:
        """The file to run. MicroPython searches its folder first: with compiled modules it is a
        copy in a folder of its own, so that the sources beside the original do not win."""
        if self.source == "py":
            return self.script
        self._copy = TemporaryDirectory(prefix="lwm2m-")
        return Path(shutil.copy(self.script, self._copy.name))

    async def start(self) -> None:
        """Start the program. Raises UnixDeviceError, CheckoutError."""
        if self._process is not None and self.returncode is None:
            raise UnixDeviceError(f"{self.script.name} is running already")
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            env=self._environment(),
            cwd=self.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # the interpreter may be started through a script
        )
        self._reader = asyncio.create_task(self._collect(self._process))

    async def _collect(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(4096):
            self._output = (self._output + data.decode("utf-8", "replace"))[-OUTPUT_LIMIT:]

    def check(self) -> None:
        """Raise UnixDeviceError, output included, when the program has ended."""
        if self.returncode is not None:
            raise UnixDeviceError(
                f"{self.script.name} ended with {self.returncode}; its output was:\n"
                + (self._output.strip() or "(nothing)")
            )

    async def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the program's end and return its exit code. Raises TimeoutError."""
        if self._process is None or self._reader is None:
            raise UnixDeviceError("the program has not been started")
        async with asyncio.timeout(timeout_s):
            code = await self._process.wait()
            await asyncio.shield(self._reader)
        return code

    async def wait_output(self, text: str, timeout_s: float = 60.0) -> None:
        """Wait until the program has printed a text. Raises UnixDeviceError."""
        try:
            async with asyncio.timeout(timeout_s):
                while text not in self._output:
                    self.check()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise UnixDeviceError(
                f"{self.script.name} did not print {text!r} in {timeout_s:g} s, but:\n"
                + self._output
            ) from None

    async def during(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Await `waiting` and return its result; UnixDeviceError when the program ends first."""
        if self._process is None:
            waiting.close()
            raise UnixDeviceError("the program has not been started")
        task = asyncio.create_task(waiting)
        ended = asyncio.create_task(self.wait())
        try:
            await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.check()
            return await task
        finally:
            task.cancel()
            ended.cancel()
            await asyncio.gather(task, ended, return_exceptions=True)

    async def stop(self) -> int | None:
        """End the program: SIGTERM, and after 3 s SIGKILL. Returns its exit code."""
        process = self._process
        if process is None:
            return None
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._copy is not None:
            self._copy.cleanup()
        return process.returncode

    async def close(self) -> None:
        await self.stop()
