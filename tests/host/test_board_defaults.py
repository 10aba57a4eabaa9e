"""What a board gets without being asked for, out of its description."""

from __future__ import annotations

from pathlib import Path

import pytest
from lwm2m_host.board import boards, modules, provision
from lwm2m_host.board.unixboard import UnixBoard
from lwm2m_host.checkout import find_root
from lwm2m_host.cli.app import run

ALL = boards.load_all()
FIRMWARE = find_root() / "firmware"
SLOTS = "lwm2m/ports/update/partition.py"


@pytest.mark.parametrize("board", ALL.values(), ids=lambda board: board.name)
def test_a_board_with_partitions_gets_the_slots_in_them(board: boards.Board) -> None:
    main, boot = FIRMWARE / "main.py", FIRMWARE / "boot.py"
    found = modules.find(main, FIRMWARE, board.modules, boot)
    assert (SLOTS in found.files) is (board.port == "esp32")
    assert "lwm2m/ports/update/slots.py" in found.files
    assert "lwm2m/ports/update/file.py" in found.files


def test_deploying_asks_the_description_of_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board is the one without hardware, described as one with partitions."""
    described = {"UNIX": boards.load("UNIX")}
    monkeypatch.setattr(boards, "load_all", lambda: described)
    (tmp_path / "config.json").write_text('{"endpoint": "x", "server": "coap://192.0.2.10"}')
    with UnixBoard(tmp_path / "flash.img") as board:
        command = ["board", "deploy", "--port", board.port, "--dry-run"]
        command += ["--config", str(tmp_path)]
        assert run(command) == 0
        assert "partition_slots" not in capsys.readouterr().out
        text = (ALL["UNIX"].folder / "board.toml").read_text()
        text = text.replace('slots = "files"', 'slots = "partitions"')
        described["UNIX"] = boards.parse(text, ALL["UNIX"].folder)
        assert run(command) == 0
        said = capsys.readouterr().out
        assert "copy    lwm2m/ports/update/partition.mpy  " in said
        assert run([*command, "--app-only"]) == 0
        assert "lwm2m/" not in capsys.readouterr().out


def test_a_board_with_nothing_but_ppp_is_provisioned_for_it() -> None:
    settings = provision.merge(
        {"endpoint": "x", "server": "coap://10.0.0.1"},
        {},
        network=provision.wired([ALL["emulator"]]),
    )
    assert settings["network"] == {"kind": "ppp", "uart": 0, "tx": 0, "rx": 1}
    provision.check(settings, {})
    for known in ([], [ALL["UNIX"]], [ALL["RPI_PICO_W"]], [ALL["emulator"], ALL["RPI_PICO_W"]]):
        assert provision.wired(known) is None
