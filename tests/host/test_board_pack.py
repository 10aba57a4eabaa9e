"""Packed code does what the sources do, keeps what applications use, and can be traced back."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.board.building import mpy_cross
from lwm2m_host.board.errors import BuildError
from lwm2m_host.board.modules import package_modules
from lwm2m_host.board.pack import building, fitting, packing
from lwm2m_host.board.pack.__main__ import translation_of
from lwm2m_host.board.pack.packing import Packed, pack
from lwm2m_host.board.pack.traceback import Decoder
from lwm2m_host.checkout import find_micropython, find_root

ROOT = find_root()
FIRMWARE = ROOT / "firmware"

PACKAGE = {
    "__init__": "__version__ = '1'\n",
    "codes": "from micropython import const\nFOUND = const(69)\n_HIDDEN = const(FOUND + 1)\n",
    "base": '''
from micropython import const
from lwm2m.codes import FOUND

_LIMIT = const(4 + 5)
_table = (1, _LIMIT, "attribute")


class Base:
    """A base with `attribute`, of which applications derive."""

    attribute = None

    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])

    def describe(self, prefix="", separator=":"):
        """What it is."""
        return prefix + separator + str(self._inner(3))

    def _inner(self, number):
        return [self.scale(i) for i in range(number) if i is not None]

    def scale(self, value):
        return value * _LIMIT + FOUND - 69


def helper(value):
    return value + 1
''',
    "rooms.derived": '''
import time
from lwm2m.base import Base, helper


class Derived(Base):
    """A class that applications use."""

    @property
    def double(self):
        """Twice as much."""
        return helper(self._double)

    @double.setter
    def double(self, value):
        self._double = 2 * value

    def scale(self, value):
        return super().scale(value) + helper(0)

    def failing(self, number):
        """Raises, in a line of its own."""
        first = number
        second = first + 1
        if second > 0:
            raise ValueError(second)

    def lazy(self):
        """Work for a module that is loaded now."""
        from lwm2m.late import helper as other, later

        def closure(value):
            return other(value) + self._double

        def by_key(pair):
            return -pair[1]

        return later(closure), sorted([(1, 2), (0, 5)], key=by_key), (lambda x: x + 1)(1)
''',
    "late": '''
from lwm2m.base import Base, _table as table


def helper(value):
    """Another function of this name."""
    return value + 100


def later(function):
    total = 0

    def add(value):
        nonlocal total
        total += value

    for i in range(3):
        add(function(i))
    return total, table, isinstance(Base(), Base)
''',
    "alone": "from lwm2m.rooms import derived\n\n\ndef make():\n    return derived.Derived()\n",
}
GROUPS = '[groups]\ncore = ["rooms.derived"]\nlate = ["late"]\n'
MAIN = """
from lwm2m.rooms.derived import Derived
from lwm2m.base import Base
from lwm2m.alone import make
from lwm2m import codes


class Own(Derived):
    count = 5

    def scale(self, value):
        return super().scale(value) + self.count


