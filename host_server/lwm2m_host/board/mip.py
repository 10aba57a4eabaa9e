"""The packages that `mpremote mip install` takes: package.json and its siblings.

    python -m lwm2m_host.board.mip            packed and compiled, in build/mip
    python -m lwm2m_host.board.mip --plain    of the sources, in firmware
    python -m lwm2m_host.board.mip --check    exit code 1 when the latter are not up to date

build/mip can be installed from, and put onto the web as it is; what is installed together has to
be of one build. firmware/package.json is in the repository, so that mip finds it there.
Every module of the package is in exactly one of them. `package.json`, the core, holds what
firmware/main.py and objects of one's own need; the others add to it. They have relative addresses,
so that they work from a checkout and from a repository on the web, and no dependencies, because
mip looks for those where it is told to and not beside the file.
"""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..checkout import find_root
from .errors import BuildError
from .modules import PACKAGE, dotted, find, package_modules
from .pack.building import compile_all, keep_map
from .pack.packing import pack

CORE = "package.json"
# What only objects of one's own import
_NAMES = ("lwm2m.codes", "lwm2m.types")
# file -> beginnings of the modules that it holds; the first that fits has it
BUNDLES = {
    "package-testing.json": (
        "lwm2m.objects.checks",
        "lwm2m.objects.test_object",
        "lwm2m.testing.fake_clock",
        "lwm2m.testing.loopback",
    ),
    "package-ipso.json": ("lwm2m.objects.ipso_",),
    "package-objects.json": ("lwm2m.objects.",),
    "package-formats.json": ("lwm2m.formats.",),
    "package-transports.json": ("lwm2m.transport.",),
    "package-ports.json": ("lwm2m.ports.",),
    "package-extras.json": ("lwm2m.",),
}


def version(firmware: Path) -> str:
    """The version of the package, out of its source. Raises BuildError."""
    source = firmware / PACKAGE / "__init__.py"
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign([ast.Name("__version__")], ast.Constant(str(value))):
                return value
    raise BuildError(f"{source}: no __version__")


def bundles(firmware: Path) -> dict[str, list[str]]:
    """The modules of each package: file -> paths of modules, sorted. Raises BuildError."""
    package = package_modules(firmware)
    paths = {name: path.relative_to(firmware).as_posix() for name, path in package.items()}
    program = find(firmware / "main.py", firmware, _NAMES, firmware / "boot.py")
    core = {name for name, path in paths.items() if path in program.files}
    found: dict[str, list[str]] = {CORE: [paths[name] for name in sorted(core)]}
    for name in sorted(set(package) - core):
        bundle = next(b for b, starts in BUNDLES.items() if name.startswith(starts))
        found.setdefault(bundle, []).append(paths[name])
    return found


def render(firmware: Path) -> dict[str, str]:
    """The files: name -> text. Raises BuildError."""
    number = version(firmware)
    return {name: _as_text(paths, number) for name, paths in bundles(firmware).items()}


def _as_text(paths: Sequence[str], number: str) -> str:
    text = json.dumps({"urls": [[path, path] for path in paths], "version": number}, indent=1)
    text = text.replace(",\n   ", ", ").replace("[\n   ", "[").replace("\n  ]", "]")
    return text + "\n"


def write_packed(root: Path) -> list[str]:
    """Write build/mip: the packed package, compiled, with its package files. Returns their names.

    The core has all groups, and what stands in for their modules under the old names.
    Raises BuildError.
    """
    firmware, folder = root / "firmware", root / "build" / "mip"
    packed = pack(firmware)
    texts = {**packed.files, **dict(packed.stands_in.values())}
    compiled = compile_all(packed, texts, root / "build" / "cache" / "packed")
    keep_map(packed, root)
    shutil.rmtree(folder, ignore_errors=True)
    for path, made in compiled.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, folder / path)
    alone = {path for path in packed.files if list(packed.of.values()).count(path) == 1}
    number = f"{version(firmware)}+{packed.id}"
    written = []
    for file, paths in bundles(firmware).items():
        places = {packed.of[dotted(PurePosixPath(path))] for path in paths}
        if file == CORE:
            places |= packed.files.keys() - alone
            places |= {path for path, _ in packed.stands_in.values()}
        else:
            places &= alone
        if places:
            text = _as_text([f"{path}.mpy" for path in sorted(places)], number)
            (folder / file).write_text(text, encoding="utf-8")
            written.append(file)
    return written


def stale(firmware: Path) -> list[str]:
    """Names of files that are not as they should be, those too that should not be there."""
    wanted = render(firmware)
    here = {path.name: path.read_text(encoding="utf-8") for path in firmware.glob("package*.json")}
    return sorted(name for name in {*wanted, *here} if wanted.get(name) != here.get(name))


def write(firmware: Path) -> list[str]:
    """Write what is not up to date. Returns the names."""
    names = stale(firmware)
    wanted = render(firmware)
    for name in names:
        if name in wanted:
            (firmware / name).write_text(wanted[name], encoding="utf-8")
        else:
            (firmware / name).unlink()
    return names


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code."""
    root = find_root()
    firmware = root / "firmware"
    try:
        if arguments == ["--check"]:
            names = stale(firmware)
            for name in names:
                print(f"firmware/{name} is not up to date: python -m lwm2m_host.board.mip --plain")
            return 1 if names else 0
        if arguments == ["--plain"]:
            for file in write(firmware):
                print(f"firmware/{file}")
        elif arguments:
            print("usage: python -m lwm2m_host.board.mip [--plain | --check]", file=sys.stderr)
            return 2
        else:
            for file in write_packed(root):
                print(f"build/mip/{file}")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
