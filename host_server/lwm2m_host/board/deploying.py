"""Files onto a board: only what has changed, and all or nothing.

The board keeps `/.deployed.json`, the hashes of what was deployed. What has changed is copied to
`/.deploy` under other names first; the program on the board is still what it was, and whatever
goes wrong until then costs nothing but time: what has arrived whole is not copied again. When all
has arrived and has been hashed on the board, the plan is renamed, which a littlefs does at once or
not at all, and the files go to their places. A power cut from then on is made good by the next
deployment, which finishes the old plan before it makes its own.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from . import onboard
from .building import Item
from .errors import BoardFull, RemoteError
from .remote import Identity, Remote

SETTINGS = ("config.json", "keys.json")  # replaced when they have changed, never removed

PIECE = 3072  # bytes that are sent in one program; as text in it they are a third more
_PART_COST = 64  # about what a further file in it costs


@dataclass
class State:
    """The state of a board's file system.

    hashes: of files that are there and known; "" when a file is there and its hash is not.
    deployed: what the last deployment put there. kept: settings that were written on the board
    itself. staged: size of what an interrupted deployment has left. slots: files of updates that
    came over the air, which hide what is deployed.
    """

    identity: Identity
    hashes: dict[str, str]
    deployed: dict[str, tuple[str, int]]
    kept: list[str]
    staged: dict[str, int]
    free: int
    total: int
    lib: list[str]
    slots: list[str]


@dataclass
class Plan:
    """The changes that a deployment makes."""

    copy: list[Item]
    unchanged: list[Item]
    remove: list[str]
    deployed: dict[str, tuple[str, int]]
    kept: list[str]

    @property
    def size(self) -> int:
        return sum(item.size for item in self.copy)

    @property
    def empty(self) -> bool:
        return not self.copy and not self.remove


@dataclass
class Report:
    """The result of a deployment. `seconds` is the time that it took on the wire."""

    copied: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    size: int = 0
    seconds: float = 0.0


Progress = Callable[[str, int], None]


def twin(path: str) -> str:
    """The other form of a module, which MicroPython would take in its place, or beside it."""
    pure = PurePosixPath(path)
    other = {".py": ".mpy", ".mpy": ".py"}.get(pure.suffix)
    return str(pure.with_suffix(other)) if other else ""


def survey(remote: Remote, items: Sequence[Item], *, verify: bool = False) -> State:
    """Read the state of a board. verify: hash every file on it, whatever its list says.

    Raises RemoteError.
    """
    paths = [item.target for item in items]
    paths += [other for path in paths if (other := twin(path))]
    told = remote.program(onboard.survey(paths, verify))
    identity = Identity.of(told)
    try:
        manifest = told["manifest"] or {}
        deployed = _entries(manifest.get("files", {}))
        hashes: dict[str, str] = {}
        for path, (size, digest) in told["found"].items():
            if size >= 0:
                known, length = deployed.get(path, ("", -1))
                hashes[path] = str(digest) or (known if length == size else "")
        return State(
            identity,
            hashes,
            deployed,
            [str(name) for name in manifest.get("kept") or ()],
            {str(name): int(size) for name, size in told["staged"].items()},
            int(told["free"]),
            int(told["total"]),
            [str(name) for name in told["lib"]],
            [str(name) for name in told["slots"]],
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise RemoteError(f"{remote.port}: the board's answer is not understood") from None


def _entries(files: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """The board's list, without what may be damaged in it: that is found out by copying."""
    found = {}
    for path, entry in files.items():
        match entry:
            case [str(digest), int(size)]:
                found[path] = (digest, size)
    return found


def plan(
    state: State,
    items: Sequence[Item],
    *,
    prune: bool = True,
    keep: Sequence[str] = (),
    factory: bool = False,
) -> Plan:
    """Plan the changes that bring a board from `state` to `items`.

    prune: remove what was deployed before and is not among `items`, and the other forms of modules
    that are. keep: settings that belong to the board from now on. factory: remove updates that
    came over the air too.
    """
    copy = [item for item in items if state.hashes.get(item.target) != item.sha256]
    unchanged = [item for item in items if state.hashes.get(item.target) == item.sha256]
    wanted = {item.target for item in items}
    remove = []
    if prune:
        remove = [path for path in state.deployed if path not in wanted]
        remove += [other for path in wanted if (other := twin(path)) and other not in wanted]
        remove = sorted({path for path in remove if path in state.hashes} - set(SETTINGS))
    if factory:
        remove += state.slots
    deployed = {p: entry for p, entry in state.deployed.items() if p not in remove}
    deployed = {p: entry for p, entry in deployed.items() if p in state.hashes or p in wanted}
    deployed |= {item.target: (item.sha256, item.size) for item in items}
    kept = sorted({*(name for name in state.kept if name not in wanted), *keep})
    return Plan(copy, unchanged, remove, deployed, kept)


