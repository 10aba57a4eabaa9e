"""mpremote, run as a program: its verbs, its output, and the meaning of its errors."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from . import onboard, tools
from .boards import Board
from .errors import BoardError, BoardFull, RemoteError

SILENCE_S = 30.0
_WATCH_S = 0.05

_BROKEN = (
    r"raw paste|waiting for (first|second) EOF|could not exec command|SerialException|Errno 5\b"
)
_AWAKE = "press its reset button, or put MicroPython on it with `lwm2m-host board flash`"
_ARCHITECTURES = (
    "none",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
_CHIPS = {"esp32": ("ESP32S3", "ESP32C3", "ESP32"), "rp2": ("RP2040", "RP2350")}


@dataclass(frozen=True)
class Identity:
    """The MicroPython on a board, as it describes itself."""

    platform: str
    version: tuple[int, ...]
    machine: str
    build: str
    mpy: int
    unique: str = ""
    mac: str = ""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Identity:
        """Raises RemoteError for what no MicroPython says."""
        try:
            return cls(
                str(told["platform"]),
                tuple(int(n) for n in told["version"]),
                str(told["machine"]),
                str(told["build"]),
                int(told["mpy"]),
                str(told.get("unique", "")),
                str(told.get("mac", "")),
            )
        except (KeyError, OverflowError, TypeError, ValueError):
            raise RemoteError("the board does not say which MicroPython it runs") from None

    @property
    def arch(self) -> str:
        """The architecture of native code that it loads."""
        number = self.mpy >> 10 & 0xF
        return _ARCHITECTURES[number] if number < len(_ARCHITECTURES) else "unknown"

    @property
    def mpy_version(self) -> int:
        return self.mpy & 0xFF

    def matches(self, boards: dict[str, Board]) -> list[Board]:
        """The boards that it may be, one when it says its name."""
        name = self.build.split("-")[0]
        if name in boards:
            return [boards[name]]
        if self.platform in ("linux", "darwin"):
            return [b for b in boards.values() if b.port == "unix"]
        chips = [c for c in _CHIPS.get(self.platform, ()) if c in self.machine.upper()][:1]
        return [b for b in boards.values() if b.port == self.platform and b.chip.upper() in chips]

    def __str__(self) -> str:
        return f"MicroPython {'.'.join(map(str, self.version))} on {self.machine}"


class _SilenceWatcher:
    """A thread that kills a process without output for some time; `silent` is True then.

    limit_s: that time in seconds; it is asked for again and again.
    """

    def __init__(self, process: subprocess.Popen[str], limit_s: Callable[[], float]) -> None:
        self.silent = False
        self._process = process
        self._limit_s = limit_s
        self._over = threading.Event()
        self._output_s = time.monotonic()  # when the last output came
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def on_output(self) -> None:
        self._output_s = time.monotonic()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_WATCH_S):
            if time.monotonic() - self._output_s > self._limit_s():
                self.silent = True
                self._process.kill()
                return


class Remote:
    """A board at a port: a device file, a pty, or ``socket://HOST:PORT``.

    silence_s: a board that has not said anything for so long is given up; may be set at any time.
    Raises MissingTool.
    """

    def __init__(self, port: str, *, silence_s: float = SILENCE_S) -> None:
        self.port = port
        self.silence_s = silence_s
        # mpremote is slow with a pty that it does not recognise by its name.
        device = os.path.realpath(port) if os.path.islink(port) else port
        self.mpremote = [*tools.command("mpremote", "-u"), "connect", device]

    def program(self, text: str, *, resume: bool = False) -> dict[str, Any]:
        """Run one of the programs in `onboard`. Returns what it tells.

        resume: go on in what is there; otherwise MicroPython is restarted first, boot.py
        included. Raises RemoteError.
        """
        with TemporaryDirectory(prefix="lwm2m-") as folder:
            file = Path(folder) / "program.py"
            file.write_text(text, encoding="utf-8")
            return self.result(self.call(*(["resume"] if resume else []), "run", str(file)))

    def result(self, output: str) -> dict[str, Any]:
        """The last thing that a program on the board has told. Raises RemoteError."""
        _, found, rest = output.rpartition(onboard.MARK)
        try:
            data = json.loads(rest.splitlines()[0]) if found else None
        except (IndexError, RecursionError, ValueError):
            data = None
        if not isinstance(data, dict):
            raise RemoteError(f"{self.port}: the board's answer is not understood")
        return data

    def identity(self) -> Identity:
        """Ask MicroPython what it is; what runs there is stopped. Raises RemoteError."""
        return Identity.of(self.program(onboard.IDENTITY_PROGRAM))

    def call(
        self,
        *arguments: str,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Call mpremote with verbs, connected to this board. Returns what it printed.

        on_line: called with each line. Raises RemoteError, BoardFull.
        """
        process = subprocess.Popen(
            [*self.mpremote, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
        reader.start()
        watcher = _SilenceWatcher(process, lambda: self.silence_s)
        lines: list[str] = []
        try:
            for line in process.stdout:
                watcher.on_output()
                lines.append(line)
                on_line(line.rstrip())
            code = process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            process.wait()
            raise
        finally:
            watcher.close()
            reader.join()
            process.stdout.close()
            process.stderr.close()
        output = "".join(lines)
        if watcher.silent:
            raise RemoteError(f"{self.port}: the board is silent; {_AWAKE}")
        if code:
            raise self._error(output, "".join(errors))
        return output

    def follow(self, program: Path) -> int:
        """Run a program of this computer there; what it prints goes where our output goes.

        Returns 1 when it ended with a traceback. Raises RemoteError when the board is gone;
        after KeyboardInterrupt the program still runs there.
        """
        with TemporaryFile() as errors:
            process = subprocess.Popen(
                [*self.mpremote, "resume", "run", str(program)],
                stdin=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            try:
                code = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        if code and said.strip():
            raise self._error("", said)
        return code

    def _error(self, output: str, errors: str) -> RemoteError:
        said = f"{output}\n{errors}"
        if re.search(r"ENOSPC|No space left|OSError: 28\b", said):
            return BoardFull(f"{self.port}: no room on the board's file system")
        if re.search(r"failed to access|could not open port|invalid URL, protocol", said):
            return RemoteError(f"{self.port} cannot be opened: {reason_not_open(self.port)}")
        if "could not enter raw repl" in said:
            return RemoteError(f"{self.port}: no MicroPython answers; {_AWAKE}")
        if re.search(_BROKEN, said):
            return RemoteError(f"{self.port}: the connection broke off; do it again")
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("mpremote: ") if lines else "mpremote failed"
        return RemoteError(f"{self.port}: {reason}")


def reason_not_open(port: str) -> str:
    """The reason why a port does not open."""
    if "://" in port:
        known = port.startswith("socket://")
        return "nobody listens there" if known else "only socket://HOST:PORT is known"
    if not os.path.exists(port):
        return "there is no such port; `lwm2m-host board detect` lists what there is"
    if not os.access(port, os.R_OK | os.W_OK):
        return "no permission; `lwm2m-host board doctor` says how to get it"
    return "is it open in another program?"


def choose(boards: dict[str, Board], named: str | None, identity: Identity) -> Board:
    """The description for a board that has told what it is.

    named: the name that the user gave. Raises BoardError when they contradict each other, or when
    it cannot be known.
    """
    found = identity.matches(boards)
    if named is None:
        if len(found) == 1:
            return found[0]
        kind = f"{identity} is no board of boards/" if not found else f"{identity} may be several"
        raise BoardError(f"{kind}: name it with --board")
    board = next((b for n, b in boards.items() if n.lower() == named.lower()), None)
    if board is None:
        raise BoardError(f"no board {named}; known are {', '.join(boards)}")
    if board.port != "unix" and identity.arch not in (board.arch, "none"):
        names = " or ".join(b.name for b in found) or "something else"
        raise BoardError(
            f"this is not {board.name}: {identity} runs {identity.arch} code, {board.name} "
            f"{board.arch}; it looks like {names}"
        )
    return board
