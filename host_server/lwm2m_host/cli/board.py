"""lwm2m-host board: from a board in its bag to a device that a server manages"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import Lwm2mError
from .failure import Failure, WrongArgument
from .options import Json
from .render import cells, console, print_json, table

# The modules of the board package are imported where they are used: the other commands start
# faster without.
if TYPE_CHECKING:
    from rich.progress import Progress

    from ..board.boards import Board
    from ..board.building import Item
    from ..board.deploying import Report, State

PASSWORD_VARIABLE = "LWM2M_WIFI_PASSWORD"
MOST_NAMES = 8  # that are listed one by one

Port = Annotated[
    str | None,
    typer.Option(
        "--port",
        "-p",
        envvar="LWM2M_PORT",
        metavar="PORT",
        help="Serial port, or socket://HOST:PORT; the one board that is plugged in otherwise.",
    ),
]
BoardName = Annotated[
    str | None,
    typer.Option("--board", "-b", metavar="BOARD", help="A folder of boards/; else it is asked."),
]

commands = typer.Typer(
    help="Boards: find, flash, provision, deploy, monitor, run.", rich_markup_mode=None
)


@commands.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="board")


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """What goes wrong with a board is one line."""
    try:
        yield
    except Lwm2mError as error:
        raise Failure(str(error)) from None


def _port(port: str | None) -> str:
    """The port that is meant. Raises Failure when there is none, or more than one."""
    from ..board import usb

    if port:
        return port
    found = usb.ports()
    if len(found) == 1:
        return found[0].port
    if found:
        names = ", ".join(item.port for item in found)
        raise WrongArgument(f"several boards are plugged in: {names}; name one with --port")
    raise Failure("no board found; plug one in, or name its port with --port")


# --- detect -----------------------------------------------------------------------------------


@commands.command()
def detect(
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Ask the MicroPython on it too; what runs there is stopped."),
    ] = False,
    json: Json = False,
) -> None:
    """List the boards that are plugged in.

    JSON: a list of {"port", "drive", "kind", "boards", "serial_number", "usb_id", "says"}.
    """
    from ..board import boards, usb
    from ..board.errors import BoardError
    from ..board.remote import Remote

    found: list[dict[str, Any]] = []
    with _failing():
        known = boards.load_all()
        for item in [*usb.ports(), *usb.drives()]:
            row = {**vars(item), "boards": list(item.boards), "says": ""}
            if ask and item.port:
                try:
                    identity = Remote(item.port).identity()
                    row["says"] = str(identity)
                    row["boards"] = [b.name for b in identity.matches(known)] or row["boards"]
                except BoardError as error:
                    row["says"] = str(error)
            found.append(row)
    if json:
        print_json(found)
        return
    if not found:
        print(
            "no board found; plug one in (a cable for charging only has no data lines). A Pico in "
            "its boot loader is found when its drive is mounted."
        )
        return
    out = table("port", "kind", "board", "serial number", *(["says"] if ask else []))
    for row in found:
        values = [row["port"] or row["drive"], row["kind"], " or ".join(row["boards"])]
        values += [row["serial_number"], *([row["says"]] if ask else [])]
        out.add_row(*cells(*values))
    console().print(out)


# --- flash ------------------------------------------------------------------------------------


@commands.command()
def flash(
    board: Annotated[str, typer.Argument(metavar="BOARD", help="A folder of boards/.")],
    image: Annotated[
        Path | None,
        typer.Option("--image", "-i", metavar="FILE", help="The MicroPython for it."),
    ] = None,
    port: Port = None,
    drive: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the drive of a Pico is mounted.")
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase everything else on the flash too.")
    ] = False,
    baud: Annotated[int, typer.Option(min=9600, help="Speed of esptool.")] = 460_800,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the image, and print what would be done.")
    ] = False,
) -> None:
    """Put MicroPython onto a board."""
    from ..board import boards, flashing, images

    with _failing():
        chosen = boards.load(board)
        if chosen.flash_method == "none":
            raise Failure(f"{chosen.name} is not flashed: see boards/{chosen.name}/README.md")
        if image is None:
            raise Failure(
                f"--image FILE is needed: get {chosen.image}, version 1.25 or later, "
                f"from {chosen.download}"
            )
        found = images.check(image, chosen)
        if chosen.flash_method == "esptool":
            where = (port or "PORT") if dry_run else _port(port)
            arguments = flashing.esptool_arguments(chosen, image, where, erase=erase, baud=baud)
            if dry_run:
                print(shlex.join(["esptool", *arguments]))
            else:
                flashing.esptool(arguments)
                print(f"{chosen.name} is flashed; next: lwm2m-host board provision")
            return
        if erase:
            raise WrongArgument(
                f"{chosen.name} has no erase: to forget its files, see boards/{chosen.name}"
            )
        if dry_run:
            print(f"cp {shlex.quote(str(image))} {shlex.quote(str(drive or 'DRIVE'))}/")
            return
        if drive is None and port is not None:
            target = flashing.enter_boot_loader(port, chosen)
        else:
            target = flashing.find_drive(chosen, drive)
        with _progress() as progress:
            task = progress.add_task(image.name, total=found.size)
            flashing.copy(image, target, lambda size: progress.advance(task, size))
        print(f"{chosen.name} is flashed and restarts; next: lwm2m-host board provision")


def _progress(*, counted: bool = False) -> Progress:
    """A bar, when there is a terminal to show it: of bytes, or `counted` in things."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    out = console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else DownloadColumn(),
        TimeRemainingColumn(),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    )


