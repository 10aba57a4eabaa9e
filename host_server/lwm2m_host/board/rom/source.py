"""The C of a packed module: functions, classes and globals as constants.

The bytecode and its constants are what MicroPython's own mpy-tool.py writes for frozen modules;
around them are the objects that an import of it would make. Of Python at the top of a module it
knows what the packer lets through, as far as it has a value before the program runs.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..errors import BuildError
from .values import ROM_TYPES, NotConstant, Values, evaluate, hash_of, literal

VERSIONS = ((1, 25, 0), (1, 26, 1))
NAME = "lwm2m"
# What MicroPython's modules are in C
MODULES = {
    name: f"mp_module_{name}"
    for name in (
        "array",
        "binascii",
        "errno",
        "gc",
        "io",
        "json",
        "math",
        "os",
        "random",
        "select",
        "socket",
        "struct",
        "sys",
        "time",
    )
}
CLASSES = {("array", "array"): "mp_type_array"}
ATTRIBUTES = {"time.ticks_ms": "mp_time_ticks_ms_obj"}
EXCEPTIONS = ("Exception", "IndexError", "KeyError", "OSError", "RuntimeError", "TypeError",
              "ValueError")  # fmt: skip
_CHANGES = ("clear", "pop", "popitem", "setdefault", "update")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Refuse = Callable[[int, str], NoReturn]


def version_of(tree: Path) -> tuple[int, int, int]:
    """The version of a source tree of MicroPython. Raises BuildError."""
    path = tree / "py" / "mpconfig.h"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}: no sources of MicroPython") from None
    found = [
        re.search(rf"MICROPY_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "MICRO")
    ]
    if not all(found):
        raise BuildError(f"{path}: no version of MicroPython in it")
    major, minor, micro = (int(match[1]) for match in found if match)
    return major, minor, micro


def check_version(tree: Path) -> tuple[int, int, int]:
    """The version of a tree whose objects are known here. Raises BuildError."""
    found = version_of(tree)
    if found not in VERSIONS:
        known = ", ".join(".".join(map(str, version)) for version in VERSIONS)
        raise BuildError(
            f"MicroPython {'.'.join(map(str, found))} in {tree}: the objects of {known} are known"
        )
    return found


class Tools:
    """MicroPython's own scripts, out of a source tree."""

    def __init__(self, tree: Path) -> None:
        self._strings = _load("makeqstrdata", tree / "py" / "makeqstrdata.py")
        sys.modules["makeqstrdata"] = self._strings
        self._tool: Any = _load("mpytool", tree / "tools" / "mpy-tool.py")

    def escape(self, text: str) -> str:
        """A name as it is in MP_QSTR_…"""
        return str(self._strings.qstr_escape(text))

    def freeze(self, mpy: Path) -> tuple[str, str]:
        """The C of a compiled module, for either size of integers; and its name in it."""
        texts = []
        name = ""
        for bits in (16, 32):
            tool = self._tool
            tool.config.MICROPY_LONGINT_IMPL = tool.config.MICROPY_LONGINT_IMPL_MPZ
            tool.config.MPZ_DIG_SIZE = bits
            tool.config.native_arch = 0
            tool.config.MICROPY_QSTR_BYTES_IN_LEN = 1
            tool.config.MICROPY_QSTR_BYTES_IN_HASH = 2
            tool.global_qstrs = tool.GlobalQStrList()
            tool.RawCode.escaped_names = set()
            for counter in [
                "bc_content",
                "qstr_content",
                "raw_code_count",
                "raw_code_content",
                "const_str_content",
                "const_int_content",
                "const_obj_content",
                "const_table_qstr_content",
                "const_table_ptr_content",
            ]:
                setattr(tool, counter, 0)
            module = tool.read_mpy(str(mpy))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                module.freeze(0)
            texts.append(out.getvalue().splitlines())
            name = module.escaped_name
        lines = []
        for narrow, wide in zip(*texts, strict=True):
            if narrow == wide:
                lines.append(narrow)
            else:
                lines += ["#if MPZ_DIG_SIZE == 16", narrow, "#else", wide, "#endif"]
        text = "\n".join(lines)
        # A port keeps one byte of the hash, or two.
        text = re.sub(r"(\{\{&mp_type_(?:str|bytes)\}, )(\d+),", r"\1ROM_HASH(\2),", text)
        return text, name


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BuildError(f"{path}: no such file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


# --- strings that the build's scanner would spoil ---------------------------------------------

_INTERNED = 10  # longer strings are no names
_SAFE = re.compile(r"[ !#-\[\]-~]*")


def is_safe(text: str) -> bool:
    """True for a string that a line Q(…) of a build can have."""
    return bool(_SAFE.fullmatch(text)) and text.strip() == text and text != ""


def without_odd_names(text: str) -> str:
    """Packed source in which no string becomes a name that a build cannot be told of: those with
    quotes, control characters or letters of other alphabets are kept in a constant."""
    raw = text.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    edits = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            odd = not is_safe(node.value) and node.value != ""
            if odd and len(node.value.encode()) <= _INTERNED:
                assert node.end_lineno
                assert node.end_col_offset
                begin = starts[node.lineno - 1] + node.col_offset
                edits.append((begin, starts[node.end_lineno - 1] + node.end_col_offset))
    for begin, end in sorted(edits, reverse=True):
        raw = raw[:begin] + b"(" + raw[begin:end] + b",)[0]" + raw[end:]
    return raw.decode()


def without_odd_constants(text: str, unescape: Mapping[str, str]) -> str:
    """C in which only identifiers are names, where a name is not asked for: other strings become
    objects of their own."""
    objects: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        name = unescape.get(found[1], found[1])
        if name.isidentifier() and name.isascii():
            return found[0]
        data = name.encode()
        objects[found[1]] = (
            f"static const mp_obj_str_t rom_text_{found[1]} = {{{{&mp_type_str}}, "
            f"ROM_HASH({hash_of(data) & 0xFFFF}), {len(data)}, (const byte *){literal(data)}}};"
        )
        return f"MP_ROM_PTR(&rom_text_{found[1]})"

    text = re.sub(r"MP_ROM_QSTR\(MP_QSTR_(\w*)\)", replace, text)
    return "\n".join([*objects.values(), text])


def names_to_declare(text: str, unescape: Mapping[str, str]) -> list[str]:
    """The names in C that are no identifiers: a build's scanner takes them for others.

    Raises BuildError for one of which a build cannot be told.
    """
    used = set(re.findall(r"\bMP_QSTR_(\w+)", text))
    found = {name for escaped, name in unescape.items() if escaped in used}
    for name in found:
        if not name.isidentifier() and not is_safe(name):
            raise BuildError(f"the string {name!r} cannot be a name in a build")
    return sorted(name for name in found if not name.isidentifier())


def asked_for(texts: Iterable[str]) -> set[str]:
    """The classes in these programs that have to be of the type `type`: those that are the second
    argument of isinstance, that are caught, that call super, or of which a class outside of the
    first program derives."""
    found: set[str] = set()
    for number, text in enumerate(texts):
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(ast.Name("isinstance" | "issubclass"), [_, kinds]):
                    found.update(n.id for n in ast.walk(kinds) if isinstance(n, ast.Name))
                case ast.ExceptHandler(type=ast.expr() as kinds):
                    found.update(n.id for n in ast.walk(kinds) if isinstance(n, ast.Name))
                case ast.ClassDef():
                    inner = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
                    if any(n.id == "super" for n in inner):
                        found.add(node.name)
                    if number:
                        found.update(n.id for n in node.bases if isinstance(n, ast.Name))
    return found


# --- the module -------------------------------------------------------------------------------


class Writer:
    """Writes the C of one packed module. in_ram: classes of which programs may derive, and what
    `asked_for` finds. refuse: told the line of what cannot be constant. replaceable: a copy of the
    globals can be taken into RAM, for tests."""

    def __init__(
        self,
        tree: ast.Module,
        frozen: str,
        name: str,
        tools: Tools,
        in_ram: Collection[str],
        refuse: Refuse,
        *,
        replaceable: bool = False,
    ) -> None:
        self._tree = tree
        self._frozen = frozen
        self._name = name
        self._values = Values(tools.escape)
        self._escape = tools.escape
        self._in_ram = in_ram
        self._refuse = refuse
        self._replaceable = replaceable
        self._special: dict[str, bool] = {}
        self._dictionaries = 0  # that are filled while the program runs
        self._lists = 0  # the same
        self._pointers: dict[str, str] = {}  # to classes
        self._fields: list[str] = []  # of the classes in RAM
        self._classes: list[str] = []  # their values
        self.constant: list[str] = []  # classes that are not in RAM
        self.globals: dict[str, str] = {}

    @property
    def classes(self) -> list[str]:
        return list(self._special)

    def write(self, aliases: Mapping[str, bool], build: str) -> str:
        """The C. aliases: names of modules that are this one (True) or the package (False).
        build: number of the build, which the package asks for."""
        waiting = self._children(f"{self._name}__lt_module_gt_")
        for node in self._tree.body:
            self._statement(node, waiting)
        if waiting:
            self._refuse(1, f"{waiting[0]} is left over")
        self.globals["__name__"] = self._values.name(f"_{NAME}")
        self.globals["find"] = "MP_ROM_PTR(&rom_find_obj)"
        self.globals["of_build"] = "MP_ROM_PTR(&rom_of_build_obj)"
        self.globals["__init__"] = "MP_ROM_PTR(&rom_init_obj)"
        self._values.dictionary("rom_globals", self.globals, constant="ROM_CONST")
        self._values.lines.append(
            "static rom_classes_t rom_classes = {\n" + "\n".join(self._classes) + "\n};"
        )
        lines = [
            f"    {{MP_QSTR_{self._escape(name)}, {'true' if rom else 'false'}}},"
            for name, rom in sorted(aliases.items())
        ]
        replaced = {"NAME": NAME, "MODULE": self._name, "BUILD": build}
        replaced["DICTIONARIES"] = str(max(1, self._dictionaries))
        replaced["LISTS"] = str(max(1, self._lists))
        replaced["REPLACEABLE"] = str(int(self._replaceable))
        replaced["ALIASES"] = "\n".join(lines)
        head, tail = _HEAD, _TAIL
        for key, value in replaced.items():
            head, tail = head.replace(f"@{key}@", value), tail.replace(f"@{key}@", value)
        fields = "\n".join(self._fields)
        middle = _MIDDLE.replace("@MODULE@", self._name).replace("@FIELDS@", fields)
        body = "\n".join(self._values.lines)
        return "\n".join([head, self._frozen, middle, body, tail])

    def _statement(self, node: ast.stmt, waiting: list[str]) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    if alias.name not in MODULES:
                        self._refuse(node.lineno, f"the module {alias.name} is not known in C")
                    symbol = f"MP_ROM_PTR(&{MODULES[alias.name]})"
                    if alias.name == "socket":
                        symbol = "ROM_MODULE_socket"
                    self.globals[alias.asname or alias.name] = symbol
            case ast.ImportFrom():
                for alias in node.names:
                    cls = CLASSES.get((node.module or "", alias.name))
                    if cls is None:
                        self._refuse(node.lineno, f"{ast.unparse(node)} is not known in C")
                    self.globals[alias.asname or alias.name] = f"MP_ROM_PTR(&{cls})"
            case ast.Assign([ast.Name(name)], value):
                if isinstance(value, ast.Dict) and value.keys:
                    self._refuse_changes(name)
                self.globals[name] = self._value(value, {}, node.lineno)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.globals[node.name] = self._function(node, waiting.pop(0), {})
            case ast.ClassDef():
                self._class(node, waiting.pop(0))
            case ast.For(iter=ast.Tuple([])):
                pass  # names that come first
            case _:
                self._refuse(node.lineno, f"{ast.unparse(node)[:60]} is not constant")

    def _refuse_changes(self, name: str) -> None:
        """Refuse what changes a dictionary that is not empty from the beginning."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Subscript(ast.Name(changed), _, ast.Store() | ast.Del()):
                    pass
                case ast.Call(ast.Attribute(ast.Name(changed), method)) if method in _CHANGES:
                    pass
                case _:
                    continue
            if changed == name:
                self._refuse(node.lineno, f"{name} is changed, and not empty from the beginning")

    def _children(self, name: str) -> list[str]:
        pattern = r"static const mp_raw_code_t \*const children_%s\[\] = \{(.*?)\};"
        found = re.search(pattern % re.escape(name), self._frozen, re.DOTALL)
        return re.findall(r"proto_fun_(\w+)", found[1]) if found else []

    def _value(self, node: ast.expr, scope: Mapping[str, str], line: int) -> str:
        if isinstance(node, ast.Name):
            if node.id in scope:
                return scope[node.id]
            if node.id in self.globals:
                return self.globals[node.id]
            if node.id in ROM_TYPES:
                return f"MP_ROM_PTR(&mp_type_{node.id})"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ATTRIBUTES:
            return f"MP_ROM_PTR(&{ATTRIBUTES[ast.unparse(node)]})"
        try:
            match node:
                case ast.Dict([], []):
                    self._dictionaries += 1
                    return f"MP_ROM_PTR(&MP_STATE_VM(lwm2m_rom_dicts[{self._dictionaries - 1}]))"
                case ast.List([]):
                    self._lists += 1
                    return f"MP_ROM_PTR(&MP_STATE_VM(lwm2m_rom_lists[{self._lists - 1}]))"
                case ast.Call(ast.Name("bytearray"), [size], []):
                    return self._values.buffer(int(evaluate(size)))
                case ast.Tuple():
                    with contextlib.suppress(NotConstant):
                        return self._values.either(node)
                    return self._values.tuple([self._value(x, scope, line) for x in node.elts])
            return self._values.either(node)
        except NotConstant:
            self._refuse(line, f"{ast.unparse(node)[:60]} is not constant")

    def _function(self, node: Function, name: str, scope: Mapping[str, str]) -> str:
        line = node.lineno
        extra = [self._value(default, scope, line) for default in node.args.defaults]
        keywords = {
            arg.arg: self._value(default, scope, line)
            for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if default
        }
        if keywords:
            table = f"rom_keywords_{self._values.new()}"
            self._values.dictionary(table, keywords)
            extra.append(f"MP_ROM_PTR(&{table})")
        yields = any(
            isinstance(inner, ast.Yield | ast.YieldFrom | ast.Await) for inner in ast.walk(node)
        )
        kind = "gen_wrap" if yields or isinstance(node, ast.AsyncFunctionDef) else "fun_bc"
        children = f"(void *)children_{name}" if self._children(name) else "NULL"
        field = f"mp_rom_obj_t extra[{len(extra)}];" if extra else ""
        values = f", {{{', '.join(extra)}}}" if extra else ""
        self._values.lines.append(
            f"static const struct {{ROM_FUNCTION {field}}} rom_fun_{name} = "
            f"{{{{&mp_type_{kind}}}, &rom_context, {children}, fun_data_{name}{values}}};"
        )
        return f"MP_ROM_PTR(&rom_fun_{name})"

    def _class(self, node: ast.ClassDef, name: str) -> None:
        methods = self._children(name)
        scope: dict[str, str] = {}
        accessors: dict[str, list[str]] = {}
        for inner in node.body:
            match inner:
                case ast.Pass() | ast.Delete():
                    continue
                case ast.Assign(targets, value):
                    found = self._value(value, scope, inner.lineno)
                    for target in targets:
                        assert isinstance(target, ast.Name)
                        scope[target.id] = found
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    function = self._function(inner, methods.pop(0), scope)
                    scope[inner.name] = self._decorated(inner, function, accessors)
                case _:
                    self._refuse(inner.lineno, f"{type(inner).__name__} in a class")
        if methods:
            self._refuse(node.lineno, f"class {node.name} makes functions that have no name")
        base = node.bases[0].id if node.bases and isinstance(node.bases[0], ast.Name) else None
        if len(node.bases) > 1 or (node.bases and base is None):
            self._refuse(node.lineno, f"class {node.name} has bases that are not known in C")
        if base is not None and base not in self.globals and base not in EXCEPTIONS:
            self._refuse(node.lineno, f"class {node.name}: the base {base} is not known in C")
        self._values.dictionary(f"rom_dict_{name}", scope)
        special = bool(accessors) or self._special.get(base or "", False)
        special = special or bool(
            {"__get__", "__set__", "__getattr__", "__setattr__"} & set(scope)
        )
        self._special[node.name] = special
        flags = "ROM_FLAGS" + (" | MP_TYPE_FLAG_HAS_SPECIAL_ACCESSORS" if special else "")
        parent = "NULL"
        if base is not None:
            parent = self._pointers.get(base, f"&mp_type_{base}")
        mine = f"MP_QSTR_{self._escape(node.name)}, {flags}, {2 if base else 0}, &rom_dict_{name}"
        closed = base is None or base in self.constant
        if closed and node.name not in self._in_ram:
            self.constant.append(node.name)
            self._values.lines.append(
                f"static const rom_closed_t rom_class_{node.name} = ROM_CLOSED({mine}, {parent});"
            )
            self._pointers[node.name] = f"&rom_class_{node.name}"
        else:
            field = f"{node.name}_class"
            kind = "derived" if base else "class"
            self._fields.append(f"    rom_{kind}_t {field};")
            row = f"ROM_CLASS({field}, {mine})"
            self._classes.append(
                f"    .{field} = {{{row}, {parent}}}," if base else f"    .{field} = {row},"
            )
            self._pointers[node.name] = f"&rom_classes.{field}"
        self.globals[node.name] = f"MP_ROM_PTR({self._pointers[node.name]})"

    def _decorated(self, node: Function, function: str, accessors: dict[str, list[str]]) -> str:
        if not node.decorator_list:
            return function
        if len(node.decorator_list) > 1:
            self._refuse(node.lineno, f"{node.name} has several decorators")
        kind = ast.unparse(node.decorator_list[0])
        if kind == "property":
            accessors[node.name] = [function, "MP_ROM_NONE"]
        elif kind == f"{node.name}.setter" and node.name in accessors:
            accessors[node.name] = [accessors[node.name][0], function]
        else:
            self._refuse(node.lineno, f"@{kind} is not known in C")
        number = self._values.new()
        getter, setter = accessors[node.name]
        self._values.lines.append(
            f"static const struct {{mp_obj_base_t base; mp_rom_obj_t proxy[3];}} rom_{number} = "
            f"{{{{&mp_type_property}}, {{{getter}, {setter}, MP_ROM_NONE}}}};"
        )
        return f"MP_ROM_PTR(&rom_{number})"


_HEAD = """// Made by lwm2m_host.board.rom, build @BUILD@: do not edit.
#include <string.h>
#include "py/mpconfig.h"
#include "py/builtin.h"
#include "py/emitglue.h"
#include "py/lexer.h"
#include "py/objarray.h"
#include "py/objfun.h"
#include "py/objint.h"
#include "py/objlist.h"
#include "py/objmodule.h"
#include "py/objstr.h"
#include "py/objtuple.h"
#include "py/objtype.h"
#include "py/binary.h"
#include "py/frozenmod.h"
#include "py/nativeglue.h"
#include "py/runtime.h"
#include "extmod/modtime.h"

#if MICROPY_VERSION != ROM_VERSION
#error "lwm2m: this C is for another version of MicroPython: make it anew with its source tree"
#endif
#if MICROPY_OBJ_REPR != MICROPY_OBJ_REPR_A || !MICROPY_PY_BUILTINS_PROPERTY \\
    || !MICROPY_MODULE_BUILTIN_INIT || !MICROPY_PY_COLLECTIONS_ORDEREDDICT \\
    || MICROPY_PY_SYS_SETTRACE || MICROPY_LONGINT_IMPL != MICROPY_LONGINT_IMPL_MPZ
#error "lwm2m: this port has other objects than those that are known"
#endif
#if MICROPY_QSTR_BYTES_IN_HASH == 1
#define ROM_HASH(hash) (((hash) & 0xff) ? ((hash) & 0xff) : 1)
#elif MICROPY_QSTR_BYTES_IN_HASH == 2
#define ROM_HASH(hash) ((hash) ? (hash) : 1)
#else
#error "lwm2m: this port keeps no hashes of names, or longer ones"
#endif

// With 1, for tests: a copy of the globals is taken into RAM, where a test can replace them, when
// LWM2M_REPLACEABLE is in the environment.
#define ROM_REPLACEABLE @REPLACEABLE@
#if ROM_REPLACEABLE
#include <stdlib.h>
#define ROM_CONST
#else
#define ROM_CONST const
#endif

#pragma GCC diagnostic ignored "-Wunused-const-variable"
#pragma GCC diagnostic ignored "-Wunused-function"
#if MICROPY_PY_BUILTINS_FLOAT
typedef struct _mp_obj_float_t {
    mp_obj_base_t base;
    mp_float_t value;
} mp_obj_float_t;
#endif
"""

_MIDDLE = """
extern const mp_obj_module_t mp_module_array, mp_module_binascii, mp_module_errno, mp_module_gc,
    mp_module_io, mp_module_json, mp_module_math, mp_module_os, mp_module_random,
    mp_module_select, mp_module_struct, mp_module_sys, mp_module_time;
extern const mp_obj_type_t mp_type_array, mp_type_property;
#if MICROPY_PY_LWIP
extern const mp_obj_module_t mp_module_lwip;
#define ROM_MODULE_socket MP_ROM_PTR(&mp_module_lwip)
#else
extern const mp_obj_module_t mp_module_socket;
#define ROM_MODULE_socket MP_ROM_PTR(&mp_module_socket)
#endif
// The beginning of mp_obj_fun_bc_t
#define ROM_FUNCTION mp_obj_base_t base; const mp_module_context_t *context; const void *kids; \\
    const byte *code;
_Static_assert(offsetof(mp_obj_fun_bc_t, extra_args) == 4 * sizeof(void *), "functions");

// The head of a class, as mp_obj_type_t has it
typedef struct {
    mp_obj_base_t base;
    uint16_t flags;
    uint16_t name;
    uint8_t make_new, print, call, unary_op, binary_op, attr, subscr, iter, buffer, protocol,
        parent, locals_dict;
    const void *slots[1];
} rom_class_t;
#define ROM_SAME(mine, slot) \\
    _Static_assert(offsetof(rom_class_t, mine) == offsetof(mp_obj_type_t, slot), "classes")
ROM_SAME(flags, flags);
ROM_SAME(name, name);
ROM_SAME(make_new, slot_index_make_new);
ROM_SAME(print, slot_index_print);
ROM_SAME(call, slot_index_call);
ROM_SAME(unary_op, slot_index_unary_op);
ROM_SAME(binary_op, slot_index_binary_op);
ROM_SAME(attr, slot_index_attr);
ROM_SAME(subscr, slot_index_subscr);
ROM_SAME(iter, slot_index_iter);
ROM_SAME(buffer, slot_index_buffer);
ROM_SAME(protocol, slot_index_protocol);
ROM_SAME(parent, slot_index_parent);
ROM_SAME(locals_dict, slot_index_locals_dict);
ROM_SAME(slots, slots);
#define ROM_FLAGS (MP_TYPE_FLAG_EQ_NOT_REFLEXIVE | MP_TYPE_FLAG_EQ_CHECKS_OTHER_TYPE \\
    | MP_TYPE_FLAG_EQ_HAS_NEQ_TEST | MP_TYPE_FLAG_ITER_IS_GETITER \\
    | MP_TYPE_FLAG_INSTANCE_TYPE | MP_TYPE_FLAG_IS_SUBCLASSED)

