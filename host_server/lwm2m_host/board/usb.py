"""Boards that are plugged in: their serial ports, and the drives that a Pico shows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import tools

# Who gave these numbers to whom: Raspberry Pi's list of product ids, the vendors' data sheets.
# (vendor, product or None for every one) -> what it is, and the boards that it may be
_KINDS: dict[tuple[int, int | None], tuple[str, tuple[str, ...]]] = {
    (0x2E8A, 0x0005): ("MicroPython on a Raspberry Pi Pico", ("RPI_PICO_W", "RPI_PICO2_W")),
    (0x2E8A, 0x0003): ("RP2040 in its boot loader", ("RPI_PICO_W",)),
    (0x2E8A, 0x000F): ("RP2350 in its boot loader", ("RPI_PICO2_W",)),
    (0x303A, 0x1001): ("ESP32-S3 or -C3, built-in USB", ("ESP32_GENERIC_S3", "ESP32_GENERIC_C3")),
    (0x303A, None): ("an Espressif chip, built-in USB", ("ESP32_GENERIC_S3",)),
    (0x10C4, 0xEA60): ("CP210x adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
    (0x1A86, 0x7523): ("CH340 adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
    (0x1A86, 0x7522): ("CH340 adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
    (0x1A86, 0x55D4): ("CH9102 adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
    (0x0403, 0x6001): ("FT232R adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
    (0x0403, 0x6015): ("FT-X adapter, as ESP32 boards have", ("ESP32_GENERIC",)),
}
# Board-ID in INFO_UF2.TXT (UF2 specification) -> chip
_DRIVES = {"RPI-RP2": "rp2040", "RP2350": "rp2350"}
INFO_FILE = "INFO_UF2.TXT"


class PortInfo(Protocol):
    """The part of pyserial's ListPortInfo that is used here."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None


@dataclass(frozen=True)
class Found:
    """Something that is, or may be, a board. `port` is "" for a drive, `drive` for a port."""

    port: str
    drive: str
    kind: str
    boards: tuple[str, ...]
    serial_number: str = ""
    usb_id: str = ""


def recognise(ports: Iterable[PortInfo]) -> list[Found]:
    """The boards among serial ports, by their USB ids, in the order of their names."""
    found = []
    for port in sorted(ports, key=lambda item: _natural(item.device)):
        if port.vid is None or port.pid is None:
            continue
        known = _KINDS.get((port.vid, port.pid)) or _KINDS.get((port.vid, None))
        if known is None:
            continue
        usb_id = f"{port.vid:04x}:{port.pid:04x}"
        found.append(Found(port.device, "", *known, port.serial_number or "", usb_id))
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """A key for sorting: port 10 comes after port 9."""
    # Not \d, which takes digits of other scripts; `int` takes at most 4,300 digits.
    parts = re.split(r"([0-9]{1,18})", name)
    return [(int(part), "") if at % 2 else (-1, part) for at, part in enumerate(parts)]


def ports() -> list[Found]:
    """The boards on the serial ports of this computer. Raises MissingTool."""
    return recognise(tools.import_pyserial().tools.list_ports.comports())


def drives(folders: Sequence[Path] | None = None) -> list[Found]:
    """The drives that boards in their boot loader show. folders: where to look; every mounted
    file system otherwise."""
    found = []
    for folder in _mounted() if folders is None else folders:
        chip = drive_chip(folder)
        if chip:
            boards = ("RPI_PICO_W",) if chip == "rp2040" else ("RPI_PICO2_W",)
            kind = f"{chip.upper()} in its boot loader"
            found.append(Found("", str(folder), kind, boards))
    return found


def drive_chip(folder: Path) -> str:
    """The chip that shows this drive: "rp2040", "rp2350", or "" for any other folder."""
    try:
        with (folder / INFO_FILE).open("rb") as file:
            text = file.read(4096).decode("ascii", "replace")
    except OSError:
        return ""
    board_id = re.search(r"^Board-ID:[ \t]*(\S+)", text, re.MULTILINE)
    return _DRIVES.get(board_id[1], "") if board_id else ""


def _mounted() -> list[Path]:
    """Mount points of file systems, as far as a boot loader's may be among them."""
    places = []
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) > 2 and words[2] in ("vfat", "msdos", "exfat"):
                    unescaped = re.sub(
                        r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[1]
                    )
                    places.append(Path(unescaped))
    except OSError:
        volumes = Path("/Volumes")
        if volumes.is_dir():
            places = sorted(volumes.iterdir())
    return places


def permitted(port: str) -> bool:
    """True when this user may open a port."""
    return os.access(port, os.R_OK | os.W_OK)
