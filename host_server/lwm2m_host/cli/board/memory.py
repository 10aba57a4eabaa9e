"""lwm2m-host board memory"""

from __future__ import annotations

from typing import Annotated

import typer

from ...board import memory as measuring
from ...board.remote import Remote
from ...terminal import cells, console, print_json, table
from ..options import Json
from .common import Port, failing, the_port


def memory(
    port: Port = None,
    wait_s: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="For the registration, at most."),
    ] = measuring.WAIT_S,
    json: Json = False,
) -> None:
    """Show the heap of a board while its program starts, and what the client takes of it.

    The program is started anew, and followed until it is registered; then the board restarts.
    JSON: {"total", "took", "registered", "stages": {name: {"used", "free", "largest"}}}; bytes.
    """
    with failing():
        found = measuring.measure(Remote(the_port(port)), wait_s)
    empty, last = found["empty"], list(found.values())[-1]
    took = last.used - empty.used
    if json:
        stages = {
            name: {"used": heap.used, "free": heap.free, "largest": heap.largest}
            for name, heap in found.items()
        }
        done = "registered" in found
        print_json({"total": last.total, "took": took, "registered": done, "stages": stages})
        return
    out = table("bytes", "used", "free", "largest free block")
    for name, heap in found.items():
        numbers = (f"{number:,}" for number in (heap.used, heap.free, heap.largest))
        out.add_row(*cells(measuring.STAGES[name], *numbers))
    console().print(out)
    print(f"The program and its client take {took:,} of {last.total:,} bytes.")
    if "registered" not in found:
        print(f"It has not registered within {wait_s:g} s.")
