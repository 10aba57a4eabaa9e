"""lwm2m-host events"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .devices import summary
from .options import DEFAULT_URL, Json, ServerUrl
from .remote import ServerClient
from .render import cells, console, iso, local_time, print_json


def add_to(app: typer.Typer) -> None:
    app.command()(events)


def events(
    ep: Annotated[str | None, typer.Argument(metavar="[EP]", help="Only this device.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after so many events.")
    ] = None,
    json: Json = False,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Follow registrations, updates and good-byes until Ctrl-C.

    JSON: one object per line: {"time" (ISO 8601), "event" (registered, updated, deregistered,
    expired), and what `devices --json` prints}.
    """
    out = console()
    for number, event in enumerate(ServerClient(server).events(ep), 1):
        if json:
            print_json({"time": iso(event["time"]), "event": event["event"], **_about(event)})
        else:
            about = _about(event)
            out.print(
                *cells(
                    local_time(event["time"]),
                    f"{event['event']:<12}",
                    event["ep"],
                    about["address"],
                    f"lifetime {about['lifetime_s']} s",
                )
            )
        if number == count:
            return


def _about(event: dict[str, Any]) -> dict[str, Any]:
    return summary(event.get("registration", event))
