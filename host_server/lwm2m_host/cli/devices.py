"""lwm2m-host devices"""

from __future__ import annotations

import time
from typing import Any

from ..terminal import cells, console, iso, print_json, table
from .options import DEFAULT_URL, Json, ServerUrl
from .remote import ServerClient


def summary(client: dict[str, Any]) -> dict[str, Any]:
    """A registration as the commands print it."""
    return {
        "endpoint": client["endpoint"],
        "address": client["address"],
        "version": client["lwM2mVersion"],
        "lifetime_s": client["lifetime"],
        "binding": client["bindingMode"],
        "queue_mode": client["queuemode"],
        "registered_at": iso(client["registrationDate"]),
        "updated_at": iso(client["lastUpdate"]),
        "expires_at": iso(client["expires"]),
        "objects": client["availableInstances"],
        **({"observations": client["observations"]} if "observations" in client else {}),
    }


def devices(json: Json = False, server: ServerUrl = DEFAULT_URL) -> None:
    """List the registered devices.

    JSON: a list of {"endpoint", "address", "version", "lifetime_s", "binding", "queue_mode",
    "registered_at", "updated_at", "expires_at", "objects": {"3": [0]}, "observations" (how many)};
    times are ISO 8601, expires_at is null for a registration without end.
    """
    clients = list(ServerClient(server).pages("/api/clients"))
    if json:
        print_json([summary(client) for client in clients])
        return
    if not clients:
        print("no device is registered")
        return
    out = table("endpoint", "address", "version", "lifetime", "expires in", "observed", "objects")
    now_ms = time.time() * 1000
    for client in clients:
        expires = client["expires"]
        left = "never" if expires is None else f"{max(0, (expires - now_ms) / 1000):.0f} s"
        objects = [
            f"{oid}/{iid}" if iids != [0] else oid
            for oid, iids in client["availableInstances"].items()
            for iid in (iids or [0])
        ]
        out.add_row(
            *cells(
                client["endpoint"],
                client["address"],
                client["lwM2mVersion"] + (" Q" if client["queuemode"] else ""),
                f"{client['lifetime']} s",
                left,
                client["observations"],
                " ".join(objects),
            )
        )
    console().print(out)
