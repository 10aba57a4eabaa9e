"""Images are looked at before they are flashed: a wrong one is refused with its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.board import boards, images
from lwm2m_host.board.errors import BadImage
from lwm2m_host.cli.app import run

from tests.host.images import (
    CHIP_IDS,
    RP2040,
    RP2350,
    esp_application,
    esp_image,
    uf2,
    uf2_block,
)

ALL = boards.load_all()


def good(board: boards.Board) -> bytes:
    if board.flash_method == "esptool":
        return esp_image(board)
    return uf2(RP2040) if board.chip == "rp2040" else uf2(RP2350, absolute=True)


FLASHED = [board for board in ALL.values() if board.flash_method != "none"]


@pytest.mark.parametrize("board", FLASHED, ids=lambda board: board.name)
@pytest.mark.parametrize("other", FLASHED, ids=lambda board: board.name)
def test_an_image_fits_its_chip_and_no_other(
    board: boards.Board, other: boards.Board, tmp_path: Path
) -> None:
    file = tmp_path / "image.bin"
    file.write_bytes(good(other))
    if board is other:
        image = images.check(file, board)
        assert (image.chip, image.size) == (board.chip, file.stat().st_size)
    else:
        with pytest.raises(BadImage, match=f"image.bin: for {other.chip}, and {board.name} has"):
            images.check(file, board)


@pytest.mark.parametrize("chip", CHIP_IDS)
def test_esptool_itself_reads_our_images_the_same(chip: str, tmp_path: Path) -> None:
    file = tmp_path / "application.bin"
    file.write_bytes(esp_application(chip))
    command = [sys.executable, "-m", "esptool", "image-info", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert images.recognise(file.read_bytes(), "x").chip == chip
    names = {"esp32": "ESP32", "esp32s3": "ESP32-S3", "esp32c3": "ESP32-C3"}
    assert names[chip] in said
    assert "(valid)" in said


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "neither an ESP32 image"),
        (b"\x7fELF" + bytes(100), "neither an ESP32 image"),
        (b"PK\3\4" + bytes(50), "an archive; unpack it first"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\xe9\x02", "cut off in its header"),
        (b"\xe9\x63" + bytes(100), "it has 99 segments"),
        (b"\xe9\x02" + bytes(10) + b"\x77\x00" + bytes(100), "not known here (id 119)"),
        (esp_application("esp32"), "without boot loader and partitions"),
        (uf2(RP2040)[:-1], "cut off: a UF2 file is made of blocks"),
        (uf2(RP2040)[:-512], "cut off: 3 of 4 blocks are there"),
        (uf2(0x1C5F21B0), "another kind of board (family 0x1c5f21b0)"),
        (uf2(RP2040) + uf2(RP2350), "for 2 chips at once"),
        (uf2_block(RP2040, 0, 1, flags=1), "for no chips at once"),
        (uf2_block(RP2040, 0, 1, size=477), "block 0 contradicts itself"),
        (uf2_block(RP2040, 1, 1), "block 0 contradicts itself"),
        (uf2(RP2040)[:512] + uf2_block(RP2040, 1, 5), "block 1 contradicts itself"),
        (uf2(RP2040)[:512] + bytes(512), "block 1 is no UF2 block"),
        (uf2(0xE48BFF5A), "for rp2350 (RISC-V)"),
    ],
)
def test_a_wrong_image_is_refused_with_its_reason(
    data: bytes, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "image"
    file.write_bytes(data)
    board = ALL["RPI_PICO_W" if data[:3] == b"UF2" else "ESP32_GENERIC"]
    with pytest.raises(BadImage) as caught:
        images.check(file, board)
    assert str(caught.value).startswith("image: ")
    assert complaint in str(caught.value)


def test_an_image_larger_than_the_flash_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(esp_image(ALL["ESP32_GENERIC"]).ljust(4096 * 1024, b"\xff"))
    with pytest.raises(BadImage, match="larger than the flash of ESP32_GENERIC"):
        images.check(file, ALL["ESP32_GENERIC"])


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadImage, match=str(path)):
            images.check(path, ALL["ESP32_GENERIC"])


def verdict(data: bytes) -> str:
    try:
        return f"x: {images.recognise(data, 'x')}"
    except BadImage as error:
        return str(error)


@given(st.binary(max_size=2048))
def test_any_bytes_are_an_image_or_refused(data: bytes) -> None:
    assert verdict(data).startswith("x: ")


@given(
    st.sampled_from([uf2(RP2040), uf2(RP2350, absolute=True), esp_image(ALL["ESP32_GENERIC"])]),
    st.lists(st.tuples(st.integers(0, 2100), st.integers(0, 255)), max_size=4),
    st.integers(0, 2100) | st.none(),
)
def test_damaged_images_are_recognised_or_refused(
    data: bytes, flips: list[tuple[int, int]], cut: int | None
) -> None:
    damaged = bytearray(data)
    for at, value in flips:
        damaged[at % len(damaged)] = value
    assert verdict(bytes(damaged[:cut])).startswith("x: ")


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for board in FLASHED:
        (tmp_path / board.name).write_bytes(good(board))
    return tmp_path


ESPTOOL = "esptool --chip {} --port /dev/ttyUSB0 --baud {} write-flash {} IMAGE"


@pytest.mark.parametrize(
    ("name", "options", "command"),
    [
        ("ESP32_GENERIC", [], ESPTOOL.format("esp32", 460800, "0x1000")),
        ("ESP32_GENERIC_S3", ["--erase"], ESPTOOL.format("esp32s3", 460800, "--erase-all 0x0")),
        ("ESP32_GENERIC_C3", ["--baud", "115200"], ESPTOOL.format("esp32c3", 115200, "0x0")),
        ("RPI_PICO_W", ["--drive", "/media/me/RPI-RP2"], "cp IMAGE /media/me/RPI-RP2/"),
    ],
)
def test_dry_run_prints_the_command(
    name: str, options: list[str], command: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--image", str(files / name), "--port", "/dev/ttyUSB0", "--dry-run", *options]
    assert run(["board", "flash", name, *arguments]) == 0
    assert capsys.readouterr().out == command.replace("IMAGE", str(files / name)) + "\n"


def test_the_real_esptool_takes_the_command_and_finds_no_chip(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--image", str(files / "ESP32_GENERIC"), "--port", "/dev/no-such-port"]
    assert run(["board", "flash", "ESP32_GENERIC", *arguments, "--erase"]) == 1
    captured = capfd.readouterr()
    assert "/dev/no-such-port" in captured.out + captured.err
    assert "esptool ended with" in captured.err
    assert "Usage" not in captured.out + captured.err


def test_a_uf2_file_is_copied_to_the_drive(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\r\n")
    image = files / "RPI_PICO_W"
    flash = ["board", "flash", "RPI_PICO_W", "--image", str(image), "--drive"]
    assert run([*flash, str(drive)]) == 0
    assert (drive / "RPI_PICO_W").read_bytes() == image.read_bytes()
    assert "RPI_PICO_W is flashed" in capsys.readouterr().out
    (drive / "INFO_UF2.TXT").write_text("Board-ID: RP2350\r\n")
    assert run([*flash, str(drive)]) == 1
    assert "is the drive of rp2350, and RPI_PICO_W has rp2040" in capsys.readouterr().err
    assert run([*flash, str(tmp_path)]) == 1
    assert "is not the drive of a board" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["NOPE"], 1, "no board NOPE; known are"),
        (["ESP32_GENERIC"], 1, "from https://micropython.org/download/ESP32_GENERIC"),
        (["UNIX", "--image", "x"], 1, "UNIX is not flashed: see boards/UNIX/README.md"),
        (["RPI_PICO_W", "--image", "no-such-file"], 1, "no-such-file: No such file"),
    ],
)
def test_what_is_missing_is_said(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["board", "flash", *arguments]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_no_drive_says_how_to_get_one(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lwm2m_host.board.usb._mounted", list)
    assert run(["board", "flash", "RPI_PICO_W", "--image", str(files / "RPI_PICO_W")]) == 1
    assert "hold BOOTSEL while you plug the board in" in capsys.readouterr().err
