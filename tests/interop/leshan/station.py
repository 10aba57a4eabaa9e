"""Our device, as Eclipse Leshan's server sees and manages it."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host.testing.unix import UnixDevice

from tests.interop.leshan.programs import HERE, Json, LeshanServer
from tests.interop.peers import PATIENCE_S

ENDPOINT = "urn:dev:os:leshan"


class Station(UnixDevice):
    """Our device, as Leshan sees it."""

    leshan: LeshanServer
    endpoint: str

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Json:
        """What an operation comes to."""
        return await self.leshan.ask(method, f"clients/{self.endpoint}{path}", body, **options)

    async def status(self, method: str, path: str, body: Any = None, **options: Any) -> str:
        """The response code of an operation, for example "CHANGED(204)"."""
        answer: str = (await self.ask(method, path, body, **options))["status"]
        return answer

    async def read(self, path: str, **options: Any) -> Any:
        """Read: a value, `{rid: value}` of an instance, `{iid: {rid: value}}` of an object."""
        answer = await self.ask("GET", path, **options)
        assert answer["status"] == "CONTENT(205)", answer
        return plain(answer["content"])

    async def write(self, path: str, value: Any, **options: Any) -> str:
        """Write a resource, or with a dict by resource id an instance."""
        number = int(path.rpartition("/")[2])
        if path.count("/") == 2:
            body: Json = {"id": number, "resources": [node(*item) for item in value.items()]}
        else:
            body = node(number, value)
        return await self.status("PUT", path, body, **options)

    async def discover(self, path: str) -> dict[str, Json]:
        """Discover: the attributes by link."""
        answer = await self.ask("GET", f"{path}/discover")
        assert answer["status"] == "CONTENT(205)", answer
        return links(answer["objectLinks"])

    async def interrupt(self) -> int:
        """Press Ctrl-C, and wait for its end. Returns the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return await self.wait(PATIENCE_S)


def node(number: int, value: Any) -> Json:
    """A resource as Leshan's JSON has it."""
    return {"id": number, "values" if isinstance(value, dict) else "value": value}


def plain(content: Json) -> Any:
    """What Leshan's JSON says."""
    for name in ("instances", "resources"):
        if name in content:
            return {item["id"]: plain(item) for item in content[name]}
    return content.get("value", content.get("values"))


def links(listed: list[Json]) -> dict[str, Json]:
    return {item["url"]: item["attributes"] for item in listed}


Join = Callable[..., Awaitable[Station]]


@pytest.fixture
async def join(width: int, tmp_path: Path) -> AsyncIterator[Join]:
    """Starts our device and waits until Leshan knows it: `device = await join(leshan)`."""
    running: list[Station] = []

    async def start(
        leshan: LeshanServer, script: Path = HERE / "devices" / "managed.py", **config: Any
    ) -> Station:
        file = tmp_path / "device.json"
        device = Station(script, [file], width=width)
        device.leshan = leshan
        device.endpoint = config.setdefault("endpoint", ENDPOINT)
        file.write_text(json.dumps(config))
        await device.start()
        running.append(device)
        await leshan.until(device.endpoint)
        return device

    yield start
    for device in running:
        # A device that is not there any more must not answer to the next test's name.
        if device.returncode is None:
            await device.interrupt()
        print(f"--- {device.script.name} printed:\n{device.output}")
