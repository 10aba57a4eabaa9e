"""Programs that look at the inside of the package, such as its tests, in terms of a packed one.

Names behind a dot become what the packer has made of them, and so do the members of classes and
what is imported under an old name; every line stays in its place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .source import Function


@dataclass(frozen=True)
class Translation:
    """attributes: name -> its name in the packed package. globals: (module, name) -> the same.
    modules: module -> the one that it is a part of. aliases: modules that are the core itself.
    folders: strings -> others, for places."""

    attributes: Mapping[str, str]
    globals: Mapping[tuple[str, str], str]
    modules: Mapping[str, str]
    aliases: Collection[str]
    folders: Mapping[str, str]

    def apply(self, text: str) -> str:
        """The program with the names of the packed package. Raises SyntaxError."""
        tree = ast.parse(text)
        lines = text.splitlines(keepends=True)
        edits: list[tuple[int, int, str, str]] = []  # line, column in bytes, old, new
        whole = _modules(tree, self.modules)
        keys = _keys(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                module = whole.get(ast.unparse(node.value))
                dotted = ast.unparse(node)
                if dotted in whole:
                    if self.modules[dotted] != dotted:
                        edits.append((node.lineno, node.col_offset, dotted, self.modules[dotted]))
                elif module is None:
                    self._at_end(node, node.attr, self.attributes, edits)
                elif module in self.modules:
                    known = {node.attr: self.globals.get((module, node.attr), node.attr)}
                    self._at_end(node, node.attr, known, edits)
            elif isinstance(node, ast.ClassDef):
                self._members(node, lines, edits)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) not in keys:
                    self._string(node, node.value, lines, edits)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, edits)
        for line, column, old, new in sorted(edits, reverse=True):
            raw = lines[line - 1].encode()
            assert raw[column:].startswith(old.encode()), (line, column, old)
            tail = raw[column + len(old.encode()) :]
            lines[line - 1] = (raw[:column] + new.encode() + tail).decode()
        return "".join(lines)

    def _import(
        self, node: ast.Import | ast.ImportFrom, edits: list[tuple[int, int, str, str]]
    ) -> None:
        for alias in node.names:
            local = alias.asname or alias.name
            if isinstance(node, ast.ImportFrom) and len(node.names) == 1:
                dotted = f"{node.module}.{alias.name}"
                place = self.modules.get(dotted, dotted)
                if place != dotted:
                    # The module that it is a part of, not what stands in for it
                    new = f"import {place} as {local}"
                    edits.append((node.lineno, node.col_offset, ast.unparse(node), new))
                    continue
            old = alias.name if alias.asname is None else f"{alias.name} as {local}"
            if isinstance(node, ast.Import):
                place = self.modules.get(alias.name, alias.name)
                new = f"{place} as {local}" if place != alias.name and alias.asname else old
                if not alias.asname and place.partition(".")[0] != alias.name.partition(".")[0]:
                    new = f"{old}, {place}"  # which its attributes are of
            else:
                name = self.globals.get((node.module or "", alias.name), alias.name)
                # What stands in for a module has the old names.
                same = name == alias.name or node.module not in self.aliases
                new = old if same else f"{name} as {local}"
            if new != old:
                edits.append((alias.lineno, alias.col_offset, old, new))

    def _string(
        self, node: ast.Constant, value: str, lines: list[str],
        edits: list[tuple[int, int, str, str]],
    ) -> None:  # fmt: skip
        """A name that is looked up by its text; a folder."""
        new = self.attributes.get(value) or self.folders.get(value)
        column = node.col_offset + 1
        if new and lines[node.lineno - 1].encode()[column:].startswith(value.encode()):
            edits.append((node.lineno, column, value, new))

    def _at_end(
        self,
        node: ast.expr,
        name: str,
        known: Mapping[str, str],
        edits: list[tuple[int, int, str, str]],
    ) -> None:
        new = known.get(name)
        if new and new != name and node.end_lineno and node.end_col_offset:
            column = node.end_col_offset - len(name.encode())
            edits.append((node.end_lineno, column, name, new))

    def _members(
        self, node: ast.ClassDef, lines: list[str], edits: list[tuple[int, int, str, str]]
    ) -> None:
        for inner in node.body:
            if isinstance(inner, Function) and inner.name in self.attributes:
                found = re.search(rf"\bdef\s+({inner.name})\b", lines[inner.lineno - 1])
                assert found
                column = len(lines[inner.lineno - 1][: found.start(1)].encode())
                new = self.attributes[inner.name]
                edits.append((inner.lineno, column, inner.name, new))
            elif isinstance(inner, ast.Assign):
                for target in inner.targets:
                    if isinstance(target, ast.Name) and target.id in self.attributes:
                        self._at_end(target, target.id, self.attributes, edits)


def _modules(tree: ast.Module, known: Mapping[str, str]) -> dict[str, str]:
    """The names by which a program has modules: name -> module."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in known:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _keys(tree: ast.Module) -> set[int]:
    """Strings that are keys, which are no names of attributes."""
    found: set[int] = set()
    members = {
        id(node.args[2])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "type" and len(node.args) == 3
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and id(node) not in members:
            found.update(id(key) for key in node.keys)
        elif isinstance(node, ast.Subscript):
            found.add(id(node.slice))
    return found
