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
from collections.abc import Callable, Collection, Mapping
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
_SLOTS = [
    "make_new",
    "print",
    "call",
    "unary_op",
    "binary_op",
    "attr",
    "subscr",
    "iter",
    "buffer",
    "locals_dict",
    "parent",
]

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


# --- the module -------------------------------------------------------------------------------


class Writer:
    """Writes the C of one packed module. refuse: told the line of what cannot be constant.
    derivable: classes of which programs may derive, which are in RAM: deriving marks a class."""

    def __init__(
        self,
        tree: ast.Module,
        frozen: str,
        name: str,
        tools: Tools,
        derivable: Collection[str],
        refuse: Refuse,
    ) -> None:
        self._tree = tree
        self._frozen = frozen
        self._name = name
        self._values = Values(tools.escape)
        self._escape = tools.escape
        self._derivable = derivable
        self._refuse = refuse
        self._special: dict[str, bool] = {}
        self._dictionaries = 0  # that are filled while the program runs
        self.globals: dict[str, str] = {}
        self.in_ram: list[str] = []

    def write(self, aliases: Mapping[str, bool], build: str) -> str:
        """The C. aliases: names of modules that are this one (True) or the package (False).
        build: number of the build, which the package asks for."""
        waiting = self._children(f"{self._name}__lt_module_gt_")
        for node in self._tree.body:
            self._statement(node, waiting)
        if waiting:
            self._refuse(1, f"{waiting[0]} is left over")
        self.globals[f"_{build}"] = "MP_ROM_TRUE"
        self.globals["__name__"] = self._values.name(f"_{NAME}")
        self.globals["find"] = "MP_ROM_PTR(&rom_find_obj)"
        self.globals["__init__"] = "MP_ROM_PTR(&rom_init_obj)"
        self._values.dictionary("rom_globals", self.globals)
        lines = [
            f"    {{MP_QSTR_{self._escape(name)}, {'true' if rom else 'false'}}},"
            for name, rom in sorted(aliases.items())
        ]
        replaced = {"NAME": NAME, "MODULE": self._name, "BUILD": build}
        replaced["DICTIONARIES"] = str(max(1, self._dictionaries))
        replaced["ALIASES"] = "\n".join(lines)
        head, tail = _HEAD, _TAIL
        for key, value in replaced.items():
            head, tail = head.replace(f"@{key}@", value), tail.replace(f"@{key}@", value)
        body = "\n".join(self._values.lines)
        return "\n".join([head, self._frozen, _MIDDLE.replace("@MODULE@", self._name), body, tail])

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
                self.globals[name] = self._value(value, {}, node.lineno)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.globals[node.name] = self._function(node, waiting.pop(0), {})
            case ast.ClassDef():
                self._class(node, waiting.pop(0))
            case ast.For(iter=ast.Tuple([])):
                pass  # names that come first
            case _:
                self._refuse(node.lineno, f"{ast.unparse(node)[:60]} is not constant")

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
        if base is not None and base not in self.globals and base != "Exception":
            self._refuse(node.lineno, f"class {node.name}: the base {base} is not known in C")
        self._values.dictionary(f"rom_dict_{name}", scope)
        special = bool(accessors) or self._special.get(base or "", False)
        special = special or bool(
            {"__get__", "__set__", "__getattr__", "__setattr__"} & set(scope)
        )
        self._special[node.name] = special
        flags = "ROM_CLASS" + (" | MP_TYPE_FLAG_HAS_SPECIAL_ACCESSORS" if special else "")
        parent = "NULL"
        if base is not None:
            parent = f"&rom_type_{base}" if base in self._special else f"&mp_type_{base}"
        in_ram = node.name in self._derivable
        if in_ram:
            self.in_ram.append(node.name)
        self._values.lines.append(
            f"static {'' if in_ram else 'const '}rom_type_t rom_type_{node.name} = "
            f"ROM_TYPE(MP_QSTR_{self._escape(node.name)}, {flags}, {11 if base else 0}, "
            f"&rom_dict_{name}, {parent});"
        )
        self.globals[node.name] = f"MP_ROM_PTR(&rom_type_{node.name})"

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
    || !MICROPY_MODULE_BUILTIN_INIT || MICROPY_PY_SYS_SETTRACE \\
    || MICROPY_LONGINT_IMPL != MICROPY_LONGINT_IMPL_MPZ
#error "lwm2m: this port has other objects than those that are known"
#endif
#if MICROPY_QSTR_BYTES_IN_HASH == 1
#define ROM_HASH(hash) (((hash) & 0xff) ? ((hash) & 0xff) : 1)
#elif MICROPY_QSTR_BYTES_IN_HASH == 2
#define ROM_HASH(hash) ((hash) ? (hash) : 1)
#else
#error "lwm2m: this port keeps no hashes of names, or longer ones"
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

