"""A module as a part of its place: imports resolved, constants in the place of their names,
private names replaced, docstrings and annotations gone.

Every statement keeps the line that it was written in, and every function and class, as
``written``, the name that it was written with.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from .names import PARAMETERS, Names
from .places import Place, Places
from .source import Function, Module, arguments, const_value, inner_nodes, is_docstring, targets


@dataclass
class Scope:
    """Names of a function, a class or a comprehension.

    bound: names that it binds -> what they become. known: names that it imports from its own
    place, or that are constant -> the expression for them. me: its first argument.
    """

    kind: str
    bound: dict[str, str] = field(default_factory=dict)
    known: dict[str, ast.expr] = field(default_factory=dict)
    me: str = ""


def constant(value: Any) -> ast.expr:
    """The expression for a value."""
    return ast.parse(repr(value), mode="eval").body


def rewrite(
    module: Module, places: Places, names: Names, imports: dict[str, Any]
) -> list[ast.stmt]:
    """The statements of a module in its place. What it needs of other places is added to
    `imports`: the name that it has here -> (place, name there). Raises BuildError."""
    return _Rewriter(module, places, names, imports).statements()


class _Rewriter(ast.NodeTransformer):
    def __init__(
        self, module: Module, places: Places, names: Names, imports: dict[str, Any]
    ) -> None:
        self.module = module
        self.places = places
        self.names = names
        self.place: Place = places.of[module.name]
        self.scopes: list[Scope] = []
        self.top = Scope("module")
        self.owner: list[ast.ClassDef] = []
        self.imports = imports
        for name in module.tops:
            self.top.bound[name] = self.place.globals[module.name, name]
        for local in module.outer:
            self.top.bound[local] = places.outer_names[module.name, local]
        for name, value in module.consts.items():
            self.top.known[name] = constant(value)
        for local, (where, name) in module.own.items():
            self._import(local, where, name)

    def _import(self, local: str, where: str, name: str) -> None:
        imports = self.imports
        there = self.places.modules[where]
        if name in there.consts:
            self.top.known[local] = constant(there.consts[name])
            return
        origin = self._origin(where, name)
        if origin is None:
            # Made when it is asked for, by a __getattr__ of its module
            if not there.open:
                self.module.refuse(self.module.tree, f"no {name} in {where}")
            origin = (self.places.of[where], name)
        place, final = origin
        if place is self.place:
            self.top.bound[local] = final
            return
        for here, what in imports.items():
            if what == (place.name, final):
                self.top.bound[local] = here
                return
        here = self.place.free(final)
        imports[here] = (place.name, final)
        self.top.bound[local] = here

    def _origin(self, where: str, name: str) -> tuple[Place, str] | None:
        """The place where something is, and its name there: that of the module which defines it,
        whichever passes it on."""
        there = self.places.modules[where]
        if name in there.tops:
            place = self.places.of[where]
            return place, place.globals[where, name]
        if name in there.own:
            return self._origin(*there.own[name])
        return None

    # --- statements ---------------------------------------------------------------------------

    def statements(self) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        alone = self.place.name == self.module.name
        for node in self.module.tree.body:
            if is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom):
                continue
            if const_value(node) is not None:
                name = targets(node)[0].id  # type: ignore[attr-defined]
                if alone and not name.startswith("_"):
                    value = constant(self.module.consts[name])
                    new = ast.Assign([ast.Name(name, ast.Store())], value)
                    out.append(ast.copy_location(new, node))
                continue
            result = self.visit(node)
            if result is not None:
                out.append(result)
        return out

    def _body(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for node in nodes:
            if is_docstring(node) or isinstance(node, ast.Pass):
                continue
            result = self.visit(node)
            if isinstance(result, list):
                out.extend(result)
            elif result is not None:
                out.append(result)
        if not out:
            out.append(ast.copy_location(ast.Pass(), nodes[0]))
        return out

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                setattr(node, name, self._body(inner))
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
            elif isinstance(value, list) and not (value and isinstance(value[0], ast.stmt)):
                setattr(
                    node, name, [self.visit(v) if isinstance(v, ast.AST) else v for v in value]
                )
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
        if node.value is None:
            return None
        new = ast.Assign([self.visit(node.target)], self.visit(node.value))
        return ast.copy_location(new, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt] | ast.stmt | None:
        package = self.places.package
        if (node.module or "").split(".")[0] != package:
            for alias in node.names:
                alias.asname = self._stored(alias.asname or alias.name, alias.name)
            return node
        out: list[ast.stmt] = []
        scope = self.scopes[-1]
        for alias in node.names:
            local = alias.asname or alias.name
            if local in scope.known:
                continue
            origin = self._origin(node.module or "", alias.name)
            if origin is None:
                there = self.places.modules[node.module or ""]
                if alias.name in there.consts:
                    value = constant(there.consts[alias.name])
                    out.append(ast.Assign([ast.Name(local, ast.Store())], value))
                    continue
                if not there.open:
                    self.module.refuse(node, f"no {alias.name} in {node.module}")
                origin = (self.places.of[there.name], alias.name)
            place, final = origin
            if place is self.place and not self._hidden(final):
                out.append(ast.Assign([ast.Name(local, ast.Store())], ast.Name(final, ast.Load())))
            else:
                asname = None if final == local else local
                out.append(ast.ImportFrom(place.name, [ast.alias(final, asname)], 0))
        return [ast.copy_location(statement, node) for statement in out]

    def _stored(self, local: str, name: str) -> str | None:
        new = self.scopes[-1].bound.get(local, local) if self.scopes else local
        return None if new == name else new

    # --- functions ----------------------------------------------------------------------------

    def visit_FunctionDef(self, node: Function) -> Function:
        written = node.name
        method = bool(self.scopes) and self.scopes[-1].kind == "class"
        args = node.args
        defaults = [self.visit(default) for default in args.defaults]
        kw_defaults = [default and self.visit(default) for default in args.kw_defaults]
        decorators = [self.visit(decorator) for decorator in node.decorator_list]
        scope = self._function_scope(node, method)
        if method:
            name = self.names.attribute(written)
        elif self.scopes:
            name = self.scopes[-1].bound.get(written, written)
        else:
            name = self.top.bound[written]
        self.scopes.append(scope)
        body = self._body(node.body)
        self.scopes.pop()

        def renamed(arg: ast.arg | None) -> ast.arg | None:
            return arg and ast.arg(scope.bound.get(arg.arg, arg.arg), None)

        def each(several: list[ast.arg]) -> list[ast.arg]:
            return [ast.arg(scope.bound.get(arg.arg, arg.arg), None) for arg in several]

        new_args = ast.arguments(
            each(args.posonlyargs), each(args.args), renamed(args.vararg),
            each(args.kwonlyargs), kw_defaults, renamed(args.kwarg), defaults,
        )  # fmt: skip
        new = type(node)(name=name, args=new_args, body=body, decorator_list=decorators)
        new.written = written  # type: ignore[union-attr]
        return ast.copy_location(new, node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def _function_scope(self, node: Function, method: bool) -> Scope:
        scope = Scope("function", me=next((arg.arg for arg in node.args.args), ""))
        counted: dict[str, int] = {}
        lazy: dict[str, ast.expr | None] = {}
        others: set[str] = set()

        def bind(name: str) -> None:
            counted[name] = counted.get(name, 0) + 1

        for inner in inner_nodes(node.body):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store | ast.Del):
                bind(inner.id)
            elif isinstance(inner, Function | ast.ClassDef | ast.ExceptHandler):
                if inner.name:
                    bind(inner.name)
            elif isinstance(inner, ast.Nonlocal):
                others.update(inner.names)
            elif isinstance(inner, ast.Import | ast.ImportFrom):
                for alias in inner.names:
                    local = (alias.asname or alias.name).split(".")[0]
                    bind(local)
                    if isinstance(inner, ast.ImportFrom):
                        lazy[local] = self._known(inner.module or "", alias.name)
        names = {arg.arg for arg in arguments(node.args)} | counted.keys()
        scope.bound = {name: name for name in names - others}
        for local, expression in lazy.items():
            # Where a name is bound but once, what it stands for is taken in its place.
            if expression is None:
                continue
            name = expression.id if isinstance(expression, ast.Name) else local
            if name != local and self._hidden(name, scope):
                continue
            if counted[local] == 1 and local not in others:
                del scope.bound[local]
                scope.known[local] = expression
        self._rename_arguments(node, scope, self._private(node, method))
        return scope

    def _known(self, where: str, name: str) -> ast.expr | None:
        """The expression for what a function imports, when it is constant or in this place."""
        if where.split(".")[0] != self.places.package:
            return None
        there = self.places.modules[where]
        if name in there.consts:
            return constant(there.consts[name])
        origin = self._origin(where, name)
        if origin and origin[0] is self.place:
            return ast.Name(origin[1], ast.Load())
        return None

    def _hidden(self, name: str, *inner: Scope) -> bool:
        """True for a global of this place whose name is that of a variable here."""
        scopes = [scope for scope in (*self.scopes, *inner) if scope.kind != "class"]
        return any(name in scope.bound for scope in scopes)

    def _private(self, node: Function, method: bool) -> bool:
        """Can nobody outside name an argument of this function?"""
        if method:
            closed = self.owner[-1].name not in self.names.exposed
            return closed or node.name in self.names.attributes
        return bool(self.scopes) or (self.module.name, node.name) in self.names.globals

    def _rename_arguments(self, node: Function, scope: Scope, private: bool) -> None:
        """Give arguments that nobody can name names that are there anyway."""
        here = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        here |= {
            arg.arg for n in ast.walk(node) if isinstance(n, ast.arguments) for arg in arguments(n)
        }
        here |= {alias.asname or alias.name for n in ast.walk(node)
                 if isinstance(n, ast.Import | ast.ImportFrom) for alias in n.names}  # fmt: skip
        pool = [n for n in PARAMETERS if n not in here and n not in self.place.taken]
        unseen = [arg for arg in (node.args.vararg, node.args.kwarg) if arg]
        needed = [*node.args.posonlyargs, *node.args.args]
        if self.place.name == self.module.name:
            # Applications may import it; what has a default is what they name.
            needed = needed[: len(needed) - len(node.args.defaults)]
        for arg in [*needed, *unseen] if private else unseen:
            kept = arg.arg in PARAMETERS or (arg not in unseen and arg.arg in self.names.kept)
            if not kept and pool and arg.arg in scope.bound:
                scope.bound[arg.arg] = pool.pop(0)

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        self.scopes.append(Scope("function", {a.arg: a.arg for a in arguments(node.args)}))
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    def _comprehension(self, node: Any) -> Any:
        first = node.generators[0]
        first.iter = self.visit(first.iter)
        bound = {
            name.id: name.id
            for generator in node.generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name)
        }
        self.scopes.append(Scope("function", bound))
        for number, generator in enumerate(node.generators):
            generator.target = self.visit(generator.target)
            if number:
                generator.iter = self.visit(generator.iter)
            generator.ifs = [self.visit(test) for test in generator.ifs]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, self.visit(getattr(node, name)))
        self.scopes.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    # --- classes ------------------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        if node.keywords or node.decorator_list:
            self.module.refuse(node, "a class with keywords or decorators")
        name = self.top.bound[node.name] if not self.scopes else node.name
        bases = [self.visit(base) for base in node.bases]
        scope = Scope("class")
        self.scopes.append(scope)
        self.owner.append(node)
        body: list[ast.stmt] = []
        for inner in node.body:
            if is_docstring(inner) or isinstance(inner, ast.Pass):
                continue
            if not isinstance(inner, Function | ast.Assign | ast.AnnAssign):
                self.module.refuse(inner, f"{type(inner).__name__} in class {node.name}")
            for target in targets(inner):
                if not isinstance(target, ast.Name):
                    self.module.refuse(inner, "an assignment to something that is not a name")
            if isinstance(inner, Function):
                result: Any = self.visit_FunctionDef(inner)
                scope.bound[inner.name] = self.names.attribute(inner.name)
            elif inner.value is None:
                continue
            else:
                value = self.visit(inner.value)
                new: list[ast.expr] = []
                for target in targets(inner):
                    assert isinstance(target, ast.Name)
                    scope.bound[target.id] = self.names.attribute(target.id)
                    new.append(ast.Name(scope.bound[target.id], ast.Store()))
                result = ast.copy_location(ast.Assign(new, value), inner)
            body.append(result)
        self.owner.pop()
        self.scopes.pop()
        bare = ast.parse("del __module__, __qualname__").body[0]
        body.insert(0, ast.copy_location(bare, node))
        made = ast.ClassDef(name=name, bases=bases, keywords=[], body=body, decorator_list=[])
        made.written = node.name  # type: ignore[attr-defined]
        return ast.copy_location(made, node)

    # --- expressions --------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.expr:
        for depth, scope in enumerate(reversed(self.scopes)):
            if scope.kind == "class" and depth:
                continue
            if node.id in scope.known:
                return ast.copy_location(_copy(scope.known[node.id]), node)
            if node.id in scope.bound:
                return ast.copy_location(ast.Name(scope.bound[node.id], node.ctx), node)
        if node.id in self.top.known:
            return ast.copy_location(_copy(self.top.known[node.id]), node)
        return ast.copy_location(ast.Name(self.top.bound.get(node.id, node.id), node.ctx), node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.Nonlocal:
        return ast.Nonlocal([self.visit_Name(ast.Name(n, ast.Load())).id for n in node.names])  # type: ignore[attr-defined]

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        if node.name:
            node.name = self.scopes[-1].bound.get(node.name, node.name)
        node.type = node.type and self.visit(node.type)
        node.body = self._body(node.body)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        outer = False
        if isinstance(node.value, ast.Name):
            base = node.value.id
            shadowed = any(base in scope.bound or base in scope.known for scope in self.scopes)
            outer = base in self.module.outer and not shadowed
            if base in self.module.whole and not shadowed:
                local = f"{base}.{node.attr}"
                if local not in self.top.bound and local not in self.top.known:
                    self._import(local, self.module.whole[base], node.attr)
                return self.visit_Name(ast.copy_location(ast.Name(local, node.ctx), node))
        node.value = self.visit(node.value)
        if not outer:
            node.attr = self.names.attribute(node.attr)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        match function:
            case ast.Attribute(ast.Call(ast.Name("super"), []), attr):
                base = self._base_with(attr)
                if base is not None:
                    # super() makes a closure of its method; its base is known here.
                    me = ast.Name(self.scopes[-1].me, ast.Load())
                    node.args.insert(0, ast.copy_location(me, node))
                    function.value = ast.copy_location(ast.Name(base, ast.Load()), node)
        self.generic_visit(node)
        return node

    def _base_with(self, name: str) -> str | None:
        """The base that the method `name` of the class at hand is called at, if it is of the
        package."""
        node = self.owner[-1] if self.owner else None
        if node is None or len(node.bases) != 1 or not isinstance(node.bases[0], ast.Name):
            return None
        inner = [scope.kind for scope in self.scopes]
        if inner[-2:] != ["class", "function"]:
            return None
        base = node.bases[0].id
        return base if self._defines(self.module, base, name) else None

    def _defines(self, module: Module, cls: str, name: str) -> bool:
        if cls in module.own:
            where, cls = module.own[cls]
            module = self.places.modules[where]
            if cls in module.own:
                return self._defines(module, cls, name)
        node = module.tops.get(cls)
        if not isinstance(node, ast.ClassDef):
            return False
        if any(isinstance(inner, Function) and inner.name == name for inner in node.body):
            return True
        return any(
            isinstance(base, ast.Name) and self._defines(module, base.id, name)
            for base in node.bases
        )


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body