own = Own(attribute=7)
own.double = 4
print(own.attribute, own.double, own.describe(separator="="), own.lazy())
print(Base().describe("b"), make().describe(), codes.FOUND, isinstance(own, Base))
"""


def written(folder: Path, files: dict[str, str], groups: str = GROUPS, main: str = MAIN) -> Path:
    """A firmware folder with these modules of the package."""
    firmware = folder / "firmware"
    for name, text in files.items():
        path = firmware / "lwm2m" / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (firmware / "pack.toml").write_text(groups)
    (firmware / "main.py").write_text(main)
    return firmware


def installed(packed: Packed, folder: Path) -> Path:
    """A folder with all of a packed package, compiled."""
    texts = {**packed.files, **dict(packed.stands_in.values())}
    for path, file in building.compile_all(packed, texts, folder / "cache").items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return folder


def output(modules: Path, program: str, width: int = 64) -> str:
    """What a program prints that runs with the package in `modules`."""
    done = subprocess.run(
        [find_micropython(width), "-c", program],
        env={"MICROPYPATH": str(modules)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def test_packed_package_does_what_its_sources_do(tmp_path: Path) -> None:
    firmware = written(tmp_path, PACKAGE)
    expected = output(firmware, MAIN)
    assert expected.startswith("7 9 =")
    packed = pack(firmware)
    assert output(installed(packed, tmp_path / "packed"), MAIN) == expected
    plain_names = pack(firmware, rename=False, order=False)
    assert output(installed(plain_names, tmp_path / "plain"), MAIN) == expected


def test_modules_that_are_loaded_on_demand_stay_so(tmp_path: Path) -> None:
    packed = pack(written(tmp_path, PACKAGE))
    core = packed.files["lwm2m/__init__"]
    assert "class Derived" in core
    assert packed.of["lwm2m.base"] == packed.of["lwm2m.rooms.derived"] == "lwm2m/__init__"
    assert packed.of["lwm2m.late"] == "lwm2m/_late"
    assert packed.needs["lwm2m/__init__"] >= {"lwm2m/_late"}
    found = "import sys, lwm2m.rooms.derived as d\nprint('lwm2m._late' in sys.modules)\n"
    found += "o = d.Derived()\no.double = 1\no.lazy()\nprint('lwm2m._late' in sys.modules)"
    assert output(installed(packed, tmp_path / "packed"), found).split() == ["False", "True"]


def test_module_that_is_imported_as_a_whole_comes_along(tmp_path: Path) -> None:
    packed = pack(written(tmp_path, PACKAGE, '[groups]\ncore = ["alone"]\n'))
    assert packed.of["lwm2m.alone"] == packed.of["lwm2m.rooms.derived"] == "lwm2m/__init__"


def test_names_that_applications_use_stay_and_others_do_not(tmp_path: Path) -> None:
    firmware = written(tmp_path, PACKAGE)
    attributes = pack(firmware).map["attributes"]
    assert "describe" not in attributes  # main.py calls it
    assert "double" not in attributes
    assert {"_inner", "_double"} <= attributes.keys()
    assert "_inner" not in pack(firmware, used=["_inner"]).map["attributes"]
    # What an application sets on a class of its own is no name of ours.
    assert not {"count", "attribute"} & set(attributes.values())


def test_names_share_a_new_one_when_no_object_has_both(tmp_path: Path) -> None:
    text = """
class Left:
    def __init__(self):
        self.first_left = self.second_left = self.both = 1


class Right:
    def __init__(self, other):
        self.first_right = self.both = 2
        other.from_outside = 3


class Below(Right):
    def below(self):
        return self.first_right
