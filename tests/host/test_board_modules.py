"""What a program needs is found in its text, and compiled once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lwm2m_host.board import boards, building, modules
from lwm2m_host.board.errors import BuildError
from lwm2m_host.checkout import find_micropython, find_root

ROOT = find_root()
FIRMWARE = ROOT / "firmware"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    folder = write(
        tmp_path / "firmware",
        lwm2m__a="from lwm2m.sub import b\ndef f():\n    import lwm2m.sub.late",
        lwm2m__sub__b="",
        lwm2m__sub__late="def g():\n    from lwm2m.sub.later import x",
        lwm2m__sub__later="x = 1",
        lwm2m__unused="",
        lwm2m__named="",
    )
    (folder / "lwm2m" / "__init__.py").write_text("")
    return folder


def test_imports_inside_of_functions_are_followed(firmware: Path, tmp_path: Path) -> None:
    main = write(tmp_path, main="import time, lwm2m.a, mine\n") / "main.py"
    write(tmp_path, mine="import other.deep", other__deep="", strange="")
    found = modules.find(main, firmware)
    assert sorted(found.files) == [
        "lwm2m/__init__.py",
        "lwm2m/a.py",
        "lwm2m/sub/b.py",
        "lwm2m/sub/late.py",
        "lwm2m/sub/later.py",
        "main.py",
        "mine.py",
        "other/deep.py",
    ]
    assert found.left_out == ["lwm2m.named", "lwm2m.unused"]
    assert found.unsure == []


def test_modules_can_be_added_by_name_and_by_folder(firmware: Path, tmp_path: Path) -> None:
    main = write(tmp_path, main="") / "main.py"
    assert "lwm2m/sub/later.py" in modules.find(main, firmware, ["sub.late"]).files
    assert "lwm2m/unused.py" in modules.find(main, firmware, ["lwm2m.unused"]).files
    assert len(modules.find(main, firmware, ["sub"]).files) == 1 + 3 + 1
    with pytest.raises(BuildError, match=r"no module or folder lwm2m.sup in firmware/"):
        modules.find(main, firmware, ["sup"])


def test_imports_by_name_are_found_or_told(firmware: Path, tmp_path: Path) -> None:
    main = write(tmp_path, main="__import__('lwm2m.named')\n__import__('x' + y)\n") / "main.py"
    found = modules.find(main, firmware)
    assert "lwm2m/named.py" in found.files
    assert found.unsure == ["main.py:2"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import lwm2m.none", r"main.py:1: no module lwm2m.none"),
        ("\nfrom lwm2m.none import x", r"main.py:2: no module lwm2m.none"),
        ("from lwm2m.sub import none", r"main.py:1: no module lwm2m.sub"),
        ("from . import x", r"main.py:1: relative imports are not followed"),
        ("def f(:", r"main.py:1: "),
        ("x = '\0'", r"main.py"),
    ],
)
def test_what_is_not_there_is_said_with_its_line(
    text: str, complaint: str, firmware: Path, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match=complaint):
        modules.find(write(tmp_path, main=text) / "main.py", firmware)


def test_a_program_that_cannot_be_read_is_one_line(firmware: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"none.py: No such file"):
        modules.find(tmp_path / "none.py", firmware)
    (tmp_path / "latin.py").write_bytes(b"# \xfc")
    with pytest.raises(BuildError, match=r"latin.py: not UTF-8"):
        modules.find(tmp_path / "latin.py", firmware)


def test_the_example_needs_less_than_everything() -> None:
    found = modules.find(FIRMWARE / "main.py", FIRMWARE, boot=FIRMWARE / "boot.py")
    assert {"main.py", "boot.py", "lwm2m/client.py", "lwm2m/transport/udp.py"} <= set(found.files)
    # Loaded when they are first needed: where a copy by hand goes wrong
    assert {"lwm2m/formats/tlv_reader.py", "lwm2m/management/read_block.py"} <= set(found.files)
    assert "lwm2m.formats.senml_json" in found.left_out
    assert not found.unsure


# --- compiling --------------------------------------------------------------------------------


def test_modules_are_compiled_once_and_load(
    firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "find_root", lambda: tmp_path)
    board = boards.load("UNIX")
    file = write(tmp_path, answer="def f():\n    return 42\n") / "answer.py"
    files = {"main.py": write(tmp_path, main="") / "main.py", "sub/answer.py": file}
    main, item = building.build(board, files)
    assert (main.target, main.local) == ("main.py", files["main.py"])
    assert (item.target, item.size) == ("sub/answer.mpy", item.local.stat().st_size)
    module = tmp_path / "run" / "answer.mpy"
    module.parent.mkdir()
    module.write_bytes(item.local.read_bytes())
    said = subprocess.check_output(
        [find_micropython(), "-c", "import answer; print(answer.f())"], cwd=module.parent
    )
    assert said == b"42\n"
    stamp = item.local.stat().st_mtime_ns
    assert building.build(board, files)[1] == item
    assert item.local.stat().st_mtime_ns == stamp
    file.write_text("def f():\n    return 43\n")
    assert building.build(board, files)[1].sha256 != item.sha256
    other = building.build(boards.load("RPI_PICO_W"), {"sub/answer.py": file})
    assert other[0].local.parent != item.local.parent
    assert building.build(board, files, source=True)[1].target == "sub/answer.py"


def test_what_mpy_cross_refuses_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "find_root", lambda: tmp_path)
    file = write(tmp_path, bad="x = 1\nmatch x:\n    case 1: pass\n") / "bad.py"
    with pytest.raises(BuildError, match=r"bad.py: .*line 2.*SyntaxError"):
        building.build(boards.load("UNIX"), {"bad.py": file})
    assert not list(tmp_path.rglob("*.new"))
    with pytest.raises(BuildError, match="No such file"):
        building.build(boards.load("UNIX"), {"none.py": tmp_path / "none.py"})
