"""The package as a ROMFS image, out of which MicroPython runs code without taking it into RAM."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import tools
from .boards import Board
from .building import Item, build_folder
from .errors import BoardError, RemoteError
from .remote import Remote

MAGIC = b"\xd2\xcd\x31"


def build(board: Board, items: Sequence[Item]) -> Path:
    """Make the image out of compiled modules. Returns its path. Raises BoardError."""
    tree = build_folder(board) / "romfs"
    image = build_folder(board) / "lwm2m.romfs"
    shutil.rmtree(tree, ignore_errors=True)
    for item in items:
        place = tree / item.target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.local, place)
    arguments = ["romfs", "--no-mpy", "--output", str(image), "build", str(tree)]
    done = subprocess.run(
        [*tools.command("mpremote"), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise BoardError(f"mpremote romfs build: {lines[-1] if lines else done.returncode}")
    if image.read_bytes()[: len(MAGIC)] != MAGIC:
        raise BoardError(f"{image} is no ROMFS image")
    return image


def room(remote: Remote) -> int:
    """Bytes of the board's first ROMFS partition; 0 when it has none. Raises RemoteError."""
    try:
        said = remote.call("resume", "romfs", "query")
    except RemoteError as error:
        if "partition not found" in str(error):
            return 0
        raise
    found = re.search(r"ROMFS0 partition has size ([0-9]{1,18}) bytes", said)
    return int(found[1]) if found else 0


def deploy(remote: Remote, image: Path) -> None:
    """Write the image to the board's ROMFS partition. Raises RemoteError."""
    remote.call("resume", "romfs", "deploy", str(image))
