"""Fixtures: our exchange layer as a client and as a server, at both widths."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from lwm2m_host.checkout import CheckoutError, find_micropython

from tests.interop.peers import DEVICE, PATIENCE_S, Answer, Peer
from tests.ports import free_port


@pytest.fixture(params=[64, 32])
def width(request: pytest.FixtureRequest) -> int:
    """Both widths of MicroPython, those that this machine has."""
    wanted: int = request.param
    try:
        find_micropython(wanted)
    except CheckoutError as error:
        pytest.skip(str(error))
    return wanted


Serve = Callable[..., Awaitable[Peer]]
Ask = Callable[..., Awaitable[tuple[list[Answer], Peer]]]


@pytest.fixture
async def serve(width: int, tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts our server: `device = await serve(mtu=1088, lost=[0])`."""
    running: list[Peer] = []
    async with AsyncExitStack() as stack:

        async def start(script: str = "peer_server.py", **config: Any) -> Peer:
            config.setdefault("port", free_port())
            path = config.pop("path", ())
            peer = Peer(DEVICE / script, config, tmp_path, width=width, path=path)
            running.append(peer)
            await stack.enter_async_context(peer)
            await peer.wait_output("ready", PATIENCE_S)
            return peer

        yield start
    for peer in running:
        print(f"--- {peer.script.name} printed:\n{peer.output}")


@pytest.fixture
def ask(width: int, tmp_path: Path) -> Ask:
    """Runs our client against a port: `[answer], device = await ask(port, {...})`."""

    async def run(
        port: int, *asks: dict[str, Any], script: str = "peer_client.py", **config: Any
    ) -> tuple[list[Answer], Peer]:
        path = config.pop("path", ())
        config |= {"port": port, "asks": asks}
        peer = Peer(DEVICE / script, config, tmp_path, width=width, path=path)
        async with peer:
            code = await peer.wait(PATIENCE_S)
        print(f"--- {peer.script.name} printed:\n{peer.output}")
        assert code == 0
        return peer.answers(), peer

    return run