// Classes of which programs may derive are in RAM, since that marks a class: each has its own
// dictionary and parent; the slots behind the last of them are for all. An index counts words from
// the slots of its class.
typedef struct {
    rom_class_t head;
    const void *parent;
} rom_derived_t;
typedef struct {
@FIELDS@
    const void *shared[9];
} rom_classes_t;
static rom_classes_t rom_classes;
#define ROM_AT(field) (offsetof(rom_classes_t, field) + offsetof(rom_class_t, slots))
#define ROM_SLOT(field, n) \\
    ((offsetof(rom_classes_t, shared) - ROM_AT(field)) / sizeof(void *) + 1 + (n))
_Static_assert(sizeof(rom_classes_t) / sizeof(void *) < 255, "an index is a byte");
#define ROM_CLASS(field, its_name, its_flags, parent_at, dict) {{&mp_type_type}, \\
    its_flags, its_name, ROM_SLOT(field, 0), ROM_SLOT(field, 1), ROM_SLOT(field, 2), \\
    ROM_SLOT(field, 3), ROM_SLOT(field, 4), ROM_SLOT(field, 5), ROM_SLOT(field, 6), \\
    ROM_SLOT(field, 7), ROM_SLOT(field, 8), 0, parent_at, 1, {dict}}

// The others are constant, and no class can derive of them: that is what their own type is for,
// which is made of `type`.
static struct {
    rom_class_t head;
    const void *slots[7];
} rom_type;
typedef struct {
    rom_class_t head;
    const void *slots[10];
} rom_closed_t;
#define ROM_CLOSED(its_name, its_flags, parent_at, dict, parent) { \\
    {{(const mp_obj_type_t *)&rom_type}, \\
    its_flags, its_name, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, parent_at, 1, {dict}}, {parent, \\
    &rom_make_new, &rom_print, &rom_call, &rom_unary, &rom_binary, &rom_attr, &rom_subscr, \\
    &rom_iter, &rom_buffer}}

