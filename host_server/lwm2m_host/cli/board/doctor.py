"""lwm2m-host board doctor"""

from __future__ import annotations

import typer

from ...board import doctor as examining
from ...terminal import cells, console, print_json, table
from ..options import Json


def doctor(json: Json = False) -> None:
    """List what work with boards needs, what is missing, and how to get it.

    Exit code 1: something is missing without which nothing works.
    JSON: a list of {"name", "good", "detail", "needed", "remedy"}.
    """
    found = examining.examine()
    if json:
        print_json([vars(item) for item in found])
    else:
        out = table("", "", "", "to get it")
        for item in found:
            mark = "ok" if item.good else "MISSING" if item.needed else "no"
            out.add_row(*cells(mark, item.name, item.detail, "" if item.good else item.remedy))
        console().print(out)
    if any(item.needed and not item.good for item in found):
        raise typer.Exit(1)
