"""C of the package is made for versions of MicroPython that are known, and for nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from lwm2m_host.board.errors import BuildError
from lwm2m_host.board.rom import source
from lwm2m_host.board.rom.values import (
    NotConstant,
    Values,
    evaluate,
    hash_of,
    literal,
    stored_hash,
)


def tree_of(folder: Path, version: str) -> Path:
    """A folder that says that it is the source of this version."""
    major, minor, micro = version.split(".")
    (folder / "py").mkdir(parents=True)
    (folder / "py" / "mpconfig.h").write_text(
        f"#define MICROPY_VERSION_MAJOR {major}\n#define MICROPY_VERSION_MINOR {minor}\n"
        f"#define MICROPY_VERSION_MICRO {micro}\n"
    )
    return folder


@pytest.mark.parametrize("version", ["1.25.0", "1.26.1"])
def test_known_versions_are_taken(version: str, tmp_path: Path) -> None:
    assert source.check_version(tree_of(tmp_path, version)) == tuple(map(int, version.split(".")))


@pytest.mark.parametrize("version", ["1.24.1", "1.25.1", "1.27.0"])
def test_other_versions_are_refused_in_one_line(version: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=rf"MicroPython {version} in .*: .* 1.25.0, 1.26.1") as e:
        source.check_version(tree_of(tmp_path, version))
    assert "\n" not in str(e.value)


def test_folder_that_is_no_source_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no sources of MicroPython"):
        source.check_version(tmp_path)


def test_expressions_are_evaluated_with_floats_of_either_size() -> None:
    def value(text: str, *, single: bool) -> object:
        return evaluate(ast.parse(text, mode="eval").body, single=single)

    assert value("1.0 + 1e-9 != 1.0", single=False) is True
    assert value("1.0 + 1e-9 != 1.0", single=True) is False
    assert value("(1, 'a', 2 << 3)", single=True) == (1, "a", 16)
    with pytest.raises(NotConstant):
        value("unknown + 1", single=False)
    with pytest.raises(NotConstant):
        value("open('x')", single=False)


def test_hashes_are_those_that_micropython_has() -> None:
    assert stored_hash(b"Client", 2) & 0xFF == stored_hash(b"Client", 1)
    assert hash_of(b"") == 5381
    assert hash_of(b"a") == 5381 * 33 ^ 97
    assert 0 not in {stored_hash(bytes([a, b]), 1) for a in range(256) for b in range(256)}


def test_tables_find_every_name_from_its_hash() -> None:
    values = Values(lambda text: text)
    entries = {f"name_{n}": f"MP_ROM_INT({n})" for n in range(50)}
    values.dictionary("table", entries)
    for width, text in zip((1, 2), values.lines, strict=False):
        assert f"MICROPY_QSTR_BYTES_IN_HASH == {width}" in text
        rows = [row for row in text.splitlines() if row.startswith("    {")]
        for name in entries:
            place = stored_hash(name.encode(), width) % len(rows)
            while f"MP_QSTR_{name})" not in rows[place]:
                assert "{ 0, 0 }" not in rows[place]
                place = (place + 1) % len(rows)


def test_strings_that_a_build_cannot_have_as_names_are_kept_in_constants() -> None:
    text = "x = 'a\\0b'\ny = ('plain', '\"')\nz = 'longer than ten \"'\nw = 'ä'\n"
    found = source.without_odd_names(text)
    assert found.splitlines()[0] == "x = ('a\\0b',)[0]"
    assert found.splitlines()[1] == "y = ('plain', ('\"',)[0])"
    assert found.splitlines()[2:] == ["z = 'longer than ten \"'", "w = ('ä',)[0]"]
    before, after = {}, {}  # type: ignore[var-annotated]
    exec(text, before)
    exec(found, after)
    assert [before[n] for n in "xyzw"] == [after[n] for n in "xyzw"]
    assert literal(b'"\\\n') == '"\\042\\134\\012"'


def test_classes_that_are_asked_for_are_found() -> None:
    core = (
        "class A:\n pass\nclass B:\n def f(self):\n  super().f()\n"
        "def g(x):\n try:\n  return isinstance(x, (A, C))\n except (D, E):\n  pass\n"
        "class F(G):\n pass\n"
    )
    other = "from core import H\nclass I(H):\n pass\n"
    assert source.asked_for([core, other]) == {"A", "B", "C", "D", "E", "H"}


def test_dictionary_that_is_constant_is_fixed_and_keeps_its_order() -> None:
    values = Values(lambda text: text)
    assert values.constant({"b": 1, "a": (2, None)}) == "MP_ROM_PTR(&rom_3)"
    table, text = values.lines[-2:]
    assert table.index("MP_QSTR_b") < table.index("MP_QSTR_a")
    assert ".is_fixed = 1, .is_ordered = 1, .used = 2" in text
    assert ".all_keys_are_qstrs = 1" in text
    values.constant({1: "x"})
    assert ".all_keys_are_qstrs = 0" in values.lines[-1]
    with pytest.raises(NotConstant):
        values.constant({"a": [1]})