# --- provision --------------------------------------------------------------------------------


@commands.command()
def provision(
    port: Annotated[
        str | None,
        typer.Option(
            "--port", "-p", metavar="PORT", help="Write straight to the board at this port."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write here; firmware/ in the checkout otherwise."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Endpoint name; else of the board's number.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URI", help="For example coap://192.0.2.10:5683.")
    ] = None,
    lifetime: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Of the registration.")
    ] = None,
    wifi_ssid: Annotated[
        str | None, typer.Option(metavar="SSID", help="Name of the Wi-Fi; '' for no Wi-Fi.")
    ] = None,
    wifi_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Its password; {PASSWORD_VARIABLE} in the environment, or asked for, otherwise.",
        ),
    ] = None,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Where the Wi-Fi is, as in DE.")
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Name of the device in the network.")
    ] = None,
    ntp: Annotated[
        str | None, typer.Option(metavar="HOST", help="Server to take the time from.")
    ] = None,
    watchdog_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="The board restarts when it hangs so long.")
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Ask the server whether it is there; a warning if not.")
    ] = True,
) -> None:
    """Write config.json, and keys.json for what must stay secret.

    Asks for what is not given, when there is somebody to ask. What is in the files already stays,
    unless it is given anew.
    """
    from ..board import boards, provision
    from ..board.remote import Remote

    with _failing():
        folder = None if port and out is None else _settings_folder(out)
        base, keys = provision.read(folder) if folder else ({}, {})
        identity = Remote(port).identity() if port else None
        known = identity.matches(boards.load_all()) if identity else []
        if not endpoint and "endpoint" not in base and identity:
            endpoint = provision.endpoint_of(identity) or None
            if endpoint:
                print(f"endpoint: {endpoint}, from the number of the board")
        endpoint = endpoint or _ask("endpoint", "--endpoint", base, "Endpoint name")
        if "servers" not in base:
            server = server or _ask("server", "--server", base, "Server, as in coap://192.0.2.10")
        wifi = bool(wifi_ssid) or _has_wifi(base)
        if (
            wifi_ssid is None
            and not wifi
            and _somebody()
            and all("wifi" in b.network for b in known)
        ):
            wifi_ssid = typer.prompt("Wi-Fi (empty for none)", default="", show_default=False)
            wifi = bool(wifi_ssid)
        network = _network(wifi_ssid, country, hostname, wifi)
        changes = {
            "endpoint": endpoint,
            "server": server,
            "lifetime_s": lifetime,
            "ntp": ntp,
            "watchdog_ms": watchdog_ms,
        }
        settings = provision.merge(base, changes, network=network)
        if wifi and wifi_ssid != "":
            password = _password(wifi_password_file, "wifi_password" in keys and not wifi_ssid)
            if password is not None:
                keys = {**keys, "wifi_password": password}
                if not password:
                    del keys["wifi_password"]
        provision.check(settings, keys)
        if folder:
            for path in provision.write(folder, settings, keys):
                print(f"{path} written")
        if port:
            _write_to_board(port, settings, keys)
    uri = settings.get("server")
    if isinstance(uri, str):
        _judge_server(uri, check, any(b.port != "unix" for b in known))


