"""pytest fixtures: a server, and a device in the unix port that is registered with it.

    @pytest.mark.lwm2m_device(config={"lifetime_s": 20}, width=32, heap="64k")
    async def test_it(lwm2m_device):
        assert await lwm2m_device.read("/3/0/0")

The marker's arguments: `script` (default firmware/main.py), `config` (entries added to the
config.json that the device is started with), `endpoint`, `timeout_s` (for the registration),
and `width`, `heap`, `source`, `env`, `path` as UnixDevice takes them.

`lwm2m_relay` puts a bad network between a device and a server.

Needs pytest-asyncio with asyncio_mode = auto.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

# Every pytest run of the project loads this file: the server is imported where it is used.
if TYPE_CHECKING:
    from .. import Device, Server
    from ..faults import Faults, Relay
    from .unix import UnixDevice

REGISTRATION_TIMEOUT_S = 60.0

_UNIX_OPTIONS = ("width", "heap", "source", "env", "path")
_OPTIONS = ("script", "config", "endpoint", "timeout_s", *_UNIX_OPTIONS)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "lwm2m_device(script=, config=, endpoint=, width=, heap=, source=, env=, path=, "
        "timeout_s=): how the fixture lwm2m_device is started",
    )


@pytest.fixture
async def lwm2m_server() -> AsyncIterator[Server]:
    """A server of its own for each test, on a free port of 127.0.0.1."""
    from .. import Server

    async with Server(port=0) as server:
        yield server


@pytest.fixture
async def lwm2m_process(
    request: pytest.FixtureRequest, lwm2m_server: Server, tmp_path: Path
) -> AsyncIterator[UnixDevice]:
    """The process of the device, started; `output` is what it printed."""
    from .unix import UnixDevice

    options = _options(request)
    config = {
        "endpoint": _endpoint(request),
        "server": lwm2m_server.uri,
        "lifetime_s": 60,
        **options.get("config", {}),
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config, indent=2))
    chosen = {name: options[name] for name in _UNIX_OPTIONS if name in options}
    async with UnixDevice(options.get("script", "firmware/main.py"), [file], **chosen) as process:
        yield process


@pytest.fixture
async def lwm2m_device(
    request: pytest.FixtureRequest, lwm2m_server: Server, lwm2m_process: UnixDevice
) -> Device:
    """A handle on a device of the unix port, registered with `lwm2m_server`."""
    from .. import DeviceTimeout

    options = _options(request)
    timeout_s = options.get("timeout_s", REGISTRATION_TIMEOUT_S)
    endpoint = options.get("config", {}).get("endpoint", _endpoint(request))
    try:
        return await lwm2m_process.during(lwm2m_server.wait_for(endpoint, timeout_s))
    except DeviceTimeout as problem:
        problem.add_note("the device printed:\n" + (lwm2m_process.output or "(nothing)"))
        raise


class RelayFactory(Protocol):
    """The type of the fixture `lwm2m_relay`."""

    async def __call__(
        self,
        target: Server | tuple[str, int],
        *,
        seed: int | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        uplink: Faults | None = None,
        downlink: Faults | None = None,
        **faults: Any,
    ) -> Relay: ...


@pytest.fixture
async def lwm2m_relay() -> AsyncIterator[RelayFactory]:
    """A function that starts relays, which are closed after the test::

        relay = await lwm2m_relay(lwm2m_server, loss=0.3, delay_ms=(50, 400))
        async with UnixDevice("device.py", [relay.uri]):
            ...
            relay.rebind()

    `target` is a Server or (host, port); keywords are the fields of Faults, for both directions,
    and `seed`, `listen`, `uplink`, `downlink` as Relay takes them. When the test fails, its report
    shows the seed and what passed.
    """
    from ..faults import Faults, Relay

    async with AsyncExitStack() as stack:
        relays: list[Relay] = []

        async def start(
            target: Server | tuple[str, int],
            *,
            seed: int | None = None,
            listen: tuple[str, int] = ("127.0.0.1", 0),
            uplink: Faults | None = None,
            downlink: Faults | None = None,
            **faults: Any,
        ) -> Relay:
            place = target if isinstance(target, tuple) else (target.host, target.port)
            relay = Relay(
                place, listen, Faults(**faults), uplink=uplink, downlink=downlink, seed=seed
            )
            print(f"lwm2m_relay: seed={relay.seed}")
            relays.append(relay)
            return await stack.enter_async_context(relay)

        yield start
        for relay in relays:
            print(f"lwm2m_relay: seed={relay.seed}, up {relay.up}; down {relay.down}")


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker("lwm2m_device")
    if marker is None:
        return {}
    unknown = [name for name in marker.kwargs if name not in _OPTIONS]
    if unknown or marker.args:
        raise pytest.UsageError(
            f"lwm2m_device takes only the keywords {', '.join(_OPTIONS)}; got "
            + ", ".join([*unknown, *map(repr, marker.args)])
        )
    return dict(marker.kwargs)


def _endpoint(request: pytest.FixtureRequest) -> str:
    named: str = _options(request).get("endpoint", "urn:dev:os:test-1")
    return named
