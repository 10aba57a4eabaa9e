"""lwm2m-host board deploy"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...board import boards, building, deploying, modules, provision, remote, romfs
from ...board.boards import Board
from ...board.building import Item
from ...board.deploying import Plan, Report, State
from ...board.modules import Program
from ...board.pack import deployment
from ...board.pack.deployment import Packer
from ...checkout import find_root
from ...terminal import print_json
from ..failure import Failure, WrongArgument
from ..options import Json
from . import messages
from .common import BoardName, Port, failing, progress_bar, the_port

TARGETS = ("files", "romfs", "frozen")

App = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The program that becomes main.py: firmware/main.py."),
]
Extra = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="MODULE", help="A module or folder more, as formats.json or objects."
    ),
]
To = Annotated[str, typer.Option(metavar="TARGET", help="files, romfs, or frozen (prints how).")]
AppOnly = Annotated[
    bool, typer.Option("--app-only", help="Not the package: it is frozen, or from mip.")
]
Source = Annotated[bool, typer.Option("--source", help="The .py files, not compiled.")]
Plain = Annotated[
    bool, typer.Option("--plain", help="The package's modules as they are, not packed into few.")
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where config.json and keys.json are: firmware/."),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Hash every file on the board, not only its list.")
]
Factory = Annotated[
    bool, typer.Option("--factory", help="Remove firmware updates that came over the air.")
]
Restart = Annotated[bool, typer.Option(help="Restart the board at the end.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only print what would be copied and removed.")
]


@dataclass(frozen=True)
class Options:
    """The command line of `deploy`."""

    board: str | None
    port: str | None
    app: Path | None
    extra: tuple[str, ...]
    to: str
    app_only: bool
    source: bool
    plain: bool
    config: Path | None
    verify: bool
    factory: bool
    restart: bool
    dry_run: bool
    json: bool

    @property
    def packed(self) -> bool:
        """True when the package goes along, packed."""
        return not (self.plain or self.source or self.app_only)

    @property
    def quiet(self) -> bool:
        """True when only the result is printed."""
        return self.json or self.dry_run


def deploy(
    board: BoardName = None,
    port: Port = None,
    app: App = None,
    extra: Extra = None,
    to: To = "files",
    app_only: AppOnly = False,
    source: Source = False,
    plain: Plain = False,
    config: Config = None,
    verify: Verify = False,
    factory: Factory = False,
    restart: Restart = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Copy a program and the modules that it imports to a board, as far as they have changed.

    All or nothing: until everything has arrived the board keeps what it has. config.json and
    keys.json go along when they have changed; what is not from here is left alone.
    JSON: {"board", "copied", "unchanged", "removed", "left_out", "bytes", "seconds"}.
    """
    if to not in TARGETS:
        raise WrongArgument(f"--to is files, romfs or frozen, not {to}")
    given = Options(
        board, port, app, tuple(extra or ()), to, app_only, source, plain, config, verify, factory,
        restart, dry_run, json,
    )  # fmt: skip
    with failing():
        if to != "frozen":
            _deploy(given, find_root() / "firmware")
        elif board is None:
            raise WrongArgument("--to frozen needs --board")
        else:
            print(_how_to_freeze(boards.load(board), given, find_root() / "firmware"))


def _deploy(given: Options, firmware: Path) -> None:
    place = remote.Remote(the_port(given.port))
    known = boards.load_all()
    settings = _settings(given.config, firmware)
    packer = Packer(firmware, given.extra)
    state = _survey(place, given, firmware, known.values(), settings, packer)
    chosen = remote.choose(known, given.board, state.identity)
    _check_version(state, given.source)
    program = _program(given, firmware, chosen.modules)
    items = _built(chosen, program, given, packer)
    if given.to == "romfs":
        items = _to_romfs(place, chosen, items)
    if given.config is None:
        settings = [item for item in settings if item.target not in state.kept]
    plan = deploying.plan(state, [*items, *settings], factory=given.factory)
    if given.dry_run:
        messages.print_plan(plan)
        place.call("resume", "exec", "")
        return
    report = _carry_out(place, state, plan, given.restart)
    if given.json:
        print_json(_as_json(chosen, report, program))
        return
    messages.print_report(report, chosen, place.port)
    messages.print_notes(state, settings, program, given.factory)
    if chosen.port != "unix":
        messages.warn_of_localhost(settings)


