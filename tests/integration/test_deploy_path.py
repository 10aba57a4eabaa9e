"""The deploy path: the real mpremote, a board that is a process, real MicroPython on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from littlefs import LittleFS
from lwm2m_host import Server
from lwm2m_host.board import boards, building, deploying, onboard
from lwm2m_host.board.building import Item
from lwm2m_host.board.errors import BoardFull, RemoteError
from lwm2m_host.board.remote import Remote
from lwm2m_host.board.unixboard import UnixBoard
from lwm2m_host.checkout import CheckoutError, find_micropython, find_root

from tests.waiting import PATIENCE_S

FIRMWARE = find_root() / "firmware"
ENDPOINT = "urn:dev:os:deployed"
SECRET = "correct horse battery"


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[Callable[..., UnixBoard]]:
    """Boards with a flash of their own in this test; the power goes off at its end."""
    made: list[UnixBoard] = []

    def make(kind: type[UnixBoard] = UnixBoard, **options: Any) -> UnixBoard:
        board = kind(tmp_path / "flash.img", **options)
        board.start()
        made.append(board)
        return board

    yield make
    for board in made:
        board.stop()


@pytest.fixture
def board(make_board: Callable[..., UnixBoard]) -> UnixBoard:
    return make_board()


class Waiting(UnixBoard):
    """A board that takes so many bytes, and the next ones when `more` is set."""

    def __init__(self, *arguments: Any, take: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.take = take
        self.has_them, self.more = threading.Event(), threading.Event()

    def _incoming(self, data: bytes) -> None:
        if self.bytes_in >= self.take:
            self.has_them.set()
            self.more.wait()
        super()._incoming(data)


def on_flash(board: UnixBoard) -> dict[str, bytes]:
    """Every file on the flash, as another implementation of littlefs reads it."""
    image = board.image.read_bytes()
    fs = LittleFS(block_size=4096, block_count=len(image) // 4096, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with fs.open(path, "rb") as file:
                found[path.removeprefix("/")] = file.read()
    return found


def files(folder: Path, **texts: str) -> list[Item]:
    """Items that need no compiling: x__y is x/y.py."""
    items = []
    for name, text in texts.items():
        target = name.replace("__", "/") + ".py"
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        items.append(Item.of(target, path))
    return items


def deploy(
    board: UnixBoard, items: list[Item], remote: Remote | None = None, **options: Any
) -> deploying.Report:
    remote = remote or Remote(board.port, silence_s=PATIENCE_S)
    verify = options.pop("verify", False)
    state = deploying.survey(remote, items, verify=verify)
    return deploying.carry_out(
        remote, state, deploying.plan(state, items, **options), restart=False
    )


@contextlib.contextmanager
def given_up_without_power(board: UnixBoard) -> Iterator[Remote]:
    """A line to a board, on which nobody waits for it any longer when its power was cut."""
    remote = Remote(board.port, silence_s=PATIENCE_S)
    before, over = board.resets.count("power"), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if board.resets.count("power") > before:
                remote.silence_s = 0.5

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield remote
    finally:
        over.set()
        watcher.join()


def cli(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""
    return subprocess.run(
        [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "board", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **environment},
    )


# --- only what has changed --------------------------------------------------------------------


def test_only_what_has_changed_is_copied_and_what_is_gone_is_removed(
    board: UnixBoard, tmp_path: Path
) -> None:
    texts = {"main": "x = 1", "a": "a = 1", "sub__b": "b = 1", "sub__c": "c = 1", "e": ""}
    first = deploy(board, files(tmp_path, **texts))
    assert sorted(first.copied) == ["a.py", "e.py", "main.py", "sub/b.py", "sub/c.py"]
    texts["sub__b"] = "b = 2"
    second = deploy(board, files(tmp_path, **texts))
    assert (second.copied, len(second.unchanged), second.removed) == (["sub/b.py"], 4, [])
    third = deploy(board, files(tmp_path, **texts))
    assert (third.copied, third.size, len(third.unchanged)) == ([], 0, 5)
    del texts["sub__b"], texts["sub__c"]
    fourth = deploy(board, files(tmp_path, **texts))
    assert (fourth.copied, fourth.removed) == ([], ["sub/b.py", "sub/c.py"])
    board.stop()
    assert set(on_flash(board)) == {"a.py", "e.py", "main.py", ".deployed.json"}
    assert on_flash(board)["a.py"] == b"a = 1"


def test_what_was_put_there_by_hand_is_left_alone_and_known_by_its_hash(
    board: UnixBoard, tmp_path: Path
) -> None:
    remote = Remote(board.port)
    items = files(tmp_path, main="x = 1", a="a = 1")
    data = tmp_path / "measurements.csv"
    data.write_text("1;2;3")
    remote.call("fs", "cp", str(tmp_path / "a.py"), str(data), ":")
    assert deploy(board, items).copied == ["main.py"]
    assert deploy(board, files(tmp_path, main="x = 1")).removed == ["a.py"]
    board.stop()
    assert on_flash(board)["measurements.csv"] == b"1;2;3"


def test_a_file_that_was_changed_on_the_board_is_noticed(board: UnixBoard, tmp_path: Path) -> None:
    items = files(tmp_path, main="x = 1", a="a = 1")
    deploy(board, items)
    remote = Remote(board.port)
    remote.call("exec", "f = open('a.py', 'w'); f.write('a = 123'); f.close()")
    assert deploy(board, items).copied == ["a.py"]
    remote.call("exec", "f = open('a.py', 'w'); f.write('a = 2'); f.close()")  # as long as before
    assert deploy(board, items).copied == []
    assert deploy(board, items, verify=True).copied == ["a.py"]
    remote.call("fs", "rm", ":a.py")
    assert deploy(board, items).copied == ["a.py"]


def test_the_other_form_of_a_module_does_not_stay(board: UnixBoard, tmp_path: Path) -> None:
    Remote(board.port).call(
        "exec", "import os\nos.mkdir('lwm2m')\nopen('lwm2m/types.py', 'w').close()"
    )
    items = building.build(
        boards.load("UNIX"), {"lwm2m/types.py": FIRMWARE / "lwm2m" / "types.py"}
    )
    report = deploy(board, items)
    assert (report.copied, report.removed) == (["lwm2m/types.mpy"], ["lwm2m/types.py"])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"files": 5}', '{"files": {"a.py": 1}}', '{"files": {"a": ["x", []]}}'],
)
def test_a_damaged_list_on_the_board_is_no_crash(
    text: str, board: UnixBoard, tmp_path: Path
) -> None:
    items = files(tmp_path, main="x = 1")
    deploy(board, items)
    (tmp_path / "list").write_text(text)
    Remote(board.port).call("fs", "cp", str(tmp_path / "list"), f":{onboard.MANIFEST}")
    assert deploy(board, items).copied in ([], ["main.py"])
    assert deploy(board, items).copied == []


# --- what goes wrong --------------------------------------------------------------------------


def big(folder: Path, mark: str, count: int = 6) -> list[Item]:
    texts = {f"m{n}": f"x = '{mark}{n}'\n" + f"# {n}\n" * 400 for n in range(count)}
    return files(folder, main=f"print('{mark}')", **texts)


def test_a_deployment_that_is_interrupted_changes_nothing_and_goes_on_later(
    board: UnixBoard, tmp_path: Path
) -> None:
    old, new = big(tmp_path / "old", "old"), big(tmp_path / "new", "new")
    deploy(board, old)
    board.cut_at_byte = 12_000
    with (
        given_up_without_power(board) as remote,
        pytest.raises(RemoteError, match=r"the board is silent|connection broke off"),
    ):
        deploy(board, new, remote)
    assert board.resets[-1] == "power"
    remote = Remote(board.port)
    state = deploying.survey(remote, new)
    assert {state.hashes[item.target] for item in old} == {item.sha256 for item in old}
    assert 0 < sum(state.staged.get(deploying._staged(i)) == i.size for i in new) < len(new)
    sent = ""
    call = remote.call

    def watch(*arguments: str, **options: Any) -> str:
        nonlocal sent
        sent += "".join(Path(word).read_text() for word in arguments if word.endswith(".py"))
        return call(*arguments, **options)

    remote.call = watch  # type: ignore[method-assign]
    report = deploying.carry_out(remote, state, deploying.plan(state, new), restart=False)
    assert len(report.copied) == len(new)
    for item in new:  # what had arrived is not sent again
        name = deploying._staged(item)
        assert (f"/{name}'" in sent) is (state.staged.get(name) != item.size)
    assert deploy(board, new, verify=True).copied == []


def test_ctrl_c_in_the_middle_is_made_good_by_the_next(
    make_board: Callable[..., UnixBoard], tmp_path: Path
) -> None:
    board = make_board(Waiting, take=30_000)
    config = tmp_path / "config"
    config.mkdir()
    settings = {"endpoint": ENDPOINT, "server": "coap://127.0.0.1"}
    (config / "config.json").write_text(json.dumps(settings))
    command = ["deploy", "--port", board.port, "--config", str(config), "--no-restart"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "board", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert board.has_them.wait(PATIENCE_S)
    os.killpg(process.pid, signal.SIGINT)
    board.more.set()
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    assert "0 unchanged" in done.stdout
    assert "0 files copied" not in done.stdout


@pytest.mark.parametrize(
    "step", [pytest.param(9), pytest.param(1, marks=pytest.mark.slow)], ids=["some", "every"]
)
def test_power_cut_at_a_write_leaves_the_old_or_makes_the_new(
    step: int, make_board: Callable[..., UnixBoard], tmp_path: Path
) -> None:
    """Of all writes to the flash: until the plan is renamed it is the old program, and from then
    on the next look at the board makes it the new one."""
    old = files(tmp_path / "old", main="x = 'old'", a="a = 1", gone="g = 1")
    new = files(tmp_path / "new", main="x = 'new!'", a="a = 22", more__b="b = 1")
    board = make_board(flash_kb=256)
    deploy(board, old)
    outcomes = []
    while True:
        board.cut_at_write = len(outcomes) * step
        try:
            with given_up_without_power(board) as remote:
                deploy(board, new, remote)
        except RemoteError:
            state = deploying.survey(Remote(board.port), [*old, *new], verify=True)
        else:
            break
        program = {path: digest for path, digest in state.hashes.items() if digest}
        is_old = program == {item.target: item.sha256 for item in old}
        is_new = program == {item.target: item.sha256 for item in new}
        assert is_old or is_new, len(outcomes)
        outcomes.append("new" if is_new else "old")
        if is_new:
            deploy(board, old)
    board.cut_at_write = None
    assert len(outcomes) > 30 / step
    assert set(outcomes) == {"old", "new"}
    board.stop()
    assert set(on_flash(board)) == {"main.py", "a.py", "more/b.py", ".deployed.json"}


def test_a_full_file_system_is_said_with_numbers_and_changes_nothing(
    make_board: Callable[..., UnixBoard], tmp_path: Path
) -> None:
    board = make_board(flash_kb=128)
    old = big(tmp_path / "old", "old", 3)
    deploy(board, old)
    for count in (60, 25):  # seen before anything is copied; found out on the way
        with pytest.raises(BoardFull) as caught:
            deploy(board, big(tmp_path / f"new{count}", "new", count))
        assert re.search(
            r"file system is full: \d+ kB are to be copied beside what is there, "
            r"\d+ of 128 kB are free; nothing was changed",
            str(caught.value),
        )
        assert deploy(board, old, verify=True).copied == []
    board.stop()
    assert not any(name.startswith(".deploy/") for name in on_flash(board))


def test_a_file_that_arrives_damaged_is_sent_again(
    board: UnixBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = files(tmp_path, main="x = 1", a="a = 1")
    remote = Remote(board.port)
    staged = deploying._staged(items[1])
    remote.call("exec", "import os\nos.mkdir('/.deploy')")
    remote.call(
        "exec", f"f = open('/.deploy/{staged}', 'w'); f.write('a = 2'); f.close()"
    )  # the right length, the wrong bytes
    assert deploy(board, items).copied == ["main.py", "a.py"]
    assert deploy(board, items, verify=True).copied == []


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("/dev/no-such-port", "cannot be opened: there is no such port; "),
        ("socket://127.0.0.1:1", "cannot be opened: nobody listens there"),
        ("nonsense://x", "cannot be opened: only socket://HOST:PORT is known"),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "monitor", "run", "provision", "memory"])
def test_what_is_no_port_is_one_line(port: str, words: str, command: str, tmp_path: Path) -> None:
    extra = ["--config", str(config_in(tmp_path))] if command == "deploy" else []
    done = cli(command, "--port", port, *extra)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lwm2m-host: {port} {words}")
    assert done.stderr.count("\n") == 1


def test_a_port_where_nobody_answers_is_one_line() -> None:
    ours, theirs = os.openpty()
    try:
        with pytest.raises(RemoteError, match=r"the board is silent; press its reset button"):
            Remote(os.ttyname(theirs), silence_s=0.5).identity()
    finally:
        os.close(ours)
        os.close(theirs)


def config_in(folder: Path, **settings: Any) -> Path:
    place = folder / "settings"
    place.mkdir(exist_ok=True)
    data = {"endpoint": ENDPOINT, "server": "coap://127.0.0.1", "lifetime_s": 60, **settings}
    (place / "config.json").write_text(json.dumps(data))
    return place


# --- the whole way ----------------------------------------------------------------------------


@pytest.fixture(params=[64, 32])
def any_width(request: pytest.FixtureRequest) -> int:
    width: int = request.param
    try:
        find_micropython(width)
    except CheckoutError as error:
        pytest.skip(str(error))
    return width


async def test_a_deployed_device_registers_and_is_managed(
    make_board: Callable[..., UnixBoard], server: Server, tmp_path: Path, any_width: int
) -> None:
    """deploy as a command; then reads, writes, reads in blocks, Discover: with what the program
    loads when it is first needed, so nothing was left behind."""
    board = make_board(width=any_width, heap="256k" if any_width == 32 else "512k")
    config = config_in(tmp_path, server=server.uri)
    done = await asyncio.to_thread(cli, "deploy", "--port", board.port, "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert re.match(r"UNIX at \S+: \d+ files copied \(", done.stdout)
    device = await server.wait_for(ENDPOINT, PATIENCE_S)
    assert 10 < await device.read("/3303/0/5700") < 30
    await device.write("/1/0/1", 77)
    assert await device.read("/1/0/1") == 77
    assert "/3303/0/5700" in {link.target for link in await device.discover("/3303")}
    await device.execute("/3303/0/5605")
    with server.events() as events:
        await device.execute("/3/0/4")  # Reboot: main.py starts by itself
        async with asyncio.timeout(PATIENCE_S):
            while (await anext(events)).kind != "registered":
                pass
    assert board.resets[-1] == "hard"
    assert 10 < await server.device(ENDPOINT).read("/3303/0/5700") < 30
    again = await asyncio.to_thread(cli, "deploy", "--port", board.port, "--config", str(config))
    assert "is up to date" in again.stdout


async def test_memory_tells_what_the_client_takes_of_a_board(
    make_board: Callable[..., UnixBoard], server: Server, tmp_path: Path
) -> None:
    board = make_board(heap="256k")
    config = config_in(tmp_path, server=server.uri)
    done = await asyncio.to_thread(cli, "deploy", "--port", board.port, "--config", str(config))
    assert done.returncode == 0, done.stderr
    await server.wait_for(ENDPOINT, PATIENCE_S)
    with server.events() as events:
        done = await asyncio.to_thread(cli, "memory", "--port", board.port, "--json")
        assert done.returncode == 0, done.stderr
        async with asyncio.timeout(PATIENCE_S):
            for _ in "12":  # while it is measured, and when the program has started again
                while (await anext(events)).kind != "registered":
                    pass
    told = json.loads(done.stdout)
    stages = told["stages"]
    assert list(stages) == ["empty", "imported", "made", "registered"]
    for heap in stages.values():
        assert heap["used"] + heap["free"] == told["total"]
        assert 0 < heap["largest"] <= heap["free"]
    assert stages["empty"]["used"] < stages["imported"]["used"] < stages["made"]["used"]
    assert told["took"] == stages["registered"]["used"] - stages["empty"]["used"] > 20_000


def test_memory_of_a_program_without_a_client_is_said(board: UnixBoard, tmp_path: Path) -> None:
    app = tmp_path / "main.py"
    app.write_text("from lwm2m.client import Client\nprint('nothing')\n")
    done = cli("deploy", "--port", board.port, "--app", str(app))
    assert done.returncode == 0, done.stderr
    done = cli("memory", "--port", board.port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("the board's main.py runs no client: nothing\n")


async def test_provision_to_the_board_then_deploy(
    board: UnixBoard, server: Server, tmp_path: Path
) -> None:
    """The name is of the board's number; what was written on the board is not replaced by what
    lies here; no key is on the screen or in the list on the board."""
    done = await asyncio.to_thread(
        cli,
        *("provision", "--port", board.port, "--server", server.uri, "--lifetime", "60"),
        *("--wifi-ssid", "Upstairs"),
        LWM2M_WIFI_PASSWORD=SECRET,
    )
    assert done.returncode == 0, done.stderr
    assert f"{server.uri} answers" in done.stdout
    assert "config.json written to the board" in done.stdout
    app = tmp_path / "main.py"
    app.write_text(
        "from lwm2m.config import load\n"
        "s = load('config.json')\n"
        "print(s['endpoint'], s['network']['ssid'], len(s['network']['password']))\n"
    )
    done2 = await asyncio.to_thread(cli, "deploy", "--port", board.port, "--app", str(app))
    assert done2.returncode == 0, done2.stderr
    assert SECRET not in done.stdout + done.stderr + done2.stdout + done2.stderr
    said = await asyncio.to_thread(cli, "run", "--port", board.port, str(app))
    assert said.stdout.split() == [
        "urn:dev:os:linux-e660583883724a32",
        "Upstairs",
        str(len(SECRET)),
    ]
    board.stop()
    found = on_flash(board)
    assert json.loads(found["keys.json"]) == {"wifi_password": SECRET}
    assert SECRET.encode() not in found[".deployed.json"]
    assert json.loads(found[".deployed.json"])["kept"] == ["config.json", "keys.json"]


def test_settings_are_sent_when_they_changed_and_never_removed(
    board: UnixBoard, tmp_path: Path
) -> None:
    app = tmp_path / "main.py"
    app.write_text("print('up')\n")
    config = config_in(tmp_path)
    base = ["deploy", "--port", board.port, "--app", str(app), "--app-only", "--json"]
    with_config = [*base, "--config", str(config)]
    assert "config.json" in json.loads(cli(*with_config).stdout)["copied"]
    assert json.loads(cli(*with_config).stdout)["copied"] == []
    config_in(tmp_path, interval_s=9)
    assert json.loads(cli(*with_config).stdout)["copied"] == ["config.json"]
    (config / "keys.json").write_text(json.dumps({"wifi_password": SECRET}))
    done = cli(*with_config)
    assert json.loads(done.stdout)["copied"] == ["keys.json"]
    assert SECRET not in done.stdout + done.stderr
    (config / "keys.json").unlink()
    assert json.loads(cli(*with_config).stdout)["removed"] == []
    config_in(tmp_path, server="nowhere")
    done = cli(*with_config)
    assert done.returncode == 1
    assert "server: coap://host:port is needed" in done.stderr


# --- the other commands -----------------------------------------------------------------------


def test_dry_run_says_what_would_be_done_and_does_nothing(
    board: UnixBoard, tmp_path: Path
) -> None:
    config = config_in(tmp_path)
    base = ["deploy", "--port", board.port, "--config", str(config)]
    plain = cli(*base, "--dry-run", "--plain").stdout
    assert re.search(r"^copy    lwm2m/client.mpy  \d+ bytes$", plain, re.MULTILINE)
    said = cli(*base, "--dry-run").stdout
    assert re.search(r"^copy    lwm2m/__init__.mpy  \d{5} bytes$", said, re.MULTILINE)
    assert "lwm2m/client.mpy" not in said
    assert said.endswith("0 unchanged; nothing was done\n")
    board.stop()
    assert on_flash(board) == {}


def test_a_board_that_is_not_the_one_named(board: UnixBoard, tmp_path: Path) -> None:
    done = cli("deploy", "--port", board.port, "--board", "NONE")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no board NONE; known are" in done.stderr


def test_freezing_is_told_with_a_manifest_of_the_packed_package() -> None:
    said = cli("deploy", "--board", "ESP32_GENERIC", "--to", "frozen", "--plain").stdout
    plain = find_root() / "boards/ESP32_GENERIC/manifest.py"
    assert f"make -C ports/esp32 BOARD=ESP32_GENERIC FROZEN_MANIFEST={plain}" in said
    said = cli("deploy", "--board", "ESP32_GENERIC", "--to", "frozen").stdout
    folder = find_root() / "build/boards/ESP32_GENERIC"
    manifest = folder / "manifest.py"
    assert f"make -C ports/esp32 BOARD=ESP32_GENERIC FROZEN_MANIFEST={manifest}" in said
    assert manifest.read_text().splitlines()[1:] == [
        (find_root() / "boards/ESP32_GENERIC/manifest.py").read_text().splitlines()[1],
        f"freeze('{folder}/frozen', opt=2)",
    ]
    assert "class Client:" in (folder / "frozen/lwm2m/__init__.py").read_text()
    assert not (folder / "frozen/main.py").exists()


def test_run_follows_the_output_and_tells_how_it_ended(board: UnixBoard, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(sys.platform, 6 * 7)\n")
    done = cli("run", "--port", board.port, str(program))
    assert (done.returncode, done.stdout.split()) == (0, ["linux", "42"])
    program.write_text("1 / 0\n")
    done = cli("run", "--port", board.port, str(program))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert cli("run", "--port", board.port, "none.py").stderr == "lwm2m-host: no file none.py\n"


def test_ctrl_c_while_running_stops_the_program_on_the_board(
    board: UnixBoard, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time\nprint('going')\nwhile True:\n    time.sleep(0.01)\n")
    command = ["run", "--port", board.port, str(program)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "board", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (1, "stopped\n")
    assert Remote(board.port).call("resume", "exec", "print(1)") == "1\n"


def test_monitor_shows_lines_and_survives_a_reset(board: UnixBoard, tmp_path: Path) -> None:
    main = (
        "import time\nn = 0\nwhile True:\n    n += 1\n    print('tick', n)\n    time.sleep(0.05)\n"
    )
    items = files(tmp_path, main=main)
    remote = Remote(board.port)
    state = deploying.survey(remote, items)
    deploying.carry_out(remote, state, deploying.plan(state, items))
    command = ["monitor", "--port", board.port, "--for", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "board", *command],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    board.cut_power()
    said = first + process.stdout.read()
    assert process.wait(PATIENCE_S) == 0
    ticks = [int(line.split()[1]) for line in said.splitlines() if re.fullmatch(r"tick \d+", line)]
    assert len(ticks) > 5
    assert 1 in ticks[1:], "it started over"
    assert "\r" not in said


def test_monitor_names_the_sources_of_packed_code(board: UnixBoard, tmp_path: Path) -> None:
    app = tmp_path / "main.py"
    app.write_text(
        "import sys, time\n"
        "from lwm2m.client import Client\n"
        "while True:\n"
        "    try:\n"
        "        Client('x').add_server('nonsense')\n"
        "    except ValueError as error:\n"
        "        sys.print_exception(error)\n"
        "    time.sleep(0.05)\n"
    )
    assert cli("deploy", "--port", board.port, "--app", str(app)).returncode == 0
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from lwm2m_host.cli import main; main()"),
            *("board", "monitor", "--port", board.port),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    found = []
    for line in process.stdout:
        found.append(line)
        if line.startswith("ValueError: uri") and len(found) > 4:
            break
    process.terminate()
    process.wait(PATIENCE_S)
    process.stdout.close()
    places = re.findall(r'File "(firmware/lwm2m/[\w/]+.py)", line (\d+), in (\w+)', "".join(found))
    assert [name for _, _, name in places[-3:]] == ["add_server", "parse_uri", "fail"], found
    file, line, _ = places[-1]
    source = (find_root() / file).read_text().splitlines()
    # A condition and what it leads to are one line of packed code.
    assert "raise ValueError" in "".join(source[int(line) - 1 : int(line) + 2])


def test_detect_asks_the_board_itself(
    board: UnixBoard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lwm2m_host.cli.app import run

    class Descriptor:
        device, vid, pid, serial_number = board.port, 0x2E8A, 5, "e66"

    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Descriptor])
    assert run(["board", "detect", "--ask", "--json"]) == 0
    [found] = [row for row in json.loads(capsys.readouterr().out) if row["port"]]
    assert found["boards"] == ["UNIX"]
    assert found["says"].startswith("MicroPython 1.")


def test_the_board_command_is_a_board_until_it_is_ended(tmp_path: Path) -> None:
    link = tmp_path / "port"
    command = ["unix", "--image", str(tmp_path / "flash.img"), "--link", str(link)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from lwm2m_host.cli import main; main()", "board", *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(f"{link}  MicroPython at 64 bits")
        assert process.stdout.readline() == f"next: lwm2m-host board deploy --port {link}\n"
        assert Remote(str(link)).identity().platform in ("linux", "darwin")
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        process.stdout.close()
    assert not link.is_symlink()
    assert (tmp_path / "flash.img").stat().st_size == 1 << 20


# --- ROMFS and mip ----------------------------------------------------------------------------


def test_a_romfs_image_is_made_and_micropython_imports_from_it(
    board: UnixBoard, tmp_path: Path
) -> None:
    done = cli("deploy", "--port", board.port, "--to", "romfs", "--config", config_in(tmp_path))
    assert done.returncode == 1
    assert "has no ROMFS partition (UNIX: not in Debian's build); the image is " in done.stderr
    image = Path(done.stderr.rsplit("the image is ", 1)[1].strip())
    program = (
        "import sys, vfs\n"
        "vfs.mount(vfs.VfsRom(open(sys.argv[1], 'rb').read()), '/rom')\n"
        "sys.path[:] = ['/rom', '.frozen']\n"
        "from lwm2m.client import Client\n"
        "print(Client('x').endpoint)\n"
    )
    said = subprocess.check_output([find_micropython(), "-c", program, str(image)], text=True)
    assert said == "x\n"


def test_mip_installs_the_packages_from_the_checkout(board: UnixBoard) -> None:
    remote = Remote(board.port)
    bundles = sorted(FIRMWARE.glob("package*.json"))
    assert FIRMWARE / "package.json" in bundles
    said = remote.call("mip", "install", *map(str, bundles))
    paths = [path for file in bundles for path, _ in json.loads(file.read_text())["urls"]]
    for path in paths:
        assert f"Installing: /lib/{path}\n" in said
    program = "from lwm2m.client import Client\nprint(Client('x').endpoint)"
    assert remote.call("exec", program) == "x\n"
    board.stop()
    found = on_flash(board)
    for path in paths:
        assert found[f"lib/{path}"] == (FIRMWARE / path).read_bytes()