"""
    new = pack(written(tmp_path, {**PACKAGE, "several": text})).map["attributes"]
    left = {new["first_left"], new["second_left"]}
    assert len({*left, new["both"]}) == 3
    assert {new["first_right"], new["below"]} == left
    assert list(new.values()).count(new["from_outside"]) == 1


def test_constants_take_the_place_of_their_names(tmp_path: Path) -> None:
    core = pack(written(tmp_path, PACKAGE)).files["lwm2m/__init__"]
    assert "_LIMIT" not in core
    assert "* 9 + 69 - 69" in core


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("x = 0\ndef f():\n    global x\n    x = 1\n", 3, "global"),
        ("def f(): pass\n\ndef f(): pass\n", 3, "f is bound in line 1 already"),
        ("import time\nfrom os import time\n", 2, "time is bound in line 1"),
        ("import time\n\ndef f():\n    time.sleep = None\n", 4, "time.sleep is set from outside"),
        ("if 1:\n    x = 2\n", 1, "If at the top of a module"),
        ("x = 1\nx += 1\n", 2, "AugAssign"),
        ("from lwm2m.base import *\n", 1, r"import \*"),
        ("from lwm2m.none import x\n", 1, "no module lwm2m.none"),
        ("from lwm2m.base import none\n\ny = none\n", 1, "no none in lwm2m.base"),
        ("import lwm2m.base\n", 1, "lwm2m.base is used as an object"),
        ("from lwm2m import base\n\ny = [base]\n", 3, "lwm2m.base is used as an object"),
        ("from . import base\n", 1, "relative"),
        ("class A:\n    x = 1\n    for y in ():\n        pass\n", 3, "For in class A"),
        ("from micropython import const\nX = const(len(''))\n", 2, "const"),
        ("def f(:\n", 1, ""),
    ],
)
def test_what_cannot_be_packed_is_refused_with_file_and_line(
    text: str, line: int, reason: str, tmp_path: Path
) -> None:
    firmware = written(tmp_path, {**PACKAGE, "odd": text})
    with pytest.raises(BuildError, match=rf"lwm2m/odd.py:{line}: .*{reason}"):
        pack(firmware)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ('[groups]\ncore = ["none"]\n', "core: no module lwm2m.none"),
        ('[groups]\nlate = ["late"]\n', "a table .groups. is needed, with core first"),
        ('[groups]\ncore = ["base"]\nlate = ["base"]\n', "lwm2m.base is in core already"),
        ("[groups]\ncore = 1\n", "a list of modules"),
        ("[groups", "pack.toml"),
    ],
)
def test_groups_are_checked_against_the_package(groups: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=reason):
        pack(written(tmp_path, PACKAGE, groups))


# --- tracebacks -------------------------------------------------------------------------------


@pytest.fixture
def traced(tmp_path: Path) -> tuple[Decoder, str, int]:
    """A decoder, a traceback of packed code, and the line that it was raised in."""
    firmware = written(tmp_path, PACKAGE)
    packed = pack(firmware)
    building.keep_map(packed, tmp_path)
    program = "from lwm2m.rooms.derived import Derived\nDerived().failing(1)"
    text = output(installed(packed, tmp_path / "packed"), program)
    source = PACKAGE["rooms.derived"].splitlines()
    return Decoder(tmp_path), text, source.index("        if second > 0:") + 1


def test_traceback_names_file_line_and_function_of_the_source(
    traced: tuple[Decoder, str, int],
) -> None:
    decoder, text, line = traced
    assert "failing" not in decoder.line('  File "x.py", line 1, in y')
    found = "".join(decoder.lines(text.splitlines(keepends=True)))
    place = f'File "firmware/lwm2m/rooms/derived.py", line {line}, in Derived.failing\n'
    assert place in found
    assert found.endswith("ValueError: 2\n")


def test_output_in_pieces_is_decoded_and_not_held_back(traced: tuple[Decoder, str, int]) -> None:
    decoder, text, _ = traced
    whole = "".join(Decoder(decoder._root).lines(text.splitlines(keepends=True)))
    assert "".join(decoder.text(character) for character in text) == whole
    assert decoder.text(">>> ") == ">>> "
    assert decoder.text("  12") == "  12"
    assert decoder.text("\n") == "\n"


def test_frozen_modules_are_those_of_the_build_that_was_made_to_be_frozen(tmp_path: Path) -> None:
    packed = pack(written(tmp_path, PACKAGE))
    alone = '  File "lwm2m/alone.py", line 2, in make\n'
    core = '  File "lwm2m/__init__.py", line 9, in x\n'
    assert [*Decoder(tmp_path).lines([alone, core])] == [alone, core]
    building.write_frozen(packed, packed.files, tmp_path, tmp_path / "frozen")
    assert (tmp_path / "frozen/lwm2m/alone.py").read_text() == packed.files["lwm2m/alone"]
    found = list(Decoder(tmp_path).lines([alone, core, alone, "ValueError\n", alone]))
    # On its own it may be that of a package that is frozen as it is.
    assert found[0] == found[4] == alone
    assert found[1].startswith('  File "firmware/lwm2m/')
    assert found[2] == '  File "firmware/lwm2m/alone.py", line 4, in make\n'


def test_names_in_an_error_are_those_of_the_source(tmp_path: Path) -> None:
    packed = pack(written(tmp_path, PACKAGE))
    building.keep_map(packed, tmp_path)
    program = "from lwm2m.rooms.derived import Derived\nDerived().double"
    text = output(installed(packed, tmp_path / "packed"), program)
    assert "_double" not in text
    found = "".join(Decoder(tmp_path).lines(text.splitlines(keepends=True)))
    assert "'Derived' object has no attribute '_double'" in found


def test_build_that_is_not_known_is_said(tmp_path: Path) -> None:
    line = Decoder(tmp_path).line('  File "core-0000", line 3, in x\n')
    assert line.startswith('  File "core-0000", line 3, in x  (build 0000 is not in ')
    assert line.endswith("\n")


# --- blocks of the heap -----------------------------------------------------------------------


def test_functions_are_fitted_into_blocks_and_do_the_same(packed: Packed, tmp_path: Path) -> None:
    """Compiled anew without it, the core is longer; a module that fits is left as it is."""
    text = tmp_path / "core.py"
    text.write_text(packed.files["lwm2m/__init__"])
    plain = tmp_path / "core.mpy"
    options = [building.OPTIMISATION, "-s", packed.called["lwm2m/__init__"]]
    assert mpy_cross(*options, "-o", str(plain), str(text)).returncode == 0
    long = plain.read_bytes()
    short = fitting.fit(long)
    assert len(long) - 1000 < len(short) < len(long) - 50
    assert fitting.fit(short) == short
    texts = {"lwm2m/__init__": packed.files["lwm2m/__init__"]}
    made = building.compile_all(packed, texts, tmp_path / "cache")
    assert made["lwm2m/__init__.mpy"].read_bytes() == short


def test_what_is_no_module_of_this_version_is_refused() -> None:
    with pytest.raises(BuildError, match=r"no \.mpy file of version 6"):
        fitting.fit(b"M\x05\x00\x1f")


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 5000)), min_size=1))
def test_table_of_lines_is_read_as_it_is_written(steps: list[tuple[int, int]]) -> None:
    table = b"".join(fitting._entry(*step) for step in steps)
    found = fitting._steps(table)
    at, lines, wanted = 0, 0, []
    for size, more in found:
        at, lines = at + size, lines + more
        wanted.append((at, lines))
    at = lines = 0
    for size, more in steps:
        at, lines = at + size, lines + more
        assert (at, lines) in wanted


# --- the package itself -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed() -> Packed:
    return pack(FIRMWARE)


@pytest.mark.parametrize("width", [64, 32])
def test_every_module_can_be_imported_under_its_old_name(
    packed: Packed, width: int, tmp_path: Path
) -> None:
    modules = sorted(package_modules(FIRMWARE))
    program = f"import sys\nfor name in {modules!r}:\n"
    program += "    try:\n        __import__(name)\n"
    program += "    except Exception as e:\n        print(name, repr(e))\n"
    found = output(installed(packed, tmp_path), program, width)
    # Only a board has these.
    lines = [x for x in found.splitlines() if not x.endswith("no module named 'network',)")]
    expected = output(FIRMWARE, program, width).splitlines()
    lacking = [x for x in expected if not x.endswith("no module named 'network',)")]
    assert lines == lacking


def test_public_names_of_a_module_are_there_under_its_old_name(
    packed: Packed, tmp_path: Path
) -> None:
    program = (
        "from lwm2m.client import Client\nfrom lwm2m.objects.base import Lwm2mError, Object\n"
    )
    program += "from lwm2m.objects.device import Device\nfrom lwm2m.clock import Clock\n"
    program += "import lwm2m.client\nprint(lwm2m.client.Client is Client)\n"
    program += "class Valve(Object):\n    OID = 26241\n    RESOURCES = (5850, 0x35, 'count')\n"
    program += "    count = 3\nc = Client('x')\nc.add(Valve(count=4))\n"
    program += "print(c.find(26241).count, c.find(26241).value_at(0))\n"
    program += "try:\n    Device(nonsense=1)\nexcept ValueError as e:\n    print(e)\n"
    found = output(installed(packed, tmp_path), program)
    assert found.splitlines() == ["True", "4 4", "3: no resource 'nonsense'"]


def test_packing_is_the_same_each_time_and_is_kept(packed: Packed, tmp_path: Path) -> None:
    again = packing.cached(FIRMWARE, tmp_path, ["x"], ["lwm2m.client"])
    kept = packing.cached(FIRMWARE, tmp_path, ["x"], ["lwm2m.client"])
    assert kept == again
    assert len(list(tmp_path.iterdir())) == 1
    assert pack(FIRMWARE).id == packed.id


def test_programs_in_terms_of_the_packed_package_keep_their_lines(packed: Packed) -> None:
    translation = translation_of(packed, {})
    changed = 0
    for path in sorted((ROOT / "tests" / "firmware").glob("test_p*.py")):
        text = path.read_text()
        found = translation.apply(text)
        assert found.count("\n") == text.count("\n")
        ast.parse(found)
        changed += found != text
    assert changed


def test_no_class_of_the_tests_has_two_names_that_are_one_in_the_packed_package(
    packed: Packed,
) -> None:
    """Names share a new one where no class of the package has both; a test's class may."""
    attributes = packed.map["attributes"]
    collisions = []
    for folder in ("firmware", "soak", "fuzz", ""):
        for path in (ROOT / "tests" / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    new: dict[str, str] = {}
                    for name in sorted(_names_of(node)):
                        other = new.setdefault(attributes.get(name, name), name)
                        if other != name:
                            collisions.append(f"{path.name}: {node.name}: {other}, {name}")
    assert not collisions, "rename one of each"


def _names_of(node: ast.ClassDef) -> set[str]:
    """The attributes that a class gives its objects."""
    found = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(ast.Name("self"), name):
                found.add(name)
    return found