// What a class does is static in objtype.c: the slots that all share have it.
static mp_obj_t rom_make_new(const mp_obj_type_t *type, size_t n, size_t k, const mp_obj_t *args) {
    return ((mp_make_new_fun_t)rom_classes.shared[0])(type, n, k, args);
}
static void rom_print(const mp_print_t *print, mp_obj_t self, mp_print_kind_t kind) {
    ((mp_print_fun_t)rom_classes.shared[1])(print, self, kind);
}
static mp_obj_t rom_call(mp_obj_t self, size_t n, size_t k, const mp_obj_t *args) {
    return ((mp_call_fun_t)rom_classes.shared[2])(self, n, k, args);
}
static mp_obj_t rom_unary(mp_unary_op_t op, mp_obj_t self) {
    return ((mp_unary_op_fun_t)rom_classes.shared[3])(op, self);
}
static mp_obj_t rom_binary(mp_binary_op_t op, mp_obj_t left, mp_obj_t right) {
    return ((mp_binary_op_fun_t)rom_classes.shared[4])(op, left, right);
}
static void rom_attr(mp_obj_t self, qstr name, mp_obj_t *dest) {
    ((mp_attr_fun_t)rom_classes.shared[5])(self, name, dest);
}
static mp_obj_t rom_subscr(mp_obj_t self, mp_obj_t index, mp_obj_t value) {
    return ((mp_subscr_fun_t)rom_classes.shared[6])(self, index, value);
}
static mp_obj_t rom_iter(mp_obj_t self, mp_obj_iter_buf_t *buf) {
    return ((mp_getiter_fun_t)rom_classes.shared[7])(self, buf);
}
static mp_int_t rom_buffer(mp_obj_t self, mp_buffer_info_t *info, mp_uint_t flags) {
    return ((mp_buffer_fun_t)rom_classes.shared[8])(self, info, flags);
}
static mp_obj_t rom_no_type(const mp_obj_type_t *type, size_t n, size_t k, const mp_obj_t *args) {
    if (n == 1) {
        return MP_OBJ_FROM_PTR(mp_obj_get_type(args[0]));
    }
    mp_raise_TypeError(MP_ERROR_TEXT("no class can derive of one that is in ROM"));
}

