"""The tour: every operation once, each with its result and what it proves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from .. import DeviceTimeout, Lwm2mError, MethodNotAllowed, ResponseError, Updated
from .session import STEP_S, DeviceDied, Session
from .view import Row, object_names, read_tree, tree_table

NEW_LIFETIME_S = 40

_INDENT = 18


class TourFailed(Lwm2mError):
    """A step did not do what it should. The text names the step."""


class Tour:
    """A tour through a session, printed to `console`."""

    def __init__(self, session: Session, console: Console) -> None:
        self._session = session
        self._console = console
        self._number = 0

    async def run(self) -> None:
        """All steps. Raises TourFailed, DeviceDied."""
        await self._step("Server", "a LwM2M server listens for devices, and for commands", _server)
        await self._step("Device", "a real MicroPython runs the firmware", _device)
        await self._step("Register", "it found its server and named its objects", _register)
        await self._step("Discover", "the server can ask what there is", _discover)
        await self._step("Read", "every value arrives with type, name and unit", self._read)
        await self._step("Poll", "it goes on measuring while it is managed", _poll)
        await self._step("Observe", "it notifies of a change by itself, nobody asks", _observe)
        await self._step("Write", "a new lifetime makes it send an Update by itself", _write)
        await self._step("Execute", "the server can make it do things", _execute)
        await self._step(
            "Refusal", "a Write that is not allowed is refused with its code", _refusal
        )
        await self._step("Command", "a second process manages it through the server", _command)
        await self._step(
            "De-register", "the device ends its registration, and is forgotten", _deregister
        )
        seconds = time.monotonic() - self._session.started_s
        self._console.print(f"\nAll {self._number} steps worked, in {seconds:.1f} s.")

    async def _step(
        self, name: str, proof: str, action: Callable[[Session], Awaitable[str]]
    ) -> None:
        self._number += 1
        title = Text.assemble(f"{self._number:2}  ", (f"{name:<{_INDENT - 5}}", "bold"), " ")
        session = self._session
        try:
            async with asyncio.timeout(STEP_S):
                result = await action(session)
        except DeviceDied:
            self._console.print(title + Text("failed", "bold red"))
            raise
        except (Lwm2mError, TimeoutError) as problem:
            self._console.print(title + Text("failed", "bold red"))
            await session.check()
            reason = str(problem) or f"not done in {STEP_S:g} s"
            raise TourFailed(f"{name}: {reason}") from None
        self._console.print(title + Text(result))
        self._console.print(Padding(Text(proof, "dim"), (0, 0, 0, _INDENT), expand=False))

    async def _read(self, session: Session) -> str:
        begin = time.monotonic()
        tree = await read_tree(session.device)
        passed_ms = (time.monotonic() - begin) * 1000
        self._console.print()
        self._console.print(Padding(tree_table(tree), (0, 0, 1, 4), expand=False))
        _need(bool(_values(tree)), "no sensor in the object tree")
        return f"{len(tree)} values in {passed_ms:.0f} ms"


async def _server(session: Session) -> str:
    return f"{session.server.uri}  {session.plane.url}"


async def _device(session: Session) -> str:
    await session.check()
    return f"{session.process.script.name}, {session.width} bits, process {session.process.pid}"


async def _register(session: Session) -> str:
    device = await session.registered()
    definitions = await device.definitions()
    told = definitions.registration
    return (
        f"{told.endpoint} from {told.address}, LwM2M {told.version}, "
        f"lifetime {told.lifetime_s} s: {object_names(definitions)}"
    )


async def _discover(session: Session) -> str:
    links = await session.device.discover("/3/0")
    _need(len(links) > 1, "the Device object is empty")
    return f"/3/0 has {len(links) - 1} resources"


async def _poll(session: Session) -> str:
    first = await session.device.read("/3/0/13")
    seen: list[str] = []
    while True:
        (moment, value) = (
            await session.device.read("/3/0/13"),
            await session.device.read("/3303/0/5700"),
        )
        text = f"{value:g}"
        if text not in seen:
            seen.append(text)
        if moment != first:
            return f"/3303/0/5700 is {', '.join(seen[-3:])} Cel; its clock goes on"
        await asyncio.sleep(0.1)


async def _observe(session: Session) -> str:
    begin = time.monotonic()
    async with session.device.observe("/3303/0/5700") as observation:
        values = [observation.value, *[(await anext(observation)).value for _ in range(2)]]
    passed_s = time.monotonic() - begin
    for before, after in itertools.pairwise(values):
        _need(before != after, "it notified of the value of before")
    shown = ", ".join(f"{value:g}" for value in values)
    return f"/3303/0/5700 notified {shown} Cel in {passed_s:.1f} s, then it was cancelled"


async def _write(session: Session) -> str:
    update = asyncio.create_task(
        session.server.wait_event(Updated, session.endpoint, timeout_s=STEP_S)
    )
    try:
        await asyncio.sleep(0)  # the event stream is open from here on
        begin = time.monotonic()
        await session.device.write("/1/0/1", NEW_LIFETIME_S)
        told = (await update).registration.lifetime_s
        passed_ms = (time.monotonic() - begin) * 1000
    finally:
        update.cancel()
    _need(told == NEW_LIFETIME_S, f"the Update carried {told} s")
    kept = await session.device.read("/1/0/1")
    _need(kept == NEW_LIFETIME_S, f"the device kept {kept} s")
    return f"/1/0/1 = {told} s, and the Update came {passed_ms:.0f} ms later"


async def _execute(session: Session) -> str:
    await session.device.execute("/3303/0/5605")
    now = await session.device.read("/3303/0")
    _need(now[5601] <= now[5700] <= now[5602], f"the extremes are {now[5601]}, {now[5602]}")
    return f"/3303/0/5605: minimum and maximum start again at {now[5700]:g} Cel"


async def _refusal(session: Session) -> str:
    try:
        await session.device.write("/3/0/0", "somebody else", force=True)
    except MethodNotAllowed as refused:
        return str(refused)
    except ResponseError as refused:
        raise TourFailed(f"4.05 was expected, not {refused}") from None
    raise TourFailed("the manufacturer could be written")


async def _command(session: Session) -> str:
    code = "from lwm2m_host.cli import main; main()"
    arguments = ["read", session.endpoint, "/3/0/0", "--json", "--server", session.plane.url]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told = (await process.communicate())[0].decode("utf-8", "replace").strip()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    _need(process.returncode == 0, told or f"it ended with {process.returncode}")
    return f"lwm2m-host read {session.endpoint} /3/0/0 --json prints {told}"


async def _deregister(session: Session) -> str:
    if not await session.deregister():
        raise DeviceTimeout("the device did not de-register")
    _need(await session.server.devices() == [], "the server still has its registration")
    return f"{session.endpoint} has de-registered"


def _values(tree: list[Row]) -> list[Row]:
    return [row for row in tree if row.path.endswith("/5700")]


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise TourFailed(otherwise)
