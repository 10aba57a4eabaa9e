"""The output of a board, for as long as it is connected, and again when it is back."""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import tools
from .errors import RemoteError
from .remote import reason_not_open

BAUD = 115_200
LEAVE = b"\x1d"  # Ctrl-]
_RETRY_S = 0.5
_POLL_S = 0.05


def watch(
    port: str,
    out: Callable[[str], None],
    note: Callable[[str], None],
    *,
    keys: int | None = None,
    for_s: float | None = None,
) -> None:
    """Pass on what a board prints until Ctrl-], or for `for_s` seconds.

    out: takes text as it comes. note: takes a line about the connection. keys: descriptor of a
    terminal in raw mode, whose keys go to the board. Raises RemoteError when the port cannot be
    opened the first time.
    """
    until = None if for_s is None else time.monotonic() + for_s
    first, gone = True, False
    while until is None or time.monotonic() < until:
        try:
            line = tools.import_pyserial().serial_for_url(port, baudrate=BAUD, timeout=0)
        except (OSError, ValueError) as error:
            if first:
                raise RemoteError(f"{port} cannot be opened: {reason_not_open(port)}") from error
            if keys is not None and LEAVE in _typed(keys, _RETRY_S):
                return
            if keys is None:
                time.sleep(_RETRY_S)
            continue
        first = False
        if gone:
            note(f"{port} is back")
        with contextlib.closing(line):
            if _follow(line, out, keys, until):
                return
        gone = True
        note(f"{port} is gone; waiting for it")


def _follow(
    line: Any,
    out: Callable[[str], None],
    keys: int | None,
    until: float | None,
) -> bool:
    """Until the line breaks (False), or it is over (True)."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while until is None or time.monotonic() < until:
        try:
            data = line.read(4096)
            if data:
                out(decoder.decode(data).replace("\r\n", "\n"))
            typed = _typed(keys, 0 if data else _POLL_S) if keys is not None else b""
            if LEAVE in typed:
                return True
            if typed:
                line.write(typed)
        except OSError:  # SerialException is one
            return False
        if not data and keys is None:
            time.sleep(_POLL_S)
    return True


def _typed(keys: int, wait_s: float) -> bytes:
    ready, _, _ = select.select([keys], [], [], wait_s)
    return os.read(keys, 256) if ready else b""


@contextlib.contextmanager
def raw_terminal() -> Iterator[int | None]:
    """Standard input with every key as it is, or None when it is not a terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    attributes = termios.tcgetattr(descriptor)
    attributes[3] &= ~termios.ISIG  # Ctrl-C is for the board
    termios.tcsetattr(descriptor, termios.TCSADRAIN, attributes)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
