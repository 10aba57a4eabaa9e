"""Collects tests/firmware/test_*.py and runs them inside MicroPython, at 64 and at 32 bits.

CPython never imports these files. Every `def test_*` or `async def test_*` of a file becomes one
item per width, `test_short[32]`; the selected items of one file and width share one interpreter.
Comments at the very top of a file direct it:

    # heapsize: 64k     of the interpreter, at 32 bits; doubled at 64 (default 1m)
    # widths: 32        only these
    # timeout: 600      seconds that one test may take (default 300): far more than it does, for
                        a machine that is slow or busy
    # slow              deselected unless asked for with -m slow
    # matrix            also run by the other versions of MicroPython, `test_short[forky-32]`
    # replaces time     it replaces what modules of the package import, such as `time`: with the
                        package in ROM, where that cannot be, a copy of its globals is in RAM

MP_MATRIX=all in the environment runs every file by every version (`make test-matrix`).
MP_SOURCE in the environment takes another form of the firmware than the source: "mpy", compiled
(build/mpy), "packed" (build/packed, with these tests in terms of it in build/packed/tests), or
"rom" (build/rom/VERSION the same, in an interpreter of its own, build/unix/rom-VERSION, of
MicroPython MP_ROM=VERSION; NOT_IN_ROM lists the tests that cannot pass there).
MP_WIDTHS=32 takes one width only, for files that name none.
"""

from __future__ import annotations

import ast
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("runner.py")
INTERPRETERS = ROOT / "build" / "micropython"
# MicroPython with the package in ROM is built for this machine only, which is of 64 bits.
ROM_VERSION = os.environ.get("MP_ROM") or "1.25.0"
ROM_PROGRAM = ROOT / "build" / "unix" / f"rom-{ROM_VERSION}" / "micropython"
SEPARATOR = "\x1e"

# Versions of MicroPython beside the project's own: each is a folder of INTERPRETERS that an option
# of boards/UNIX/fetch.sh fills, with the widths that there are.
FURTHER = {"forky": ("--suite forky", (64, 32)), "pypi": ("--pypi", (64,))}

# Tests that cannot pass with the package in ROM -> why
_CLASS = "sets an attribute of a class, which is AttributeError in ROM (test_deriving.py)"
NOT_IN_ROM = {
    "test_nothing_escapes_and_nothing_leaks_with_datagrams_of_128_bytes": (
        "a table grows after the warm-up: 96 bytes, once, however many datagrams follow"
    ),
    "test_more_than_the_limit_is_a_plain_read": _CLASS,
}

_DIRECTIVE = re.compile(r"#\s*(heapsize|widths|timeout|slow|matrix|replaces)\b:?\s*(.*)")
_HEAPSIZE = re.compile(r"(\d+)([km]?)")


@dataclass
class Outcome:
    """How one test ended: `verdict` is PASS, SKIP or FAIL, `text` the reason or traceback."""

    verdict: str
    text: str = ""
    output: str = ""
    took_s: float = 0.0


