"""A guard that keeps web pages of other origins away from the control plane.

A page that somebody visits can make the browser send requests to 127.0.0.1, and can give its own
name that address (DNS rebinding). Such a request carries a foreign Host, Origin or Sec-Fetch-Site.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def hostname(netloc: str) -> str | None:
    """The name in ``name:port`` or ``[::1]:port``, in lower case; None when it is malformed."""
    try:
        parts = urlsplit("//" + netloc)
        _ = parts.port
    except ValueError:
        return None
    if "@" in netloc or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


class Guard:
    """ASGI middleware: 403 for what does not come from this machine's own pages and tools."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            reason = _refusal(Headers(scope=scope))
            if reason:
                response = JSONResponse({"error": "Forbidden", "message": reason}, 403)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _refusal(headers: Headers) -> str:
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hostname(hosts[0]) not in LOOPBACK:
        return "the Host header is not this machine's loopback address"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return "requests from other sites are refused"
    for origin in headers.getlist("origin"):
        if origin != f"http://{hosts[0]}":
            return "requests from other origins are refused"
    return ""
