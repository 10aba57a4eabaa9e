"""lwm2m-host board flash"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ...board import boards, flashing, images
from ..failure import Failure, WrongArgument
from .common import Port, failing, progress_bar, the_port


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
    with failing():
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
            where = (port or "PORT") if dry_run else the_port(port)
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
        with progress_bar() as progress:
            task = progress.add_task(image.name, total=found.size)
            flashing.copy(image, target, lambda size: progress.advance(task, size))
        print(f"{chosen.name} is flashed and restarts; next: lwm2m-host board provision")
