"""Rules that both sides of the project share: what a module imports, how a docstring begins, and
which words a public name may hold.

A source is a pair of a dotted name and its text. The lists of words are those of the
specification: one thing has one name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# --- words ----------------------------------------------------------------------------------

# The specification's operations (LwM2M 1.2 core §6): commands and methods bear these names.
OPERATIONS = frozenset(
    (
        *("read", "write", "execute", "create", "delete", "discover", "write_attributes"),
        *("read_composite", "write_composite", "observe", "observe_composite", "cancel"),
        *("register", "update", "deregister", "send", "notify"),
    )
)

# A private word, and what the specification or its readers say.
PRIVATE_WORDS = {
    "away": "offline",
    "compose": "write_paths",
    "delivery": "notify",
    "fate": "status",
    "flying": "in flight",
    "gather": "walk",
    "goodbye": "deregister",
    "heard": "on_…",
    "hold": "wait",
    "job": "request",
    "kept": "stored",
    "later": "separate, deferred",
    "leave": "deregister",
    "owe": "defer",
    "owed": "deferred",
    "ring": "message ids",
    "said": "sent",
    "saying": "messages",
    "stuck": "waiting",
    "sure": "acknowledged",
    "tell": "notify",
    "told": "notified",
    "tried": "attempts",
    "turn": "count",
    "understood": "decoded",
    "upkeep": "supervisor",
    "wish": "request",
}

# A docstring begins with a noun or an imperative: not with a question, not with what it does.
OPENINGS = frozenset(
    (
        *("What", "Who", "Whom", "Whose", "Whether", "Which", "How", "Where", "When", "Why"),
        *("Answers", "Decides", "Does", "Ends", "Follows", "Gives", "Hands", "Has", "Holds", "Is"),
        *("Keeps", "Makes", "Observes", "Puts", "Returns", "Says", "Serves", "Shows", "Starts"),
        *("Takes", "Tells", "Turns", "Walks", "Waits"),
    )
)


# --- sources --------------------------------------------------------------------------------


def sources(folder: Path, package: str) -> dict[str, str]:
    """Every module below `folder`, which is the package: its dotted name and its text."""
    return {
        dotted((package, *path.relative_to(folder).with_suffix("").parts)): path.read_text("utf-8")
        for path in sorted(folder.rglob("*.py"))
    }


def dotted(parts: Iterable[str]) -> str:
    return ".".join(parts).removesuffix(".__init__")


def imports(name: str, source: str, modules: Mapping[str, str]) -> set[str]:
    """The modules among `modules` that `name` imports, anywhere in its text: at the top, inside
    functions, and for type checkers only."""
    found = set()
    package = is_package(name, modules)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")
            if node.level:
                above = above[: len(above) - node.level + package]
            base = dotted(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            for alias in node.names:
                member = f"{base}.{alias.name}"
                found.add(member if member in modules else base)
    return {module for module in found if module in modules and module != name}


def is_package(name: str, modules: Mapping[str, str]) -> bool:
    """True when a module is the __init__ of a folder."""
    return any(other.startswith(f"{name}.") for other in modules)


def graph(modules: Mapping[str, str]) -> dict[str, set[str]]:
    """The imports of each module."""
    return {name: imports(name, source, modules) for name, source in modules.items()}


def reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """The nodes that can be reached from `start`, with one step at least."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for node in edges.get(waiting.pop(), set()) - seen:
            seen.add(node)
            waiting.append(node)
    return seen


def circles(edges: Mapping[str, set[str]]) -> list[str]:
    """One line for each edge that is part of a circle."""
    return [
        f"{name} imports {other}, which needs {name}"
        for name, others in edges.items()
        for other in sorted(others)
        if name in reachable(edges, other)
    ]


# --- names and docstrings -------------------------------------------------------------------


def definitions(source: str) -> Iterator[tuple[str, ast.AST]]:
    """The module itself as "", and each class and function with its dotted name."""
    tree = ast.parse(source)
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        name, node = waiting.pop(0)
        yield name, node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append((f"{name}.{child.name}".lstrip("."), child))


def bad_openings(modules: Mapping[str, str]) -> list[str]:
    """Docstrings that begin with a question word, or with a verb in the third person."""
    complaints = []
    for module, source in modules.items():
        for name, node in definitions(source):
            text = ast.get_docstring(node) or ""  # type: ignore[arg-type]
            first = text.partition("\n")[0]
            if first.split(" ")[0].rstrip(".,:;") in OPENINGS:
                complaints.append(f"{module}:{name}: {first}")
    return complaints


def words(name: str) -> list[str]:
    """The words of a name in snake_case, CamelCase or kebab-case, in small letters."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def is_public(name: str) -> bool:
    """True when neither a name nor one around it begins with an underscore."""
    return not any(part.startswith("_") for part in name.split("."))


def private_words(modules: Mapping[str, str]) -> list[str]:
    """Public names of modules, classes, functions and methods that hold a private word."""
    complaints = []
    for module, source in modules.items():
        names = [name for name, _ in definitions(source) if is_public(name)]
        for name in [module.rpartition(".")[2], *filter(None, names)]:
            last = name.rpartition(".")[2]
            complaints += [
                f"{module}: {name}: for {word!r} say {PRIVATE_WORDS[word]!r}"
                for word in words(last)
                if word in PRIVATE_WORDS
            ]
    return complaints
