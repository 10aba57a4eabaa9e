"""The modules of the package as they are written, and what of Python the packer takes.

A module binds each name at its top once, by import, def, class, const() or ``=``; that is what
makes it possible to tell what a name means without running anything. Whatever else there is, is
refused with file and line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..errors import BuildError

Function = ast.FunctionDef | ast.AsyncFunctionDef
Imported = tuple[str, str | None]  # a module, and a name in it; None: the module itself


@dataclass
class Module:
    """One module of the package.

    name: dotted. path: its source. shown: its name in messages and maps.
    consts: what its const() names stand for. tops: names that it binds by def, class and ``=``.
    outer: local name -> what of MicroPython it imports. own: the same for the package.
    whole: local name -> a module of the package, of which it uses what is in it.
    open: it makes names while it runs, so that none of its globals can be renamed.
    """

    name: str
    path: Path
    shown: str
    tree: ast.Module
    consts: dict[str, Any] = field(default_factory=dict)
    tops: dict[str, ast.stmt] = field(default_factory=dict)
    outer: dict[str, Imported] = field(default_factory=dict)
    own: dict[str, tuple[str, str]] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    open: bool = False

    def refuse(self, node: ast.AST, reason: str) -> NoReturn:
        """Raises BuildError."""
        raise BuildError(f"{self.path}:{getattr(node, 'lineno', 1)}: {reason}")

    @property
    def room(self) -> str:
        """The inner package that it is in, "" for one at the top."""
        return self.name.rpartition(".")[0].partition(".")[2]


def read(modules: Mapping[str, Path], root: Path) -> dict[str, Module]:
    """Read and check modules: dotted name -> file. `root`: what their shown names begin after.

    Raises BuildError.
    """
    found = {}
    for name, path in modules.items():
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise BuildError(f"{path}: {error.strerror}") from None
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise BuildError(f"{path}:{line}: {getattr(error, 'msg', error)}") from None
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        found[name] = Module(name, path, shown, tree)
    for module in found.values():
        _scan(module, found)
    for module in found.values():
        _evaluate(module, found)
    return found


def package_of(modules: Mapping[str, Any]) -> str:
    """The name of the package that modules are of."""
    return next(iter(modules)).partition(".")[0]


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def const_value(node: ast.stmt) -> ast.expr | None:
    """The expression in the brackets of ``NAME = const(…)``."""
    match node:
        case ast.Assign([ast.Name()], ast.Call(ast.Name("const"), [value], [])):
            return value
    return None


def targets(node: ast.stmt) -> list[ast.expr]:
    """The names that an assignment binds."""
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def _scan(module: Module, modules: Mapping[str, Module]) -> None:
    package = package_of(modules)
    bound: dict[str, ast.stmt] = {}

    def bind(name: str, node: ast.stmt) -> None:
        if name in bound:
            module.refuse(node, f"{name} is bound in line {bound[name].lineno} already")
        bound[name] = node

    for node in module.tree.body:
        if is_docstring(node):
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    module.refuse(node, f"{alias.name} is used as an object: import what is in it")
                bind(alias.asname or alias.name, node)
                module.outer[alias.asname or alias.name] = (alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                module.refuse(node, "a relative import")
            for alias in node.names:
                local = alias.asname or alias.name
                bind(local, node)
                if node.module.split(".")[0] == package:
                    if f"{node.module}.{alias.name}" in modules:
                        module.whole[local] = f"{node.module}.{alias.name}"
                    else:
                        _find(module, node, node.module, alias.name, modules)
                        module.own[local] = (node.module, alias.name)
                elif (node.module, alias.name) != ("micropython", "const"):
                    module.outer[local] = (node.module, alias.name)
        elif isinstance(node, Function | ast.ClassDef):
            bind(node.name, node)
            module.tops[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if isinstance(node, ast.AnnAssign) and node.value is None:
                continue
            for target in targets(node):
                if not isinstance(target, ast.Name):
                    module.refuse(node, "an assignment to something that is not a name")
                bind(target.id, node)
                if const_value(node) is None:
                    module.tops[target.id] = node
                else:
                    module.consts[target.id] = None
        else:
            module.refuse(node, f"{type(node).__name__} at the top of a module")
    for inner in ast.walk(module.tree):
        if isinstance(inner, ast.Global):
            module.refuse(inner, "global")
        elif isinstance(inner, ast.ImportFrom) and any(a.name == "*" for a in inner.names):
            module.refuse(inner, "import *")
        elif isinstance(inner, ast.ImportFrom) and (inner.module or "").split(".")[0] == package:
            if inner in module.tree.body:
                continue
            for alias in inner.names:
                _find(module, inner, inner.module or "", alias.name, modules)
        elif isinstance(inner, ast.Import) and inner not in module.tree.body:
            for alias in inner.names:
                if alias.name.split(".")[0] == package:
                    module.refuse(inner, f"{alias.name} is used as an object")
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
            module.open |= inner.func.id == "globals"
    module.open |= "__getattr__" in module.tops
    _refuse_outside(module)


def _find(
    module: Module, node: ast.ImportFrom, where: str, name: str, modules: Mapping[str, Module]
) -> None:
    if f"{where}.{name}" in modules:
        module.refuse(
            node, f"the module {where}.{name} is used as an object: import what is in it"
        )
    if where not in modules:
        module.refuse(node, f"no module {where}")


def _refuse_outside(module: Module) -> None:
    """Refuse to set an attribute of what is imported, and any use of a module of the package but
    that of what is in it."""
    imported = {**module.outer, **module.whole}
    inside = {id(n.value) for n in ast.walk(module.tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in module.whole and id(node) not in inside:
            module.refuse(node, f"{module.whole[node.id]} is used as an object")
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            base = node.value
            if (
                isinstance(base, ast.Name)
                and base.id in imported
                and not _rebound(module, base.id)
            ):
                module.refuse(node, f"{ast.unparse(node)} is set from outside")


def _rebound(module: Module, name: str) -> bool:
    """True for a name that is bound again inside of the module."""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for node in ast.walk(module.tree)
    ) or any(isinstance(node, ast.arg) and node.arg == name for node in ast.walk(module.tree))


def _evaluate(module: Module, modules: Mapping[str, Module]) -> None:
    """Find what const() names stand for, those too that come from another module."""
    if module.consts and all(value is not None for value in module.consts.values()):
        return
    known: dict[str, Any] = {}
    for local, (where, name) in module.own.items():
        if name in modules[where].consts:
            _evaluate(modules[where], modules)
            known[local] = modules[where].consts[name]
    for node in module.tree.body:
        value = const_value(node)
        if value is None:
            continue
        assert isinstance(node, ast.Assign)
        assert isinstance(node.targets[0], ast.Name)
        try:
            code = compile(ast.Expression(value), module.name, "eval")
            result = eval(code, {"__builtins__": {}}, {**known, **module.consts})
        except Exception as error:
            module.refuse(node, f"const() of what is not constant: {error}")
        module.consts[node.targets[0].id] = result


# --- functions --------------------------------------------------------------------------------


def inner_nodes(nodes: list[ast.stmt] | list[ast.expr]) -> Iterator[ast.AST]:
    """The nodes of one scope: of functions, classes and comprehensions inside of it only the
    outside."""
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Function):
            waiting += [*node.decorator_list, *node.args.defaults]
            waiting += [d for d in node.args.kw_defaults if d]
        elif isinstance(node, ast.Lambda):
            waiting += [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.ClassDef):
            waiting += [*node.decorator_list, *node.bases]
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting.append(node.generators[0].iter)
        else:
            waiting += list(ast.iter_child_nodes(node))


def arguments(args: ast.arguments) -> list[ast.arg]:
    every = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [arg for arg in every if arg]