// A class: the flags that mp_obj_new_type gives one, and all of its slots
typedef struct {
    mp_obj_type_t type;
    const void *slots[11];
} rom_type_t;
_Static_assert(offsetof(rom_type_t, slots) == offsetof(mp_obj_type_t, slots), "classes");
#define ROM_CLASS (MP_TYPE_FLAG_EQ_NOT_REFLEXIVE | MP_TYPE_FLAG_EQ_CHECKS_OTHER_TYPE \\
    | MP_TYPE_FLAG_EQ_HAS_NEQ_TEST | MP_TYPE_FLAG_ITER_IS_GETITER \\
    | MP_TYPE_FLAG_INSTANCE_TYPE | MP_TYPE_FLAG_IS_SUBCLASSED)
#define ROM_TYPE(its_name, its_flags, its_parent, dict, parent) { \\
    {.base = {&mp_type_type}, .flags = its_flags, .name = its_name, .slot_index_make_new = 1, \\
     .slot_index_print = 2, .slot_index_call = 3, .slot_index_unary_op = 4, \\
     .slot_index_binary_op = 5, .slot_index_attr = 6, .slot_index_subscr = 7, \\
     .slot_index_iter = 8, .slot_index_buffer = 9, .slot_index_locals_dict = 10, \\
     .slot_index_parent = its_parent}, \\
    {&rom_make_new, &rom_print, &mp_obj_instance_call, &rom_unary, &rom_binary, &rom_attr, \\
     &rom_subscr, &mp_obj_instance_getiter, &rom_buffer, dict, parent}}

// What a class does is static in objtype.c: asked of a class that was made for that.
static rom_type_t rom_made;
#define MADE(slot) MP_OBJ_TYPE_GET_SLOT(&rom_made.type, slot)
static mp_obj_t rom_make_new(const mp_obj_type_t *type, size_t n, size_t k, const mp_obj_t *args) {
    return MADE(make_new)(type, n, k, args);
}
static void rom_print(const mp_print_t *print, mp_obj_t self, mp_print_kind_t kind) {
    MADE(print)(print, self, kind);
}
static mp_obj_t rom_unary(mp_unary_op_t op, mp_obj_t self) {
    return MADE(unary_op)(op, self);
}
static mp_obj_t rom_binary(mp_binary_op_t op, mp_obj_t left, mp_obj_t right) {
    return MADE(binary_op)(op, left, right);
}
static void rom_attr(mp_obj_t self, qstr name, mp_obj_t *dest) {
    MADE(attr)(self, name, dest);
}
static mp_obj_t rom_subscr(mp_obj_t self, mp_obj_t index, mp_obj_t value) {
    return MADE(subscr)(self, index, value);
}
static mp_int_t rom_buffer(mp_obj_t self, mp_buffer_info_t *info, mp_uint_t flags) {
    return MADE(buffer)(self, info, flags);
}

extern const mp_obj_dict_t rom_globals;
extern const mp_obj_fun_builtin_fixed_t rom_init_obj, rom_find_obj;
const mp_module_context_t rom_context = {
    .module = {{&mp_type_module}, (mp_obj_dict_t *)&rom_globals},
    .constants = {
        .qstr_table = (qstr_short_t *)&const_qstr_table_data_@MODULE@,
        .obj_table = (mp_obj_t *)&const_obj_table_data_@MODULE@,
    },
};
"""

_TAIL = """
// Dictionaries that are filled while the program runs: where the garbage collector looks
MP_REGISTER_ROOT_POINTER(mp_obj_dict_t lwm2m_rom_dicts[@DICTIONARIES@]);

// Modules that are this one, or the package under the name of an inner one
static const struct {
    qstr_short_t name;
    bool rom;
} rom_aliases[] = {
@ALIASES@
};

// Called by the import of this module, which the package imports first
static mp_obj_t rom_init(void) {
    if (!rom_made.type.base.type) {
        mp_obj_type_t *made = MP_OBJ_TO_PTR(
            mp_obj_new_type(MP_QSTR_, mp_const_empty_tuple, mp_obj_new_dict(0)));
        memcpy(&rom_made, made, sizeof(mp_obj_type_t) + 10 * sizeof(void *));
    }
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
            return MP_OBJ_FROM_PTR(&rom_context);
        }
    }
    // A module of the package that is not in here, if there is one of that name
    VSTR_FIXED(path, 64);
    vstr_printf(&path, "@NAME@.%s", text);
    return mp_import_name(
        qstr_from_strn(path.buf, path.len), mp_const_true, MP_OBJ_NEW_SMALL_INT(0));
}
MP_DEFINE_CONST_FUN_OBJ_1(rom_find_obj, rom_find);

const mp_obj_module_t rom_module = {{&mp_type_module}, (mp_obj_dict_t *)&rom_globals};
MP_REGISTER_MODULE(MP_QSTR__@NAME@, rom_module);
"""
