"""docs/conformance.md names tests that exist, and every test that bears an OMA id, or is about a
version, is in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "conformance.md"
ROW = re.compile(r"^\| (?P<ids>[^|]+) \| [^|]+ \| (?P<tests>[^|]+) \| (?P<where>[^|]+) \|")


def names_in(folder: str) -> dict[str, str]:
    """The names of all tests below a folder of tests, with the file of each."""
    return {
        node.name: file.name
        for file in sorted((ROOT / "tests" / folder).glob("test_*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def rows() -> list[tuple[str, list[str], str]]:
    """Ids, tests and place of each row that names tests."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        match = ROW.match(line)
        if match and "`test_" in match["tests"]:
            names = re.findall(r"`(\w+)`", match["tests"])
            found.append((match["ids"], names, match["where"]))
    return found


def test_every_test_in_the_table_exists_where_the_table_says() -> None:
    ours, leshan = names_in("integration"), names_in("interop")
    assert len(rows()) > 50
    for ids, names, where in rows():
        assert [name for name in names if name not in ours | leshan] == [], ids
        assert ("ours" in where) == any(name in ours for name in names), ids
        assert ("Leshan" in where) == any(name in leshan for name in names), ids


def test_every_test_that_the_document_mentions_exists() -> None:
    mentioned = set(re.findall(r"`(test_\w+)`", TABLE.read_text(encoding="utf-8")))
    folders = ("integration", "interop", "firmware", "host")
    assert mentioned - {name for folder in folders for name in names_in(folder)} == set()


def test_every_test_of_versions_is_in_the_table() -> None:
    text = TABLE.read_text(encoding="utf-8")
    device = [name for name in names_in("firmware") if name.startswith("test_version_")]
    host = [n for n, file in names_in("host").items() if file == "test_versions.py"]
    assert len(device) > 15
    assert len(host) > 5
    for name in device + host:
        assert f"`{name}`" in text, name


def test_every_test_with_an_id_is_in_the_table() -> None:
    text = TABLE.read_text(encoding="utf-8")
    for name in names_in("integration"):
        if name.startswith("test_int_"):
            assert f"`{name}`" in text, name


def test_no_id_stands_in_two_rows() -> None:
    ids = [part for row in rows() for part in row[0].split(", ") if part != "–"]
    assert sorted(ids) == sorted(set(ids))
