"""The doctor finds what is missing, says how to get it, and never fails itself."""

from __future__ import annotations

import json
import sys

import pytest
from lwm2m_host.board import doctor, usb
from lwm2m_host.checkout import CheckoutError
from lwm2m_host.cli.app import run


def test_this_checkout_has_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["board", "doctor", "--json"]) == 0
    found = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    for name in ("Python", "checkout", "MicroPython, 64 bits", "mpremote", "mpy-cross", "esptool"):
        assert found[name]["good"], found[name]
    assert found["esptool"]["detail"][0].isdigit()


def test_what_is_missing_is_said_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(width: int = 64) -> None:
        raise CheckoutError("no MicroPython here")

    port = usb.Found("/dev/ttyUSB0", "", "CP210x adapter", ("ESP32_GENERIC",))
    monkeypatch.setattr(doctor, "find_micropython", missing)
    monkeypatch.setattr(usb, "ports", lambda: [port])
    monkeypatch.setattr(usb, "permitted", lambda port: False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run(["board", "doctor"]) == 1
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "MISSING" in lines
    assert "no MicroPython here" in out
    assert "`make setup` fetches it" in out
    assert "/dev/ttyUSB0: no permission" in out
    assert "sudo usermod -a -G" in out
    assert "apt install nodejs" in out


def test_a_check_that_fails_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> list[usb.Found]:
        raise RuntimeError("the bus is on fire")

    monkeypatch.setattr(usb, "ports", fail)
    assert run(["board", "doctor"]) == 1
    assert "could not be looked at: the bus is on fire" in capsys.readouterr().out


def test_no_board_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "ports", list)
    monkeypatch.setattr(usb, "drives", list)
    [board] = [item for item in doctor.examine() if item.name == "board"]
    assert (board.good, board.needed) == (False, False)
    assert "plug one in" in board.remedy


@pytest.mark.parametrize(
    ("output", "major"),
    [("v18.19.0", 18), ("v¹.0", 0), ("v٣.0", 0), ("v" + "9" * 5000 + ".0", 0), ("", 0)],
)
def test_version_of_node_is_read_from_ascii_digits(output: str, major: int) -> None:
    assert doctor.node_major(output) == major


@pytest.mark.parametrize(
    ("modules", "arguments"),
    [
        (("serial", "serial.tools.list_ports"), ("detect",)),
        (("serial", "serial.tools.list_ports"), ("monitor", "--port", "/dev/ttyX")),
        (("mpremote",), ("run", "--port", "/dev/ttyX")),
    ],
)
def test_package_that_is_not_installed_is_named_with_its_extra(
    modules: tuple[str, ...],
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["board", *arguments]) == 1
    assert "is not installed: pip install 'micropython-lwm2m[board]'" in capsys.readouterr().err
