"""Notifications of a device as they come: a live table with curves, or a line for each value."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from .. import Path
from ..terminal import cells, console, iso, local_time, print_json, rows, table, value_text
from .failure import Failure
from .plot import plot
from .remote import ServerClient

_POINTS = 2000
_NOTES = 5
CANCEL_S = 5.0


@dataclass
class _Line:
    """One value of the table."""

    name: str = ""
    units: str = ""
    value: Any = None
    time_ms: int = 0
    received_s: float = 0.0
    count: int = 0
    change: float | None = None
    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_POINTS))


@dataclass
class Target:
    """An observation to follow: `place` is its path in the HTTP API, `query` goes with it."""

    place: str
    paths: tuple[str, ...]
    composite: bool
    query: dict[str, str]
    id: str = ""
    current: str = ""


class Follower:
    """A view of observations: it begins them, shows their notifications, and cancels them.

    count, for_s: end after so many notifications, after so many seconds.
    """

    def __init__(
        self,
        server: ServerClient,
        endpoint: str,
        targets: list[Target],
        *,
        count: int | None,
        for_s: float | None,
        json: bool,
        plots: bool,
        keep: bool,
    ) -> None:
        self._server = server
        self._endpoint = endpoint
        self._targets = targets
        self._count = count
        self._until = None if for_s is None else time.monotonic() + for_s
        self._json = json
        self._plots = plots
        self._keep = keep
        self._events: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
        self._lines: dict[str, _Line] = {}
        self._notes: deque[str] = deque(maxlen=_NOTES)
        self._notified_count = 0
        self._state = "active"
        self._out = console()
        self._lock = threading.Lock()

    def run(self, prepare: Callable[[], None]) -> None:
        """Until Ctrl-C or the end of the observations. Raises Failure, WrongArgument."""
        ready = threading.Event()
        reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        reader.start()
        ready.wait(10)
        self._raise_waiting()
        prepare()
        with _terminated():
            try:
                for item in self._targets:
                    answer = self._server.client(
                        "POST", self._endpoint, item.place, params=item.query
                    )
                    item.id = item.current = answer["observation"]["id"]
                if self._out.is_terminal and not self._json:
                    with Live(
                        get_renderable=self._screen, console=self._out, refresh_per_second=4
                    ):
                        self._follow()
                else:
                    self._follow()
            except KeyboardInterrupt:
                pass
            finally:
                self._cancel()

    def _read(self, ready: threading.Event) -> None:
        try:
            for event in self._server.events(self._endpoint, ready.set):
                self._events.put(event)
            self._events.put(None)
        except Exception as problem:
            self._events.put(problem)
        finally:
            ready.set()

    def _raise_waiting(self) -> None:
        try:
            event = self._events.get_nowait()
        except queue.Empty:
            return
        if isinstance(event, Exception):
            raise event
        self._events.put(event)

    def _follow(self) -> None:
        while self._count is None or self._notified_count < self._count:
            left = None
            if self._until is not None:
                left = self._until - time.monotonic()
                if left <= 0:
                    return
            try:
                # Not for ever: a thread that waits without end hears no Ctrl-C on some systems.
                event = self._events.get(timeout=1.0 if left is None else min(1.0, left))
            except queue.Empty:
                continue
            if event is None:
                raise Failure("the server was closed")
            if isinstance(event, Exception):
                raise event
            with self._lock:
                if not self._on_event(event):
                    return

    def _on_event(self, event: dict[str, Any]) -> bool:
        """False at the end of the last observation."""
        kind = event["event"]
        if kind == "notification":
            if self._of(event) is not None:
                self._on_notification(event)
        elif kind == "observation":
            item = self._of(event)
            if item is None:
                return True
            if event["state"] == "ended":
                if event["id"] != item.current:
                    return True  # another one has taken its place
                item.current = item.id = ""
                self._note(event["time"], f"{' '.join(item.paths)} ended: {event['reason']}")
                return any(other.current for other in self._targets)
            item.current = event["id"]
            if event["reason"]:
                self._state = event["state"]
                self._note(event["time"], f"{event['state']}: {event['reason']}")
        elif kind == "unreadable":
            self._note(event["time"], f"unreadable: {event['res']}: {event['reason']}")
        return True

    def _of(self, event: dict[str, Any]) -> Target | None:
        composite = event.get("kind") == "composite"
        paths = set(event.get("paths") or [event.get("res")])
        for item in self._targets:
            if item.composite == composite and set(item.paths) == paths:
                return item
        return None

    def _note(self, time_ms: int, text: str) -> None:
        line = f"{local_time(time_ms)} {text}"
        self._notes.append(line)
        if self._json:
            print_json({"time": iso(time_ms), "endpoint": self._endpoint, "note": text})
        elif not self._out.is_terminal:
            print("# " + cells(line)[0].plain, flush=True)

    def _on_notification(self, event: dict[str, Any]) -> None:
        self._notified_count += 1
        about = _about(event)
        for sample in event["samples"]:
            path, value = sample["path"], sample["value"]
            name, units = about.get(path, ("", ""))
            if self._json:
                print_json(
                    {
                        "time": iso(sample["time"]),
                        "received": iso(event["time"]),
                        "endpoint": self._endpoint,
                        "path": path,
                        "value": value,
                        "units": units or None,
                        "sequence": event["sequence"],
                        "first": event["first"],
                        "late": event["late"],
                    }
                )
            elif not self._out.is_terminal:
                fields = (iso(sample["time"]), path, value_text(value), units)
                print("\t".join(cell.plain for cell in cells(*fields)), flush=True)
            self._store_sample(sample, name, units, event)

    def _store_sample(
        self, sample: dict[str, Any], name: str, units: str, event: dict[str, Any]
    ) -> None:
        line = self._lines.setdefault(sample["path"], _Line())
        value = sample["value"]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number:
            line.points.append((sample["time"] / 1000, float(value)))
        line.count += 1
        if sample["time"] < line.time_ms:
            return
        before = line.value
        line.change = (
            value - before
            if number and isinstance(before, int | float) and not isinstance(before, bool)
            else None
        )
        line.name, line.units, line.value = name or line.name, units or line.units, value
        line.time_ms, line.received_s = sample["time"], event["time"] / 1000

    def _screen(self) -> RenderableType:
        with self._lock:
            out = table("path", "name", "value", "units", "time", "age", "count", "change")
            for path, line in sorted(self._lines.items(), key=lambda item: _ids(item[0])):
                change = "" if line.change is None else f"{line.change:+.4g}"
                age_s = max(0.0, time.time() - line.time_ms / 1000)
                out.add_row(
                    *cells(
                        path,
                        line.name,
                        value_text(line.value),
                        line.units,
                        local_time(line.time_ms),
                        f"{age_s:.0f} s",
                        line.count,
                        change,
                    )
                )
            parts: list[RenderableType] = [
                Text(self._title()),
                out,
            ]
            if self._plots:
                parts += self._curves()
            parts += [cells(note)[0] for note in self._notes]
            return Group(*parts)

    def _title(self) -> str:
        count = f"{self._notified_count} notifications"
        return f"{self._endpoint}  {self._state}  {count}  Ctrl-C ends it"

    def _curves(self) -> Iterator[RenderableType]:
        size = self._out.size
        drawn = [(path, line) for path, line in self._lines.items() if len(line.points) > 1]
        room = size.height - len(self._lines) - len(self._notes) - 5
        height = min(8, room // len(drawn) - 1) if drawn else 0
        if height < 2:
            return
        for path, line in drawn:
            yield Text(f"{path} {line.units}".rstrip(), style="dim")
            for text in plot(list(line.points), min(100, size.width - 1), height):
                yield Text(text, no_wrap=True)

    def _cancel(self) -> None:
        if self._keep:
            return
        for item in self._targets:
            if not item.id:
                continue
            params = {"id": item.id}
            if item.composite:
                params["paths"] = ",".join(item.paths)
            # It may be replaced, or the device away: it has ended on the server all the same.
            with suppress(Failure):
                ServerClient(self._server.url, CANCEL_S).client(
                    "DELETE", self._endpoint, item.place, params=params
                )


def _ids(text: str) -> tuple[int, ...]:
    return Path.parse(text).ids


def _about(event: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Names and units of the values in an event."""
    found: dict[str, tuple[str, str]] = {}
    nodes = event["val"] if event["kind"] == "composite" else {event["res"]: event["val"]}
    for text, node in nodes.items():
        if node is not None:
            parent = str(Path(Path.parse(text).ids[:-1])).rstrip("/")
            for path, name, _, units in rows(node, parent):
                found[path] = (name, units)
    return found


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, so that the device is told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
