"""Groups of modules that are loaded together: firmware/pack.toml, checked against the package.

A group has roots, the modules that the package itself loads on demand; with them comes what they
import at their tops, as far as no group before has it. A module of no group stays one of its own.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BuildError
from .source import Module, package_of

FILE = "pack.toml"
CORE = "core"


@dataclass(frozen=True)
class Groups:
    """members: group -> its modules, each after those that it imports. of: module -> group."""

    members: dict[str, list[str]]
    of: dict[str, str]


def read(path: Path, *, whole: bool = False) -> dict[str, list[str]]:
    """The groups and their roots, as they are written; whole: all of them and what [rom] names
    in one. Raises BuildError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BuildError(f"{path}: {error}") from None
    groups = data.pop("groups", None)
    more = data.pop("rom", {"more": []})
    if data or not isinstance(groups, dict) or next(iter(groups), None) != CORE:
        raise BuildError(f"{path}: a table [groups] is needed, with {CORE} first, and no other")
    for name, roots in groups.items():
        if not isinstance(roots, list) or not all(isinstance(root, str) for root in roots):
            raise BuildError(f"{path}: {name}: a list of modules is needed")
        if not name.isidentifier():
            raise BuildError(f"{path}: {name!r} is no name")
    if not isinstance(more, dict) or list(more) != ["more"]:
        raise BuildError(f"{path}: rom: a list of modules, more, is needed")
    if whole:
        return {CORE: [*(root for roots in groups.values() for root in roots), *more["more"]]}
    return groups


def resolve(path: Path, modules: Mapping[str, Module], *, whole: bool = False) -> Groups:
    """The groups with all their members. Raises BuildError, which names a module that is not
    there."""
    package = package_of(modules)
    members: dict[str, list[str]] = {}
    of: dict[str, str] = {}
    for group, roots in read(path, whole=whole).items():
        members[group] = []
        if group == CORE and package in modules:
            members[group].append(package)
            of[package] = group
        for root in roots:
            name = f"{package}.{root}"
            if name not in modules:
                raise BuildError(f"{path}: {group}: no module {name}")
            if of.get(name, group) != group:
                raise BuildError(f"{path}: {group}: {name} is in {of[name]} already")
            _add(name, group, modules, members[group], of)
    for name, group in of.items():
        if modules[name].open:
            modules[name].refuse(modules[name].tree, f"makes names: it cannot be in {group}")
    return Groups(members, of)


def _add(
    name: str, group: str, modules: Mapping[str, Module], members: list[str], of: dict[str, str]
) -> None:
    if name in of:
        return
    of[name] = group
    for node in modules[name].tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for found in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                if found in modules:
                    _add(found, group, modules, members, of)
    members.append(name)
