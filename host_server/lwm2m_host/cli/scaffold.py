"""From an object definition to a class for the device: `source(model)`.

What comes out runs as it is: mandatory values have a default, what can be executed answers 5.01
until somebody writes it, and numbers are held to the range that the definition tells.
"""

from __future__ import annotations

import keyword
import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable

from ..model.definitions import ObjectModel, ResourceModel
from ..model.ranges import Range, parse_range
from ..model.values import DataType

WIDTH = 99
NAME_LENGTH = 15  # a name costs its length in RAM

# (name of the constant, its value): lwm2m.types of the firmware
_TYPES = {
    DataType.STRING: ("_STR", 1),
    DataType.INTEGER: ("_INT", 2),
    DataType.UNSIGNED: ("_UINT", 3),
    DataType.FLOAT: ("_FLOAT", 4),
    DataType.BOOLEAN: ("_BOOL", 5),
    DataType.OPAQUE: ("_OPAQUE", 6),
    DataType.TIME: ("_TIME", 7),
    DataType.OBJLNK: ("_OBJLNK", 8),
    DataType.CORELNK: ("_CORELNK", 9),
}
_OPERATIONS = {"R": "_R", "W": "_W", "RW": "_RW", "E": "_E"}
_FLAGS = {
    "_R": "0x10",
    "_W": "0x20",
    "_RW": "0x30",
    "_E": "0x40",
    "_MULTI": "0x80",
    "_MANDATORY": "0x100",
}
_DEFAULTS = {
    DataType.STRING: '""',
    DataType.CORELNK: '""',
    DataType.INTEGER: "0",
    DataType.UNSIGNED: "0",
    DataType.FLOAT: "0.0",
    DataType.BOOLEAN: "False",
    DataType.OPAQUE: 'b""',
    DataType.TIME: "0",
    DataType.OBJLNK: "(65535, 65535)",
}

# What the firmware's base class has, and methods that an own class may want.
RESERVED = frozenset(
    (
        *("check", "clear", "client", "execute", "exists_at", "iid", "index_of", "locate", "more"),
        *("Refused", "read", "self", "value_at", "visit", "write"),
        *("added", "attach", "changed", "exists", "removed", "send", "set", "step", "value_of"),
        *("create", "delete", "notify", "observe", "oid", "receive", "registration", "remove"),
        *("reset", "resources", "streams", "version"),
    )
)

_SHORT = {
    "application": "app",
    "average": "avg",
    "configuration": "config",
    "connection": "conn",
    "cumulative": "total",
    "current": "cur",
    "description": "descr",
    "duration": "time",
    "frequency": "freq",
    "identifier": "id",
    "identity": "id",
    "information": "info",
    "instance": "inst",
    "level": "lvl",
    "maximum": "max",
    "measured": "meas",
    "message": "msg",
    "minimum": "min",
    "number": "num",
    "package": "pkg",
    "parameter": "param",
    "period": "per",
    "position": "pos",
    "registration": "reg",
    "temperature": "temp",
    "timestamp": "stamp",
    "values": "vals",
    "version": "ver",
}
_FILLERS = ("of", "the", "a", "an", "and", "or", "in", "for", "to", "on", "at", "is", "value")

_TAKEN_MODULES = sys.stdlib_module_names | {
    "aioble", "bluetooth", "boot", "btree", "config", "cryptolib", "deflate", "esp", "esp32",
    "framebuf", "lwm2m", "machine", "main", "micropython", "mip", "neopixel", "network",
    "onewire", "rp2", "uctypes", "vfs", "webrepl",
}  # fmt: skip


_NO_PREFIX = re.compile(r"^LwM2M\s+", re.IGNORECASE)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[+]", " plus ", plain)
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain.replace("'", ""))
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", plain)]


