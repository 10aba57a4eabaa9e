"""docs/tutorial.md is true: every command in it is run, and prints what is shown there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lwm2m_host.board import boards
from lwm2m_host.board.remote import Remote
from lwm2m_host.board.unixboard import UnixBoard
from lwm2m_host.checkout import CheckoutError, find_micropython, find_root

from boards.emulator import emulator
from tests.host.images import RP2040, esp_image, uf2
from tests.integration.tutorial import Block, Known, Tutor, TutorialError, agrees, sections
from tests.ports import free_port

ROOT = find_root()
DOCUMENT = ROOT / "docs" / "tutorial.md"
PARTS = sections(DOCUMENT.read_text(encoding="utf-8"))
UNIX, RP, CABLE, WRONG = (
    "Without hardware",
    "On an emulated RP2040",
    "On a board with a cable",
    "What goes wrong",
)

HOST = r"\.venv/bin/lwm2m-host"
SSID, PASSWORD = "workshop", "correct horse"

# Every command that the document may give, and what is run in its place where it cannot be run
# here as it is. All else that is replaced is in `words` below: ports, and addresses of servers.
KNOWN = (
    # The clone is made before; `make setup` finds all that it would fetch (tests/toolchain).
    Known(r"git clone https://example\.com/micropython-lwm2m\.git", "test -f Makefile"),
    Known(r"cd micropython-lwm2m", "test -f Makefile"),
    Known(r"make setup"),
    # Ports that are free; the commands know that of the HTTP server from LWM2M_HOST_URL.
    Known(rf"{HOST} serve", ".venv/bin/lwm2m-host serve --port {udp} --http-port {http}", True),
    Known(rf"{HOST} board unix --link build/board", lasts=True),
    # What is built is not built again, in a folder that is not this one.
    Known(r"make emulate SHELL=1", ".venv/bin/python boards/emulator/emulate.py --shell", True),
    Known(rf"{HOST} board (monitor|run)( --port \S+)?", lasts=True),
    Known(rf"{HOST} board provision --endpoint my-first-device --server coap://127\.0\.0\.1"),
    Known(rf"{HOST} board provision --port \S+ --endpoint my-pico --server \S+ --no-check"),
    Known(rf"{HOST} board provision --server 192\.0\.2\.10"),
    Known(rf"{HOST} board provision --endpoint my-pico-w --server coap://192\.0\.2\.99 .*"),
    Known(
        rf"{HOST} board provision",
        answers=(
            ("Endpoint name", "my-pico-w"),
            ("Server, as in", "coap://127.0.0.1:{udp}"),
            ("Wi-Fi (", SSID),
            ("Its password", PASSWORD),
        ),
    ),
    Known(rf"{HOST} board deploy( --port \S+)?"),
    Known(rf"{HOST} board (doctor|detect)"),
    # A folder for the drive of a Pico.
    Known(rf"({HOST} board flash RPI_PICO_W --image RPI_PICO_W\.uf2)", r"\1 --drive {drive}"),
    Known(rf"{HOST} board flash ESP32_GENERIC .* --dry-run"),
    Known(rf"{HOST} devices", again=True),
    Known(rf"{HOST} read my-[\w-]+ /[\d/]+", again=True),
    Known(rf"{HOST} (execute|history) my-[\w-]+ /[\d/]+"),
    Known(rf"{HOST} write my-[\w-]+ /[\d/]+ \d+"),
    Known(rf"{HOST} observe my-[\w-]+ /[\d/]+( --pmax \d+)? --count \d+"),
)

# --- where it is done -------------------------------------------------------------------------

# What pyserial lists when there is a Pico on a cable: the only thing that is pretended of it.
LISTED = """
import os

if "STAND_IN" in os.environ:
    from serial.tools import list_ports

    class Listed:
        device, vid, pid = os.environ["STAND_IN"], 0x2E8A, 0x0005
        serial_number = "e660583883724a32"

    list_ports.comports = lambda: [Listed]
"""

# A radio as the driver of the CYW43 shows it; tests/firmware/test_ports_wifi.py says more.
RADIO = f"""
STA_IF = 0

class WLAN:
    def __init__(self, interface):
        self.is_active, self.code = False, 0

    def active(self, *value):
        if value:
            self.is_active = value[0]
        return self.is_active

    def connect(self, ssid, key=None):
        self.code = -2 if ssid != {SSID!r} else -3 if key != {PASSWORD!r} else 3

    def disconnect(self):
        self.code = 0

    def status(self):
        return self.code

    def isconnected(self):
        return self.code == 3

    def ipconfig(self, name):
        return ("192.0.2.7", "255.255.255.0")
