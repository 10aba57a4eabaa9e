"""Fixtures: real clients in MicroPython's unix port, started against real servers.

Time is short everywhere, so that no test waits: what a device prints and what a server reports
are the conditions, and the time-outs are only there for what never comes.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host import Device, Server
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.coap.timing import Timing
from lwm2m_host.testing.unix import UnixDevice

from tests.waiting import PATIENCE_S

DEVICES = Path(__file__).with_name("devices")
ENDPOINT = "urn:dev:os:it"


class Station(UnixDevice):
    """A device of the tests, with the endpoint name that it registers under."""

    endpoint = ENDPOINT

    async def registered_with(self, server: Server, ssid: int = 1) -> Device:
        """Its handle on a server, as soon as both sides know that it is registered there."""
        device = await self.during(server.wait_for(self.endpoint, PATIENCE_S))
        await self.says(f"event registered {ssid} ")
        return device

    async def happened(self, *names: str, ssid: int = 1) -> None:
        """Wait until this has happened to its registration, in this order, at the end."""
        async with asyncio.timeout(PATIENCE_S):
            while tuple(self.events(ssid)[-len(names) :]) != names:
                self.check()
                await asyncio.sleep(0.01)

    async def says(self, text: str) -> None:
        """Wait until it has printed a text."""
        await self.wait_output(text, PATIENCE_S)

    def events(self, ssid: int = 1) -> list[str]:
        """The names of what happened to its registration with one server, in order."""
        return [name for name, _ in self.timeline(ssid)]

    def timeline(self, ssid: int = 1) -> list[tuple[str, int]]:
        """The same with the device's milliseconds."""
        found = []
        for line in self.output.splitlines():
            words = line.split()
            if len(words) == 5 and words[0] == "event" and words[2] == str(ssid):
                found.append((words[1], int(words[4])))
        return found

    async def interrupt(self) -> int:
        """Press Ctrl-C, and wait for its end. Returns the exit code."""
        self.process_signal(signal.SIGINT)
        return await self.wait(PATIENCE_S)

    def process_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


Start = Callable[..., Awaitable[Station]]


@pytest.fixture(params=[64, 32])
def width(request: pytest.FixtureRequest) -> int:
    """Both widths of MicroPython, those that this machine has."""
    wanted: int = request.param
    try:
        find_micropython(wanted)
    except CheckoutError as error:
        pytest.skip(str(error))
    return wanted


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(port=0, timing=Timing(timeout_s=PATIENCE_S)) as running:
        yield running


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts devices: `await launch(script, servers=[uri], width=64, ...)`. All other keywords
    are the device's configuration. What they printed is in the report of a failed test."""
    running: list[Station] = []
    async with AsyncExitStack() as stack:

        async def start(script: str = "plain.py", **config: Any) -> Station:
            options = {
                name: config.pop(name)
                for name in ("width", "heap", "source", "env", "path")
                if name in config
            }
            file = tmp_path / f"device-{len(running)}.json"
            station = Station(DEVICES / script, [file], **options)
            station.endpoint = config.setdefault("endpoint", ENDPOINT)
            file.write_text(json.dumps(config))
            running.append(station)
            return await stack.enter_async_context(station)

        yield start
    for station in running:
        print(f"--- {station.script.name} printed:\n{station.output}")


@pytest.fixture
async def station(launch: Start, server: Server, width: int) -> Station:
    """The plain device at each width, registered with `server`."""
    started = await launch(servers=[server.uri], width=width)
    await started.registered_with(server)
    return started


@pytest.fixture
async def device(station: Station, server: Server) -> Device:
    """The server's handle on the plain device."""
    return server.device(station.endpoint)
