"""The boards that are described in boards/NAME/board.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checkout import find_root
from .errors import BadDescription, BoardError

ARCHITECTURES = (
    "armv6m",
    "armv7em",
    "armv7emdp",
    "armv7emsp",
    "armv7m",
    "rv32imc",
    "x64",
    "x86",
    "xtensa",
    "xtensawin",
)
FLASH_METHODS = ("esptool", "uf2", "none")
NETWORKS = ("wifi", "ppp", "ethernet")
SLOTS = ("files", "partitions", "none")


@dataclass(frozen=True)
class Board:
    """A board. `name` is its folder, which is MicroPython's own name of the board where there is
    one; sizes are kB of 1024 bytes."""

    name: str
    folder: Path
    title: str
    chip: str
    port: str
    arch: str
    ram_kb: int
    flash_kb: int
    network: tuple[str, ...]
    slots: str
    romfs: str
    image: str
    download: str
    run_on: str
    flash_method: str
    flash_offset: int
    pins: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        """The manifest for a firmware with the package frozen into it."""
        return self.folder / "manifest.py"

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules of the package that belong on it, whatever a program imports: the way in for
        updates. That of files is found through boot.py."""
        return ("ports.update.partition",) if self.slots == "partitions" else ()


_TEXTS = ("title", "chip", "port", "romfs", "image", "download", "run_on")
_CHOICES = {"arch": ARCHITECTURES, "slots": SLOTS}
_SIZES = ("ram_kb", "flash_kb")


def parse(text: str, folder: Path) -> Board:
    """A board from the text of its board.toml. Raises BadDescription, which names the field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDescription(f"{folder.name}: not TOML: {error}") from None
    known = {*_TEXTS, *_CHOICES, *_SIZES, "network", "flash", "pins"}
    for name in data:
        if name not in known:
            raise BadDescription(f"{folder.name}: {name}: unknown; known are {_list(known)}")
    flash, pins = _table(data, "flash", folder), _table(data, "pins", folder)
    method = flash.get("method")
    if method not in FLASH_METHODS:
        raise BadDescription(f"{folder.name}: flash.method: one of {_list(FLASH_METHODS)}")
    offset = flash.get("offset", 0)
    if not _is_size(offset):
        raise BadDescription(f"{folder.name}: flash.offset: a number of bytes is needed")
    network = data.get("network")
    if not isinstance(network, list) or any(item not in NETWORKS for item in network):
        raise BadDescription(f"{folder.name}: network: a list out of {_list(NETWORKS)}")
    if not all(isinstance(pin, int | str) for pin in pins.values()):
        raise BadDescription(f"{folder.name}: pins: numbers and names are needed")
    values: dict[str, Any] = {}
    for name in (*_TEXTS, *_CHOICES, *_SIZES):
        value = values[name] = data.get(name)
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                raise BadDescription(f"{folder.name}: {name}: one of {_list(_CHOICES[name])}")
        elif name in _SIZES:
            if not _is_size(value):
                raise BadDescription(f"{folder.name}: {name}: a number of kB is needed")
        elif not isinstance(value, str):
            raise BadDescription(f"{folder.name}: {name}: a text is needed")
    return Board(
        folder.name,
        folder,
        network=tuple(network),
        flash_method=method,
        flash_offset=offset,
        pins=pins,
        **values,
    )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _table(data: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise BadDescription(f"{folder.name}: {name}: a table is needed")
    return table


def _list(names: Any) -> str:
    return ", ".join(sorted(names))


def load_all() -> dict[str, Board]:
    """Every board of the checkout, by name. Raises BoardError."""
    found = {}
    for file in sorted((find_root() / "boards").glob("*/board.toml")):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadDescription(f"{file}: {error}") from None
        found[file.parent.name] = parse(text, file.parent)
    return found


def load(name: str) -> Board:
    """The board of this name, in any case. Raises BoardError, which lists the known ones."""
    boards = load_all()
    for known, board in boards.items():
        if known.lower() == name.lower():
            return board
    raise BoardError(f"no board {name}; known are {', '.join(boards)}")
