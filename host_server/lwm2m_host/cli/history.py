"""lwm2m-host history"""

from __future__ import annotations

import csv as csv_module
import re
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ..errors import HistoryError
from ..reporting.history import read
from ..terminal import cells, console, iso, print_json, printable, table, value_text
from .failure import Failure, WrongArgument
from .operations import path_argument
from .options import DEFAULT_URL, Endpoint, Json, ServerUrl
from .remote import ServerClient

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]*)?")
_AGO = re.compile(r"([0-9]{1,9})([smhd])")


def history(
    ep: Endpoint,
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="/3303 is everything below; / is all.")
    ] = "/",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="10m, 2h, 7d ago; ISO 8601; seconds since 1970."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="As --since.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="The newest N values.")
    ] = 1000,
    csv: Annotated[bool, typer.Option("--csv", help="Comma separated, with a header.")] = False,
    file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read the file of a server that is not running."),
    ] = None,
    json: Json = False,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Print what a device has notified and sent, the oldest first.

    CSV and JSON (one object per line): time (the device's own where it told one), endpoint, path,
    value, type, source (observe, notify, send), received, timed (whether time is the device's).
    """
    where = path_argument(path, 0, 4, "show the history of")
    if csv and json:
        raise WrongArgument("either --csv or --json")
    begin, end = (_moment(text) for text in (since, until))
    if file is not None:
        try:
            found = [
                row._asdict()
                for row in read(file, ep, where, since_s=begin, until_s=end, limit=limit)
            ]
        except HistoryError as problem:
            raise Failure(str(problem)) from None
    else:
        params = {"ep": ep, "path": str(where), "limit": str(limit)}
        for name, moment in (("since", begin), ("until", end)):
            if moment is not None:
                params[name] = repr(moment)
        found = ServerClient(server).request("GET", "/api/history", params=params)
    _print(found, csv, json)


def _print(found: list[dict[str, Any]], csv: bool, json: bool) -> None:
    fields = ("time", "endpoint", "path", "value", "type", "source", "received", "timed")
    lines = [
        {
            "time": iso(round(row["time_s"] * 1000)),
            "endpoint": row["endpoint"],
            "path": row["path"],
            "value": row["value"],
            "type": row["type"],
            "source": row["source"],
            "received": iso(round(row["received_s"] * 1000)),
            "timed": row["timed"],
        }
        for row in found
    ]
    if json:
        for line in lines:
            print_json(line)
    elif csv:
        out = csv_module.writer(sys.stdout, lineterminator="\n")
        out.writerow(fields)
        for line in lines:
            line["value"] = _in_cell(line["value"])
            line["timed"] = value_text(line["timed"])
            out.writerow([_shown(line[name]) for name in fields])
    elif not lines:
        print("no notification and no Send is stored")
    else:
        shown = table("time", "path", "value", "source")
        for line in lines:
            value = value_text(line["value"])
            shown.add_row(*cells(line["time"], line["path"], value, line["source"]))
        console().print(shown)


def _shown(cell: Any) -> Any:
    """A cell without control sequences. Lines of a text stay: CSV has quotes for them."""
    if not isinstance(cell, str):
        return cell
    return "\n".join(printable(line) for line in cell.split("\n"))


def _in_cell(value: Any) -> str:
    """A value for CSV. What a spreadsheet would take for a formula in a text gets a quote."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return repr(value) if isinstance(value, float) else value_text(value)


def _moment(text: str | None) -> float | None:
    """Seconds since 1970. Raises WrongArgument."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - int(ago[1]) * _UNITS[ago[2]]
    try:
        return float(text) if _SECONDS.fullmatch(text) else _date(text)
    except (ValueError, OverflowError):
        raise WrongArgument(f"expects a time as in 10m, 2h or 2025-01-31, got {text!r}") from None


def _date(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
