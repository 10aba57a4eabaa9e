"""lwm2m-host observe, observe-composite, cancel, observations"""

from __future__ import annotations

from typing import Annotated

import typer

from ..terminal import cells, console, iso, print_json, table
from .failure import WrongArgument
from .follow import Follower, Target
from .operations import options, path_argument
from .options import (
    DEFAULT_URL,
    Endpoint,
    Force,
    FormatOption,
    Json,
    OnlyEndpoint,
    Paths,
    ServerUrl,
    Timeout,
)
from .remote import ServerClient

Count = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="End after so many notifications.")
]
For = Annotated[
    float | None, typer.Option("--for", min=0.1, metavar="SECONDS", help="End after this time.")
]
NoPlot = Annotated[bool, typer.Option("--no-plot", help="No curves.")]
Keep = Annotated[bool, typer.Option("--keep", help="Do not cancel at the end.")]
Unordered = Annotated[
    bool,
    typer.Option(
        "--unordered", help="Take every notification, also of a device that repeats its number."
    ),
]
Seconds = Annotated[int | None, typer.Option(min=0, metavar="SECONDS")]
Number = Annotated[float | None, typer.Option(metavar="NUMBER")]


def observe(
    ep: Endpoint,
    paths: Paths,
    pmin: Seconds = None,
    pmax: Seconds = None,
    gt: Number = None,
    lt: Number = None,
    st: Number = None,
    epmin: Seconds = None,
    epmax: Seconds = None,
    in_request: Annotated[
        bool,
        typer.Option(
            "--in-request",
            help="Send pmin and the like with the Observe (LwM2M 1.2) instead of writing them.",
        ),
    ] = False,
    count: Count = None,
    for_: For = None,
    no_plot: NoPlot = False,
    keep: Keep = False,
    unordered: Unordered = False,
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Observe paths and print each notification, until Ctrl-C.

    In a terminal a table and curves; otherwise a line for each value: time, path, value, units,
    separated by tabs. JSON: {"time", "received", "endpoint", "path", "value", "units", "sequence",
    "first", "late"} for each value; {"time", "endpoint", "note"} when the device goes and comes.
    """
    wanted = list(dict.fromkeys(path_argument(path, 1, 4, "observe") for path in paths))
    given = {
        "pmin": pmin, "pmax": pmax, "gt": gt, "lt": lt, "st": st, "epmin": epmin, "epmax": epmax,
    }  # fmt: skip
    attributes = {name: repr(value) for name, value in given.items() if value is not None}
    query = {**options(format, force), **_ordered(unordered)}
    query |= attributes if in_request else {}
    client = ServerClient(server, timeout)

    def prepare() -> None:
        if attributes and not in_request:
            for path in wanted:
                params = {**options(None, force), **attributes}
                client.client("PUT", ep, f"{path}/attributes", params=params)

    items = [Target(f"{path}/observe", (str(path),), False, query) for path in wanted]
    Follower(
        client, ep, items, count=count, for_s=for_, json=json, plots=not no_plot, keep=keep
    ).run(prepare)


def observe_composite(
    ep: Endpoint,
    paths: Paths,
    count: Count = None,
    for_: For = None,
    no_plot: NoPlot = False,
    keep: Keep = False,
    unordered: Unordered = False,
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Observe several paths that are notified together, until Ctrl-C.

    Prints what `observe` prints.
    """
    wanted = tuple(dict.fromkeys(str(path_argument(path, 0, 4, "observe")) for path in paths))
    query = {"paths": ",".join(wanted), **options(format, force), **_ordered(unordered)}
    items = [Target("/composite/observe", wanted, True, query)]
    Follower(
        ServerClient(server, timeout),
        ep,
        items,
        count=count,
        for_s=for_,
        json=json,
        plots=not no_plot,
        keep=keep,
    ).run(lambda: None)


def _ordered(unordered: bool) -> dict[str, str]:
    return {"ordered": "0"} if unordered else {}


def cancel(
    ep: Endpoint,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH...]", help="Those of the Observe.")
    ] = None,
    composite: Annotated[
        bool, typer.Option("--composite", help="The paths of one Observe-Composite.")
    ] = False,
    all_: Annotated[bool, typer.Option("--all", help="All observations of the device.")] = False,
    passive: Annotated[
        bool,
        typer.Option("--passive", help="Tell the device by rejecting its next notification."),
    ] = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Cancel observations.

    JSON: {"endpoint", "paths": [...], "ok": true} for each.
    """
    client = ServerClient(server, timeout)
    if bool(paths) == all_ or (composite and all_):
        raise WrongArgument("cancel needs either paths or --all")
    wanted = [str(path_argument(path, 0 if composite else 1, 4, "cancel")) for path in paths or []]
    groups: list[tuple[bool, list[str]]] = [(False, [path]) for path in wanted]
    if composite:
        groups = [(True, wanted)]
    if all_:
        found = client.request("GET", "/api/observations", params={"ep": ep})
        groups = [(item["kind"] == "composite", item["paths"]) for item in found]
    for together, group in groups:
        params = {"active": "0"} if passive else {}
        place = f"{group[0]}/observe"
        if together:
            place = "/composite/observe"
            params["paths"] = ",".join(group)
        client.client("DELETE", ep, place, params=params)
        if json:
            print_json({"endpoint": ep, "paths": group, "ok": True})
        else:
            print(f"{' '.join(group)} cancelled")
    if not groups and not json:
        print("no observation")


def observations(
    ep: OnlyEndpoint = None,
    json: Json = False,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """List the observations.

    JSON: a list of {"endpoint", "paths", "composite", "state", "since", "count", "last"}; state is
    active, or paused while the device is away.
    """
    params = {"ep": ep} if ep else None
    found = ServerClient(server).request("GET", "/api/observations", params=params)
    if json:
        print_json(
            [
                {
                    "endpoint": item["ep"],
                    "paths": item["paths"],
                    "composite": item["kind"] == "composite",
                    "state": item["state"],
                    "since": iso(item["since"]),
                    "count": item["count"],
                    "last": iso(item["last"]),
                }
                for item in found
            ]
        )
        return
    if not found:
        print("no observation")
        return
    out = table("endpoint", "paths", "state", "since", "notifications")
    for item in found:
        paths = " ".join(item["paths"])
        out.add_row(*cells(item["ep"], paths, item["state"], iso(item["since"]), item["count"]))
    console().print(out)
