"""The emulated RP2040 as a process, and what happens to boards: power cuts, resets, a cable.

Example::

    async with Emulator(folder, image=PLAIN) as board:
        await board.says("^boot")
        await board.control("faults", loss=0.2)
        await board.control("power", state="cycle")
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / os.environ.get("EMULATOR_OUT", "build/emulator")
PLAIN = OUT / "images" / "plain.bin"
FROZEN = OUT / "images" / "frozen.bin"
ROM = OUT / "images" / "rom.bin"
RUNNER = HERE / "runner" / "main.mjs"

READY_S = 120.0  # of a busy machine, as all these
ANSWER_S = 60.0
PATIENCE_S = 120.0
INTERVAL_S = 0.02
STOP_S = 10.0


class EmulatorError(Exception):
    """The emulator cannot be started, refuses a request, or the board does not do what it should.
    The text says which, with what the board has printed last."""


def missing(image: Path = PLAIN) -> str | None:
    """A line about what the emulator needs and is missing, and how to get it; None when
    everything is there."""
    if shutil.which("node") is None:
        return "node 18 or later is needed (Debian: apt install nodejs npm)"
    if not (OUT / "node" / ".ready").exists() or not image.exists():
        return "`make emulate` builds the firmware and fetches rp2040js"
    return None


class Emulator:
    """A board with its flash in `folder`. Use it as ``async with``.

    image: firmware to flash first; what is in the file system stays.
    options: further arguments of runner/main.mjs, as keywords: ``loss=0.1, map="123=1123"``.
    """

    def __init__(self, folder: Path, image: Path | None = PLAIN, **options: Any) -> None:
        self.folder = folder
        self.image = image
        self.options = options
        self.transcript = folder / "console.txt"
        self.console_port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()

    @property
    def port(self) -> str:
        """The console, as mpremote wants to have it."""
        return f"socket://127.0.0.1:{self.console_port}"

    # The process

    async def start(self) -> None:
        """Start it and switch it on. Raises EmulatorError."""
        reason = missing(self.image or PLAIN)
        if reason:
            raise EmulatorError(reason)
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments: list[str | Path] = [
            "--flash",
            self.folder / "flash.img",
            "--transcript",
            self.transcript,
        ]
        if self.image is not None:
            arguments += ["--firmware", self.image]
        for name, value in self.options.items():
            arguments += [f"--{name}", str(value)]
        self._process = await asyncio.create_subprocess_exec(
            "node",
            RUNNER,
            *arguments,
            "--attached",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            errors = await self._end()
            raise EmulatorError(f"the emulator does not start: {errors.strip() or 'no word'}")
        ports = json.loads(line)
        self.console_port = ports["console"]
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", ports["control"])

    async def _end(self) -> str:
        """End the process. Returns what it had to complain about."""
        process = self._process
        if process is None:
            return ""
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.close()  # it is attached to us
        try:
            async with asyncio.timeout(STOP_S):
                errors = await process.stderr.read()
                await process.wait()
        except TimeoutError:
            process.kill()
            errors = await process.stderr.read()
            await process.wait()
        return errors.decode("utf-8", "replace")

    async def stop(self) -> None:
        """As if somebody had pulled the plug: the flash is what it was at this moment."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        await self._end()
        self._process = self._writer = self._reader = None

    async def __aenter__(self) -> Emulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # What may happen to a board

    async def control(self, do: str, **fields: Any) -> Any:
        """A request to the control socket: see the README. Raises EmulatorError."""
        if self._reader is None or self._writer is None:
            raise EmulatorError("the emulator is not running")
        async with self._lock:
            self._writer.write(json.dumps({"do": do, **fields}).encode() + b"\n")
            try:
                async with asyncio.timeout(ANSWER_S):
                    line = await self._reader.readline()
            except (TimeoutError, OSError):
                line = b""
        if not line:
            raise EmulatorError(f"the emulator does not answer to {do!r}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise EmulatorError(f"{do}: {answer['error']}")
        return answer["result"]

    async def wait_starts(self, count: int) -> dict[str, Any]:
        """Wait until the board has started `count` times in all; the last start: why, and when in
        its own time. Raises EmulatorError."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            starts = (await self.control("status"))["starts"]
            if len(starts) >= count:
                last: dict[str, Any] = starts[-1]
                return last
            if time.monotonic() > deadline:
                raise EmulatorError(self.with_console(f"the board has not started {count} times"))
            await asyncio.sleep(INTERVAL_S)

    async def until(self, condition: Callable[[], bool], problem: str) -> None:
        """Wait until something is true. Raises EmulatorError, with `problem` in it."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise EmulatorError(self.with_console(problem))
            if self._process is None or self._process.returncode is not None:
                raise EmulatorError(self.with_console("the emulator has ended"))
            await asyncio.sleep(INTERVAL_S)

    # Its console

    @property
    def printed(self) -> str:
        """Everything the board has printed so far, over all starts."""
        try:
            return self.transcript.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    async def says(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Wait until the board has printed a line that matches, beyond `after` characters.
        Raises EmulatorError."""
        expression = re.compile(pattern, re.MULTILINE)

        def search() -> re.Match[str] | None:
            # A line that has not ended may match too early.
            return expression.search(self.printed.rpartition("\n")[0] + "\n", after)

        await self.until(lambda: search() is not None, f"the board did not say {pattern!r}")
        found = search()
        assert found is not None
        return found

    async def type(self, text: str) -> None:
        """Type into the console. Whoever was connected to it is not any more."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.console_port)
        writer.write(text.encode())
        writer.close()
        await writer.wait_closed()

    def with_console(self, problem: str) -> str:
        """A problem, with what the board has printed last."""
        last = self.printed.splitlines()[-15:]
        return "\n  ".join([f"{problem}; its console:", *(last or ["(nothing)"])])
