"""The messages of `lwm2m-host board deploy`."""

from __future__ import annotations

from ...board import deploying, provision
from ...board.boards import Board
from ...board.building import Item
from ...board.deploying import Plan, Report, State
from ...board.modules import Program
from .common import warn

MOST_NAMES = 8  # that are listed one by one


def print_plan(plan: Plan) -> None:
    """Print what a deployment would do."""
    for item in plan.copy:
        print(f"copy    {item.target}  {item.size} bytes")
    for path in plan.remove:
        print(f"remove  {path}")
    print(f"{len(plan.unchanged)} unchanged; nothing was done")


def print_report(report: Report, board: Board, port: str) -> None:
    """Print what a deployment copied and removed."""
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


def print_notes(state: State, settings: list[Item], program: Program, factory: bool) -> None:
    """Print what the user may not expect of a deployment."""
    if program.left_out:
        number = len(program.left_out)
        print(f"left out: {number} modules that main.py does not import (--with adds some)")
    for place in program.unsure:
        warn(f"{place} imports by a name that is not written out; --with adds what it needs")
    given = any(item.target == provision.CONFIG for item in settings)
    if not given and provision.CONFIG not in (*state.hashes, *state.kept):
        warn("no config.json on the board; next: lwm2m-host board provision")
    if "lwm2m" in state.lib:
        warn("/lib/lwm2m on the board is hidden by what was deployed, and takes room")
    if "slots.bin" in state.slots and not factory:
        warn(
            "a firmware update that came over the air may hide what was deployed; "
            "--factory removes it"
        )


def warn_of_localhost(settings: list[Item]) -> None:
    """Warn of a server URI that means the board itself."""
    for item in settings:
        if item.target == provision.CONFIG:
            uri = provision.read(item.local.parent)[0].get("server")
            if isinstance(uri, str) and provision.is_local(uri):
                warn(f"server: {uri} means the board itself there; run board provision again")
