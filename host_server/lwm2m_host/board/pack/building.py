"""A packed package as files: compiled, with the map that tells what a traceback means."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from .. import building
from ..errors import BuildError
from .fitting import fit
from .packing import FORMAT, Packed

# Not -O3: it would leave out the lines, which the map needs.
OPTIMISATION = "-O2"
_FROZEN = "frozen"  # a file beside the maps


def maps(root: Path) -> Path:
    """The folder of the maps, one for each build: NUMBER.json."""
    return root / "build" / "maps"


def keep_map(packed: Packed, root: Path) -> Path:
    """Keep the map of a build for tracebacks to come. Returns its path."""
    path = maps(root) / f"{packed.id}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(json.dumps(packed.map, separators=(",", ":")), encoding="utf-8")
        new.replace(path)
    return path


def note_frozen(packed: Packed, root: Path) -> None:
    """Note that this build is the one that is frozen next: its tracebacks have no number."""
    keep_map(packed, root)
    (maps(root) / _FROZEN).write_text(packed.id, encoding="utf-8")


def frozen_build(root: Path) -> str:
    """The number of the build that was last made to be frozen; "" when there is none."""
    try:
        return (maps(root) / _FROZEN).read_text(encoding="utf-8")
    except OSError:
        return ""


def write_frozen(packed: Packed, texts: Mapping[str, str], root: Path, folder: Path) -> None:
    """Write modules (path without a suffix -> text) to be frozen into `folder`, and nothing else
    that is older."""
    note_frozen(packed, root)
    wanted = {folder / f"{path}.py": text for path, text in texts.items()}
    for old in folder.rglob("*.py"):
        if old not in wanted:
            old.unlink()
    for file, text in wanted.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def compile_all(
    packed: Packed, files: Mapping[str, str], folder: Path, *, arch: str = ""
) -> dict[str, Path]:
    """Compile texts (path without a suffix -> text) that are of a packed package.

    The results are kept in `folder` under names of their content. Returns path on the board ->
    file. Raises BuildError.
    """
    out = {}
    for path, text in files.items():
        called = packed.called[path]
        made_of = [building.compiler(), OPTIMISATION, arch, called, text, str(FORMAT)]
        key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:24]
        target = folder / f"{key}.mpy"
        if not target.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            text_file = folder / f"{key}.{os.getpid()}.py"
            text_file.write_text(text, encoding="utf-8")
            new = folder / f"{key}.{os.getpid()}.new"
            options = [OPTIMISATION, *([f"-march={arch}"] if arch else [])]
            done = building.mpy_cross(*options, "-s", called, "-o", str(new), str(text_file))
            text_file.unlink()
            if done.returncode:
                new.unlink(missing_ok=True)
                raise BuildError(f"{called}: {building.reason(done)}")
            new.write_bytes(fit(new.read_bytes()))
            new.replace(target)
        out[f"{path}.mpy"] = target
    return out
