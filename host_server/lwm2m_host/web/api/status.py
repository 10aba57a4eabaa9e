"""/api/status: the server in numbers."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse

from ... import Server


async def status(request: Request) -> JSONResponse:
    """The JSON of `Server.status`."""
    server: Server = request.app.state.server
    return JSONResponse(asdict(await server.status()))
