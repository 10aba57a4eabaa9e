"""lwm2m-host board deploy"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...terminal import print_json
from ..failure import Failure, WrongArgument
from ..options import Json
from . import saying
from .common import BoardName, Port, failing, progress_bar, the_port

if TYPE_CHECKING:
    from ...board.boards import Board
    from ...board.building import Item
    from ...board.deploying import State
    from ...board.modules import Program


def add_to(commands: typer.Typer) -> None:
    commands.command()(deploy)


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
    from ...board import boards, deploying, modules, remote
    from ...checkout import find_root

    if to not in ("files", "romfs", "frozen"):
        raise WrongArgument(f"--to is files, romfs or frozen, not {to}")
    with failing():
        firmware = find_root() / "firmware"
        known = boards.load_all()
        if to == "frozen":
            print(_how_to_freeze(boards.load(board or "")) if board else _which_board())
            return
        place = remote.Remote(the_port(port))
        main = firmware / "main.py" if app is None else app
        boot = firmware / "boot.py"
        # Which board it is, and so what belongs on it, is known only after a look at it.
        asked = {module for item in known.values() for module in item.modules}

        def find(more: Iterable[str]) -> Program:
            program = modules.find(main, firmware, [*(extra or ()), *more], boot)
            return program.without_package() if app_only else program

        settings = _settings(config, firmware)
        state = deploying.survey(
            place, [*_named(find(asked).files, source), *settings], verify=verify
        )
        chosen = remote.choose(known, board, state.identity)
        _check_version(state, source)
        quiet = json or dry_run
        program = find(chosen.modules)
        items = _built(chosen, program.files, source, quiet)
        if to == "romfs":
            items = _to_romfs(place, chosen, items)
        if config is None:
            settings = [item for item in settings if item.target not in state.kept]
        todo = deploying.plan(state, [*items, *settings], factory=factory)
        if dry_run:
            saying.plan(todo)
            place.call("resume", "exec", "")
            return
        with progress_bar() as progress:
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
    saying.report(report, chosen, place.port)
    saying.notes(state, settings, program.left_out, program.unsure, factory)
    if chosen.port != "unix":
        saying.localhost(settings)


def _named(files: dict[str, Path], source: bool) -> list[Item]:
    """Items that have only their names yet: what to look for on the board."""
    from ...board.building import Item, compiled_name

    return [Item(t if source else compiled_name(t), p, -1, "") for t, p in files.items()]


def _settings(config: Path | None, firmware: Path) -> list[Item]:
    """config.json and keys.json, judged before they go anywhere."""
    from ...board import provision
    from ...board.building import Item
    from ...board.deploying import SETTINGS

    folder = firmware if config is None else config
    if config is not None and not (folder / provision.CONFIG).is_file():
        raise WrongArgument(f"no {provision.CONFIG} in {folder}")
    found = [Item.of(name, folder / name) for name in SETTINGS if (folder / name).is_file()]
    if (folder / provision.CONFIG).is_file():
        provision.check_folder(folder)
    return found


def _check_version(state: State, source: bool) -> None:
    from ...board.building import MPY_VERSION

    if not source and state.identity.mpy_version != MPY_VERSION:
        raise Failure(
            f"{state.identity} reads .mpy version {state.identity.mpy_version}, mpy-cross writes "
            f"{MPY_VERSION}: flash MicroPython 1.25 or later, or use --source"
        )


def _built(board: Board, files: dict[str, Path], source: bool, quiet: bool) -> list[Item]:
    from ...board import building

    with progress_bar(counted=True) as progress:
        task = progress.add_task("compiling", total=len(files), visible=not quiet)
        return building.build(
            board, files, source=source, progress=lambda _: progress.advance(task)
        )


def _to_romfs(place: Any, board: Board, items: list[Item]) -> list[Item]:
    """Modules into the ROMFS partition. Returns what must stay files: MicroPython starts
    boot.py and main.py from nowhere else."""
    from ...board import romfs
    from ...board.building import SOURCES_ONLY

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
    from ...checkout import find_root

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