def _program(given: Options, firmware: Path, more: Iterable[str]) -> Program:
    """The application with every module that it needs. Raises BuildError."""
    main = firmware / "main.py" if given.app is None else given.app
    program = modules.find(main, firmware, [*given.extra, *more], firmware / "boot.py")
    return program.without_package() if given.app_only else program


def _settings(config: Path | None, firmware: Path) -> list[Item]:
    """config.json and keys.json, checked before they go anywhere. Raises BadSetting."""
    folder = firmware if config is None else config
    there = (folder / provision.CONFIG).is_file()
    if config is not None and not there:
        raise WrongArgument(f"no {provision.CONFIG} in {folder}")
    if there:
        provision.check_folder(folder)
    names = deploying.SETTINGS
    return [Item.of(name, folder / name) for name in names if (folder / name).is_file()]


def _survey(
    place: remote.Remote,
    given: Options,
    firmware: Path,
    known: Iterable[Board],
    settings: list[Item],
    packer: Packer,
) -> State:
    """The state of the board. Which board it is, and so what belongs on it, is known only
    afterwards: it is asked for the modules of every board."""
    asked = {module for board in known for module in board.modules}
    program = _program(given, firmware, asked)
    if given.packed:
        targets = packer.program(program).targets
    elif given.source:
        targets = list(program.files)
    else:
        targets = [building.compiled_name(target) for target in program.files]
    named = [Item(target, firmware, -1, "") for target in targets]
    return deploying.survey(place, [*named, *settings], verify=given.verify)


def _check_version(state: State, source: bool) -> None:
    if not source and state.identity.mpy_version != building.MPY_VERSION:
        raise Failure(
            f"{state.identity} reads .mpy version {state.identity.mpy_version}, mpy-cross writes "
            f"{building.MPY_VERSION}: flash MicroPython 1.25 or later, or use --source"
        )


def _built(board: Board, program: Program, given: Options, packer: Packer) -> list[Item]:
    with progress_bar(counted=True) as progress:
        task = progress.add_task("compiling", total=len(program.files), visible=not given.quiet)
        if given.packed:
            packed = packer.program(program)
            progress.update(task, total=len(packed.targets))
            return deployment.build(board, packed, lambda _: progress.advance(task))
        return building.build(
            board,
            program.files,
            source=given.source,
            progress=lambda _: progress.advance(task),
        )


def _to_romfs(place: remote.Remote, board: Board, items: list[Item]) -> list[Item]:
    """Copy modules into the ROMFS partition. Returns what must stay files: MicroPython starts
    boot.py and main.py from nowhere else."""
    image = romfs.build(
        board, [item for item in items if item.target not in building.SOURCES_ONLY]
    )
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
    return [item for item in items if item.target in building.SOURCES_ONLY]


def _carry_out(place: remote.Remote, state: State, plan: Plan, restart: bool) -> Report:
    with progress_bar() as progress:
        task = progress.add_task("copying", total=plan.size)
        return deploying.carry_out(
            place,
            state,
            plan,
            restart=restart,
            progress=lambda name, size: progress.update(task, advance=size, description=name),
        )


def _as_json(board: Board, report: Report, program: Program) -> dict[str, object]:
    return {
        "board": board.name,
        "copied": report.copied,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "left_out": program.left_out,
        "bytes": report.size,
        "seconds": round(report.seconds, 2),
    }


def _how_to_freeze(board: Board, given: Options, firmware: Path) -> str:
    """Pack the package for the program, unless it is wanted plain. Returns what is to be done."""
    manifest = board.manifest
    if not given.plain:
        program = _program(given, firmware, board.modules)
        packed = Packer(firmware, given.extra).program(program).packed
        manifest = deployment.freeze(board, packed)
    more = f" BOARD={board.name}" if board.port != "unix" else ""
    return (
        "In MicroPython's source tree, with the compiler of its port:\n\n"
        f"    make -C ports/{board.port}{more} FROZEN_MANIFEST={manifest}\n\n"
        f"{manifest.relative_to(find_root())} adds the package{'' if given.plain else ', packed,'}"
        " to what the board has anyway; main.py and config.json stay files.\n"
        "Then flash what was built, and deploy the rest: lwm2m-host board deploy --app-only"
    )
