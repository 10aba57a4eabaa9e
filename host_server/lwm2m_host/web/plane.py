"""The application and the HTTP server that serves it, in the loop of the LwM2M server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from .. import FoldedLog, Server
from ..errors import Lwm2mError, ServerError
from .api.clients import client, list_clients, object_specs
from .api.events import Blocks, events
from .api.problems import answer_problem
from .api.query import Bodies
from .api.reporting import history, list_observations
from .api.status import status
from .bounds import BACKLOG, BoundedProtocol
from .guard import LOOPBACK, Guard

log = logging.getLogger(__name__)

METHODS = ["GET", "PUT", "POST", "DELETE"]


def application(server: Server) -> Starlette:
    """The ASGI application for a running server."""
    app = Starlette(
        routes=[
            Route("/api/clients", list_clients),
            Route("/api/clients/{rest:path}", client, methods=METHODS),
            Route("/api/objectspecs/{rest:path}", object_specs),
            Route("/api/events", events),
            Route("/api/event", events),  # Leshan's name
            Route("/api/observations", list_observations),
            Route("/api/history", history),
            Route("/api/status", status),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={Lwm2mError: answer_problem},
    )
    app.state.server = server
    app.state.blocks = Blocks(server)
    app.state.bodies = Bodies()
    return app


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program, not to this part of it."""
        yield


class ControlPlane:
    """HTTP for a running server. Use it as ``async with``; enter it after the server.

    host: a loopback address; port: 0 takes a free one, see `port` and `url` afterwards.
    Entering raises ServerError when the address is in use or not loopback.
    """

    def __init__(self, server: Server, host: str = "127.0.0.1", port: int = 8080) -> None:
        if host not in LOOPBACK:
            raise ServerError(f"the control plane has no password: {host} is not loopback")
        self.host = host
        self.port = port
        self._server = server
        self._http: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return (
            f"http://[{self.host}]:{self.port}"
            if ":" in self.host
            else (f"http://{self.host}:{self.port}")
        )

    async def __aenter__(self) -> ControlPlane:
        sock = self._bind()
        self.port = sock.getsockname()[1]
        self._http = _Uvicorn(
            uvicorn.Config(
                application(self._server),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                http=BoundedProtocol,
                ws="none",
                backlog=BACKLOG,
            )
        )
        self._fold_errors(asyncio.get_running_loop())
        self._task = asyncio.create_task(self._http.serve([sock]), name="lwm2m control plane")
        return self

    @staticmethod
    def _fold_errors(loop: asyncio.AbstractEventLoop) -> None:
        """Write one line for errors of the loop that repeat: without free files there is one for
        each connection that waits to be accepted."""
        folded = FoldedLog(log, time.monotonic)
        before = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                folded.warning("files", f"no connection can be accepted: {error.strerror}")
            elif before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        loop.set_exception_handler(handle)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None and self._task is not None:
            self._server.close_streams()
            self._http.should_exit = True
            await self._task

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host, self.port))
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except (OSError, OverflowError) as error:
            sock.close()
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise ServerError(
                    f"TCP {self.host}:{self.port} is in use: is another server running?"
                ) from None
            raise ServerError(f"cannot listen on TCP {self.host}:{self.port}: {error}") from None
        return sock
