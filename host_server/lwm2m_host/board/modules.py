"""The modules of the firmware that a program needs, found in its text without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from .errors import BuildError

PACKAGE = "lwm2m"


@dataclass(frozen=True)
class Program:
    """A program and what it needs.

    files: path on the board -> source, the program itself and every module that it imports,
        at once or later, inside of functions too.
    left_out: modules of the package that it does not import.
    unsure: places where a module is imported by a name that only the device knows.
    """

    files: dict[str, Path]
    left_out: list[str]
    unsure: list[str]

    def without_package(self) -> Program:
        """The same for a board that has the package already."""
        own = {n: p for n, p in self.files.items() if not n.startswith(f"{PACKAGE}/")}
        return Program(own, [], self.unsure)


def package_modules(firmware: Path) -> dict[str, Path]:
    """Every module of the package: dotted name -> file."""
    return {
        dotted(file.relative_to(firmware)): file
        for file in sorted((firmware / PACKAGE).rglob("*.py"))
    }


def dotted(path: PurePath) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def find(
    main: Path, firmware: Path, extra: Iterable[str] = (), boot: Path | None = None
) -> Program:
    """The program `main` with all it needs.

    main: becomes main.py on the board. Modules beside it are its own; those of the package are in
        `firmware`.
    extra: modules (``lwm2m.objects.location``) or packages (``lwm2m.formats``) to add.
    boot: becomes boot.py.
    Raises BuildError.
    """
    package = package_modules(firmware)
    files = {"main.py": main}
    if boot is not None:
        files["boot.py"] = boot
    waiting = [(path, name) for name, path in files.items()]
    wanted = {name for text in extra for name in _matching(text, package)}
    waiting += [(package[name], name) for name in sorted(wanted)]
    seen = set(wanted)
    unsure: list[str] = []
    while waiting:
        path, name = waiting.pop()
        for module in sorted(_imports(path, package, main.parent, unsure) - seen):
            seen.add(module)
            waiting.append((_locate(module, package, main.parent, name), module))
    for module in sorted(seen):
        path = _locate(module, package, main.parent, module)
        root = firmware if module in package else main.parent
        files[path.relative_to(root).as_posix()] = path
    # The package roots are imported with everything in them.
    for root_module in {module.split(".")[0] for module in seen if module in package}:
        init = package.get(root_module)
        if init is not None:
            files[init.relative_to(firmware).as_posix()] = init
    here = {dotted(Path(name)) for name in files}
    return Program(files, [name for name in package if name not in here], unsure)


def _matching(text: str, package: dict[str, Path]) -> list[str]:
    name = text if text.split(".")[0] == PACKAGE else f"{PACKAGE}.{text}"
    found = [module for module in package if module == name or module.startswith(name + ".")]
    if not found:
        raise BuildError(f"no module or folder {name} in firmware/")
    return found


def _imports(path: Path, package: dict[str, Path], folder: Path, unsure: list[str]) -> set[str]:
    """The modules that a source imports anywhere in its text, as far as they are files of ours;
    the others are MicroPython's own."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BuildError(f"{path}: not UTF-8") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise BuildError(f"{where}: {getattr(error, 'msg', error)}") from None
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise BuildError(f"{path}:{node.lineno}: relative imports are not followed")
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "__import__":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = [first.value]
            else:
                unsure.append(f"{path.name}:{node.lineno}")
        for name in names:
            if name in package or _own(name, folder) is not None:
                found.add(name)
            elif name.split(".")[0] == PACKAGE and isinstance(node, ast.Import):
                raise BuildError(f"{path}:{node.lineno}: no module {name}")
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            _check_from(node, path, package)
    return found


def _check_from(node: ast.ImportFrom, path: Path, package: dict[str, Path]) -> None:
    module = node.module or ""
    if module in package:
        return
    missing = [a.name for a in node.names if f"{module}.{a.name}" not in package]
    if missing:
        raise BuildError(f"{path}:{node.lineno}: no module {module}")


def _own(name: str, folder: Path) -> Path | None:
    """A module that lies beside the program."""
    if not name or name.split(".")[0] == PACKAGE:
        return None
    path = folder.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _locate(module: str, package: dict[str, Path], folder: Path, importer: str) -> Path:
    path = package.get(module) or _own(module, folder)
    if path is None:
        raise BuildError(f"{importer}: no module {module}")
    return path
