"""MicroPython onto a board: esptool as a program, or a file copied to the drive of a Pico."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import tools, usb
from .boards import Board
from .errors import BoardError
from .remote import Remote

BAUD = 460_800
_CHUNK = 64 << 10
_DRIVE_WAIT_S = 15.0


def esptool_arguments(
    board: Board, image: Path, port: str, *, erase: bool = False, baud: int = BAUD
) -> list[str]:
    """Arguments of esptool to write an image. erase: everything else on the flash too."""
    arguments = ["--chip", board.chip, "--port", port, "--baud", str(baud), "write-flash"]
    if erase:
        arguments.append("--erase-all")
    return [*arguments, f"{board.flash_offset:#x}", str(image)]


def esptool(arguments: list[str]) -> None:
    """Run esptool in this terminal, where it shows its own progress. Raises BoardError."""
    code = subprocess.call([*tools.command("esptool"), *arguments])
    if code:
        raise BoardError(
            f"esptool ended with {code}; if it found no boot loader, hold the button BOOT while "
            "it connects"
        )


def find_drive(board: Board, folder: Path | None = None) -> Path:
    """The drive of a board in its boot loader. folder: it is this one. Raises BoardError."""
    how = "hold BOOTSEL while you plug the board in"
    if folder is not None:
        chip = usb.drive_chip(folder)
        if not chip:
            raise BoardError(f"{folder} is not the drive of a board: no {usb.INFO_FILE}; {how}")
        if chip != board.chip:
            raise BoardError(f"{folder} is the drive of {chip}, and {board.name} has {board.chip}")
        return folder
    found = [item for item in usb.drives() if board.name in item.boards]
    if not found:
        raise BoardError(f"no drive of a {board.chip} is mounted: {how}, or name it with --drive")
    if len(found) > 1:
        places = ", ".join(item.drive for item in found)
        raise BoardError(f"several boards wait: {places}; name one with --drive")
    return Path(found[0].drive)


def enter_boot_loader(port: str, board: Board) -> Path:
    """Ask a running MicroPython for the boot loader, and wait for its drive. Raises BoardError."""
    Remote(port).call("bootloader")
    until = time.monotonic() + _DRIVE_WAIT_S
    while True:
        try:
            return find_drive(board)
        except BoardError:
            if time.monotonic() > until:
                raise
        time.sleep(0.5)


def copy(image: Path, drive: Path, progress: Callable[[int], None] = lambda _: None) -> None:
    """Copy a UF2 file to a drive; the board restarts by itself at its end.

    progress: told how many bytes more are there. Raises BoardError.
    """
    data = image.read_bytes()
    done = 0
    try:
        with (drive / image.name).open("wb") as file:
            while done < len(data):
                chunk = data[done : done + _CHUNK]
                file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                done += len(chunk)
                progress(len(chunk))
    except OSError as error:
        if done + _CHUNK >= len(data) and not (drive / usb.INFO_FILE).exists():
            return  # it has restarted before the file could be closed
        raise BoardError(f"{drive}: {error.strerror} after {done} of {len(data)} bytes") from None