extern ROM_CONST mp_obj_dict_t rom_globals;
extern const mp_obj_fun_builtin_fixed_t rom_init_obj;
extern const mp_obj_fun_builtin_fixed_t rom_find_obj, rom_of_build_obj;
const mp_module_context_t rom_context = {
    .module = {{&mp_type_module}, (mp_obj_dict_t *)&rom_globals},
    .constants = {
        .qstr_table = (qstr_short_t *)&const_qstr_table_data_@MODULE@,
        .obj_table = (mp_obj_t *)&const_obj_table_data_@MODULE@,
    },
};
"""

_TAIL = """
// What is filled while the program runs: where the garbage collector looks
MP_REGISTER_ROOT_POINTER(mp_obj_list_t lwm2m_rom_lists[@LISTS@]);
MP_REGISTER_ROOT_POINTER(mp_obj_dict_t lwm2m_rom_dicts[@DICTIONARIES@]);

const mp_obj_module_t rom_module = {{&mp_type_module}, (mp_obj_dict_t *)&rom_globals};

// Modules that are this one, or the package under the name of an inner one
static const struct {
    qstr_short_t name;
    bool rom;
} rom_aliases[] = {
@ALIASES@
};

#if ROM_REPLACEABLE
MP_REGISTER_ROOT_POINTER(mp_obj_dict_t lwm2m_rom_replaced);
static void rom_replace(void) {
    mp_obj_dict_init(&MP_STATE_VM(lwm2m_rom_replaced), rom_globals.map.used + 16);
    for (size_t i = 0; i < rom_globals.map.alloc; i++) {
        if (mp_map_slot_is_filled(&rom_globals.map, i)) {
            mp_obj_dict_store(MP_OBJ_FROM_PTR(&MP_STATE_VM(lwm2m_rom_replaced)),
                rom_globals.map.table[i].key, rom_globals.map.table[i].value);
        }
    }
    rom_globals.map = MP_STATE_VM(lwm2m_rom_replaced).map;
}
#endif

