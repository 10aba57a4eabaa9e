"""A call of one operation by HTTP, and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ... import Definitions, Device, Path, Server

_STATUS = {
    "CONTENT": "CONTENT(205)",
    "CHANGED": "CHANGED(204)",
    "CREATED": "CREATED(201)",
    "DELETED": "DELETED(202)",
}


@dataclass(frozen=True)
class Call:
    """The arguments that every operation has. `path` is the root for a composite one."""

    request: Request
    device: Device
    definitions: Definitions
    path: Path
    timeout_s: float | None
    force: bool

    @property
    def server(self) -> Server:
        server: Server = self.request.app.state.server
        return server


Operation = Callable[[Call], Awaitable[JSONResponse]]


def success(status: str, **more: Any) -> JSONResponse:
    """The answer to an operation that succeeded, in Leshan's words."""
    body = {"status": _STATUS[status], "valid": True, "success": True, "failure": False}
    return JSONResponse({**body, **more})