"""


def clone(folder: Path) -> None:
    """What `git clone` gives, with the changes that are not committed yet, made ready as `make
    setup` does, without fetching it all again."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(command, text=True).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "build").mkdir()
    (folder / "build" / "micropython").symlink_to(ROOT / "build" / "micropython")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (folder / ".venv" / "sitecustomize.py").write_text(LISTED)
    main = "-c 'from lwm2m_host.cli import main; main()'"
    for name, arguments in (("python", ""), ("lwm2m-host", main)):
        (programs / name).write_text(
            f"#!/bin/sh\nPYTHONPATH={folder}/host_server:{folder}/.venv "
            f'exec {sys.executable} {arguments} "$@"\n'
        )
        (programs / name).chmod(0o755)
    lists = [folder / "pyproject.toml", folder / "host_server" / "requirements.lock"]
    data = b"".join(file.read_bytes() for file in lists)
    checksum = subprocess.check_output(["cksum"], input=data).decode().strip()
    (folder / ".venv" / ".ready").write_text(f"{folder}  {checksum}\n")


@pytest.fixture
def tutor(tmp_path: Path) -> Iterator[Tutor]:
    """In a clone of its own, at the point where the parts of the tutorial begin."""
    try:
        find_micropython(64)
    except CheckoutError as error:
        pytest.skip(str(error))
    folder = tmp_path / "micropython-lwm2m"
    clone(folder)
    udp, http = free_port(), free_port()
    unset = ("LWM2M_HOST_URL", "LWM2M_PORT", "LWM2M_WIFI", "PYTHON", "XDG_")
    environment = {n: v for n, v in os.environ.items() if not n.startswith(unset)}
    environment |= {
        "LWM2M_HOST_URL": f"http://127.0.0.1:{http}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONUNBUFFERED": "1",
    }
    words = {
        "coap://[::]:5683": f"coap://[::]:{udp}",
        "http://127.0.0.1:8080": f"http://127.0.0.1:{http}",
    }
    logs = tmp_path / "logs"
    logs.mkdir()
    names = {"udp": str(udp), "http": str(http)}
    found = Tutor(folder, logs, KNOWN, environment, words, names)
    try:
        found.do(PARTS[""])
        yield found
    finally:
        found.close()
        for log in sorted(logs.iterdir()):
            print(f"--- {log.name}:\n{log.read_text(errors='replace')}")


def serving() -> list[Block]:
    """The server that all parts use, and what it says."""
    at = next(n for n, block in enumerate(PARTS[UNIX]) if "lwm2m-host serve" in block.text)
    return PARTS[UNIX][at : at + 2]


@contextlib.contextmanager
def udp_server(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server on a port of its own, which answers what it is told to, or not at all for b""."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    data, sender = sock.recvfrom(2048)
                    reply = answer(data)
                    if reply:
                        sock.sendto(reply, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            over.set()
            thread.join()


def not_found(request: bytes) -> bytes:
    """4.04, in the acknowledgement (RFC 7252 §5.2.1): what a CoAP server without LwM2M says."""
    token = request[4 : 4 + (request[0] & 15)]
    return bytes([0x60 | len(token), 0x84]) + request[2:4] + token


# --- the parts --------------------------------------------------------------------------------


def test_every_command_is_known_and_none_is_known_in_vain(tmp_path: Path) -> None:
    assert list(PARTS) == ["", UNIX, RP, CABLE, WRONG]
    tutor = Tutor(tmp_path, tmp_path, KNOWN, {}, names={"udp": "1", "http": "2", "drive": "3"})
    blocks = [block for part in PARTS.values() for block in part if block.language == "sh"]
    used = [tutor.translate(line, block)[0] for block in blocks for line in block.lines]
    assert len(used) > 30
    assert set(used) == set(KNOWN)
    with pytest.raises(TutorialError, match=r"line 7: .* does not know how to run 'rm -r build'"):
        tutor.translate("rm -r build", Block("sh", "", "", 7))


@pytest.mark.parametrize(
    "document", ["```bash\nmake\n```\n", "```\nmake\n```\n", "    make test\n", "```sh\nmake\n"]
)
def test_no_command_escapes_the_test(document: str) -> None:
    with pytest.raises(TutorialError, match=r"^line 1: "):
        sections(document)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("1 file copied (4.2 kB in 0.2 s)", "1 file copied (4.3 kB in 11.0 s)", True),
        ("1 file copied (4.2 kB in 0.2 s)", "2 files copied (4.2 kB in 0.2 s)", False),
        ("63 files copied, 0 unchanged", "64 files copied, 0 unchanged", True),
        ("63 files copied, 0 unchanged", "63 files copied, 1 unchanged", False),
        ("/3303/0/5700  Sensor Value  17.1", "/3303/0/5700  Sensor Value  21", True),
        ("/3303/0/5700  Sensor Value  12", "/3303/0/5700  Sensor Value  17", False),
        ("/1/0/1  Lifetime  300", "/1/0/1  Lifetime  86400", False),
        ("network: connected, 192.0.2.7", "network: connected, 192.0.2.8", False),
        ("a\nb", "a\nx\nb", False),
        ("a\n…\nb", "a\nx\nb", True),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("…/config.json written", "/tmp/config.json written", True),
    ],
)
def test_what_is_compared(shown: str, printed: str, same: bool) -> None:
    assert agrees(shown.splitlines(), printed) is same