// Called by the import of this module, which the package imports first
static mp_obj_t rom_init(void) {
    if (!rom_classes.shared[0]) {
        // Asked of a class that is made for that
        const mp_obj_type_t *made = MP_OBJ_TO_PTR(
            mp_obj_new_type(MP_QSTR_, mp_const_empty_tuple, mp_obj_new_dict(0)));
        rom_classes.shared[0] = MP_OBJ_TYPE_GET_SLOT(made, make_new);
        rom_classes.shared[1] = MP_OBJ_TYPE_GET_SLOT(made, print);
        rom_classes.shared[2] = MP_OBJ_TYPE_GET_SLOT(made, call);
        rom_classes.shared[3] = MP_OBJ_TYPE_GET_SLOT(made, unary_op);
        rom_classes.shared[4] = MP_OBJ_TYPE_GET_SLOT(made, binary_op);
        rom_classes.shared[5] = MP_OBJ_TYPE_GET_SLOT(made, attr);
        rom_classes.shared[6] = MP_OBJ_TYPE_GET_SLOT(made, subscr);
        rom_classes.shared[7] = MP_OBJ_TYPE_GET_SLOT(made, iter);
        rom_classes.shared[8] = MP_OBJ_TYPE_GET_SLOT(made, buffer);
        size_t slots = 0;
        for (const uint8_t *at = &mp_type_type.slot_index_make_new;
             at <= &mp_type_type.slot_index_locals_dict; at++) {
            slots = MAX(slots, *at);
        }
        assert(slots <= 8);
        memcpy(&rom_type, &mp_type_type, sizeof(mp_obj_type_t) + slots * sizeof(void *));
        ((const void **)rom_type.head.slots)[mp_type_type.slot_index_make_new - 1] = &rom_no_type;
    }
    #if ROM_REPLACEABLE
    if (rom_globals.map.is_fixed && getenv("LWM2M_REPLACEABLE")) {
        rom_replace();
    }
    #endif
    mp_obj_t modules = MP_OBJ_FROM_PTR(&MP_STATE_VM(mp_loaded_modules_dict));
    mp_map_elem_t *package = mp_map_lookup(
        &MP_STATE_VM(mp_loaded_modules_dict).map, MP_OBJ_NEW_QSTR(MP_QSTR_@NAME@), MP_MAP_LOOKUP);
    if (!package) {
        // Somebody imports this one first: the package imports it too.
        mp_import_name(MP_QSTR_@NAME@, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
        return mp_const_none;
    }
    for (size_t i = 0; i < @DICTIONARIES@; i++) {
        mp_obj_dict_init(&MP_STATE_VM(lwm2m_rom_dicts[i]), 0);
    }
    for (size_t i = 0; i < @LISTS@; i++) {
        mp_obj_list_init(&MP_STATE_VM(lwm2m_rom_lists[i]), 0);
    }
    mp_obj_t found = package->value;
    for (size_t i = 0; i < MP_ARRAY_SIZE(rom_aliases); i++) {
        mp_obj_dict_store(modules, MP_OBJ_NEW_QSTR(rom_aliases[i].name),
            rom_aliases[i].rom ? MP_OBJ_FROM_PTR(&rom_context) : found);
    }
    mp_obj_dict_store(modules, MP_OBJ_NEW_QSTR(MP_QSTR__@NAME@), MP_OBJ_FROM_PTR(&rom_context));
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_0(rom_init_obj, rom_init);

// The package's __getattr__: what is in here, and this itself for `lwm2m.client.Client`
static mp_obj_t rom_find(mp_obj_t name) {
    mp_map_elem_t *found = mp_map_lookup(
        (mp_map_t *)&rom_globals.map, MP_OBJ_NEW_QSTR(mp_obj_str_get_qstr(name)), MP_MAP_LOOKUP);
    if (found) {
        return found->value;
    }
    size_t n;
    const char *text = mp_obj_str_get_data(name, &n);
    for (size_t i = 0; i < MP_ARRAY_SIZE(rom_aliases); i++) {
        size_t whole;
        const char *alias = (const char *)qstr_data(rom_aliases[i].name, &whole);
        if (whole > n && alias[whole - n - 1] == '.' && memcmp(alias + whole - n, text, n) == 0) {
            if (rom_aliases[i].rom) {
                return MP_OBJ_FROM_PTR(&rom_context);
            }
            // An inner package
            return mp_obj_dict_get(MP_OBJ_FROM_PTR(&MP_STATE_VM(mp_loaded_modules_dict)),
                MP_OBJ_NEW_QSTR(MP_QSTR_@NAME@));
        }
    }
    // A module of the package that is not in here, if there is one of that name
    VSTR_FIXED(path, 64);
    vstr_printf(&path, "@NAME@.%s", text);
    return mp_import_name(
        qstr_from_strn(path.buf, path.len), mp_const_true, MP_OBJ_NEW_SMALL_INT(0));
}
MP_DEFINE_CONST_FUN_OBJ_1(rom_find_obj, rom_find);

// The modules that are not in here have been made together with it
static mp_obj_t rom_of_build(mp_obj_t build) {
    const char *text = mp_obj_str_get_str(build);
    if (strcmp(text, "@BUILD@") != 0) {
        mp_raise_msg_varg(&mp_type_ImportError,
            MP_ERROR_TEXT("@NAME@ in ROM is build @BUILD@, these modules are of build %s"), text);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(rom_of_build_obj, rom_of_build);

MP_REGISTER_MODULE(MP_QSTR__@NAME@, rom_module);
"""
