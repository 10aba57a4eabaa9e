"""A server, its control plane and a device in the unix port, started and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import Deregistered, Device, DeviceTimeout, Lwm2mError, Server, ServerError
from ..testing.unix import UnixDevice
from ..web import ControlPlane

ENDPOINT = "weather-1"
SCRIPT = "firmware/main.py"
LIFETIME_S = 60
PORT = 5683
HTTP_PORT = 8080

# Seconds that a step may take on a busy machine, the Register in it, the De-register at the end
STEP_S = 30.0
REGISTER_S = 20
DEREGISTER_S = 10.0

Log = Callable[[str], None]


class DeviceDied(Lwm2mError):
    """The device's program ended, or stays silent. `output` is what it has printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output.strip()


@dataclass
class Session:
    """A running demonstration: server, control plane, device. Times in seconds."""

    server: Server
    plane: ControlPlane
    process: UnixDevice
    width: int
    endpoint: str = ENDPOINT
    started_s: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> Device:
        """The server's handle. Raises NotRegistered."""
        return self.server.device(self.endpoint)

    async def check(self) -> None:
        """Raise DeviceDied when the device's program has ended."""
        code = self.process.returncode
        if code is not None:
            await self.process.wait(STEP_S)  # for the rest of what it printed
            raise DeviceDied(f"the device ended with exit code {code}", self.process.output)

    async def registered(self) -> Device:
        """The device, as soon as it is registered. Raises DeviceDied."""
        waiting = asyncio.create_task(self.server.wait_for(self.endpoint, REGISTER_S))
        ended = asyncio.create_task(self.process.wait())
        try:
            await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                await self.check()
            return await waiting
        except DeviceTimeout as problem:
            raise DeviceDied(str(problem), self.process.output) from None
        finally:
            for task in (waiting, ended):
                task.cancel()
            await asyncio.gather(waiting, ended, return_exceptions=True)

    async def deregister(self) -> bool:
        """Press Ctrl-C on the device. True when it has de-registered before it ended."""
        if self.process.returncode is not None or not await self.server.devices():
            return False
        gone = asyncio.create_task(
            self.server.wait_event(Deregistered, self.endpoint, timeout_s=DEREGISTER_S)
        )
        await asyncio.sleep(0)  # the event stream is open from here on
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGINT)
        try:
            await gone
        except DeviceTimeout:
            return False
        return True


@contextlib.asynccontextmanager
async def open_session(
    port: int | None, http_port: int | None, width: int, log: Log
) -> AsyncIterator[Session]:
    """Start the server and the device's program; end them however this is left.

    Where a port is None, its default is taken, or a free one when that is in use. Raises
    ServerError, UnixDeviceError, CheckoutError.
    """
    async with contextlib.AsyncExitStack() as stack:
        server = Server(port=PORT if port is None else port)
        try:
            await stack.enter_async_context(server)
        except ServerError:
            if port is not None:
                raise
            server = await stack.enter_async_context(Server(port=0))
            log(f"UDP port {PORT} is taken: devices are served on {server.port}")
        plane = ControlPlane(server, port=HTTP_PORT if http_port is None else http_port)
        try:
            await stack.enter_async_context(plane)
        except ServerError:
            if http_port is not None:
                raise
            plane = await stack.enter_async_context(ControlPlane(server, port=0))
            log(f"TCP port {HTTP_PORT} is taken: commands are served on {plane.port}")
        folder = stack.enter_context(TemporaryDirectory(prefix="lwm2m-demo-"))
        process = UnixDevice(SCRIPT, [_config(Path(folder), server.uri)], width=width)
        await stack.enter_async_context(process)
        session = Session(server, plane, process, width)
        try:
            yield session
        finally:
            await session.deregister()


def _config(folder: Path, server_uri: str) -> Path:
    file = folder / "config.json"
    settings = {
        "endpoint": ENDPOINT,
        "server": server_uri,
        "lifetime_s": LIFETIME_S,
        "interval_s": 1,
        "device": {"manufacturer": "Acme", "model": "Weather station", "serial": "0001"},
    }
    file.write_text(json.dumps(settings, indent=2))
    return file