def test_without_hardware(tutor: Tutor) -> None:
    tutor.words["coap://127.0.0.1"] = f"coap://127.0.0.1:{tutor.names['udp']}"
    tutor.do(PARTS[UNIX])


@pytest.mark.slow
def test_on_an_emulated_rp2040(tutor: Tutor) -> None:
    reason = emulator.missing()
    if reason:
        pytest.skip(reason)
    tutor.environment["EMULATOR_OUT"] = str(emulator.OUT)
    tutor.words["coap://10.0.0.1"] = f"coap://10.0.0.1:{tutor.names['udp']}"
    tutor.do(serving())
    tutor.do([block for block in PARTS[UNIX] if block.language == "python"])
    tutor.do(PARTS[RP][:2])
    pattern = r"socket://[\d.:]+"
    shown, real = re.search(pattern, PARTS[RP][1].text), re.search(pattern, tutor.latest.output)
    assert shown
    assert real
    tutor.words[shown[0]] = real[0]
    tutor.do(PARTS[RP][2:])


@pytest.mark.slow
def test_on_a_board_with_a_cable_and_what_goes_wrong(tutor: Tutor, tmp_path: Path) -> None:
    """The board without hardware in its place, with RADIO on it, and LISTED."""
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
    tutor.names["drive"] = str(drive)
    pico = tutor.folder / "RPI_PICO_W.uf2"
    pico.write_bytes(uf2(RP2040))
    esp32 = tutor.folder / "ESP32_GENERIC.bin"
    esp32.write_bytes(esp_image(boards.load("ESP32_GENERIC")))
    radio = tmp_path / "network.py"
    radio.write_text(RADIO)
    with UnixBoard(tmp_path / "flash.img") as board:
        Remote(board.port).call("fs", "cp", str(radio), ":")
        tutor.environment["STAND_IN"] = board.port
        tutor.words |= {
            "/dev/ttyACM0": board.port,
            "RPI_PICO_W at": "UNIX at",
            "coap://192.0.2.10": f"coap://127.0.0.1:{tutor.names['udp']}",
        }
        tutor.do(serving())
        tutor.do(PARTS[CABLE])
        assert (drive / pico.name).read_bytes() == pico.read_bytes()
        keys = tutor.folder / "firmware" / "keys.json"
        assert json.loads(keys.read_text()) == {"wifi_password": PASSWORD}
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        with udp_server(lambda _: b"") as silent, udp_server(not_found) as refusing:
            wrong = situations(tutor, board, silent, refusing)
            tutor.situations = wrong
            tutor.words["coap://192.0.2.99"] = f"coap://127.0.0.1:{silent}"
            tutor.words["192.0.2.99, UDP port 5683"] = f"127.0.0.1, UDP port {silent}"
            tutor.do(PARTS[WRONG])
        shown = {b.label.removeprefix("when ") for b in PARTS[WRONG] if "when" in b.label}
        assert shown == set(wrong)
    printed = "".join(log.read_text(errors="replace") for log in tutor.logs.iterdir())
    assert PASSWORD not in printed + tutor.all_said


def situations(
    tutor: Tutor, board: UnixBoard, silent: int, refusing: int
) -> dict[str, Callable[[], None]]:
    """What may go wrong: settings that are right for the commands, and wrong in fact."""

    def situation(server: int, ssid: str = SSID, password: str = PASSWORD) -> Callable[[], None]:
        def bring_about() -> None:
            uri = f"coap://127.0.0.1:{server}"
            tutor.words["coap://192.0.2.10"] = uri
            folder = tutor.logs.parent / "settings"
            folder.mkdir(exist_ok=True)
            settings = {"endpoint": "my-pico-w", "server": uri}
            network = {"kind": "wifi", "ssid": ssid}
            (folder / "config.json").write_text(json.dumps({**settings, "network": network}))
            (folder / "keys.json").write_text(json.dumps({"wifi_password": password}))
            tutor.call(f".venv/bin/lwm2m-host board deploy --config {folder} --no-restart")
            tutor.start(".venv/bin/lwm2m-host board monitor")
            board.cut_power()

        return bring_about

    return {
        "wrong-password": situation(silent, password="wrong horse"),
        "wrong-ssid": situation(silent, ssid="workshop-5G"),
        "no-server": situation(silent),
        "wrong-server": situation(refusing),
    }
