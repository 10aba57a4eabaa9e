"""Tables, texts and JSON for a terminal."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = tuple[str, str, str, str]

_SENSOR_UNITS = 5701
_IN_SENSOR_UNITS = (5700, 5601, 5602, 5603, 5604)


def console() -> Console:
    """Standard output; as wide as it needs to be when it is not a terminal."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=200)


def print_json(data: Any) -> None:
    """One line of JSON, at once. What is not printable is escaped."""
    text = json.dumps(data, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    print(text, flush=True)


def iso(milliseconds: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 in UTC; as seconds where no date can hold them."""
    if milliseconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return repr(milliseconds / 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_time(milliseconds: int) -> str:
    """The time of day here; the seconds since 1970 where no date can hold them."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(milliseconds / 1000))
    except (OverflowError, ValueError, OSError):
        return repr(milliseconds / 1000)


def table(*columns: str) -> Table:
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        out.add_column(column, overflow="fold")
    return out


def printable(text: str) -> str:
    """The text, with a replacement for what would not show, or do something to a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def cells(*texts: object) -> list[Text]:
    """Cells that show their text as it is; what a device sends is not markup."""
    return [Text(printable(str(t))) for t in texts]


def value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{float(repr(value)):.10g}"
    return str(value)


def rows(node: dict[str, Any], parent: str) -> list[Row]:
    """A node as (path, name, value, units), one row per value."""
    if node["kind"] == "root":
        return [row for item in node["objects"] for row in rows(item, "")]
    path = f"{parent}/{node['id']}"
    kind = node["kind"]
    if kind == "obj":
        return [row for item in node["instances"] for row in rows(item, path)]
    if kind == "instance":
        return _instance_rows(node, path)
    name, units = node.get("name", ""), node.get("units", "")
    if kind == "multiResource":
        return [
            (f"{path}/{riid}", name, value_text(value), units)
            for riid, value in node["values"].items()
        ]
    return [(path, name, value_text(node["value"]), units)]


def _instance_rows(node: dict[str, Any], path: str) -> list[Row]:
    told = {item["id"]: item.get("value") for item in node["resources"]}
    out: list[Row] = []
    for item in node["resources"]:
        if item["id"] in _IN_SENSOR_UNITS and told.get(_SENSOR_UNITS):
            item = {**item, "units": str(told[_SENSOR_UNITS])}
        out += rows(item, path)
    return out


def plain(node: dict[str, Any]) -> Any:
    """A node's values alone: a value, or dicts with ids as keys."""
    for name in ("objects", "instances", "resources"):
        if name in node:
            return {str(item["id"]): plain(item) for item in node[name]}
    return node["values"] if "values" in node else node["value"]
