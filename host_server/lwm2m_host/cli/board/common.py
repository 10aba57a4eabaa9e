"""Options, messages and progress bars of the commands for boards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ... import Lwm2mError
from ...board import usb
from ...terminal import console
from ..failure import Failure, WrongArgument

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


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Turn an error of this package into a Failure: one line, exit code 1."""
    try:
        yield
    except Lwm2mError as error:
        raise Failure(str(error)) from None


def the_port(port: str | None) -> str:
    """The port that is meant. Raises Failure when there is none, or more than one."""
    if port:
        return port
    found = usb.ports()
    if len(found) == 1:
        return found[0].port
    if found:
        names = ", ".join(item.port for item in found)
        raise WrongArgument(f"several boards are plugged in: {names}; name one with --port")
    raise Failure("no board found; plug one in, or name its port with --port")


def progress_bar(*, counted: bool = False) -> Progress:
    """A bar, when there is a terminal to show it: of bytes, or `counted` in things."""
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


def warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
