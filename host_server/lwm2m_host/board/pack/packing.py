"""The package, packed: from its sources and firmware/pack.toml to a few Python modules."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..modules import package_modules
from . import groups as grouping
from . import layout, source
from . import names as naming
from .names import Names
from .places import Places, standing_in
from .rewrite import rewrite

FORMAT = 3  # of what comes out: counts up when that changes


@dataclass
class Packed:
    """The packed package.

    files: path without a suffix -> text of a module. called: path -> its name in tracebacks.
    needs: path -> paths of the modules that it imports, at once or later. of: module of the
    package -> path of what has it. stands_in: path -> text, of modules that stand in for one that
    is in a group. aliases: modules that need none. map: what it all was, for tracebacks.
    """

    files: dict[str, str] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)
    stands_in: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    map: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.map["id"])

    def closure(self, modules: Iterable[str]) -> dict[str, str]:
        """The files that have `modules` and all that those need: path -> text."""
        waiting = [self.of[name] for name in modules if name in self.of]
        found: dict[str, str] = {}
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = self.files[path]
                waiting += self.needs[path]
        return found


def pack(
    firmware: Path,
    *,
    groups: Path | None = None,
    used: Iterable[str] = (),
    imported: Iterable[str] | None = None,
    rename: bool = True,
    order: bool = True,
    lines: bool = True,
    whole: bool = False,
) -> Packed:
    """Pack the package in `firmware`.

    groups: firmware/pack.toml. used: names that the application uses, which stay what they are.
    imported: modules that it imports; the core stands in for those of them that are in it, so
    that they take no file; None: those that firmware/main.py does. rename: give private names
    shorter ones. order: put the names that are used most first. lines: tell lines in tracebacks.
    whole: all groups in one, the module _PACKAGE, with what is for a ROM only; it stands in for
    every module that applications may use, which is not written into it.
    Raises BuildError.
    """
    root = firmware.parent
    modules = source.read(package_modules(firmware), root)
    resolved = grouping.resolve(groups or firmware / grouping.FILE, modules, whole=whole)
    if imported is None:
        imported = imported_by((firmware / "main.py").read_text(encoding="utf-8"))
    imported = set(imported)
    documented = naming.documented(root) | set(used)
    public = naming.public(modules, documented)
    names = Names(modules, public, resolved.of, rename=rename)
    core = f"_{source.package_of(modules)}" if whole else ""
    places = Places(modules, resolved, names, imported, core=core)
    packed = Packed()
    if whole:
        # For the others there is what stands in for them: an alias is 8 bytes of every heap.
        imported = naming.imported(root) & {
            n for n in resolved.of if _is_public(modules[n], names)
        }
    _choose_aliases(packed, places, resolved, names, imported)
    texts: dict[str, layout.Text] = {}
    for place in places.all.values():
        statements: list[tuple[source.Module, list[ast.stmt]]] = []
        imports: dict[str, tuple[str, str]] = {}
        for module in place.members:
            statements.append((module, rewrite(module, places, names, imports)))
        head = _imports_of(place.outer, imports)
        everything = [*head, *(node for _, nodes in statements for node in nodes)]
        tail: list[ast.stmt] = []
        if place.name == places.core and not whole:
            tail = _alias_statements(places, packed.aliases)
        text = layout.Text()
        if order and len(place.members) > 1:
            text.add(layout.first_names(everything), None)
        for node in head:
            text.add(ast.unparse(ast.fix_missing_locations(node)), None)
        for module, nodes in statements:
            layout.write(text, nodes, module.shown, lines=lines)
        for node in tail:
            text.add(ast.unparse(ast.fix_missing_locations(node)), None)
        texts[place.file] = text
        packed.files[place.file] = str(text)
        packed.needs[place.file] = _needs(text, places)
        packed.of.update((module.name, place.file) for module in place.members)
    for name in modules:
        if name in resolved.of and name not in (places.package, *packed.aliases):
            stand_in = ast.unparse(standing_in(places, name)) + "\n"
            packed.stands_in[name] = (places.file_of(name), stand_in)
    _finish(packed, places, names, texts)
    return packed


def cached(firmware: Path, folder: Path, used: Iterable[str], imported: Iterable[str]) -> Packed:
    """The same as `pack`, out of `folder` when nothing that it is made of has changed."""
    root = firmware.parent
    inputs = [*package_modules(firmware).values(), firmware / grouping.FILE]
    inputs += [*naming.documents(root), *sorted(Path(__file__).parent.glob("*.*"))]
    digest = hashlib.sha256(json.dumps([sorted(used), sorted(imported)]).encode())
    for path in inputs:
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    place = folder / f"{digest.hexdigest()[:24]}.json"
    if place.is_file():
        data = json.loads(place.read_text(encoding="utf-8"))
        data["needs"] = {path: set(paths) for path, paths in data["needs"].items()}
        data["stands_in"] = {name: tuple(pair) for name, pair in data["stands_in"].items()}
        return Packed(**data)
    packed = pack(firmware, used=used, imported=imported)
    data = {**vars(packed), "needs": {path: sorted(n) for path, n in packed.needs.items()}}
    folder.mkdir(parents=True, exist_ok=True)
    new = place.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps(data), encoding="utf-8")
    new.replace(place)
    return packed


def _choose_aliases(
    packed: Packed,
    places: Places,
    resolved: grouping.Groups,
    names: Names,
    imported: set[str],
) -> None:
    """Modules of the core that take no file of their own, and the inner packages that do not."""
    wanted = [
        name
        for name in resolved.members[grouping.CORE]
        if name in imported and name != places.package and places.keeps_names(name, names)
    ]
    packed.aliases = [f"{places.package}.{room}" for room in sorted(places.flat)] + wanted


def _is_public(module: source.Module, names: Names) -> bool:
    """True for a module that has something for applications."""
    return any(name in names.public for name in module.tops)


def _alias_statements(places: Places, aliases: list[str]) -> list[ast.stmt]:
    """The core under the names of modules and inner packages: they are the same module.

    Keywords are interned, as is what an import statement asks for: no name is there twice. Put
    together of parts that are names anyway, no long constant stays behind.
    """
    have = places.all[places.core].outer
    core = f"sys.modules['{places.package}']"
    lines = [] if have.get("sys") == ("sys", None) else ["import sys"]
    # `import lwm2m.client` asks for the one, lwm2m.client.Client for the other.
    parts = sorted({part for name in aliases for part in name.split(".")[1:]})
    free = [part for part in parts if part not in places.all[places.core].taken]
    if free:
        lines.append(" = ".join([*free, core]))
    for name in aliases:
        key = " + '.' + ".join(f"'{part}'" for part in name.split("."))
        lines.append(f"sys.modules.update(**{{{key}: {core}}})")
    return ast.parse("\n".join(lines)).body if aliases else []


def _imports_of(
    outer: Mapping[str, source.Imported], imports: Mapping[str, tuple[str, str]]
) -> list[ast.stmt]:
    out: list[ast.stmt] = []
    for local, (module, name) in outer.items():
        alias = ast.alias(name or module, None if local == (name or module) else local)
        out.append(ast.ImportFrom(module, [alias], 0) if name else ast.Import([alias]))
    for local, (module, name) in imports.items():
        alias = ast.alias(name, None if local == name else local)
        out.append(ast.ImportFrom(module, [alias], 0))
    return out


def imported_by(text: str) -> set[str]:
    """The modules that a program imports by name."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def _needs(text: layout.Text, places: Places) -> set[str]:
    names = imported_by(str(text))
    found = {place.file for place in places.all.values() if place.name in names}
    return found | {places.all[places.core].file}


def _finish(
    packed: Packed, places: Places, names: Names, texts: Mapping[str, layout.Text]
) -> None:
    """Name the build after what is in it, and note where every line comes from."""
    everything = json.dumps([FORMAT, packed.files, packed.stands_in], sort_keys=True)
    number = hashlib.sha256(everything.encode()).hexdigest()[:4]
    core = places.all[places.core].file
    for path in [*packed.files, *(path for path, _ in packed.stands_in.values())]:
        short = "core" if path == core else path.rpartition("/")[2].lstrip("_")
        packed.called[path] = f"{short}-{number}"
    packed.map = {
        "id": number,
        "attributes": names.attributes,
        "modules": {name: place.name for name, place in places.of.items()},
        "outer": {
            f"{module}:{name}": new
            for (module, name), new in places.outer_names.items()
            if name != new
        },
        "globals": {
            f"{module}:{name}": new
            for place in places.all.values()
            for (module, name), new in place.globals.items()
            if name != new
        },
        "paths": packed.called,
        "files": {
            packed.called[path]: [origin and list(origin) for origin in text.origins]
            for path, text in texts.items()
        },
    }
