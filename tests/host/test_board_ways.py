"""A program does the same whichever way a board has the package.

tests/emulator has the frozen one.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lwm2m_host.board import boards, building, modules, romfs
from lwm2m_host.board.pack import building as packed_building
from lwm2m_host.board.pack import deployment
from lwm2m_host.board.pack.deployment import Packer
from lwm2m_host.board.pack.packing import pack
from lwm2m_host.checkout import find_micropython, find_root

ROOT = find_root()
FIRMWARE = ROOT / "firmware"
PROGRAM = Path(__file__).with_name("allowed_program.py")


def printed(path: str, program: Path = PROGRAM, width: int = 64) -> str:
    """What the program prints with the package at a place."""
    done = subprocess.run(
        [find_micropython(width), program],
        env={"MICROPYPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def expected() -> str:
    text = printed(f"{FIRMWARE}:.frozen")
    assert text.startswith("asked 0x2 True\nTrue ['registered']\n")
    assert "Traceback" not in text
    return text


def put(files: dict[str, Path], folder: Path) -> Path:
    for path, file in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.read_bytes())
    return folder


def compiled(folder: Path) -> list[building.Item]:
    """The package, packed for the program and compiled, without the program."""
    program = Packer(FIRMWARE).program(modules.find(PROGRAM, FIRMWARE))
    items = deployment.build(boards.load("UNIX"), program)
    return [item for item in items if item.target != "main.py"]


@pytest.mark.parametrize("width", [64, 32])
def test_deployed_and_packed_for_it(expected: str, width: int, tmp_path: Path) -> None:
    put({item.target: item.local for item in compiled(tmp_path)}, tmp_path)
    assert printed(f"{tmp_path}:.frozen", width=width) == expected


@pytest.mark.parametrize("width", [64, 32])
def test_packed_for_any_program(expected: str, width: int, tmp_path: Path) -> None:
    """As mip installs it and firmware freezes it: nothing is known of the program."""
    packed = pack(FIRMWARE)
    texts = {**packed.files, **dict(packed.stands_in.values())}
    put(packed_building.compile_all(packed, texts, tmp_path / "cache"), tmp_path)
    assert printed(f"{tmp_path}:.frozen", width=width) == expected


def test_in_a_romfs(expected: str, tmp_path: Path) -> None:
    image = romfs.build(boards.load("UNIX"), compiled(tmp_path))
    program = tmp_path / "from_rom.py"
    program.write_text(
        "import sys, vfs\n"
        f"vfs.mount(vfs.VfsRom(open({str(image)!r}, 'rb').read()), '/rom')\n"
        "sys.path[:] = ['/rom', '.frozen']\n"
        f"exec(open({str(PROGRAM)!r}).read())\n"
    )
    assert printed(".frozen", program) == expected