def carry_out(
    remote: Remote,
    state: State,
    todo: Plan,
    *,
    restart: bool = True,
    progress: Progress = lambda _name, _size: None,
) -> Report:
    """Carry out a plan. progress: called with name and size of each file as it has been copied.

    Raises BoardFull, RemoteError; the board then has what it had before.
    """
    started = time.monotonic()
    report = Report(
        [item.target for item in todo.copy],
        [item.target for item in todo.unchanged],
        list(todo.remove),
        todo.size,
    )
    if todo.empty and todo.deployed == state.deployed and todo.kept == state.kept:
        remote.call("resume", *(onboard.RESTART if restart else ("exec", "")))
    else:
        _check_room(remote, state, todo)
        try:
            damaged = _send(remote, state.staged, todo, restart, progress)
            if damaged:
                damaged = _send(remote, {}, todo, restart, progress)
        except BoardFull:
            remote.program(onboard.CLEAN_PROGRAM, resume=True)
            raise BoardFull(_no_room(remote, state, todo)) from None
        if damaged:
            raise RemoteError(
                f"{remote.port}: files arrive damaged: {len(damaged)} of them, twice"
            )
    report.seconds = time.monotonic() - started
    return report


def _check_room(remote: Remote, state: State, todo: Plan) -> None:
    missing = [item for item in todo.copy if state.staged.get(_staged(item)) != item.size]
    if sum(item.size for item in missing) > state.free:
        remote.program(onboard.CLEAN_PROGRAM, resume=True)
        raise BoardFull(_no_room(remote, state, todo))


def _no_room(remote: Remote, state: State, todo: Plan) -> str:
    return (
        f"{remote.port}: the board's file system is full: {todo.size / 1024:.0f} kB are to be "
        f"copied beside what is there, {state.free / 1024:.0f} of {state.total / 1024:.0f} kB are "
        "free; nothing was changed"
    )


def _staged(item: Item) -> str:
    """The name under which a file waits: the same for the same content and place."""
    return hashlib.sha256(f"{item.target}\0{item.sha256}".encode()).hexdigest()[:20]


def _send(
    remote: Remote, staged: dict[str, int], todo: Plan, restart: bool, progress: Progress
) -> list[str]:
    """Copy, check, and put in place. Returns the names of files that were damaged on the way;
    then nothing was put in place."""
    names = {_staged(item): item for item in todo.copy}
    plan_text = json.dumps(
        {
            "folders": _folders(item.target for item in todo.copy),
            "move": [[name, "/" + item.target, item.sha256] for name, item in names.items()],
            "remove": ["/" + path for path in todo.remove],
            "empty": _folders(todo.remove)[::-1],
            "manifest": {"files": todo.deployed, "kept": todo.kept},
        },
        separators=(",", ":"),
    )
    missing = {}
    for name, item in names.items():
        if staged.get(name) == item.size:
            progress(item.target, item.size)
        else:
            missing[name] = item.local.read_bytes()
    missing[PurePosixPath(onboard.PLAN).name] = plan_text.encode()
    pieces = _pieces(missing)

    def watch(line: str) -> None:
        number = onboard.piece_number(line)
        if number is not None and number < len(pieces):
            for name, _, data in pieces[number]:
                if name in names:
                    progress(names[name].target, len(data))

    with TemporaryDirectory(prefix="lwm2m-") as temporary:
        programs = [onboard.STAGE_PROGRAM]
        programs += [onboard.piece(parts, number) for number, parts in enumerate(pieces)]
        verbs = ["resume"]
        for number, text in enumerate([*programs, onboard.COMMIT_PROGRAM]):
            program = Path(temporary) / f"{number}.py"
            program.write_text(text, encoding="utf-8")
            verbs += ["run", str(program)]
        told = remote.result(remote.call(*verbs, on_line=watch))
    damaged = told.get("damaged")
    if not isinstance(damaged, list):
        raise RemoteError(f"{remote.port}: the board's answer is not understood")
    if restart and not damaged:
        remote.call("resume", *onboard.RESTART)
    return [str(name) for name in damaged]


def _pieces(files: dict[str, bytes]) -> list[list[tuple[str, bool, bytes]]]:
    """The files in portions that a small board has room for: (name, whether it begins here,
    bytes). A call on the board takes longer than the bytes in it, so that none is for a few."""
    pieces: list[list[tuple[str, bool, bytes]]] = []
    room = 0
    for name, data in files.items():
        at = 0
        while at < len(data) or not at:
            if room <= 0:
                pieces.append([])
                room = PIECE
            part = data[at : at + room]
            pieces[-1].append((name, at == 0, part))
            room -= len(part) + _PART_COST
            at += max(len(part), 1)
    return pieces


def _folders(paths: Any) -> list[str]:
    """The folders that paths need, the outer ones first."""
    found = {str(folder) for path in paths for folder in PurePosixPath("/" + path).parents}
    return sorted(found - {"/"})
