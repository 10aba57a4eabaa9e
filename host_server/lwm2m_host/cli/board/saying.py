"""What `lwm2m-host board deploy` says when it is done, or would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import warn

MOST_NAMES = 8  # that are listed one by one

if TYPE_CHECKING:
    from ...board.boards import Board
    from ...board.building import Item
    from ...board.deploying import Report, State


def plan(todo: Any) -> None:
    """What a dry run would have done."""
    for item in todo.copy:
        print(f"copy    {item.target}  {item.size} bytes")
    for path in todo.remove:
        print(f"remove  {path}")
    print(f"{len(todo.unchanged)} unchanged; nothing was done")


def report(done: Report, board: Board, port: str) -> None:
    """What was copied and removed."""
    from ...board import deploying

    name = f"{board.name} at {port}"
    if not done.copied and not done.removed:
        print(f"{name} is up to date: {len(done.unchanged)} files")
        return
    copied = _count(len(done.copied))
    print(
        f"{name}: {copied} copied ({done.size / 1024:.1f} kB in {done.seconds:.1f} s), "
        f"{len(done.unchanged)} unchanged, {len(done.removed)} removed"
    )
    gone = [path for path in done.removed if deploying.twin(path) not in done.copied]
    for path in gone[:MOST_NAMES]:
        print(f"removed {path}")
    if len(gone) > MOST_NAMES:
        print(f"removed {len(gone) - MOST_NAMES} more")


def _count(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"


def notes(
    state: State, settings: list[Item], left_out: list[str], unsure: list[str], factory: bool
) -> None:
    """What the user may not expect."""
    if left_out:
        print(f"left out: {len(left_out)} modules that main.py does not import (--with adds some)")
    for place in unsure:
        warn(f"{place} imports by a name that is not written out; --with adds what it needs")
    if not any(item.target == "config.json" for item in settings) and (
        "config.json" not in state.hashes and "config.json" not in state.kept
    ):
        warn("no config.json on the board; next: lwm2m-host board provision")
    if "lwm2m" in state.lib:
        warn("/lib/lwm2m on the board is hidden by what was deployed, and takes room")
    if "slots.bin" in state.slots and not factory:
        warn("an update that came over the air may hide what was deployed; --factory removes it")


def localhost(settings: list[Item]) -> None:
    """A server that a board will look for in itself."""
    from ...board import provision

    for item in settings:
        if item.target == provision.CONFIG:
            uri = provision.read(item.local.parent)[0].get("server")
            if isinstance(uri, str) and provision.is_local(uri):
                warn(f"server: {uri} means the board itself there; run board provision again")