Outcomes = dict[str, Outcome]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector:
    return FirmwareFile.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let --durations show what a test took, not that the first one waited for them all."""
    report = yield
    if isinstance(item, FirmwareItem) and call.when == "call":
        report.duration = item.took_s
    return report


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
        self.timeout_s = 300.0
        if chosen := os.environ.get("MP_WIDTHS"):
            self.widths = tuple(int(width) for width in chosen.split(","))
        self.matrix = os.environ.get("MP_MATRIX") == "all"
        self.replaces = False
        self._obey(source)
        self.runs: dict[tuple[str, int], Outcomes] = {}
        tests = {
            node.name: node.lineno
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
        }
        in_rom = os.environ.get("MP_SOURCE") == "rom"
        for version in ("", *FURTHER) if self.matrix and not in_rom else ("",):
            there_are = FURTHER[version][1] if version else (64,) if in_rom else self.widths
            for width in (width for width in self.widths if width in there_are):
                case = f"{version}-{width}" if version else str(width)
                for test, line in tests.items():
                    yield FirmwareItem.from_parent(
                        self,
                        name=f"{test}[{case}]",
                        test=test,
                        version=version,
                        width=width,
                        line=line,
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
                elif key == "matrix":
                    self.matrix = True
                elif key == "replaces":
                    self.replaces = True
                else:
                    self.add_marker(pytest.mark.slow)
            except ValueError:
                raise self.CollectError(f"{self.path.name}: cannot obey {line!r}") from None

    def outcome(self, test: str, version: str, width: int) -> Outcome:
        """How `test` ended, running everything selected of this file if that was not done yet."""
        if (version, width) not in self.runs:
            selected = [
                item.test
                for item in self.session.items
                if isinstance(item, FirmwareItem)
                and item.parent is self
                and (item.version, item.width) == (version, width)
            ]
            program = INTERPRETERS / version / f"mp{width}"
            if os.environ.get("MP_SOURCE") == "rom":
                program = ROM_PROGRAM
            self.runs[version, width] = run_tests(
                self.path, program, width, selected, self.heapsize, self.timeout_s, self.replaces
            )
        return self.runs[version, width][test]


class FirmwareItem(pytest.Item):
    """One test by one version of MicroPython at one width."""

    parent: FirmwareFile

    def __init__(
        self, *, test: str, version: str, width: int, line: int, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.test = test
        self.version = version
        self.width = width
        self.line = line
        self.took_s = 0.0

    def runtest(self) -> None:
        if os.environ.get("MP_SOURCE") == "rom" and self.test in NOT_IN_ROM:
            pytest.skip(f"in ROM: {NOT_IN_ROM[self.test]}")
        folder = INTERPRETERS / self.version
        missing = folder / f"mp{self.width}.missing"
        if missing.exists():
            reason = missing.read_text().strip()
        elif self.version and not folder.exists():
            reason = f"run boards/UNIX/fetch.sh {FURTHER[self.version][0]}"
        else:
            reason = ""
        if reason:
            what = f"MicroPython {self.version}" if self.version else "MicroPython"
            pytest.skip(f"no {what} at {self.width} bits: {reason}")
        outcome = self.parent.outcome(self.test, self.version, self.width)
        self.took_s = outcome.took_s
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


def form_of_firmware() -> tuple[Path, Path]:
    """The folder of the package, and that of the tests for it."""
    form = os.environ.get("MP_SOURCE") or "py"
    folders = {"py": "firmware", "mpy": "build/mpy", "packed": "build/packed"}
    folders["rom"] = f"build/rom/{ROM_VERSION}"
    if form not in folders:
        raise pytest.UsageError(f"MP_SOURCE is one of {', '.join(folders)}, not {form}")
    folder = Path(folders[form])  # what __file__ begins with
    return folder, ROOT / folder / "tests" if form in ("packed", "rom") else RUNNER.parent


def run_tests(
    path: Path, program: Path, width: int, tests: list[str], heapsize: str, timeout_s: float,
    replaces: bool = False,
) -> Outcomes:  # fmt: skip
    """Run `tests` of one file in one interpreter, `program`. replaces: see the directive."""
    if not program.exists():
        target = "test MP_SOURCE=rom" if program == ROM_PROGRAM else "setup"
        reason = f"{program} is missing: run make {target}"
        return {test: Outcome("FAIL", reason) for test in tests}
    source, programs = form_of_firmware()
    begin_s = time.monotonic()
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="test-", dir=ROOT / "build") as folder:
        process = subprocess.Popen(
            [
                *(program, "-X", scaled_heap(heapsize, width)),
                *(programs / RUNNER.name, programs / path.name, *tests),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "MICROPYPATH": f"{source}:{programs}:tests:.frozen",
                "TEST_FOLDER": str(Path(folder).relative_to(ROOT)),
                **({"LWM2M_REPLACEABLE": "1"} if replaces else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            raw, times_s, hung = read_records(process, timeout_s)
        except BaseException:  # Ctrl-C: the interpreter has a session of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
    end = ""
    if hung:
        end = f"hung: MicroPython was stopped after {timeout_s:g} s"
    elif process.returncode < 0:
        end = f"MicroPython crashed: {signal.Signals(-process.returncode).name}"
    elif process.returncode > 0:
        end = f"MicroPython ended with exit code {process.returncode}"
    took_s = [now - before for before, now in pairwise([begin_s, *times_s])]
    return parse_records(raw.decode(errors="replace"), tests, end, took_s)


def read_records(
    process: subprocess.Popen[bytes], timeout_s: float
) -> tuple[bytes, list[float], bool]:
    """All that it prints until it ends, when each record came, and whether the next one did not
    come in time, so that the process was killed."""
    assert process.stdout is not None
    raw = bytearray()
    last_s = time.monotonic()
    times_s: list[float] = []
    while True:
        left_s = last_s + timeout_s - time.monotonic()
        if left_s <= 0 or not select.select([process.stdout], [], [], left_s)[0]:
            os.killpg(process.pid, signal.SIGKILL)
            rest, _ = process.communicate()
            return bytes(raw + rest), times_s, True
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            process.communicate()
            return bytes(raw), times_s, False
        raw += data
        if records := data.count(SEPARATOR.encode()):
            last_s = time.monotonic()
            times_s += [last_s] * records


def parse_records(text: str, tests: list[str], end: str, took_s: list[float]) -> Outcomes:
    """What runner.py has written; `end` says why the interpreter ended before its time, if so.
    `took_s` has one item for each record: the seconds since the one before."""
    prologue, *records = text.split(SEPARATOR)
    outcomes: Outcomes = {}
    running, output = "", ""
    start_s = 0.0
    took_s += [0.0] * len(records)  # those that were found after a hang
    for record, passed_s in zip(records, took_s, strict=False):
        header, _, rest = record.partition("\n")
        verdict, _, name = header.partition(" ")
        name, _, reason = name.partition(" ")
        if verdict == "START":
            running, output, start_s = name, rest, passed_s
            continue
        text = rest if verdict == "FAIL" else reason
        outcome = Outcome(verdict, text, output, start_s + passed_s)
        if name == "ALL":
            return {test: outcome for test in tests}
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
