"""Tracebacks of packed code, in terms of the sources.

Each build has a number, which is in the names of its modules: ``File "core-8bd9", line 120, in
step``. Its map is in build/maps. Frozen modules have the names of their files, such as
``lwm2m/_read.py``: that they are packed is known by one that only a packed package has, and they
are of the build that was last made to be frozen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .building import frozen_build, maps

_PLACE = re.compile(r'^(\s*)File "(\w+-([0-9a-f]{4}))", line (\d+), in (\S+)')
_FROZEN = re.compile(r'^(\s*)File "(\w+/[\w/]+)\.py", line (\d+), in (\S+)')
_BEGINS = '  File "'
_LONGEST = 12  # lines of the source that are one of packed code, with comments
_MISSING = re.compile(r"'(\w+)' object has no attribute '(\w+)'")


class Decoder:
    """A reader of output that comes line by line, or in pieces.

    root: the checkout, in which the maps are.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last = ""  # number of the build that the last place was in
        self._origin = ("", 1)  # file and line of the last place
        self._held = ""  # the beginning of a line that may be one
        self._begun = False  # is a part of this line out already?

    def line(self, line: str) -> str:
        """A line of output, with the place in the source when it is one in packed code."""
        place = _PLACE.match(line)
        if place:
            indent, called, self._last, number, name = place.groups()
            return self._place(line, indent, called, int(number), name, line[place.end() :])
        frozen = _FROZEN.match(line)
        if frozen:
            return self._frozen_place(line, frozen)
        if self._last and line and not line[0].isspace():
            line = _MISSING.sub(self._names, line)
            self._last = ""
        return line

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            yield self.line(line)

    def text(self, text: str) -> str:
        """The same for output as it comes, in pieces: what may become a place in packed code is
        held back until its line is whole."""
        out = []
        for line in (self._held + text).splitlines(keepends=True):
            self._held = ""
            if line.endswith("\n"):
                out.append(line if self._begun else self.line(line))
                self._begun = False
            elif self._begun or not self._may_be_place(line):
                out.append(line)
                self._begun = True
            else:
                self._held = line
        return "".join(out)

    def _may_be_place(self, begun: str) -> bool:
        return bool(self._last) or begun.startswith(_BEGINS) or _BEGINS.startswith(begun)

    def _place(
        self, line: str, indent: str, called: str, number: int, name: str, rest: str
    ) -> str:
        table = _map(self._root, self._last)
        if table is None:
            note = f"  (build {self._last} is not in {maps(self._root)})"
            ended = "\n" if line.endswith("\n") else ""
            return line.rstrip("\n") + note + ended
        origins = table["files"].get(called, [])
        origin = origins[number - 1] if 0 < number <= len(origins) else None
        if origin is None:
            return line
        file, source_line, where = origin
        self._origin = file, source_line
        where = where or "<module>"
        if name == "<module>":
            where = name
        return f'{indent}File "{file}", line {source_line}, in {where}{rest}'

    def _frozen_place(self, line: str, place: re.Match[str]) -> str:
        indent, path, number, name = place.groups()
        build = frozen_build(self._root)
        table = _map(self._root, build) if build else None
        called = table["paths"].get(path) if table else None
        if called is None:
            return line
        last = path.rpartition("/")[2]
        if self._last != build and not (last == "__init__" or last[0] == "_"):
            return line  # it may be a module that is not packed
        self._last = build
        return self._place(line, indent, called, int(number), name, line[place.end() :])

    def _names(self, found: re.Match[str]) -> str:
        table = _map(self._root, self._last) or {"attributes": {}, "globals": {}}
        classes = {new: key.partition(":")[2] for key, new in table["globals"].items()}
        # Several share a name, as far as no object has more than one of them.
        attributes = [name for name, new in table["attributes"].items() if new == found[2]]
        there = self._source()
        likely = [name for name in attributes if re.search(rf"\.{name}\b", there)]
        cls = classes.get(found[1], found[1])
        names = " or ".join(likely or attributes or [found[2]])
        return f"'{cls}' object has no attribute '{names}'"

    def _source(self) -> str:
        """The lines of the source that the last place may mean: one line of packed code."""
        file, line = self._origin
        try:
            text = (self._root / file).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""
        return "\n".join(text.splitlines()[line - 1 : line - 1 + _LONGEST])


@cache
def _map(root: Path, number: str) -> dict[str, Any] | None:
    path = maps(root) / f"{number}.json"
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return table
