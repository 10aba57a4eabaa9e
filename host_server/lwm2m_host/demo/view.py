"""The object tree of a device as rows, and the commands that a second terminal may try."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from .. import Definitions, Device, Path
from ..terminal import cells, rows
from ..web.api.nodes import node
from .session import HTTP_PORT, STEP_S, Session

# What a short screen shows first
_FIRST = ("/5700", "/1/0/1", "/3/0/13", "/3/0/10", "/5601", "/5602", "/3/0/0", "/3/0/1")
_SENSORS_FROM = 3200


class Row(NamedTuple):
    """One value of the tree. `object` is the name of its object."""

    object: str
    path: str
    name: str
    value: str
    units: str


async def read_tree(device: Device) -> list[Row]:
    """Read every object that the device has registered; sensors come first. Raises Lwm2mError."""
    found = []
    definitions = await device.definitions()
    objects = definitions.registration.objects
    for oid in sorted(objects, key=lambda oid: (oid < _SENSORS_FROM, oid)):
        path = Path((oid,))
        value = await device.read(path, timeout_s=STEP_S)
        model = definitions.object_model(path)
        name = model.name if model else f"object {oid}"
        found += [Row(name, *row) for row in rows(node(definitions, path, value), "")]
    return found


def object_names(definitions: Definitions) -> str:
    """The registered objects by name: "Server, Device, Temperature"."""
    objects = definitions.registration.objects
    models = [(oid, definitions.object_model(Path((oid,)))) for oid in objects]
    return ", ".join(model.name if model else f"object {oid}" for oid, model in models)


def tree_table(tree: list[Row], before: list[Row] | None = None, limit: int = 1000) -> Table:
    """The rows as a table; what is different from `before` stands out, at most `limit` rows."""
    known = {row.path: row.value for row in before or tree}
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("object", "path"):
        out.add_column(column, no_wrap=True)
    out.add_column("name", overflow="ellipsis", no_wrap=True, ratio=1)
    out.add_column("value", overflow="ellipsis", no_wrap=True, justify="right", min_width=20)
    out.add_column("units", no_wrap=True)
    last = ""
    for row in _fitting(tree, limit):
        name, path, title, value, units = cells(*row)
        if known.get(row.path) != row.value:
            value.stylize("bold green")
        path.stylize("cyan")
        title.stylize("" if row.value else "dim")
        units.stylize("dim")
        name.stylize("bold")
        out.add_row(name if row.object != last else Text(), path, title, value, units)
        last = row.object
    return out


def _fitting(tree: list[Row], limit: int) -> list[Row]:
    if len(tree) <= limit:
        return tree
    ranks = [
        next((i for i, end in enumerate(_FIRST) if row.path.endswith(end)), len(_FIRST))
        for row in tree
    ]
    chosen = sorted(range(len(tree)), key=lambda i: (ranks[i], i))[: max(1, limit)]
    return [tree[i] for i in sorted(chosen)]


def program() -> str:
    """The name by which this program is called from the user's folder."""
    name = sys.argv[0]
    if os.path.basename(name) != "lwm2m-host":
        return "lwm2m-host"
    near = os.path.relpath(name)
    return name if near.startswith("..") else near


def commands(session: Session) -> list[tuple[str, str]]:
    """Command lines for a second terminal, each with its effect."""
    call, ep = program(), session.endpoint
    port = session.plane.port
    where = "" if port == HTTP_PORT else f" --server {session.plane.url}"
    return [
        (f"{call} devices{where}", "who is registered"),
        (f"{call} read {ep} /3/0{where}", "the Device object"),
        (f"{call} write {ep} /1/0/1 120{where}", "a longer lifetime"),
        (f"{call} execute {ep} /3/0/4{where}", "reboot it"),
    ]
