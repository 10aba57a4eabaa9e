"""Collects tests/firmware/test_*.py and runs them inside MicroPython, at 64 and at 32 bits.

CPython never imports these files. Every `def test_*` or `async def test_*` of a file becomes one
item per width, `test_short[32]`; the selected items of one file and width share one interpreter.
Comments at the very top of a file direct it:

    # heapsize: 64k     of the interpreter, at 32 bits; doubled at 64 (default 1m)
    # widths: 32        only these
    # timeout: 300      seconds for the whole file at one width (default 120)
    # slow              deselected unless asked for with -m slow

MP_SOURCE=mpy in the environment takes the compiled firmware (build/mpy) instead of the source.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("runner.py")
INTERPRETERS = ROOT / "build" / "micropython"
SEPARATOR = "\x1e"

_DIRECTIVE = re.compile(r"#\s*(heapsize|widths|timeout|slow)\b:?\s*(.*)")
_HEAPSIZE = re.compile(r"(\d+)([km]?)")


@dataclass
class Outcome:
    """How one test ended: `verdict` is PASS, SKIP or FAIL, `text` the reason or traceback."""

    verdict: str
    text: str = ""
    output: str = ""


Outcomes = dict[str, Outcome]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector:
    return FirmwareFile.from_parent(parent, path=module_path)


class FirmwareFile(pytest.File):
    """One test file, read but not imported."""

    def collect(self) -> Iterator[FirmwareItem]:
        source = self.path.read_text(encoding="utf-8")
        try:
            tree = ast.parse(source, self.path)
        except SyntaxError as error:
            raise self.CollectError(f"{self.path.name}:{error.lineno}: {error.msg}") from None
        self.widths = (64, 32)
        self.heapsize = "1m"
        self.timeout_s = 120.0
        self._obey(source)
        self.runs: dict[int, Outcomes] = {}
        tests = {
            node.name: node.lineno
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
        }
        for width in self.widths:
            for name, line in tests.items():
                yield FirmwareItem.from_parent(
                    self, name=f"{name}[{width}]", test=name, width=width, line=line
                )

    def _obey(self, source: str) -> None:
        for line in source.splitlines():
            if not line.startswith("#"):
                break
            match = _DIRECTIVE.fullmatch(line.strip())
            if not match:
                continue
            key, value = match.groups()
            try:
                if key == "heapsize":
                    scaled_heap(value, 32)
                    self.heapsize = value
                elif key == "widths":
                    self.widths = tuple(int(width) for width in value.replace(",", " ").split())
                    if not self.widths or not set(self.widths) <= {64, 32}:
                        raise ValueError
                elif key == "timeout":
                    self.timeout_s = float(value)
                else:
                    self.add_marker(pytest.mark.slow)
            except ValueError:
                raise self.CollectError(f"{self.path.name}: cannot obey {line!r}") from None

    def outcome(self, test: str, width: int) -> Outcome:
        """How `test` ended, running everything selected of this file if that was not done yet."""
        if width not in self.runs:
            selected = [
                item.test
                for item in self.session.items
                if isinstance(item, FirmwareItem) and item.parent is self and item.width == width
            ]
            self.runs[width] = run_tests(self.path, width, selected, self.heapsize, self.timeout_s)
        return self.runs[width][test]


class FirmwareItem(pytest.Item):
    """One test at one width."""

    parent: FirmwareFile

    def __init__(self, *, test: str, width: int, line: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.test = test
        self.width = width
        self.line = line

    def runtest(self) -> None:
        missing = INTERPRETERS / f"mp{self.width}.missing"
        if missing.exists():
            pytest.skip(f"no MicroPython at {self.width} bits: {missing.read_text().strip()}")
        outcome = self.parent.outcome(self.test, self.width)
        if outcome.output.strip():
            self.add_report_section("call", "stdout", outcome.output)
        if outcome.verdict == "SKIP":
            pytest.skip(outcome.text)
        if outcome.verdict != "PASS":
            pytest.fail(outcome.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line - 1, self.name


def scaled_heap(heapsize: str, width: int) -> str:
    """`heapsize` as micropython's -X option takes it; pointers of 64 bits need twice the room."""
    match = _HEAPSIZE.fullmatch(heapsize.strip().lower())
    if not match:
        raise ValueError(heapsize)
    return f"heapsize={int(match[1]) * (width // 32)}{match[2]}"


def run_tests(
    path: Path, width: int, tests: list[str], heapsize: str, timeout_s: float
) -> Outcomes:
    """Run `tests` of one file in one interpreter."""
    program = INTERPRETERS / f"mp{width}"
    if not program.exists():
        return {test: Outcome("FAIL", f"{program} is missing: run make setup") for test in tests}
    source = "build/mpy" if os.environ.get("MP_SOURCE") == "mpy" else "firmware"
    process = subprocess.Popen(
        [program, "-X", scaled_heap(heapsize, width), RUNNER, path, *tests],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"{source}:tests/firmware:.frozen"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    end = ""
    try:
        raw, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        end = f"hung: MicroPython was stopped after {timeout_s:g} s"
        os.killpg(process.pid, signal.SIGKILL)
        raw, _ = process.communicate()
    except BaseException:  # Ctrl-C: the interpreter has a session of its own
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if not end and process.returncode < 0:
        end = f"MicroPython crashed: {signal.Signals(-process.returncode).name}"
    elif not end and process.returncode > 0:
        end = f"MicroPython ended with exit code {process.returncode}"
    return parse_records(raw.decode(errors="replace"), tests, end)


def parse_records(text: str, tests: list[str], end: str) -> Outcomes:
    """What runner.py has written; `end` says why the interpreter ended before its time, if so."""
    prologue, *records = text.split(SEPARATOR)
    outcomes: Outcomes = {}
    running, output = "", ""
    for record in records:
        header, _, rest = record.partition("\n")
        verdict, _, name = header.partition(" ")
        name, _, reason = name.partition(" ")
        if verdict == "START":
            running, output = name, rest
            continue
        outcome = Outcome(verdict, rest if verdict == "FAIL" else reason, output)
        if name == "ALL":
            return {test: outcome for test in tests}
        if verdict != "FAIL":
            output += rest  # printed by what a test leaves behind
        outcomes[name] = outcome
        running = ""
    died_in = running
    if end and not running and not set(tests) - outcomes.keys():
        running = tests[-1]
    if running:
        outcomes[running] = Outcome("FAIL", end or "MicroPython ended in this test", output)
    for test in tests:
        if test not in outcomes:
            where = f"in {died_in}" if died_in else f"before it:\n{prologue}"
            outcomes[test] = Outcome("FAIL", f"not run: {end or 'MicroPython ended'} {where}")
    return outcomes
