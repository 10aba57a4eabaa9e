"""Names: which of them applications may use, and what the others become.

A name stays as it is when it is written in the documents (README.md, docs, boards), used by the
programs that come with the firmware, or belongs to what these name: the methods that a class in
them documents, the names in quotes in its docstring, the keyword arguments of its methods, and all
that objects define. So does a name that any port of MicroPython has, because then it may be an
attribute of something that is not ours, and one that is a string anywhere in the package, because
then it may be looked up by it; and what a transport or a format of an application has to have.
What is left is private: it gets a name out of MicroPython's ROM.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from ..modules import package_modules
from .source import Function, Module, arguments, read, targets

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE = re.compile(r"^(?: {4}|\t).*$|```.*?```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
# What is a name in code, and no word of a command or a comment
_NAME = re.compile(r"\.([A-Za-z_]\w*)|\b([A-Za-z_]\w*)(?=\s*[=(.])|\bimport ([\w, ]+)")
_IMPORT = re.compile(r"\b(?:from|import) +([a-z][\w.]*\w)")
_ALONE = re.compile(r"`[\w.]+`")
_QUOTED = re.compile(r"`+([^`]+)`+")
# Names of arguments, the shortest that are in every ROM
PARAMETERS = (
    "self", "key", "value", "index", "start", "stop", "step", "args", "object", "count", "file",
    "end", "name", "read", "send", "data", "type", "hash", "bool", "find", "join", "open", "pack",
)  # fmt: skip
_LISTED = re.compile(r"^ {4}(\w+)", re.MULTILINE)
# Where the members are listed that a transport or a format has to have
CONTRACTS = ("transport.base", "formats.codec", "formats.reader")
_DESCRIPTIONS = ("architecture.md", "conformance.md", "decisions")  # of the inside


@cache
def _listed(name: str) -> tuple[str, ...]:
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    return tuple(text.split())


def in_rom() -> tuple[str, ...]:
    """Names that the ROM of every port has, the longest first."""
    return _listed("rom_names.txt")


def of_ports() -> frozenset[str]:
    """Names that some port of MicroPython has."""
    return frozenset(_listed("port_names.txt"))


# --- public names -----------------------------------------------------------------------------


def used_by(text: str) -> set[str]:
    """The names that a Python program uses of others, or gives to others: attributes, keywords,
    imports, what is in its classes, and words in strings."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.update(node.name.split("."))
        elif isinstance(node, ast.ClassDef):
            found |= _members(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(_WORD.findall(node.value) if len(node.value) < 80 else ())
    return found


def _members(node: ast.ClassDef) -> set[str]:
    """The names that a class binds in its body."""
    found = set()
    for inner in node.body:
        if isinstance(inner, Function):
            found.add(inner.name)
        elif isinstance(inner, ast.Assign | ast.AnnAssign):
            found |= {t.id for t in targets(inner) if isinstance(t, ast.Name)}
    return found


def documented(root: Path) -> set[str]:
    """The names in code in the documents of a checkout, and in the programs beside them."""
    found: set[str] = set()
    for path in documents(root):
        if path.suffix == ".py":
            found |= used_by(path.read_text(encoding="utf-8"))
        else:
            for code in _CODE.findall(path.read_text(encoding="utf-8")):
                if _ALONE.fullmatch(code):
                    found.update(_WORD.findall(code))
                for groups in _NAME.findall(code):
                    found.update(_WORD.findall(" ".join(groups)))
    return found


def imported(root: Path) -> set[str]:
    """The modules that the documents of a checkout and the programs beside them import."""
    texts = [path.read_text(encoding="utf-8") for path in documents(root)]
    return {name for text in texts for name in _IMPORT.findall(text)}


def derivable(firmware: Path) -> set[str]:
    """The classes of which programs may derive: those that are public, and their bases."""
    modules = read(package_modules(firmware), firmware.parent)
    found = _exposed(modules, public(modules, documented(firmware.parent)))
    transports = [module for module in modules.values() if module.room == "transport"]
    return found | {
        name
        for module in transports
        for name, node in module.tops.items()
        if isinstance(node, ast.ClassDef)
    }


def documents(root: Path) -> list[Path]:
    """The documents for those who write applications, and the programs that come with them."""
    found = [root / "README.md", *(root / "docs").rglob("*.md")]
    found += (root / "boards").glob("**/README.md")
    found = [
        path
        for path in found
        if not any(part in _DESCRIPTIONS for part in path.relative_to(root).parts)
    ]
    found += [*(root / "firmware").glob("*.py"), *(root / "boards").glob("*/example/*.py")]
    return sorted(path for path in found if path.is_file())


def public(modules: Mapping[str, Module], documented: Iterable[str]) -> set[str]:
    """The names that applications may use, given those that are documented."""
    found = set(documented)
    for module in modules.values():
        objects = module.room == "objects"
        for name, node in module.tops.items():
            if not isinstance(node, ast.ClassDef):
                if isinstance(node, Function) and name in found:
                    found |= {arg.arg for arg in arguments(node.args)}
            elif objects or name in found:
                found |= _of_class(node, all_of_it=objects)
    return found | _of_contracts(modules)


def _of_contracts(modules: Mapping[str, Module]) -> set[str]:
    """The names that a transport or a format of an application has, or uses of ours."""
    found: set[str] = set()
    for module in modules.values():
        inner = module.name.partition(".")[2]
        if inner in CONTRACTS:
            text = ast.get_docstring(module.tree) or ""
            found |= {*_in_quotes(text), *_LISTED.findall(text)}
        for node in ast.walk(module.tree):
            match node:
                case ast.ClassDef() if inner in CONTRACTS:
                    found |= {name for name in _members(node) if name[0] != "_"}
                    found |= {node.name, *_in_quotes(ast.get_docstring(node))}
                case ast.Attribute(ast.Name("out"), name) if module.room == "formats":
                    found.add(name)  # of the Builder that it writes to
    return found


def _of_class(node: ast.ClassDef, *, all_of_it: bool) -> set[str]:
    """The names that a class which applications may use has for them."""
    found = {node.name, *_in_quotes(ast.get_docstring(node))}
    for inner in node.body:
        if isinstance(inner, Function):
            text = ast.get_docstring(inner)
            if inner.name == "__init__" or text or (all_of_it and inner.name[0] != "_"):
                found |= {inner.name, *(arg.arg for arg in arguments(inner.args))}
                found |= _in_quotes(text)
    if all_of_it:
        found |= {name for name in _members(node) if name[0] != "_"}
    return found


def _in_quotes(text: str | None) -> set[str]:
    return {word for code in _QUOTED.findall(text or "") for word in _WORD.findall(code)}


# --- private names ----------------------------------------------------------------------------


class Names:
    """New names: `attributes` for those behind a dot, `globals` for (module, name).

    exposed: classes from which applications may derive, or on which they may set attributes: what
    is private in them becomes a name that no program uses by chance.
    """

    def __init__(
        self,
        modules: Mapping[str, Module],
        public_names: Iterable[str],
        grouped: Container[str],
        *,
        rename: bool = True,
    ) -> None:
        self.public = set(public_names)
        self.attributes: dict[str, str] = {}
        self.globals: dict[tuple[str, str], str] = {}
        self.keywords: set[str] = set()
        used: Counter[str] = Counter()
        others: set[str] = set(dir(builtins))
        strings: set[str] = set()
        for module in modules.values():
            others |= {*module.tops, *module.consts, *module.outer, *module.own}
            strings |= _strings(module.tree)
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Attribute):
                    used[node.attr] += 1
                elif isinstance(node, ast.Name):
                    others.add(node.id)
                elif isinstance(node, ast.arg):
                    others.add(node.arg)
                elif isinstance(node, ast.keyword) and node.arg:
                    self.keywords.add(node.arg)
                elif isinstance(node, ast.alias):
                    others.update(node.name.split("."))
        rom = set(in_rom())
        self.kept = kept = self.public | strings | self.keywords | of_ports() | rom
        self.exposed = _exposed(modules, self.public)
        defined, derivable = _defined(modules, self.exposed)
        taken = kept - rom | others | used.keys() | defined | self.public | strings
        pool = [n for n in in_rom() if n not in taken and n not in self.keywords]
        # Nobody calls an attribute of his own so.
        rare = [n for n in pool if not n.islower() or len(n) > 15]
        common = [n for n in pool if n.islower() and len(n) <= 15]
        if not rename:
            return
        # Names that no object has together share a new one: a short table of names is worth more
        # than each of them, and the first of it take one byte.
        families = _families(modules)
        every = {one for several in families.values() for one in several}
        taken_by: dict[str, set[str]] = {}  # new name -> families that have it
        unlikely = set(rare)
        for name in sorted(defined, key=lambda name: (-used[name], name)):
            if name in kept or name.startswith("__"):
                continue
            mine = families.get(name)
            new = mine and next(
                (
                    n
                    for n, theirs in taken_by.items()
                    if mine.isdisjoint(theirs) and (name not in derivable or n in unlikely)
                ),
                None,
            )
            source = rare if name in derivable else common or rare
            if not new and source:
                new = source.pop()
                taken_by[new] = set()
            if new:
                self.attributes[name] = new
                taken_by[new] |= mine or every
        # Attributes and globals are apart: the same names do for both.
        pool = [*common, *rare, *reversed(taken_by)]
        for module in modules.values():
            for name in () if module.open else module.tops:
                # A module that stays one of its own may be imported as a whole.
                private = name.startswith("_") or module.name in grouped
                stays = name in self.public or name in rom or name.startswith("__")
                if private and not stays and pool:
                    self.globals[module.name, name] = pool.pop()

    def attribute(self, name: str) -> str:
        return self.attributes.get(name, name)


