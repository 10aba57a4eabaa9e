"""The parts of the emulator's runner, each tested by node's own test runner without a chip."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("runner")


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.test.mjs")))
def test_runner(name: str):
    if shutil.which("node") is None:
        pytest.skip("node 18 or later is needed (Debian: apt install nodejs npm)")
    done = subprocess.run(
        ["node", "--test", FOLDER / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_has_no_addresses():
    lock = Path(__file__).resolve().parents[2] / "boards" / "emulator" / "package-lock.json"
    assert "resolved" not in lock.read_text(encoding="utf-8")
