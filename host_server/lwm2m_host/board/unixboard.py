"""A board without hardware: MicroPython's unix port behind a pseudo-terminal.

mpremote, monitors and everything else that opens a serial port find there what they would find on
a USB cable: a REPL with raw mode, Ctrl-C, soft and hard reset, a littlefs of its own in an image
file that outlives the power, boot.py and main.py that start by themselves. The network is that of
this computer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import tty
from pathlib import Path
from types import TracebackType

from ..checkout import find_micropython, find_root
from .errors import BoardError

# How console.py says goodbye.
_SOFT_RAW, _SOFT, _HARD, _POWER_CUT = 81, 82, 83, 84
_NEXT_START = {_SOFT_RAW: "raw", _SOFT: "warm", _HARD: "warm"}

_CTRL_C = b"\x03"
_OUTPUT_LIMIT = 65_536  # bytes that wait for somebody to open the port; the oldest go first
_SIGNAL_S = 0.02  # a signal sent that long ago has arrived
_CRASHES = 3  # in a row


class UnixBoard:
    """A board as a process. Use it as ``with``; `port` is what mpremote connects to.

    image: the file that is its flash; made when it is not there.
    flash_kb: its size.
    width: 64 or 32 bits.
    heap: heap size as ``-X heapsize`` takes it, for example "192k".
    unique_id: what ``machine.unique_id()`` returns, hexadecimal.
    cut_at_write: the power is cut at this write to the flash (counted from 0), once.
    cut_at_byte: the power is cut when that many bytes have come in over the port, once.

    Both may be set later: the first counts from the next reset on, the second from now on.
    `resets` lists what happened, "soft", "hard" or "power"; `bytes_in` counts what has come in.
    """

    def __init__(
        self,
        image: Path,
        *,
        flash_kb: int = 1024,
        width: int = 64,
        heap: str | None = None,
        unique_id: str = "e660583883724a32",
        cut_at_write: int | None = None,
        cut_at_byte: int | None = None,
    ) -> None:
        self.image = Path(image).absolute()
        self.flash_kb = flash_kb
        self.width = width
        self.heap = heap
        self.unique_id = unique_id
        self.cut_at_write = cut_at_write
        self.cut_at_byte = cut_at_byte
        self.port = ""
        self.resets: list[str] = []
        self.bytes_in = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    # --- from outside ---------------------------------------------------------------------

    def start(self) -> None:
        """Plug it in. Raises BoardError, CheckoutError."""
        find_micropython(self.width)
        if not self.image.parent.is_dir():
            raise BoardError(f"no folder {self.image.parent} for the board's flash")
        self._stopping.clear()
        self._cable, self._plug = pty.openpty()
        tty.setraw(self._plug)
        os.set_blocking(self._cable, False)
        self.port = os.ttyname(self._plug)
        self._crashes = 0
        self._out = bytearray()
        self._power_on("cold")
        self._thread = threading.Thread(target=self._pump, name="unixboard", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Pull the cable."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._power_off()
            os.close(self._cable)
            os.close(self._plug)

    def cut_power(self) -> None:
        """Off and on again: what was not on the flash is lost."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    @property
    def running(self) -> bool:
        """False when the interpreter has crashed and crashed again."""
        return not self._stopping.is_set()

    @property
    def unread_output(self) -> str:
        """Output that nobody has read."""
        return self._out.decode("utf-8", "replace").strip()

    def __enter__(self) -> UnixBoard:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- the process ----------------------------------------------------------------------

    def _power_on(self, start: str) -> None:
        control, child_control = os.pipe()
        command = [
            str(find_micropython(self.width)),
            *(["-X", f"heapsize={self.heap}"] if self.heap else []),
            str(find_root() / "boards" / "UNIX" / "console.py"),
            str(self.image),
            str(self.flash_kb),
            start,
            str(child_control),
            self.unique_id,
            str(-1 if self.cut_at_write is None else self.cut_at_write),
        ]
        with self._lock:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=[child_control],
                start_new_session=True,
                env={**os.environ, "MICROPYPATH": ".frozen"},
            )
        os.close(child_control)
        self._control = control
        # A Ctrl-C that comes before the interpreter can catch it would be its end.
        self._ready = False
        self._running = False
        self._interrupted = False
        self._held = bytearray()
        self._sent = b""

    def _power_off(self) -> int:
        assert self._process is not None
        with self._lock:
            self._process.kill()
            code = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(self._control)
        return code

    def _restart(self) -> None:
        """The process has ended: why, and what comes next."""
        assert self._process is not None
        code = self._process.wait()
        self._power_off()
        if code == _POWER_CUT:
            self.cut_at_write = None
        known = code in _NEXT_START or code in (_POWER_CUT, -signal.SIGKILL, 0)
        self._crashes = 0 if known else self._crashes + 1
        if self._crashes == _CRASHES:
            self._out += f"\r\nthe interpreter ended with {code}, and again\r\n".encode()
            self._stopping.set()
            return
        self.resets.append({_SOFT_RAW: "soft", _SOFT: "soft", _HARD: "hard"}.get(code, "power"))
        self._power_on(_NEXT_START.get(code, "cold"))

    # --- the cable ------------------------------------------------------------------------

    def _pump(self) -> None:
        while not self._stopping.is_set():
            assert self._process is not None
            assert self._process.stdout is not None
            output = self._process.stdout.fileno()
            writable = [self._cable] if self._out else []
            ready, _, _ = select.select([self._cable, output, self._control], writable, [], 0.05)
            if self._control in ready:
                self._told(os.read(self._control, 64))
            if self._cable in ready:
                with contextlib.suppress(BlockingIOError):
                    self._incoming(os.read(self._cable, 4096))
            if output in ready:
                data = os.read(output, 4096)
                self._out += data
                if not data:
                    self._restart()
            self._flush()

    def _flush(self) -> None:
        """Give what the board says to whoever has opened the port, as far as it is taken."""
        del self._out[:-_OUTPUT_LIMIT]
        with contextlib.suppress(BlockingIOError):
            while self._out:
                del self._out[: os.write(self._cable, self._out[:1024])]

    def _told(self, words: bytes) -> None:
        for word in words:
            self._ready = True
            self._running = word == ord("R")
            if self._running:
                if _CTRL_C in self._unread() or _CTRL_C in self._held:
                    self._interrupt()
            elif self._interrupted:
                time.sleep(_SIGNAL_S)
                self._interrupted = False
        if self._ready and not self._interrupted:
            held = bytes(self._held)
            self._held.clear()
            self._deliver(held)

    def _incoming(self, data: bytes) -> None:
        self.bytes_in += len(data)
        if self.cut_at_byte is not None:
            self.cut_at_byte -= len(data)
            if self.cut_at_byte <= 0:
                self.cut_at_byte = None
                self.cut_power()
                return
        if not self._ready or self._interrupted:
            self._held += data
        else:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        """Bytes for the board. Ctrl-C while a program runs is a signal, and what comes after it
        is for whoever reads when the program is over."""
        if self._running and _CTRL_C in data:
            data, _, rest = data.partition(_CTRL_C)
            self._held += rest
            self._interrupt()
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(data)
        self._sent = (self._sent + data)[-4096:]

    def _interrupt(self) -> None:
        assert self._process is not None
        self._interrupted = True
        self._process.send_signal(signal.SIGINT)

    def _unread(self) -> bytes:
        """Input that was delivered before the program began, and waits in the pipe."""
        assert self._process is not None
        assert self._process.stdin is not None
        count = fcntl.ioctl(self._process.stdin, termios.FIONREAD, b"\0" * 4)
        number = struct.unpack("=i", count)[0]
        return self._sent[-number:] if number else b""
