"""What mip installs is up to date, whole, and of one version."""

from __future__ import annotations

import json
import tomllib
from collections import Counter

import pytest
from lwm2m_host import __version__
from lwm2m_host.board import mip
from lwm2m_host.board.modules import package_modules
from lwm2m_host.checkout import find_root

ROOT = find_root()
FIRMWARE = ROOT / "firmware"


def test_the_files_are_up_to_date() -> None:
    assert mip.stale(FIRMWARE) == [], "python -m lwm2m_host.board.mip --plain writes them"
    assert mip.main(["--check"]) == 0


def test_every_module_is_in_exactly_one_package() -> None:
    modules = {
        path.relative_to(FIRMWARE).as_posix() for path in package_modules(FIRMWARE).values()
    }
    counted = Counter(path for paths in mip.bundles(FIRMWARE).values() for path in paths)
    assert set(counted) == modules
    assert set(counted.values()) == {1}


def test_a_package_is_what_mip_expects() -> None:
    for text in mip.render(FIRMWARE).values():
        data = json.loads(text)
        assert set(data) == {"urls", "version"}
        for target, source in data["urls"]:
            assert target == source
            assert (FIRMWARE / source).is_file()
            assert ".." not in source


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert mip.version(FIRMWARE) == project["version"] == __version__


def test_the_core_has_what_the_example_needs() -> None:
    core = mip.bundles(FIRMWARE)["package.json"]
    assert {"lwm2m/__init__.py", "lwm2m/client.py", "lwm2m/config.py"} <= set(core)
    assert "lwm2m/testing/loopback.py" not in core


def test_what_is_not_up_to_date_is_told(capsys: pytest.CaptureFixture[str], tmp_path) -> None:  # type: ignore[no-untyped-def]
    import shutil

    shutil.copytree(FIRMWARE, tmp_path / "firmware")
    copy = tmp_path / "firmware"
    (copy / "package.json").write_text("{}")
    (copy / "package-old.json").write_text("{}")
    (copy / "lwm2m" / "objects" / "new.py").write_text("")
    assert mip.stale(copy) == ["package-objects.json", "package-old.json", "package.json"]
    assert mip.write(copy) == ["package-objects.json", "package-old.json", "package.json"]
    assert mip.stale(copy) == []
    assert not (copy / "package-old.json").exists()
    assert mip.main(["--nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
