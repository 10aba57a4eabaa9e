"""lwm2m-host read-composite, write-composite"""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import typer

from .. import Path
from ..terminal import cells, console, plain, print_json, rows, table
from .failure import WrongArgument
from .operations import body, done, json_object, options, path_argument
from .options import DEFAULT_URL, Endpoint, Force, FormatOption, Json, Paths, ServerUrl, Timeout
from .remote import ServerClient


def read_composite(
    ep: Endpoint,
    paths: Paths,
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Read several paths of any objects in one request.

    JSON: {"endpoint", "values": {PATH: value}}, the values as read prints them; null where the
    device did not answer for a path.
    """
    wanted = [path_argument(path, 0, 4, "read") for path in paths]
    params = {"paths": ",".join(map(str, wanted)), **options(format, force)}
    answer = ServerClient(server, timeout).client("GET", ep, "/composite", params=params)
    content: dict[str, Any] = answer["content"]
    if json:
        values = {path: None if n is None else plain(n) for path, n in content.items()}
        print_json({"endpoint": ep, "values": values})
        return
    out = table("path", "name", "value", "units")
    for text, node in content.items():
        path = Path.parse(text)
        found = rows(node, str(Path(path.ids[:-1])).rstrip("/")) if node else []
        for row in found or [(text, "", "(empty)" if node else "(no answer)", "")]:
            out.add_row(*cells(*row))
    console().print(out)


def write_composite(
    ep: Endpoint,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH=VALUE...",
            help='/1/0/1=300 /3/0/14=+01:00, or one JSON object: {"/1/0/1": 300}, in which null '
            "deletes a resource or an instance of one (LwM2M 1.2).",
        ),
    ],
    format: FormatOption = None,
    force: Force = False,
    json: Json = False,
    timeout: Timeout = 30.0,
    server: ServerUrl = DEFAULT_URL,
) -> None:
    """Write several resources of any objects in one request: all of them, or none.

    JSON: {"endpoint", "paths", "ok": true}.
    """
    given: dict[str, Any] = {}
    for text in values:
        if text.startswith("{"):
            given |= json_object(text, "write-composite")
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongArgument(f"expects PATH=VALUE, as in /1/0/1=300, got {text!r}")
        path = path_argument(name, 2, 4, "write")
        if str(path) in given:
            raise WrongArgument(f"{path} occurs twice")
        given[str(path)] = body(path, value)
    ServerClient(server, timeout).client(
        "PUT",
        ep,
        "/composite",
        params=options(format, force),
        body=json_module.dumps(given),
    )
    told = [str(path_argument(path, 0, 4, "write")) for path in given]
    if json:
        print_json({"endpoint": ep, "paths": told, "ok": True})
        return
    for where in told:
        done(ep, where, False, "written")
