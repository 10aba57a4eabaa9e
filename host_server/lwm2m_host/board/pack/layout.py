"""Packed statements as text, and where each of its lines comes from.

The line number of an instruction costs a byte each time that it goes up, so that what is done in
one go is on one line: simple statements that follow each other, and the only statement of an if.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field

from .source import Function, arguments

_LONGEST = 8
FIRST = 124  # names that one byte names, besides those that every .mpy file has


@dataclass
class Text:
    """lines: of the packed source. origins: for each, the file, the line there, and what it is a
    part of, such as Exchange.step; None where there is no such thing."""

    lines: list[str] = field(default_factory=list)
    origins: list[tuple[str, int, str] | None] = field(default_factory=list)

    def add(self, line: str, origin: tuple[str, int, str] | None) -> None:
        self.lines.append(line)
        self.origins.append(origin)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


def write(text: Text, nodes: list[ast.stmt], shown: str, *, lines: bool) -> None:
    """Append statements of the file `shown`. lines: a line for each that differs, as above; else
    all of a function that can be is on the line of its def, and costs nothing."""
    _Writer(text, shown, lines).block(nodes, "", "")


class _Writer:
    def __init__(self, text: Text, shown: str, lines: bool) -> None:
        self.text = text
        self.shown = shown
        self.longest = _LONGEST if lines else 1 << 30

    def block(self, nodes: list[ast.stmt], indent: str, where: str) -> None:
        waiting: list[ast.stmt] = []
        for node in nodes:
            if hasattr(node, "body"):
                self.simple(waiting, indent, where)
                waiting = []
                self.compound(node, indent, where)
            else:
                waiting.append(node)
                if not where or len(waiting) == self.longest:
                    self.simple(waiting, indent, where)
                    waiting = []
        self.simple(waiting, indent, where)

    def simple(self, nodes: list[ast.stmt], indent: str, where: str) -> None:
        if nodes:
            line = "; ".join(ast.unparse(ast.fix_missing_locations(node)) for node in nodes)
            self.text.add(indent + line, (self.shown, nodes[0].lineno, where))

    def compound(self, node: ast.stmt, indent: str, where: str) -> None:
        inside = where
        if isinstance(node, Function | ast.ClassDef):
            written = getattr(node, "written", node.name)
            inside = f"{where}.{written}" if where else written
            for decorator in node.decorator_list:
                line = f"{indent}@{ast.unparse(decorator)}"
                self.text.add(line, (self.shown, node.lineno, inside))
            node.decorator_list = []
        self.clause(_head(node), getattr(node, "body"), node, indent, inside)  # noqa: B009
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                kind = f" {ast.unparse(handler.type)}" if handler.type else ""
                head = f"except{kind}{f' as {handler.name}' if handler.name else ''}:"
                self.clause(head, handler.body, handler, indent, inside)
        orelse = getattr(node, "orelse", [])
        if isinstance(node, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If):
            self._elif(orelse[0], indent, inside)
        elif orelse:
            self.clause("else:", orelse, orelse[0], indent, inside)
        if getattr(node, "finalbody", []):
            body = getattr(node, "finalbody")  # noqa: B009
            self.clause("finally:", body, body[0], indent, inside)

    def _elif(self, node: ast.If, indent: str, where: str) -> None:
        self.clause(f"elif {ast.unparse(node.test)}:", node.body, node, indent, where)
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            self._elif(node.orelse[0], indent, where)
        elif node.orelse:
            self.clause("else:", node.orelse, node.orelse[0], indent, where)

    def clause(
        self, head: str, body: list[ast.stmt], node: ast.AST, indent: str, where: str
    ) -> None:
        line = getattr(node, "lineno", 1)
        definition = isinstance(node, Function | ast.ClassDef)
        short = len(body) == 1 and not hasattr(body[0], "body") and not definition
        if short:
            statement = ast.unparse(ast.fix_missing_locations(body[0]))
            self.text.add(f"{indent}{head} {statement}", (self.shown, line, where))
            return
        self.text.add(indent + head, (self.shown, line, where))
        self.block(body, indent + " ", where)


def _head(node: ast.stmt) -> str:
    """The line that a compound statement begins with."""
    if isinstance(node, ast.Try):
        return "try:"
    kept = {name: getattr(node, name) for name in ("body", "orelse") if hasattr(node, name)}
    for name in kept:
        setattr(node, name, [] if name == "orelse" else [ast.Pass()])
    line = ast.unparse(ast.fix_missing_locations(node)).splitlines()[0]
    for name, value in kept.items():
        setattr(node, name, value)
    return line


def first_names(nodes: list[ast.stmt]) -> str:
    """A statement that does nothing, but names those names first that are used most: a name's
    place in the table of a .mpy file decides how many bytes it takes in the bytecode."""
    count: Counter[str] = Counter()

    def visit(node: ast.AST, bound: frozenset[str]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = bound
            if isinstance(child, Function):
                stored = {
                    n.id
                    for n in ast.walk(child)
                    if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store | ast.Del)
                }
                inner = frozenset({*stored, *(arg.arg for arg in arguments(child.args))})
                count[child.name] += 1
                count.update(arg.arg for arg in arguments(child.args))
            elif isinstance(child, ast.Attribute):
                count[child.attr] += 1
            elif isinstance(child, ast.Name) and child.id not in bound:
                count[child.id] += 1
            elif isinstance(child, ast.keyword) and child.arg:
                count[child.arg] += 1
            visit(child, inner)

    for node in nodes:
        visit(ast.Module([node], []), frozenset())
    best = sorted(count, key=lambda name: (-count[name], name))[:FIRST]
    return f"for _ in (): _.{'.'.join(best)}"
