"""lwm2m-host status"""

from __future__ import annotations

from typing import Any

from ..terminal import console, print_json, table
from .options import DEFAULT_URL, Json, ServerUrl
from .remote import ServerClient

_ROWS = (  # key in the JSON, words
    ("registered", "devices registered"),
    ("refused", "registrations refused"),
    ("observations", "observations"),
    ("coap.under_way", "requests under way"),
    ("coap.retransmissions", "retransmissions"),
    ("coap.received", "datagrams received"),
    ("coap.dropped", "datagrams dropped by the kernel"),
    ("coap.malformed", "datagrams malformed or refused"),
    ("coap.duplicates", "duplicates"),
    ("coap.remembered", "exchanges remembered"),
    ("coap.uploads", "uploads of devices under way"),
    ("loop_delay_ms", "longest delay of the last minute, ms"),
    ("history_waiting", "values not in the history yet"),
    ("history_dropped", "values given up"),
    ("events_dropped", "events that streams lost"),
    ("uptime_s", "seconds since the start"),
)


def status(json: Json = False, server: ServerUrl = DEFAULT_URL) -> None:
    """Print the state of the server in numbers.

    JSON: {"uptime_s", "registered", "refused", "observations", "loop_delay_ms", "events_dropped",
    "history_waiting", "history_dropped", "coap": {"received", "dropped", "malformed",
    "duplicates", "retransmissions", "remembered", "under_way", "uploads", "downloads",
    "observations"}}.
    """
    found = ServerClient(server).request("GET", "/api/status")
    if json:
        print_json(found)
        return
    out = table("what", "number")
    for key, words in _ROWS:
        out.add_row(words, f"{_value(found, key):.0f}")
    console().print(out)


def _value(found: dict[str, Any], key: str) -> float:
    value: Any = found
    for part in key.split("."):
        value = value[part]
    return float(value)
