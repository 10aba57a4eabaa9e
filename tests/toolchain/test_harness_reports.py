"""The harness tells the truth: what goes wrong inside MicroPython is reported, test by test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = [w for w in (64, 32) if (ROOT / f"build/micropython/mp{w}").exists()]


class Harness:
    """A checkout of its own, with the real harness and interpreters and the test files given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tests = root / "tests" / "firmware"
        self.tests.mkdir(parents=True)
        for name in ("conftest.py", "runner.py", "testing.py"):
            shutil.copy(ROOT / "tests" / "firmware" / name, self.tests)
        (root / "build").mkdir()
        (root / "build" / "micropython").symlink_to(ROOT / "build" / "micropython")
        (root / "firmware").mkdir()
        (root / "pytest.ini").write_text(
            "[pytest]\naddopts = -rA -p no:cacheprovider\nmarkers = slow: x\n"
        )

    def run(self, source: str, *arguments: str, **environment: str) -> str:
        (self.tests / "test_it.py").write_text(source)
        process = subprocess.run(
            [sys.executable, "-m", "pytest", *(arguments or ["tests/firmware"])],
            cwd=self.root,
            env={
                **os.environ,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "MP_SOURCE": "",
                "MP_MATRIX": "",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        return process.stdout + process.stderr


@pytest.fixture
def harness(tmp_path):
    return Harness(tmp_path)


def reports(out: str, verdict: str, test: str) -> bool:
    """At every width."""
    return all(f"{verdict} tests/firmware/test_it.py::{test}[{width}]" in out for width in WIDTHS)


def test_failure_is_reported_by_name_and_the_others_pass(harness):
    out = harness.run(
        "def test_good(): pass\n"
        "def test_bad():\n    print('on the way')\n    assert 1 == 2, 'no luck'\n"
        "def test_good_too(): pass\n"
    )
    assert reports(out, "PASSED", "test_good")
    assert reports(out, "PASSED", "test_good_too")
    assert reports(out, "FAILED", "test_bad")
    assert "line 4, in test_bad" in out
    assert "no luck" in out
    assert "on the way" in out


def test_failing_async_test_is_a_failure(harness):
    out = harness.run("async def test_bad():\n    raise ValueError('late')\n")
    assert reports(out, "FAILED", "test_bad")
    assert "ValueError: late" in out


def test_crash_fails_the_running_test_and_all_that_did_not_run(harness):
    out = harness.run(
        "import ffi\n"
        "def test_good(): pass\n"
        "def test_crash():\n"
        "    print('about to')\n"
        "    ffi.open(None).func('v', 'abort', '')()\n"
        "def test_after(): pass\n"
    )
    assert reports(out, "PASSED", "test_good")
    assert reports(out, "FAILED", "test_crash")
    assert reports(out, "FAILED", "test_after")
    assert "MicroPython crashed: SIGABRT" in out
    assert "about to" in out
    assert "not run: MicroPython crashed: SIGABRT in test_crash" in out


def test_interpreter_that_just_ends_fails_the_rest(harness):
    out = harness.run(
        "import ffi\n"
        "def test_end(): ffi.open(None).func('v', '_exit', 'i')(0)\n"
        "def test_after(): pass\n"
    )
    assert reports(out, "FAILED", "test_end")
    assert reports(out, "FAILED", "test_after")
    assert "passed" not in out


def test_exit_from_a_test_is_a_failure(harness):
    out = harness.run("import sys\ndef test_exit(): sys.exit(0)\ndef test_after(): pass\n")
    assert reports(out, "FAILED", "test_exit")
    assert reports(out, "PASSED", "test_after")


def test_hang_is_stopped_and_reported(harness):
    out = harness.run(
        "# timeout: 0.5\ndef test_hang():\n    while True: pass\ndef test_after(): pass\n"
    )
    assert reports(out, "FAILED", "test_hang")
    assert reports(out, "FAILED", "test_after")
    assert "hung: MicroPython was stopped after 0.5 s" in out
    assert f"{2 * len(WIDTHS)} failed" in out


def test_memory_error_fails_only_the_test_that_met_it(harness):
    out = harness.run(
        "# heapsize: 64k\n"
        "def test_big():\n    bytearray(200_000)\n"
        "def test_small():\n    bytearray(1000)\n"
    )
    assert reports(out, "FAILED", "test_big")
    assert "MemoryError" in out
    assert reports(out, "PASSED", "test_small")


def test_heapsize_is_doubled_at_64_bits(harness):
    for width in WIDTHS:
        out = harness.run(
            f"# heapsize: 100k\n# widths: {width}\n"
            "import gc\n"
            "def test_heap():\n    print('heap', gc.mem_alloc() + gc.mem_free())\n"
        )
        heap = int(out.split("\nheap ")[1].split()[0])
        limit = 102_400 * width // 32
        assert 0.9 * limit < heap <= limit


def test_skip_is_a_skip_with_its_reason(harness):
    out = harness.run(
        "from testing import SkipTest\n"
        "def test_skip():\n    raise SkipTest('no such luck')\n"
        "def test_good(): pass\n"
    )
    assert "no such luck" in out
    assert f"{len(WIDTHS)} passed, {len(WIDTHS)} skipped" in out
    assert reports(out, "PASSED", "test_good")


def test_skip_at_import_skips_the_file(harness):
    out = harness.run(
        "from testing import SkipTest\nraise SkipTest('not here')\ndef test_a(): pass\n"
    )
    assert "not here" in out
    assert f"{len(WIDTHS)} skipped" in out


def test_file_that_does_not_import_fails_every_test(harness):
    out = harness.run("import no_such_module\ndef test_a(): pass\ndef test_b(): pass\n")
    assert reports(out, "FAILED", "test_a")
    assert reports(out, "FAILED", "test_b")
    assert "no module named 'no_such_module'" in out


def test_syntax_error_is_a_collection_error(harness):
    out = harness.run("def test_a(:\n")
    assert "test_it.py:1: invalid syntax" in out
    assert "1 error" in out


def test_unknown_directive_value_is_a_collection_error(harness):
    out = harness.run("# heapsize: plenty\ndef test_a(): pass\n")
    assert "cannot obey '# heapsize: plenty'" in out


def test_only_what_is_selected_runs(harness):
    width = WIDTHS[0]
    out = harness.run(
        "def test_a(): pass\ndef test_b():\n    while True: pass\n",
        f"tests/firmware/test_it.py::test_a[{width}]",
    )
    assert "1 passed" in out
    out = harness.run("def test_a(): pass\ndef test_b():\n    while True: pass\n", "-k", "test_a")
    assert f"{len(WIDTHS)} passed, {len(WIDTHS)} deselected" in out


def test_one_interpreter_serves_all_tests_of_a_file(harness):
    out = harness.run(
        "ran = []\n"
        + "".join(
            f"def test_{n}():\n    ran.append({n})\n    assert len(ran) == {n}\n"
            for n in range(1, 5)
        )
    )
    assert f"{4 * len(WIDTHS)} passed" in out


def test_slow_files_can_be_deselected(harness):
    out = harness.run("# slow\ndef test_a(): pass\n", "-m", "not slow")
    assert f"{len(WIDTHS)} deselected" in out


def test_cpython_never_imports_the_tests(harness):
    out = harness.run(
        "import sys\nassert sys.implementation.name == 'micropython'\ndef test_a(): pass\n"
    )
    assert f"{len(WIDTHS)} passed" in out


def test_firmware_comes_from_source_or_compiled(harness):
    for folder in ("firmware", "build/mpy"):
        (harness.root / folder).mkdir(exist_ok=True)
        (harness.root / folder / "probe.py").write_text(f"FOLDER = {folder!r}\n")
    source = "from probe import FOLDER\ndef test_a():\n    print('from', FOLDER)\n"
    assert "from firmware\n" in harness.run(source)
    assert "from build/mpy\n" in harness.run(source, MP_SOURCE="mpy")


def test_missing_width_is_a_skip_with_the_reason_that_setup_gave(harness):
    real = harness.root / "build" / "micropython"
    real.unlink()
    real.mkdir()
    for width in (64, 32):
        (real / f"mp{width}.missing").write_text("there is none\n")
    out = harness.run("def test_a(): pass\n")
    assert "no MicroPython at 32 bits: there is none" in out
    assert "2 skipped" in out


def test_interpreters_that_were_never_set_up_are_a_failure(harness):
    (harness.root / "build" / "micropython").unlink()
    out = harness.run("def test_a(): pass\n")
    assert "run make setup" in out
    assert "2 failed" in out


MATRIX = "# matrix\nimport sys\ndef test_a(): print('by', sys.implementation.version[:2])\n"


def test_file_of_the_matrix_is_run_by_each_version_at_the_widths_that_it_has(harness):
    out = harness.run(MATRIX)
    for width in WIDTHS:
        assert f"PASSED tests/firmware/test_it.py::test_a[{width}]" in out
    for case in ("forky-64", "forky-32", "pypi-64"):
        assert f"tests/firmware/test_it.py::test_a[{case}]" in out
    assert "test_a[pypi-32]" not in out
    assert "failed" not in out
    assert "pypi" not in harness.run("def test_a(): pass\n")
    assert "test_a[pypi-64]" in harness.run("def test_a(): pass\n", MP_MATRIX="all")


def test_version_that_is_missing_is_a_skip_that_says_what_fetches_it(harness):
    real = harness.root / "build" / "micropython"
    real.unlink()
    real.mkdir()
    (real / "pypi").mkdir()
    (real / "pypi" / "mp64.missing").write_text("no wheel\n")
    for width in WIDTHS:
        ours = ROOT / "build" / "micropython" / f"mp{width}"
        (real / f"mp{width}").write_text(f'#!/bin/sh\nexec {ours} "$@"\n')
        (real / f"mp{width}").chmod(0o755)
    out = harness.run(MATRIX)
    assert "no MicroPython forky at 32 bits: run boards/UNIX/fetch.sh --suite forky" in out
    assert "no MicroPython pypi at 64 bits: no wheel" in out
    assert f"{len(WIDTHS)} passed, 3 skipped" in out
