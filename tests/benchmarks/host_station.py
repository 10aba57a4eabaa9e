"""A server under load, in a process of its own: commands on stdin, one JSON line for each.

host_station.py memory|sqlite|aiocoap FOLDER
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from lwm2m_host import Clock, History, Server, SqliteRegistry, Timing
from lwm2m_host.cli.serve import collect_rarely

Answer = dict[str, Any]


def rss_bytes() -> int:
    """The memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def longest_stall_s(work: list[Coroutine[Any, Any, None]]) -> float:
    """The longest time that a sleeping task overslept while the others worked.

    It is this process's time: what other processes take is no stall of the server.
    """
    stall_s = 0.0
    working = True

    async def watch() -> None:
        nonlocal stall_s
        while working:
            began = time.process_time()
            await asyncio.sleep(0.01)
            stall_s = max(stall_s, time.process_time() - began - 0.01)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*work)
    working = False
    await watcher
    return stall_s


class Station:
    """A server, and the commands that it takes."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def read_all(self) -> Answer:
        """Read a resource of all devices at once."""
        timeouts = 0

        async def read(endpoint: str) -> None:
            nonlocal timeouts
            try:
                await self.server.device(endpoint).read("/3303/0/5700")
            except Exception:
                timeouts += 1

        endpoints = [item.endpoint for item in await self.server.registrations()]
        # So many tasks keep the loop busy by themselves, whatever they do.
        control_s = await longest_stall_s([asyncio.sleep(0.1) for _ in endpoints])
        cpu_s = time.process_time()
        stall_s = await longest_stall_s([read(endpoint) for endpoint in endpoints])
        return {
            "count": len(endpoints),
            "timeouts": timeouts,
            "stall_ms": stall_s * 1000,
            "control_ms": control_s * 1000,
            "reading_s": time.process_time() - cpu_s,
        }

    async def observe_all(self) -> Answer:
        for registration in await self.server.registrations():
            await self.server.device(registration.endpoint).observe("/3303/0/5700")
        return {}

    async def status(self) -> Answer:
        endpoint = self.server.sender.endpoint.status
        history = self.server.history
        return {
            "registered": await self.server.registry.count(),
            "observations": len(self.server.observations),
            "notifications": sum(item.count for item in self.server.observations),
            "waiting": history._count if history is not None else 0,
            "received": endpoint.received,
            "dropped": endpoint.dropped,
        }

    async def ping(self) -> Answer:
        return {}


async def plain_aiocoap() -> int:
    """The smallest server that aiocoap makes: it answers 2.01 and keeps nothing."""
    import socket

    import aiocoap
    from aiocoap import resource

    class Rd(resource.Resource):
        async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
            answer = aiocoap.Message(code=aiocoap.CREATED)
            answer.opt.location_path = ("rd", "abcdefgh")
            return answer

    site = resource.Site()
    site.add_resource(["rd"], Rd())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    await aiocoap.Context.create_server_context(
        site, bind=("::ffff:127.0.0.1", port), transports=["udp6"]
    )
    return port


async def take_commands(commands: dict[str, Callable[[], Awaitable[Answer]]]) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while name := (await reader.readline()).decode().strip():
        cpu_s = time.process_time()
        answer = await commands[name]()
        now_s = time.process_time()
        answer |= {"cpu_s": now_s, "spent_s": now_s - cpu_s, "rss": rss_bytes()}
        print(json.dumps(answer), flush=True)


async def main(kind: str, folder: str, port: int) -> None:
    logging.basicConfig(filename=Path(folder) / "log", level=logging.INFO)
    began = time.monotonic()
    collect_rarely()
    if kind == "aiocoap":

        async def ping() -> Answer:
            return {}

        print(json.dumps({"port": await plain_aiocoap()}), flush=True)
        await take_commands({"ping": ping})
        return
    clock = Clock()
    registry = (
        SqliteRegistry(Path(folder) / "registry.sqlite", clock) if kind == "sqlite" else None
    )
    history = History(Path(folder) / "history.sqlite") if kind == "history" else None
    server = Server(
        "127.0.0.1", port, clock=clock, registry=registry, history=history, timing=Timing()
    )
    async with server:
        station = Station(server)
        ready = {"port": server.port, "ready_s": time.monotonic() - began}
        print(json.dumps(ready), flush=True)
        await take_commands(
            {
                "ping": station.ping,
                "status": station.status,
                "read_all": station.read_all,
                "observe_all": station.observe_all,
            }
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
