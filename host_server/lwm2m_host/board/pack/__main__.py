"""The command of `make pack`: the package packed, into build/packed.

    python -m lwm2m_host.board.pack [--tests] [--quiet]

build/packed has the compiled modules, with those that stand in for modules of groups, and
build/packed/source their text, to be frozen. --tests adds tests/firmware in terms of it, as
build/packed/tests.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ...checkout import find_root
from ...errors import Lwm2mError
from . import building
from .insiders import Translation
from .packing import Packed, pack

# Folders of tests whose modules tests/firmware imports
INSIDERS = ("", "fuzz", "soak")


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lwm2m_host.board.pack")
    parser.add_argument("--tests", action="store_true", help="tests/firmware in terms of it")
    parser.add_argument("--quiet", action="store_true", help="do not list the files")
    given = parser.parse_args(arguments)
    try:
        root = find_root()
        packed = pack(root / "firmware")
        sizes = write(packed, root)
    except Lwm2mError as error:
        print(error, file=sys.stderr)
        return 1
    if given.tests:
        write_tests(packed, root, root / "build" / "packed" / "tests")
    if not given.quiet:
        for path, size in sorted(sizes.items()):
            print(f"{size:8d}  {path}")
        print(f"{sum(sizes.values()):8d}  bytes in {len(sizes)} modules, build {packed.id}")
    return 0


def write(packed: Packed, root: Path) -> dict[str, int]:
    """Write build/packed. Returns path -> size. Raises BuildError."""
    folder = root / "build" / "packed"
    texts = {**packed.files, **dict(packed.stands_in.values())}
    compiled = building.compile_all(packed, texts, root / "build" / "cache" / "packed")
    building.write_frozen(packed, texts, root, folder / "source")
    wanted = {folder / path: file for path, file in compiled.items()}
    for old in folder.rglob("*.mpy"):
        if old not in wanted:
            old.unlink()
    for target, file in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != file.read_bytes():
            shutil.copyfile(file, target)
    return {path: file.stat().st_size for path, file in compiled.items()}


def write_tests(packed: Packed, root: Path, folder: Path) -> None:
    """Write tests/firmware in terms of the packed package into `folder`, and what it imports of
    the tests beside it."""
    tests = root / "tests"
    wanted = {folder / path.name: path for path in (tests / "firmware").glob("*.py")}
    folders = {}
    for name in INSIDERS:
        place = folder / name if name else folder
        folders[f"tests/{name}".rstrip("/")] = place.relative_to(root).as_posix()
        wanted |= {place / path.name: path for path in (tests / name).glob("*.py")}
    translation = translation_of(packed, folders)
    for old in folder.rglob("*.py"):
        if old not in wanted:
            old.unlink()
    for target, path in wanted.items():
        if path.name != "conftest.py":
            _write(target, translation.apply(path.read_text(encoding="utf-8")))


def translation_of(packed: Packed, folders: Mapping[str, str]) -> Translation:
    """The names for a program that looks at the inside of the package."""
    names = {}
    for table in ("globals", "outer"):
        for key, new in packed.map[table].items():
            module, _, name = key.partition(":")
            names[module, name] = new
    modules = packed.map["modules"]
    return Translation(packed.map["attributes"], names, modules, packed.aliases, folders)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
