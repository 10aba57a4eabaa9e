"""lwm2m-host events"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..terminal import cells, console, iso, local_time, print_json, value_text
from .devices import summary
from .options import DEFAULT_URL, Json, OnlyEndpoint, ServerUrl
from .remote import ServerClient

_REPORTS = ("notification", "send", "observation", "unreadable")


def events(
    ep: OnlyEndpoint = None,
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after so many events.")
    ] = None,
    json: Json = False,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Follow registrations, observations, notifications and Send until Ctrl-C.

    JSON: one object per line: {"time" (ISO 8601), "event" (registered, updated, deregistered,
    expired), and what `devices --json` prints}; for notification and send {"endpoint", "samples":
    [{"path", "value", "time"}]}, for observation {"endpoint", "paths", "state", "reason"}, for
    unreadable {"endpoint", "path", "reason"}.
    """
    out = console()
    for number, event in enumerate(ServerClient(server).events(ep), 1):
        if json:
            print_json({"time": iso(event["time"]), "event": event["event"], **_about(event)})
        elif event["event"] in _REPORTS:
            line = (local_time(event["time"]), f"{event['event']:<12}", event["ep"])
            out.print(*cells(*line, *_reported(event)))
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
    kind = event["event"]
    if kind not in _REPORTS:
        return summary(event.get("registration", event))
    about: dict[str, Any] = {"endpoint": event["ep"]}
    if kind in ("notification", "send"):
        return {
            **about,
            "samples": [
                {"path": item["path"], "value": item["value"], "time": iso(item["time"])}
                for item in event["samples"]
            ],
        }
    if kind == "observation":
        return {**about, **{name: event[name] for name in ("paths", "state", "reason")}}
    return {**about, "path": event["res"], "reason": event["reason"]}


def _reported(event: dict[str, Any]) -> list[str]:
    kind = event["event"]
    if kind == "observation":
        return [" ".join(event["paths"]), event["state"], event["reason"]]
    if kind == "unreadable":
        return [event["res"], event["reason"]]
    shown = [f"{item['path']}={value_text(item['value'])}" for item in event["samples"][:5]]
    more = len(event["samples"]) - len(shown)
    return [*shown, *([f"and {more} more"] if more else [])]
