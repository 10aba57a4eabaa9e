"""What is plugged in, recognised by its USB ids or by its drive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lwm2m_host.board import usb
from lwm2m_host.board.boards import load_all
from lwm2m_host.cli.app import run


@dataclass
class Descriptor:
    """The fields of pyserial's ListPortInfo that count."""

    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None


@pytest.mark.parametrize(
    ("vid", "pid", "board"),
    [
        (0x2E8A, 0x0005, "RPI_PICO_W"),
        (0x2E8A, 0x0003, "RPI_PICO_W"),
        (0x2E8A, 0x000F, "RPI_PICO2_W"),
        (0x303A, 0x1001, "ESP32_GENERIC_C3"),
        (0x303A, 0x4001, "ESP32_GENERIC_S3"),
        (0x10C4, 0xEA60, "ESP32_GENERIC"),
        (0x1A86, 0x7523, "ESP32_GENERIC"),
        (0x1A86, 0x55D4, "ESP32_GENERIC"),
        (0x0403, 0x6001, "ESP32_GENERIC"),
    ],
)
def test_ids_of_boards_and_of_the_adapters_on_them(vid: int, pid: int, board: str) -> None:
    [found] = usb.recognise([Descriptor("/dev/ttyX", vid, pid, "abc")])
    assert board in found.boards
    assert (found.port, found.serial_number, found.usb_id) == (
        "/dev/ttyX",
        "abc",
        f"{vid:04x}:{pid:04x}",
    )


def test_what_is_no_board_is_left_out_and_ports_are_in_natural_order() -> None:
    found = usb.recognise(
        [
            Descriptor("/dev/ttyS0"),
            Descriptor("/dev/ttyUSB10", 0x10C4, 0xEA60),
            Descriptor("/dev/ttyUSB9", 0x10C4, 0xEA60),
            Descriptor("/dev/ttyACM0", 0x2341, 0x0043),  # another maker
            Descriptor("/dev/ttyACM1", 0x2E8A, 0x000C),  # a debug probe
        ]
    )
    assert [item.port for item in found] == ["/dev/ttyUSB9", "/dev/ttyUSB10"]


@pytest.mark.parametrize("name", ["tty¹", "tty٣", "tty" + "9" * 5000])
def test_digits_that_are_no_ascii_number_are_part_of_the_name(name: str) -> None:
    known = Descriptor("/dev/ttyUSB9", 0x10C4, 0xEA60)
    found = usb.recognise([Descriptor(name, 0x10C4, 0xEA60), known])
    assert {item.port for item in found} == {name, "/dev/ttyUSB9"}


@given(
    st.lists(
        st.builds(
            Descriptor,
            st.text(max_size=12),
            st.none() | st.integers(0, 0xFFFF),
            st.none() | st.integers(0, 0xFFFF),
            st.none() | st.text(max_size=5),
        ),
        max_size=5,
    )
)
def test_any_ports_are_no_crash(ports: list[Descriptor]) -> None:
    assert len(usb.recognise(ports)) <= len(ports)


def test_every_board_that_is_recognised_exists() -> None:
    names = {name for _, boards in usb._KINDS.values() for name in boards}
    assert names <= set(load_all())


def drive(folder: Path, text: bytes) -> Path:
    folder.mkdir()
    (folder / usb.INFO_FILE).write_bytes(text)
    return folder


def test_drives_of_boot_loaders(tmp_path: Path) -> None:
    text = b"UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"
    first = drive(tmp_path / "a", text)
    second = drive(tmp_path / "b", text.replace(b"RPI-RP2", b"RP2350"))
    third = drive(tmp_path / "c", b"Board-ID: SAMD21G18A-Metro\r\n")
    fourth = drive(tmp_path / "d", bytes(range(256)) * 100)
    (tmp_path / "e").mkdir()
    found = usb.drives([first, second, third, fourth, tmp_path / "e", tmp_path / "f"])
    assert [(item.drive, item.boards) for item in found] == [
        (str(first), ("RPI_PICO_W",)),
        (str(second), ("RPI_PICO2_W",)),
    ]


def test_the_real_list_of_this_computer_is_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["board", "detect", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert run(["board", "detect"]) == 0


@pytest.mark.parametrize("command", [["deploy"], ["monitor"], ["run"]])
def test_without_a_board_it_is_said_what_to_do(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LWM2M_PORT", raising=False)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    assert run(["board", *command]) == 1
    message = "lwm2m-host: no board found; plug one in, or name its port with --port\n"
    assert capsys.readouterr().err == message


def test_with_several_boards_the_port_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LWM2M_PORT", raising=False)
    several = [Descriptor(f"/dev/ttyACM{n}", 0x2E8A, 5, f"s{n}") for n in range(2)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: several)
    assert run(["board", "deploy"]) == 2
    assert "/dev/ttyACM0, /dev/ttyACM1; name one with --port" in capsys.readouterr().err
    assert run(["board", "detect"]) == 0
    out = capsys.readouterr().out
    assert "RPI_PICO_W or RPI_PICO2_W" in out
    assert "s1" in out
