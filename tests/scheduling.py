"""The units in which tests are handed to the cores of a machine, and their order.

pytest-xdist starts processes (`WORKERS` of the Makefile); each takes a unit, and the next one when
it has done that. Every process has fixtures of its own, so that tests which share one are one
unit.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]

# The first begin first: the longest must not be left over for one core at the end.
ORDER = ("tests/emulator/", "tests/integration/", "tests/firmware/", "tests/interop/")


def unit(nodeid: str) -> str:
    """The name of the unit that a test belongs to."""
    file, _, test = nodeid.partition("::")
    name, _, case = test.partition("[")
    if file.startswith("tests/firmware/"):  # one interpreter runs all tests at one width
        return f"{file}[{case}"
    if file.startswith("tests/emulator/"):  # the flash of the first test is that of the next
        return "tests/emulator"
    return file if _shares_fixtures(file) else f"{file}::{name}"


@functools.cache
def _shares_fixtures(file: str) -> bool:
    return 'scope="module"' in (ROOT / file).read_text(encoding="utf-8")


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests as the processes should take them."""

    def place(item: pytest.Item) -> int:
        places = [at for at, folder in enumerate(ORDER) if item.nodeid.startswith(folder)]
        return places[0] if places else len(ORDER)

    return sorted(items, key=place)


class UnitScheduling(LoadScopeScheduling):
    """Gives each process the next unit when it has done one."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)
