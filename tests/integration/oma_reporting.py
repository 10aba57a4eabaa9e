"""Devices, paths and notifications of OMA's enabler tests of information reporting."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from lwm2m_host import Device, Server
from lwm2m_host.checkout import CheckoutError, find_micropython
from lwm2m_host.reporting.observation import Observation
from lwm2m_host.reporting.report import Notification, Send

from tests.integration.conftest import ENDPOINT, PATIENCE_S, Start, Station

VOLTAGE, CURRENT, TEMPERATURE, SEND, COLLECT, TURN, MOVE, SIGNAL, STOP = (
    f"/26251/0/{rid}" for rid in range(9)
)
COMPOSITE = ("senml-json", "senml-cbor")
SENML_JSON, SENML_CBOR = 110, 112


class Fleet:
    """Devices of each width, one for each variant of a test, at work at the same time: so what
    has to wait, waits for all of them at once."""

    def __init__(self, launch: Start, server: Server) -> None:
        self.launch = launch
        self.server = server

    async def run(
        self, scenario: Callable[..., Awaitable[None]], *variants: tuple[Any, ...]
    ) -> None:
        """`scenario(station, device, *variant)` for each of them."""
        started = []
        for width in widths():
            for number, variant in enumerate(variants or [()]):
                endpoint = f"{ENDPOINT}-{width}-{number}"
                station = await self.launch(
                    "reporting.py",
                    servers=[self.server.uri],
                    width=width,
                    endpoint=endpoint,
                    mtu=1088,
                )
                started.append((station, variant))
        async with asyncio.TaskGroup() as tasks:
            for station, variant in started:
                device = await station.registered_with(self.server)
                tasks.create_task(station.during(scenario(station, device, *variant)))


def widths() -> list[int]:
    """Those that this machine has."""
    found = []
    for width in (64, 32):
        try:
            find_micropython(width)
        except CheckoutError:
            continue
        found.append(width)
    return found


async def heard(observation: Observation) -> Notification:
    """The next notification. One that does not come fails the test instead of stopping it."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(observation)


async def silent(device: Device, *observations: Observation) -> None:
    """Nothing has been notified: neither before an answer that was sent later, nor waits here."""
    counts = [item.count for item in observations]
    await device.read("/3/0/0")
    await device.read("/3/0/0")
    assert [item.count for item in observations] == counts


async def gaps(station: Station, place: str, count: int) -> list[int]:
    """The milliseconds between the notifications of a path, or paths: `count` of them, by the
    device's clock."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := told(station, place)) <= count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return [later - earlier for earlier, later in itertools.pairwise(found)]


def told(station: Station, place: str) -> list[int]:
    """When the device has told a path, or paths, in its milliseconds: since it started, as it
    counts them for pmin."""
    moments = []
    for line in station.output.splitlines(keepends=True):
        for status in ("sent", "acknowledged"):
            if line.startswith(f"status {status} {place} to ") and line.endswith("\n"):
                moments.append(int(line.rpartition(" ")[2]))
    return moments


async def sent(server: Server, device: Device, resource: str, args: str) -> Send:
    """What arrives when the device is told to send."""
    with device.sends() as stream:
        await device.execute(resource, args)
        async with asyncio.timeout(PATIENCE_S):
            return await anext(stream)


def stored(station: Station, ssid: int = 1) -> list[tuple[float, float]]:
    """What the device has stored for a server, in order: values, and times as it tells them."""
    found = []
    for line in station.output.splitlines(keepends=True):
        words = line.split()
        if line.endswith("\n") and words[:2] == ["stored", str(ssid)]:
            found.append((float(words[2]), int(words[3]) / 1000))
    return found