def _families(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """The families of classes, related by inheritance, whose objects have an attribute: name ->
    one class of each. A name that is only set on what may be anything is not in it."""
    head: dict[str, str] = {}
    classes = [
        node
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    ]

    def family(name: str) -> str:
        while head.get(name, name) != name:
            name = head[name]
        return name

    for node in classes:
        for base in node.bases:
            if isinstance(base, ast.Name):
                head[family(base.id)] = family(node.name)
    found: dict[str, set[str]] = {}
    for node in classes:
        names = _members(node)
        for inner in ast.walk(node):
            match inner:
                case ast.Attribute(ast.Name("self"), name):
                    names.add(name)
        for name in names:
            found.setdefault(name, set()).add(family(node.name))
    return found


def _strings(tree: ast.AST) -> set[str]:
    """The strings of a module but for its docstrings."""
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in skipped
    }


def _exposed(modules: Mapping[str, Module], public_names: set[str]) -> set[str]:
    """The classes that are public, and the bases of such."""
    classes = {
        name: node
        for module in modules.values()
        for name, node in module.tops.items()
        if isinstance(node, ast.ClassDef)
    }
    exposed = classes.keys() & public_names
    waiting = list(exposed)
    while waiting:
        for base in classes[waiting.pop()].bases:
            if isinstance(base, ast.Name) and base.id in classes and base.id not in exposed:
                exposed.add(base.id)
                waiting.append(base.id)
    return exposed


def _defined(modules: Mapping[str, Module], exposed: set[str]) -> tuple[set[str], set[str]]:
    """The attributes that the package defines, and those of them in exposed classes."""
    everything: set[str] = set()
    derivable: set[str] = set()
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                found = _members(node)
                for inner in ast.walk(node):
                    match inner:
                        case ast.Attribute(ast.Name("self"), name, ast.Store()):
                            found.add(name)
                everything |= found
                if node.name in exposed:
                    derivable |= found
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                everything.add(node.attr)
    return everything, derivable