def _settings_folder(out: Path | None) -> Path:
    from ..testing.unix import find_root

    return find_root() / "firmware" if out is None else out


def _somebody() -> bool:
    return sys.stdin.isatty()


def _ask(field: str, option: str, base: dict[str, Any], question: str) -> str:
    """A setting: that of before, unless somebody is there to say another one."""
    before = base.get(field)
    if not _somebody():
        if isinstance(before, str) and before:
            return before
        raise WrongArgument(f"{field}: is missing; give {option}")
    answer: str = typer.prompt(question, default=before)
    return answer.strip()


def _has_wifi(base: dict[str, Any]) -> bool:
    network = base.get("network")
    return isinstance(network, dict) and network.get("kind") == "wifi"


def _network(
    ssid: str | None, country: str | None, hostname: str | None, wifi: bool
) -> dict[str, Any] | None:
    """The network that is given: None for the one of before, {} for none."""
    if ssid == "":
        return {}
    if not wifi:
        if country or hostname:
            raise WrongArgument("--country and --hostname are for a Wi-Fi: give --wifi-ssid")
        return None
    return {"kind": "wifi", "ssid": ssid, "country": country, "hostname": hostname} | (
        {} if ssid else {"ssid": None}
    )


def _password(file: Path | None, there: bool) -> str | None:
    """The password of the Wi-Fi, never printed: None for the one of before, "" for none."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise WrongArgument(f"--wifi-password-file: {file}: {reason}") from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not _somebody():
        if there:
            return None
        raise WrongArgument(
            f"wifi_password: is missing; give --wifi-password-file or {PASSWORD_VARIABLE} "
            "(empty for an open network)"
        )
    question = "Its password" + (" (empty: as before)" if there else " (empty: open network)")
    answer: str = typer.prompt(question, default="", show_default=False, hide_input=True)
    return None if there and not answer else answer


def _write_to_board(port: str, settings: dict[str, Any], keys: dict[str, Any]) -> None:
    from tempfile import TemporaryDirectory

    from ..board import deploying, provision
    from ..board.building import Item
    from ..board.remote import Remote

    with TemporaryDirectory(prefix="lwm2m-") as temporary:
        written = provision.write(Path(temporary), settings, keys)
        items = [Item.of(path.name, path) for path in written]
        remote = Remote(port)
        state = deploying.survey(remote, items)
        todo = deploying.plan(state, items, prune=False, keep=[item.target for item in items])
        report = deploying.carry_out(remote, state, todo)
    for name in report.copied:
        print(f"{name} written to the board at {port}")
    for name in report.unchanged:
        print(f"{name} is on the board at {port} as it is")


def _judge_server(uri: str, check: bool, elsewhere: bool) -> None:
    from ..board import provision

    if elsewhere and provision.is_local(uri):
        _warn(f"server: {uri} means the board itself there; give it the address of this computer")
    if check:
        with _failing():
            trouble = provision.ask_server(uri)
        if trouble:
            _warn(f"server: {trouble} (asked from this computer)")
        else:
            print(f"{uri} answers")


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


# --- deploy -----------------------------------------------------------------------------------


@commands.command()
def deploy(
    board: BoardName = None,
    port: Port = None,
    app: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The program that becomes main.py: firmware/main.py."),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="MODULE", help="A module or folder more, as formats.json or objects."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="TARGET", help="files, romfs, or frozen (prints how).")
    ] = "files",
    app_only: Annotated[
        bool, typer.Option("--app-only", help="Not the package: it is frozen, or from mip.")
    ] = False,
    source: Annotated[bool, typer.Option("--source", help="The .py files, not compiled.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where config.json and keys.json are: firmware/."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file on the board, not only its list.")
    ] = False,
    factory: Annotated[
        bool, typer.Option("--factory", help="Remove updates that came over the air.")
    ] = False,
    restart: Annotated[bool, typer.Option(help="Restart the board at the end.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be copied and removed.")
    ] = False,
    json: Json = False,
) -> None:
    """Put a program and the modules that it imports onto a board: what has changed.

    All or nothing: until everything has arrived the board keeps what it has. config.json and
    keys.json go along when they have changed; what is not from here is left alone.
    JSON: {"board", "copied", "unchanged", "removed", "left_out", "bytes", "seconds"}.
    """
    from ..board import boards, deploying, modules, remote
    from ..testing.unix import find_root

    if to not in ("files", "romfs", "frozen"):
        raise WrongArgument(f"--to is files, romfs or frozen, not {to}")
    with _failing():
        firmware = find_root() / "firmware"
        known = boards.load_all()
        if to == "frozen":
            print(_how_to_freeze(boards.load(board or "")) if board else _which_board())
            return
        place = remote.Remote(_port(port))
        main = firmware / "main.py" if app is None else app
        boot = firmware / "boot.py"
        program = modules.find(main, firmware, extra or (), boot)
        files = program.files
        if app_only:
            files = {n: p for n, p in files.items() if not n.startswith(f"{modules.PACKAGE}/")}
        settings = _settings(config, firmware)
        state = deploying.survey(place, [*_named(files, source), *settings], verify=verify)
        chosen = remote.choose(known, board, state.identity)
        _check_version(state, source)
        quiet = json or dry_run
        items = _built(chosen, files, source, quiet)
        if to == "romfs":
            items = _to_romfs(place, chosen, items)
        if config is None:
            settings = [item for item in settings if item.target not in state.kept]
        todo = deploying.plan(state, [*items, *settings], factory=factory)
        if dry_run:
            _say_plan(todo)
            place.call("resume", "exec", "")
            return
        with _progress() as progress:
            task = progress.add_task("copying", total=todo.size)
            report = deploying.carry_out(
                place,
                state,
                todo,
                restart=restart,
                progress=lambda name, size: progress.update(task, advance=size, description=name),
            )
    if json:
        print_json(
            {
                "board": chosen.name,
                "copied": report.copied,
                "unchanged": report.unchanged,
                "removed": report.removed,
                "left_out": program.left_out,
                "bytes": report.size,
                "seconds": round(report.seconds, 2),
            }
        )
        return
    _say_report(report, chosen, place.port)
    left_out = [] if app_only else program.left_out
    _say_notes(state, settings, left_out, program.unsure, factory)
    if chosen.port != "unix":
        _warn_of_localhost(settings)


def _named(files: dict[str, Path], source: bool) -> list[Item]:
    """Items that have only their names yet: what to look for on the board."""
    from ..board.building import Item, compiled_name

    return [Item(t if source else compiled_name(t), p, -1, "") for t, p in files.items()]


def _settings(config: Path | None, firmware: Path) -> list[Item]:
    """config.json and keys.json, judged before they go anywhere."""
    from ..board import provision
    from ..board.building import Item
    from ..board.deploying import SETTINGS

    folder = firmware if config is None else config
    if config is not None and not (folder / provision.CONFIG).is_file():
        raise WrongArgument(f"no {provision.CONFIG} in {folder}")
    found = [Item.of(name, folder / name) for name in SETTINGS if (folder / name).is_file()]
    if (folder / provision.CONFIG).is_file():
        provision.check_folder(folder)
    return found


def _check_version(state: State, source: bool) -> None:
    from ..board.building import MPY_VERSION

    if not source and state.identity.mpy_version != MPY_VERSION:
        raise Failure(
            f"{state.identity} reads .mpy version {state.identity.mpy_version}, mpy-cross writes "
            f"{MPY_VERSION}: flash MicroPython 1.25 or later, or use --source"
        )


def _built(board: Board, files: dict[str, Path], source: bool, quiet: bool) -> list[Item]:
    from ..board import building

    with _progress(counted=True) as progress:
        task = progress.add_task("compiling", total=len(files), visible=not quiet)
        return building.build(
            board, files, source=source, progress=lambda _: progress.advance(task)
        )


def _to_romfs(place: Any, board: Board, items: list[Item]) -> list[Item]:
    """Modules into the ROMFS partition. Returns what must stay files: MicroPython starts
    boot.py and main.py from nowhere else."""
    from ..board import romfs
    from ..board.building import SOURCES_ONLY

    image = romfs.build(board, [item for item in items if item.target not in SOURCES_ONLY])
    size = image.stat().st_size
    room = romfs.room(place)
    if not room:
        raise Failure(
            f"the MicroPython at {place.port} has no ROMFS partition ({board.name}: "
            f"{board.romfs}); the image is {image}"
        )
    if size > room:
        raise Failure(f"the image has {size} bytes, the ROMFS partition {room}")
    romfs.deploy(place, image)
    return [item for item in items if item.target in SOURCES_ONLY]


def _how_to_freeze(board: Board) -> str:
    from ..testing.unix import find_root

    place = board.manifest.relative_to(find_root())
    more = f" BOARD={board.name}" if board.port != "unix" else ""
    return (
        "In MicroPython's source tree, with the compiler of its port:\n\n"
        f"    make -C ports/{board.port}{more} FROZEN_MANIFEST={board.manifest}\n\n"
        f"{place} adds the package to what the board has anyway; main.py and config.json stay "
        "files.\nThen flash what was built, and deploy the rest: "
        "lwm2m-host board deploy --app-only"
    )


def _which_board() -> str:
    raise WrongArgument("--to frozen needs --board")


def _say_plan(todo: Any) -> None:
    for item in todo.copy:
        print(f"copy    {item.target}  {item.size} bytes")
    for path in todo.remove:
        print(f"remove  {path}")
    print(f"{len(todo.unchanged)} unchanged; nothing was done")


def _say_report(report: Report, board: Board, port: str) -> None:
    from ..board import deploying

    name = f"{board.name} at {port}"
    if not report.copied and not report.removed:
        print(f"{name} is up to date: {len(report.unchanged)} files")
        return
    copied = _count(len(report.copied))
    print(
        f"{name}: {copied} copied ({report.size / 1024:.1f} kB in {report.seconds:.1f} s), "
        f"{len(report.unchanged)} unchanged, {len(report.removed)} removed"
    )
    gone = [path for path in report.removed if deploying.twin(path) not in report.copied]
    for path in gone[:MOST_NAMES]:
        print(f"removed {path}")
    if len(gone) > MOST_NAMES:
        print(f"removed {len(gone) - MOST_NAMES} more")


def _count(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


def _say_notes(
    state: State, settings: list[Item], left_out: list[str], unsure: list[str], factory: bool
) -> None:
    if left_out:
        print(f"left out: {len(left_out)} modules that main.py does not import (--with adds some)")
    for place in unsure:
        _warn(f"{place} imports by a name that is not written out; --with adds what it needs")
    if not any(item.target == "config.json" for item in settings) and (
        "config.json" not in state.hashes and "config.json" not in state.kept
    ):
        _warn("no config.json on the board; next: lwm2m-host board provision")
    if "lwm2m" in state.lib:
        _warn("/lib/lwm2m on the board is hidden by what was deployed, and takes room")
    if "slots.bin" in state.slots and not factory:
        _warn("an update that came over the air may hide what was deployed; --factory removes it")


def _warn_of_localhost(settings: list[Item]) -> None:
    from ..board import provision

    for item in settings:
        if item.target == provision.CONFIG:
            uri = provision.read(item.local.parent)[0].get("server")
            if isinstance(uri, str) and provision.is_local(uri):
                _warn(f"server: {uri} means the board itself there; run board provision again")


# --- monitor and run --------------------------------------------------------------------------


@commands.command()
def monitor(
    port: Port = None,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0, help="End after this time.")
    ] = None,
) -> None:
    """Show what a board prints; keys go to it. Ctrl-] ends it, Ctrl-C stops the program there."""
    from ..board import monitor as monitoring

    def out(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(text: str) -> None:
        print(f"--- {text}", file=sys.stderr, flush=True)

    with _failing():
        where = _port(port)
        with monitoring.raw_terminal() as keys:
            if keys is not None:
                note(f"{where}; Ctrl-] ends this")
            monitoring.watch(where, out, note, keys=keys, for_s=for_s)


@commands.command()
def run(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A program on this computer: firmware/main.py."),
    ] = None,
    port: Port = None,
) -> None:
    """Run a program on a board without copying it, and show what it prints.

    The modules that it imports have to be there: `lwm2m-host board deploy` puts them there.
    """
    from ..testing.unix import find_root

    with _failing():
        program = find_root() / "firmware" / "main.py" if file is None else file
        if not program.is_file():
            raise WrongArgument(f"no file {program}")
        where = _port(port)
        code = _run(where, program)
    if code:
        raise typer.Exit(1)


def _run(port: str, program: Path) -> int:
    """The program's exit code: 1 when it ended with a traceback, or was interrupted."""
    from ..board import onboard
    from ..board.remote import Remote

    remote = Remote(port)
    # What is no board is said in our words; and a watchdog that runs already bites nobody.
    remote.program(onboard.FEED_PROGRAM)
    process = subprocess.Popen(
        [*remote.mpremote, "resume", "run", str(program)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        # The board does not know that nobody listens any more.
        remote.call("resume", "exec", "")
        print("stopped", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


# --- doctor and unix --------------------------------------------------------------------------


@commands.command()
def doctor(json: Json = False) -> None:
    """Say what is here for work with boards, what is missing, and how to get it.

    Exit code 1: something is missing without which nothing works.
    JSON: a list of {"name", "good", "detail", "needed", "remedy"}.
    """
    from ..board import doctor as examining

    found = examining.examine()
    if json:
        print_json([vars(item) for item in found])
    else:
        out = table("", "", "", "to get it")
        for item in found:
            mark = "ok" if item.good else "MISSING" if item.needed else "no"
            out.add_row(*cells(mark, item.name, item.detail, "" if item.good else item.remedy))
        console().print(out)
    if any(item.needed and not item.good for item in found):
        raise typer.Exit(1)


@commands.command()
def unix(
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its flash; build/boards/UNIX/flash.img otherwise."),
    ] = None,
    flash_kb: Annotated[int, typer.Option(min=64, max=65536, help="Size of its flash.")] = 1024,
    width: Annotated[int, typer.Option(help="Bits: 64 or 32.")] = 64,
    heap: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Its heap, as 192k on a small chip.")
    ] = None,
    link: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A name for its port, made and removed.")
    ] = None,
) -> None:
    """Be a board without hardware, until Ctrl-C: prints the port to deploy to."""
    from ..board.boards import load
    from ..board.building import build_folder
    from ..board.unixboard import UnixBoard

    if width not in (32, 64):
        raise WrongArgument(f"--width is 64 or 32, not {width}")
    with _failing():
        if image is None:
            image = build_folder(load("UNIX")) / "flash.img"
            image.parent.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with UnixBoard(image, flash_kb=flash_kb, width=width, heap=heap) as board:
                if link is not None:
                    _link(link, board.port)
                print(f"{link or board.port}  MicroPython at {width} bits, flash {image}")
                print(f"next: lwm2m-host board deploy --port {link or board.port}", flush=True)
                try:
                    while board.running:
                        time.sleep(0.2)
                    raise Failure("the interpreter does not start: " + board.last_words)
                finally:
                    if link is not None:
                        link.unlink(missing_ok=True)
        except KeyboardInterrupt:
            return


def _link(link: Path, port: str) -> None:
    try:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(port)
    except OSError as error:
        raise WrongArgument(f"--link: {link}: {error.strerror}") from None
