"""`make rom`: C of the package for a firmware of one's own, into build/rom/VERSION.

    python -m lwm2m_host.board.rom --micropython TREE [--out DIR] [--tests]

TREE is the source tree of MicroPython that the firmware is built of. DIR/modules is what its build
takes as USER_C_MODULES (with CMake: DIR/modules/micropython.cmake), and DIR/lwm2m the modules that
are not in the ROM, to freeze (DIR/manifest.py) or to copy.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ...checkout import find_root
from ...errors import Lwm2mError
from .. import building as compiling
from ..errors import BuildError
from ..pack import __main__ as pack_command
from ..pack import building
from ..pack import names as naming
from ..pack.packing import Packed, pack
from . import source
from .source import NAME, Tools, Writer


@dataclass(frozen=True)
class Made:
    """packed: what is in ROM and beside it. classes, globals: how many."""

    packed: Packed
    classes: int
    globals: int


_FILE = f"{NAME}_rom.py"


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lwm2m_host.board.rom")
    parser.add_argument("--micropython", type=Path, required=True, help="its source tree")
    parser.add_argument("--out", type=Path, help="build/rom/VERSION")
    parser.add_argument("--tests", action="store_true", help="tests/firmware in terms of it")
    given = parser.parse_args(arguments)
    try:
        root = find_root()
        version = ".".join(map(str, source.check_version(given.micropython)))
        out = (given.out or root / "build" / "rom" / version).resolve()
        made = make(root, given.micropython, out, replaceable=given.tests)
    except Lwm2mError as error:
        print(error, file=sys.stderr)
        return 1
    if given.tests:
        pack_command.write_tests(made.packed, root, out / "tests")
    print(f"{out}: build {made.packed.id}, {made.globals} names, {made.classes} of them classes")
    return 0


def make(root: Path, tree: Path, out: Path, *, replaceable: bool = False) -> Made:
    """Write the C and what goes with it. replaceable: see Writer. Raises BuildError."""
    version = source.check_version(tree)
    firmware = root / "firmware"
    packed = pack(firmware, whole=True, rename=False)
    core = f"_{NAME}"
    text = source.without_odd_names(packed.files[core])
    called = packed.called[core]
    origins = packed.map["files"][called]

    def refuse(line: int, reason: str) -> NoReturn:
        origin = origins[line - 1] if 0 < line <= len(origins) else None
        place = f"{origin[0]}:{origin[1]}" if origin else called
        raise BuildError(f"{place}: {reason}")

    modules = out / "modules" / NAME
    modules.mkdir(parents=True, exist_ok=True)
    mpy = _compiled(text, out)
    tools = Tools(tree)
    frozen, name = tools.freeze(mpy)
    # In tracebacks it has the name of its build.
    frozen = frozen.replace(f"MP_QSTR_{tools.escape(_FILE)}", f"MP_QSTR_{tools.escape(called)}")
    strings = {
        tools.escape(string): string for string in {*_strings(text), called, *packed.aliases}
    }
    frozen = source.without_odd_constants(frozen, strings)
    others = [text for path, text in packed.files.items() if path != core]
    in_ram = naming.derivable(firmware) | source.asked_for([text, *others])
    writer = Writer(ast.parse(text), frozen, name, tools, in_ram, refuse, replaceable=replaceable)
    aliases = {name: name in packed.of for name in packed.aliases}
    code = writer.write(aliases, packed.id)
    number = f"MICROPY_MAKE_VERSION({', '.join(map(str, version))})"
    code = f"#define ROM_VERSION {number}\n{code}"
    lines = [f"Q({string})" for string in source.names_to_declare(code, strings)]
    _write(modules / "qstrdefs.h", "// Names that are no identifiers\n" + "\n".join(lines) + "\n")
    _write(modules / f"{NAME}.c", code)
    _write(modules / "micropython.mk", _MAKE)
    _write(modules / "micropython.cmake", _CMAKE)
    _write(
        modules.parent / "micropython.cmake",
        f"include(${{CMAKE_CURRENT_LIST_DIR}}/{NAME}/micropython.cmake)\n",
    )
    _others(packed, core, out)
    building.keep_map(packed, root)
    _write(out / "manifest.py", _MANIFEST)
    return Made(packed, len(writer.classes), len(writer.globals))


def _compiled(text: str, out: Path) -> Path:
    python = out / _FILE
    _write(python, text)
    mpy = out / "rom.mpy"
    done = compiling.mpy_cross(building.OPTIMISATION, "-s", _FILE, "-o", str(mpy), str(python))
    if done.returncode:
        raise BuildError(compiling.reason(done))
    python.unlink()
    return mpy


def _strings(text: str) -> set[str]:
    """Every string in a source, which may be a name, and the modules that it imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _others(packed: Packed, core: str, out: Path) -> None:
    """Write what is not in the ROM: the package, which asks for the ROM of its own build, its
    other modules, and what stands in for those that are in the ROM under no name of their own."""
    shutil.rmtree(out / NAME, ignore_errors=True)
    texts = {path: text for path, text in packed.files.items() if path != core}
    texts |= dict(packed.stands_in.values())
    texts[f"{NAME}/__init__"] = (
        f"from _{NAME} import find as __getattr__, of_build\n"
        f"of_build('{packed.id}')\ndel of_build\n"
    )
    for path, text in texts.items():
        _write(out / f"{path}.py", text)


def _write(path: Path, text: str) -> None:
    """Write a file, which keeps its age when nothing has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


_MAKE = f"""# The LwM2M client as a user C module of MicroPython
{NAME.upper()}_DIR := $(USERMOD_DIR)
SRC_USERMOD_C += $({NAME.upper()}_DIR)/{NAME}.c
QSTR_DEFS += $({NAME.upper()}_DIR)/qstrdefs.h
"""

_CMAKE = f"""# The LwM2M client as a user C module of MicroPython
add_library(usermod_{NAME} INTERFACE)
target_sources(usermod_{NAME} INTERFACE ${{CMAKE_CURRENT_LIST_DIR}}/{NAME}.c)
target_link_libraries(usermod INTERFACE usermod_{NAME})
# Ports set MICROPY_QSTRDEFS_PORT after they have included this: added then, and before what the
# scanner of names finds in C, as the first to say what a name is decides it.
set({NAME.upper()}_QSTRDEFS ${{CMAKE_CURRENT_LIST_DIR}}/qstrdefs.h)
list(APPEND MICROPY_QSTRDEFS_PORT ${{{NAME.upper()}_QSTRDEFS}})
macro({NAME}_qstrdefs variable access)
    if("${{access}}" STREQUAL "MODIFIED_ACCESS" AND
            NOT "${{{NAME.upper()}_QSTRDEFS}}" IN_LIST MICROPY_QSTRDEFS_PORT)
        list(APPEND MICROPY_QSTRDEFS_PORT ${{{NAME.upper()}_QSTRDEFS}})
    endif()
endmacro()
variable_watch(MICROPY_QSTRDEFS_PORT {NAME}_qstrdefs)
"""

_MANIFEST = """# Freezes the modules that are not in the ROM: in the manifest of a board,
#     include("path/to/build/rom/manifest.py")
package("lwm2m", opt=2)
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
