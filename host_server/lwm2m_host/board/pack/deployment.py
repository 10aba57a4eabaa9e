"""A program with the package packed for it: names that it uses stay what they are, and only those
modules take a file of their own that it imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import building
from ..boards import Board
from ..building import Item
from ..errors import BuildError
from ..modules import PACKAGE, Program, dotted
from . import building as packed_building
from .names import used_by
from .packing import Packed, cached, imported_by


@dataclass(frozen=True)
class PackedProgram:
    """own: path on the board -> source, for the program itself. package: path without a suffix ->
    text, for the packed package."""

    own: dict[str, Path]
    package: dict[str, str]
    packed: Packed

    @property
    def targets(self) -> list[str]:
        """The paths of its files on a board."""
        own = [building.compiled_name(target) for target in self.own]
        return [*own, *(f"{path}.mpy" for path in self.package)]


class Packer:
    """Packs the package once for a program, whatever else a board needs."""

    def __init__(self, firmware: Path, extra: Iterable[str] = ()) -> None:
        self._firmware = firmware
        self._extra = tuple(extra)
        self._packed: Packed | None = None

    def program(self, program: Program) -> PackedProgram:
        """The program, packed. Raises BuildError."""
        own, modules = {}, []
        for target, path in program.files.items():
            if target.startswith(f"{PACKAGE}/"):
                modules.append(dotted(Path(target)))
            else:
                own[target] = path
        texts = [path.read_text(encoding="utf-8") for path in own.values()]
        imported = {name for text in texts for name in imported_by(text)}
        imported |= {name for name in modules if self._wanted(name)}
        if self._packed is None:
            used = {name for text in texts for name in used_by(text)}
            cache = self._firmware.parent / "build" / "cache" / "packed"
            self._packed = cached(self._firmware, cache, used, imported)
        files = self._packed.closure(modules)
        for name in imported:
            if name in self._packed.stands_in:
                path_of, text_of = self._packed.stands_in[name]
                files[path_of] = text_of
        return PackedProgram(own, files, self._packed)

    def _wanted(self, module: str) -> bool:
        """True for a module that was asked for besides."""
        for text in self._extra:
            name = text if text.split(".")[0] == PACKAGE else f"{PACKAGE}.{text}"
            if module == name or module.startswith(name + "."):
                return True
        return False


def freeze(board: Board, packed: Packed) -> Path:
    """Write all of a packed package, to be frozen, and a manifest of MicroPython's for it, which
    has what the board freezes anyway. Returns the path of the manifest. Raises BuildError."""
    folder = building.build_folder(board)
    texts = {**packed.files, **dict(packed.stands_in.values())}
    packed_building.write_frozen(packed, texts, folder.parents[2], folder / "frozen")
    lines = []
    try:
        given = board.manifest.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BuildError(f"{board.manifest}: {error.strerror}") from None
    for line in given:
        place = re.match(r'include\("([^"$]+)"\)', line)
        if place:
            path = (board.folder / place[1]).resolve()
            if path.parent.name == "firmware" and path.parents[1] == folder.parents[2]:
                continue  # it would freeze the package as it is
            line = f"include({str(path)!r})"
        if not line.startswith("freeze("):
            lines.append(line)
    manifest = folder / "manifest.py"
    lines.append(f"freeze({str(folder / 'frozen')!r}, opt=2)")
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def build(
    board: Board, program: PackedProgram, progress: Callable[[str], None] = lambda _: None
) -> list[Item]:
    """Compile it for a board, as far as anything has changed. Raises BuildError."""
    items = building.build(board, program.own, progress=progress)
    folder = building.build_folder(board)
    packed_building.keep_map(program.packed, folder.parents[2])
    compiled = packed_building.compile_all(
        program.packed, program.package, folder / "packed", arch=board.arch
    )
    for target, path in compiled.items():
        items.append(Item.of(target, path))
        progress(target)
    return items
