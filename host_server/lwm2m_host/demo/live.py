"""The live demonstration: a table of the device's object tree, until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from .. import (
    Definitions,
    Deregistered,
    Event,
    Expired,
    Lwm2mError,
    NotRegistered,
    Registered,
    Registration,
    Updated,
)
from ..terminal import cells
from .session import STEP_S, Session
from .tour import NEW_LIFETIME_S
from .view import Row, commands, object_names, read_tree, tree_table

POLL_S = 1.0
# Polls after which the demonstration does something of its own accord
_WRITE_AT = 4
_EXECUTE_AT = 8
_LOG_LINES = 50
# Rows of the plain output that change all the time and tell nothing
_RESTLESS = ("/3/0/10", "/3/0/13", "/5601", "/5602")


class LiveDemo:
    """The screen of the demonstration, or its lines where there is no terminal."""

    def __init__(self, session: Session, console: Console, notes: list[str]) -> None:
        self._session = session
        self._console = console
        self._plain = not console.is_terminal
        self._log: deque[tuple[str, str]] = deque(maxlen=_LOG_LINES)
        self._tree: list[Row] = []
        self._before: list[Row] = []
        self._polls = 0
        self._registration: Registration | None = None
        self._reading_ms = 0.0
        for note in notes:
            self.log(note)

    def log(self, text: str) -> None:
        """A line of the log."""
        moment = time.strftime("%H:%M:%S")
        self._log.append((moment, text))
        if self._plain:
            self._console.print(*cells(f"{moment}  {text}"), soft_wrap=True)

    async def run(self) -> None:
        """Poll and show until cancelled. Raises DeviceDied."""
        stop = self._session.server.on_event(self._on_event)
        try:
            self.log("the server is up, a device is being started")
            device = await self._session.registered()
            if not any("registered" in text for _, text in self._log):
                # It was faster than we were.
                self._log_registered(await device.definitions(), "")
            if self._plain:
                await self._run_plain()
            else:
                with Live(
                    self._screen(), console=self._console, screen=True, auto_refresh=False
                ) as live:
                    while True:
                        await self._round()
                        live.update(self._screen(), refresh=True)
                        await asyncio.sleep(POLL_S)
        finally:
            stop()

    async def _run_plain(self) -> None:
        await self._round()
        self._console.print(tree_table(self._tree))
        self._console.print("try in a second terminal (Ctrl-C ends the demo):")
        for line, does in commands(self._session):
            self._console.print(*cells(f"  {line}    # {does}"), soft_wrap=True)
        while True:
            await asyncio.sleep(POLL_S)
            await self._round()
            known = {row.path: row.value for row in self._before}
            for row in self._tree:
                if known.get(row.path) != row.value and not row.path.endswith(_RESTLESS):
                    text = f"{row.path} {row.object}, {row.name}: {row.value} {row.units}"
                    self.log(text.rstrip())

    async def _round(self) -> None:
        await self._session.check()
        self._polls += 1
        begin = time.monotonic()
        self._registration = await self._session.server.registry.by_endpoint(
            self._session.endpoint
        )
        try:
            tree = await read_tree(self._session.device)
            self._reading_ms = (time.monotonic() - begin) * 1000
            self._before, self._tree = self._tree or tree, tree
            if self._polls == _WRITE_AT:
                await self._session.device.write("/1/0/1", NEW_LIFETIME_S, timeout_s=STEP_S)
                self.log(f"Write /1/0/1 = {NEW_LIFETIME_S}: a new lifetime, so an Update follows")
            elif self._polls == _EXECUTE_AT:
                await self._session.device.execute("/3303/0/5605", timeout_s=STEP_S)
                self.log("Execute /3303/0/5605: minimum and maximum start again")
        except NotRegistered:
            pass  # it is away: rebooting, or disabled from a second terminal
        except Lwm2mError as problem:
            await self._session.check()
            self.log(str(problem))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Registered):
            definitions = Definitions(self._session.server.models, event.registration)
            self._log_registered(definitions, " again" if event.replaced else "")
        elif isinstance(event, Updated):
            told = event.registration
            self.log(f"{event.endpoint} sent an Update: lifetime {told.lifetime_s} s from now on")
        elif isinstance(event, Deregistered):
            self.log(f"{event.endpoint} de-registered")
        elif isinstance(event, Expired):
            self.log(f"{event.endpoint} sent no Update in its lifetime")

    def _log_registered(self, definitions: Definitions, again: str) -> None:
        endpoint = definitions.registration.endpoint
        self.log(f"{endpoint} registered{again}: {object_names(definitions)}")

    # The screen

    def _screen(self) -> RenderableType:
        height = self._console.size.height
        tried = commands(self._session)
        # Title, two lines about the device, four rules, the table's head
        left = height - 3 - 3 - 2 - len(tried)
        log_lines = max(2, min(6, left // 4))
        room = max(1, left - log_lines)
        parts: list[RenderableType] = [*self._head()]
        if self._tree:
            parts.append(tree_table(self._tree, self._before, room))
        hidden = len(self._tree) - room
        more = f" ({hidden} more values in a taller window)" if hidden > 0 else ""
        parts.append(Rule(f"what happened{more}", style="dim", align="left"))
        for moment, text in list(self._log)[-log_lines:]:
            parts.append(_line((moment, "dim"), ("  " + cells(text)[0].plain, "")))
        parts.append(Rule("try in a second terminal", style="dim", align="left"))
        width = max(len(line) for line, _ in tried)
        for line, does in tried:
            parts.append(_line((f"{line:<{width}}", "green"), (f"  {does}", "dim")))
        return Group(*parts)

    def _head(self) -> Iterator[RenderableType]:
        session = self._session
        yield _line(
            ("lwm2m-host demo", "bold"),
            (": a LwM2M server and a MicroPython device", ""),
            ("  Ctrl-C ends it", "dim"),
        )
        told = self._registration
        if told is None:
            yield _line((session.endpoint, "bold"), (" is not registered", "bold red"))
            yield Rule(style="dim")
            return
        left = "never ends"
        if told.expires_at is not None:
            left = f"{max(0, told.expires_at - time.time()):.0f} s left"
        yield _line(
            (told.endpoint, "bold"),
            (" registered", "bold green"),
            (f"  lifetime {told.lifetime_s} s, {left}", ""),
            (f"  {told.address} -> {session.server.uri}  LwM2M {told.version}", ""),
        )
        yield Rule(f"object tree, read in {self._reading_ms:.0f} ms", style="dim", align="left")


def _line(*parts: tuple[str, str]) -> Text:
    text = Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
    return text
