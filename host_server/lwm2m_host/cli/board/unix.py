"""lwm2m-host board unix: a board without hardware"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from ...board.boards import load
from ...board.building import build_folder
from ...board.unixboard import UnixBoard
from ..failure import Failure, WrongArgument
from .common import failing, interrupt


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
    if width not in (32, 64):
        raise WrongArgument(f"--width is 64 or 32, not {width}")
    with failing():
        if image is None:
            image = build_folder(load("UNIX")) / "flash.img"
            image.parent.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, interrupt)
        try:
            with UnixBoard(image, flash_kb=flash_kb, width=width, heap=heap) as board:
                if link is not None:
                    _link(link, board.port)
                print(f"{link or board.port}  MicroPython at {width} bits, flash {image}")
                print(f"next: lwm2m-host board deploy --port {link or board.port}", flush=True)
                try:
                    while board.running:
                        time.sleep(0.2)
                    raise Failure("the interpreter does not start: " + board.unread_output)
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
