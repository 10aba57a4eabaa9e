"""docs/cases.md names tests that exist, and every test that bears a case's number is in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.M)


def names_of_tests() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in TEST.findall(file.read_text(encoding="utf-8"))}


def test_every_test_that_the_table_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TABLE))
    assert len(named) > 20
    assert named - names_of_tests() == set()


def test_every_test_that_bears_a_number_is_in_the_table() -> None:
    numbered = {name for name in names_of_tests() if re.match(r"test_[sfbhml]_\d\d_", name)}
    assert {name for name in numbered if f"`{name}`" not in TABLE} == set()
