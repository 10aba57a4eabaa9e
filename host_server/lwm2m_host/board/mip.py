"""The packages that `mpremote mip install` takes: firmware/package.json and its siblings.

    python -m lwm2m_host.board.mip            write them
    python -m lwm2m_host.board.mip --check    exit code 1 when they are not up to date

Every module of the package is in exactly one of them. `package.json`, the core, holds what
firmware/main.py and objects of one's own need; the others add to it. They have relative addresses,
so that they work from a checkout and from a repository on the web, and no dependencies, because
mip looks for those where it is told to and not beside the file.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from ..checkout import find_root
from .errors import BuildError
from .modules import PACKAGE, find, package_modules

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
    return {
        name: json.dumps({"urls": [[path, path] for path in paths], "version": number}, indent=1)
        .replace(",\n   ", ", ")
        .replace("[\n   ", "[")
        .replace("\n  ]", "]")
        + "\n"
        for name, paths in bundles(firmware).items()
    }


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
    firmware = find_root() / "firmware"
    try:
        if arguments == ["--check"]:
            names = stale(firmware)
            for name in names:
                print(f"firmware/{name} is not up to date: python -m lwm2m_host.board.mip")
            return 1 if names else 0
        if arguments:
            print("usage: python -m lwm2m_host.board.mip [--check]", file=sys.stderr)
            return 2
        for name in write(firmware):
            print(f"firmware/{name}")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
