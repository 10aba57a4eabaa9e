"""lwm2m-host board detect"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...board import boards, usb
from ...board.errors import BoardError
from ...board.remote import Remote
from ...terminal import cells, console, print_json, table
from ..options import Json
from .common import failing


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
    found: list[dict[str, Any]] = []
    with failing():
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
