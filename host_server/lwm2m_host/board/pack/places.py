"""Places of modules: a group, or a file of its own; and the names of their globals there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .groups import CORE, Groups
from .names import Names
from .source import Imported, Module, package_of


@dataclass
class Place:
    """A module of the packed package.

    name: dotted, as an import statement has it. file: its path without a suffix.
    members: the modules that it is made of. outer: what of MicroPython it imports, by the name
    that it has here. globals: (module, name) -> its name here. taken: names that are in use.
    """

    name: str
    file: str
    members: list[Module]
    outer: dict[str, Imported] = field(default_factory=dict)
    globals: dict[tuple[str, str], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def free(self, wanted: str) -> str:
        """A name that is not in use yet, which it then is."""
        name, number = wanted, 2
        while name in self.taken:
            name, number = f"{wanted}_{number}", number + 1
        self.taken.add(name)
        return name


class Places:
    """All of them. `of`: module -> its place. `flat`: inner packages whose modules are put beside
    the core, so that no board pays for the package."""

    def __init__(
        self,
        modules: Mapping[str, Module],
        groups: Groups,
        names: Names,
        imported: Iterable[str] = (),
        *,
        core: str = "",
    ) -> None:
        package = package_of(modules)
        self.package = package
        self.core = core or package  # the name of the place that is loaded first
        self.modules = modules
        self.all: dict[str, Place] = {}
        self.of: dict[str, Place] = {}
        self.outer_names: dict[tuple[str, str], str] = {}
        self.flat = _flat_rooms(modules, groups, imported)
        for group, members in groups.members.items():
            name, file = f"{package}._{group}", f"{package}/_{group}"
            if group == CORE:
                name, file = core or package, core or f"{package}/__init__"
            self._add(Place(name, file, [modules[member] for member in members]))
        for name, module in modules.items():
            if name not in groups.of:
                self._add(Place(name, self.file_of(name), [module]))
        for place in self.all.values():
            self._bind(place, names)

    def file_of(self, module: str) -> str:
        """The path, without a suffix, of a module of no group, or of what stands in for one."""
        room, _, last = module.partition(".")[2].rpartition(".")
        outer, _, inner = room.partition(".")
        folder = inner if outer in self.flat else room
        return "/".join(
            [self.package, *folder.split("."), last] if folder else [self.package, last]
        )

    def _add(self, place: Place) -> None:
        self.all[place.name] = place
        for member in place.members:
            self.of[member.name] = place

    def _bind(self, place: Place, names: Names) -> None:
        for module in place.members:
            for local, what in module.outer.items():
                known = next((n for n, w in place.outer.items() if w == what), None)
                if known is None:
                    known = place.free(local)
                    place.outer[known] = what
                self.outer_names[module.name, local] = known
        members = sorted(place.members, key=lambda m: m.name.count("."))
        # What applications import keeps its name, whoever else has it.
        for wanted in (True, False):
            for module in members:
                for name in module.tops:
                    if (name in names.public) == wanted:
                        new = names.globals.get((module.name, name), name)
                        place.globals[module.name, name] = place.free(new)

    def keeps_names(self, module: str, names: Names) -> bool:
        """True when all that applications may import from a module has its own name in its place:
        then the one can be taken for the other."""
        place = self.of[module]
        mine = self.modules[module]
        public = [name for name in mine.tops if name in names.public]
        return all(place.globals[module, name] == name for name in public) and not any(
            not name.startswith("_") for name in mine.consts
        )


def _flat_rooms(
    modules: Mapping[str, Module], groups: Groups, imported: Iterable[str]
) -> set[str]:
    """Inner packages that applications import from, whose modules can be put beside the core: no
    two would have one name."""
    wanted = {name.split(".")[1] for name in imported if name in modules and name.count(".") > 1}
    taken = {f"_{group}" for group in groups.members}
    taken |= {name.split(".")[1] for name in modules if name.count(".") == 1}
    rooms: dict[str, set[str]] = {}
    for name in modules:
        parts = name.split(".")
        if len(parts) > 2:
            rooms.setdefault(parts[1], set()).add(parts[2])
    flat: set[str] = set()
    for room, inside in sorted(rooms.items()):
        if room in wanted and not inside & taken and not inside & rooms.keys():
            flat.add(room)
            taken |= inside
    return flat


def standing_in(places: Places, module: str) -> ast.Module:
    """A module under the old name of one that is in a group, which has what that one has."""
    mine = places.modules[module]
    place = places.of[module]
    body: list[ast.stmt] = []
    found: dict[str, list[ast.alias]] = {}

    def take(where: str, name: str, local: str) -> None:
        found.setdefault(where, []).append(ast.alias(name, None if name == local else local))

    for name in mine.tops:
        take(place.name, place.globals[module, name], name)
    for local, (where, name) in mine.own.items():
        there = places.modules[where]
        if name in there.consts:
            body.append(_constant(local, there.consts[name]))
        elif name in there.tops:
            take(places.of[where].name, places.of[where].globals[where, name], local)
    for local, (where, what) in mine.outer.items():
        if what is None:
            body.append(ast.Import([ast.alias(where, None if where == local else local)]))
        else:
            take(where, what, local)
    for name, value in mine.consts.items():
        if not name.startswith("_"):
            body.append(_constant(name, value))
    body += [ast.ImportFrom(where, aliases, 0) for where, aliases in found.items()]
    return ast.fix_missing_locations(ast.Module(body, []))


def _constant(name: str, value: object) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], ast.parse(repr(value), mode="eval").body)