def attribute(name: str, rid: int, taken: Iterable[str] = ()) -> str:
    """A resource's name as an attribute: snake_case, short, and nobody else's."""
    known = set(taken)
    short = _fit(_words(name)) or f"r{rid}"
    if short[0].isdigit():
        short = _fit(["n", short])
    if keyword.iskeyword(short) or keyword.issoftkeyword(short) or short in RESERVED:
        short = _fit([short, "value"], fillers=())
    number = 2
    unique = short
    while unique in known:
        end = f"_{number}"
        unique = short[: NAME_LENGTH - len(end)].rstrip("_") + end
        number += 1
    return unique


def _fit(words: list[str], fillers: Iterable[str] = _FILLERS) -> str:
    """The words joined, made shorter in steps that keep the most of their meaning."""

    def length() -> int:
        return len("_".join(words))

    if length() > NAME_LENGTH:
        words = [word for word in words if word not in fillers] or words
    if length() > NAME_LENGTH:
        words = [_SHORT.get(word, word) for word in words]
    while length() > NAME_LENGTH:
        at = max(range(len(words)), key=lambda n: len(words[n]))
        if len(words[at]) <= 3:
            break
        words = [*words[:at], words[at][:-1], *words[at + 1 :]]
    return "_".join(words)[:NAME_LENGTH].rstrip("_")


def class_name(model: ObjectModel) -> str:
    """The object's name as a class: CamelCase."""
    words = _words(_NO_PREFIX.sub("", model.name))
    name = "".join(word.capitalize() for word in words)[:40]
    if not name or name[0].isdigit():
        name = f"Object{model.id}"
    if name in ("Object", "Lwm2mError") or keyword.iskeyword(name):
        name += str(model.id)
    return name


def module_name(model: ObjectModel) -> str:
    """The file's name without its ending; none that a module of the device has."""
    words = _words(_NO_PREFIX.sub("", model.name))
    name = "_".join(words)[:40].rstrip("_")
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        return f"object_{model.id}"
    return f"{name}_object" if name in _TAKEN_MODULES else name


def names(model: ObjectModel) -> dict[int, str]:
    """The attribute of each resource."""
    found: dict[int, str] = {}
    for item in sorted(model.resources.values(), key=lambda item: item.id):
        found[item.id] = attribute(item.name, item.id, found.values())
    return found


def source(model: ObjectModel) -> str:
    """The module for the device."""
    resources = sorted(model.resources.values(), key=lambda item: item.id)
    attributes = names(model)
    flags = {item.id: _flags(item) for item in resources}
    used = {name for item in flags.values() for name in item}
    methods = [item for item in resources if item.operations == "E"]
    checks = [line for item in resources for line in _check(item)]
    constants = [f"{name} = const({n})" for name, n in _TYPES.values() if name in used]
    constants += [f"{name} = const({text})" for name, text in _FLAGS.items() if name in used]
    if methods:
        constants += ["", "_NOT_IMPLEMENTED = const(0xA1)"]
    base = "Lwm2mError, Object" if methods or checks else "Object"
    head = f"{_plain(model.name) or class_name(model)} (object {model.id}, {model.version_text})"
    lines = [
        *_docstring(f"{head}. Change it as you like: this is a start.", ""),
        "",
        *(["from micropython import const", ""] if constants else []),
        f"from lwm2m.objects.base import {base}",
        "",
        *constants,
        *([""] if constants else []),
        "",
        f"class {class_name(model)}(Object):",
        *_docstring(_plain(model.description) or f"{head}.", "    "),
        "",
        f"    OID = {model.id}",
    ]
    if model.version != (1, 0):
        lines.append(f'    VERSION = "{model.version_text}"')
    lines += ["    # fmt: off", "    RESOURCES = ("]
    lines += [_row(item, flags[item.id], attributes[item.id]) for item in resources]
    lines += ["    )", "    # fmt: on"]
    if not model.multiple:
        lines.append("    iid = 0")
    for item in resources:
        if item.mandatory and item.readable:
            lines.append(f"    {attributes[item.id]} = {_default(item)}")
    if checks:
        lines += ["", "    def check(self, rid, value):", *checks]
    for item in methods:
        lines += ["", f"    def {attributes[item.id]}(self, args=None):"]
        lines += _docstring(_plain(item.description) or _plain(item.name) or "?", "        ")
        lines.append("        raise Lwm2mError(_NOT_IMPLEMENTED)")
    return "\n".join(lines) + "\n"


def _flags(item: ResourceModel) -> list[str]:
    kind = _TYPES.get(item.type)
    # An executable has no type; a definition may also combine operations as the firmware cannot.
    operations = item.operations
    if operations not in _OPERATIONS:
        operations = operations.replace("E", "")
    found = [] if kind is None or operations == "E" else [kind[0]]
    if operations:
        found.append(_OPERATIONS[operations])
    if item.multiple and operations != "E":
        found.append("_MULTI")
    return found + (["_MANDATORY"] if item.mandatory else [])


def is_untyped(item: ResourceModel) -> bool:
    """True for a resource with values, and without a type: the device has an integer there."""
    return item.type is DataType.NONE and (item.readable or item.writable)


def _row(item: ResourceModel, flags: list[str], name: str) -> str:
    row = f'        {item.id}, {" | ".join(flags) or 0}, "{name}",'
    about = ", ".join(_plain(text) for text in (item.units, item.range) if _plain(text))
    if is_untyped(item):
        about = "the definition tells no type: add one, as in _STR"
    comment = f"  # {about}"
    return row + comment if about and len(row + comment) <= WIDTH else row


def _default(item: ResourceModel) -> str:
    text = _DEFAULTS[item.type]
    allowed = parse_range(item.range, item.type)
    if allowed and allowed.words:
        text = _quoted(allowed.words[0])
    elif allowed and item.type in (DataType.INTEGER, DataType.UNSIGNED, DataType.FLOAT):
        zero: float = 0.0 if item.type is DataType.FLOAT else 0
        if allowed.problem(zero):
            text = _number(allowed.spans[0][0], item.type)
    return f"({text},)" if item.multiple else text


def _number(value: float, kind: DataType) -> str:
    return repr(float(value)) if kind is DataType.FLOAT else str(int(value))


def _check(item: ResourceModel) -> list[str]:
    """Lines that hold a written number to its range."""
    kinds = (DataType.INTEGER, DataType.UNSIGNED, DataType.FLOAT)
    if not item.writable or item.multiple or item.type not in kinds:
        return []
    allowed: Range | None = parse_range(item.range, item.type)
    if allowed is None:
        return []
    singles = [low for low, high in allowed.spans if low == high]
    tests = [
        f"{_number(low, item.type)} <= value <= {_number(high, item.type)}"
        for low, high in allowed.spans
        if low != high
    ]
    if singles:
        told = ", ".join(_number(number, item.type) for number in singles)
        tests.append(f"value in ({told},)" if len(singles) == 1 else f"value in ({told})")
    if len(tests) == 1 and singles:
        refused = tests[0].replace("value in", "value not in", 1)
    else:
        refused = f"not {tests[0]}" if len(tests) == 1 else f"not ({' or '.join(tests)})"
    line = f"        if rid == {item.id} and {refused}:"
    return [line, "            raise Lwm2mError()"] if len(line) <= WIDTH else []


def _plain(text: str) -> str:
    """Text that can stand in a docstring or a comment."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.replace("\\", "/").replace('"', "'").split())


def _quoted(text: str) -> str:
    return '"' + _plain(text) + '"'


def _docstring(text: str, indent: str) -> list[str]:
    if len(text) > 400:
        text = text[:400].rpartition(" ")[0] + " ..."
    lines = textwrap.wrap(text, WIDTH - len(indent) - 6, break_on_hyphens=False)
    lines[0] = '"""' + lines[0]
    lines[-1] += '"""'
    return [indent + line for line in lines]
