"""The history: reports of devices in SQLite, each value with its time and its source.

A thread of its own writes, many values in one transaction, so that the server never waits for a
disk. What was written survives the end of the process, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ..coap.folding import FoldedLog
from ..errors import HistoryError
from ..events import Event
from ..model.path import Path
from ..model.values import to_json
from .events import Notified, Sent
from .report import Notification, Report

log = logging.getLogger(__name__)

SCHEMA = 1
MAX_ROWS = 1_000_000
MAX_WAITING = 100_000
# Of one device: one that floods takes nothing from the others.
DEVICE_WAITING = 20_000
_BATCH = 2000
_GATHER_S = 0.05
_PRUNE_EVERY = 10_000
_BUSY_S = 5.0
# A step of the clock that is no correction, and how long nothing is deleted by age after it; the
# same when the file is found older, or newer, than the clock: it may have been away, or be wrong.
_JUMP_S = 3600.0
_HOLD_S = 86400.0
_HOLD_AT_START_S = 3600.0

_TABLES = """
CREATE TABLE IF NOT EXISTS samples (
    id INTEGER PRIMARY KEY,
    ep TEXT NOT NULL,
    path TEXT NOT NULL,
    time_s REAL NOT NULL,
    received_s REAL NOT NULL,
    timed INTEGER NOT NULL,
    source TEXT NOT NULL,
    type TEXT,
    value TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS samples_by_path ON samples (ep, path, time_s);
CREATE INDEX IF NOT EXISTS samples_by_age ON samples (received_s);
CREATE UNIQUE INDEX IF NOT EXISTS samples_once ON samples (ep, path, time_s, value) WHERE timed;
"""


class _Commit(NamedTuple):
    """A mark between values: `future` is done when those before it are in the file."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


def _settle(commits: list[_Commit], problem: Exception | None) -> None:
    """Tell those who wait. Called in the writer's thread."""

    def settle() -> None:
        for commit in commits:
            if commit.future.done():
                continue
            if problem is None:
                commit.future.set_result(None)
            else:
                commit.future.set_exception(problem)

    if commits:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            commits[0].loop.call_soon_threadsafe(settle)


class Row(NamedTuple):
    """One value. Times are seconds since 1970; `time_s` is the device's when `timed`.

    `source` is "observe" (the answer to an Observe), "notify" or "send"; `value` is as JSON has it
    (see lwm2m_host.model.values), `type` the name of its data type where that is known.
    """

    endpoint: str
    path: str
    time_s: float
    received_s: float
    timed: bool
    source: str
    type: str | None
    value: Any


def default_file() -> FilePath:
    """The file of `lwm2m-host serve`, below XDG_STATE_HOME."""
    state = os.environ.get("XDG_STATE_HOME") or FilePath.home() / ".local" / "state"
    return FilePath(state) / "lwm2m-host" / "history.sqlite"


class History:
    """The history of a server: the reports in its events.

    file: None keeps it until `close` only.
    rows: how many values are kept, of all devices. Then the oldest go of those devices that have
        most: one that reports a lot takes nothing from the others.
    age_s: how long they are kept; None is for ever.

    A value that a device sends again with the same time of its own is kept once. `dropped` counts
    values that were given up because the disk was too slow.
    """

    def __init__(
        self,
        file: str | FilePath | None = None,
        *,
        rows: int = MAX_ROWS,
        age_s: float | None = None,
    ) -> None:
        if rows < 1 or (age_s is not None and age_s <= 0):
            raise ValueError("a history keeps at least one value, for some time")
        self.file = FilePath(file) if file is not None else None
        self.rows = rows
        self.age_s = age_s
        self.dropped = 0
        self._log = FoldedLog(log, time.monotonic)  # the thread's
        self._folder: TemporaryDirectory[str] | None = None
        self._waiting: queue.Queue[Any] = queue.Queue()
        self._count = 0  # of the values in it
        self._count_of: Counter[str] = Counter()  # for each endpoint
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._clock_offset_s = time.time() - time.monotonic()
        self._steady_at_s = 0.0  # of the monotonic clock: from then on it may delete by age

    def open(self) -> None:
        """Make or check the file and start the writer. Raises HistoryError."""
        if self._thread is not None:
            raise HistoryError("the history is open already")
        if self.file is None:
            self._folder = TemporaryDirectory(prefix="lwm2m-history-")
        self._prepare()
        self._thread = threading.Thread(target=self._write_for_ever, name="lwm2m history")
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """Write what is waiting, and end."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._waiting.put(None)
        thread.join()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def _place(self) -> FilePath:
        if self.file is not None:
            return self.file
        if self._folder is None:
            raise HistoryError("the history is not open")
        return FilePath(self._folder.name) / "history.sqlite"

    def _prepare(self) -> None:
        place = self._place
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(place, os.O_CREAT | os.O_RDWR, 0o600))
            base = _connect(place)
            try:
                version = base.execute("PRAGMA user_version").fetchone()[0]
                if version not in (0, SCHEMA):
                    raise HistoryError(f"{place} is of another version of this program")
                base.execute("PRAGMA journal_mode = WAL")
                base.executescript(_TABLES)
                base.execute(f"PRAGMA user_version = {SCHEMA}")
                newest_s = base.execute("SELECT max(received_s) FROM samples").fetchone()[0]
                if newest_s is not None and abs(time.time() - newest_s) > _JUMP_S:
                    self._steady_at_s = time.monotonic() + _HOLD_AT_START_S
            finally:
                base.close()
        except (OSError, sqlite3.Error) as problem:
            raise HistoryError(f"{place} cannot be used: {problem}") from None

    # Writing

    def on_event(self, event: Event) -> None:
        """Keep the report of an event. Never waits."""
        if isinstance(event, Notified):
            self.add(event.notification, "observe" if event.notification.first else "notify")
        elif isinstance(event, Sent):
            self.add(event.report, "send")

    def add(self, report: Report | Notification, source: str) -> bool:
        """Keep the samples of a report. Never waits. False when it is too much, and given up."""
        count = len(report.samples)
        endpoint = report.endpoint
        if self._count > MAX_WAITING or self._count_of[endpoint] > DEVICE_WAITING:
            self.dropped += count
            return False
        with self._counting:
            self._count += count
            self._count_of[endpoint] += count
        self._waiting.put((report, source))
        return True

    async def committed(self) -> None:
        """Wait until everything that was added so far is in the file. Raises HistoryError."""
        if self._thread is None:
            return
        loop = asyncio.get_running_loop()
        commit = _Commit(loop, loop.create_future())
        self._waiting.put(commit)
        await commit.future

    @property
    def waiting(self) -> int:
        """The number of values that are not in the file yet."""
        return self._count

    def flush(self) -> None:
        """Wait until everything that was added so far is in the file."""
        if self._thread is None:
            return
        written = threading.Event()
        self._waiting.put(written)
        written.wait()

    def _write_for_ever(self) -> None:
        base = _connect(self._place)
        since_pruned = _PRUNE_EVERY  # a file that is here already may hold too much
        try:
            while True:
                batch = self._gather()
                rows = batch.rows
                since_pruned += len(rows)
                failure: HistoryError | None = None
                try:
                    with base:
                        base.executemany(
                            "INSERT OR IGNORE INTO samples "
                            "(ep, path, time_s, received_s, timed, source, type, value) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                            rows,
                        )
                        if since_pruned >= min(_PRUNE_EVERY, max(1, self.rows // 10)):
                            self._prune(base)
                            since_pruned = 0
                except sqlite3.Error as problem:
                    self.dropped += len(rows)
                    failure = HistoryError(f"the history cannot be written: {problem}")
                    self._log.warning("write", str(failure))
                with self._counting:
                    self._count -= len(rows)
                    self._count_of -= Counter(row[0] for row in rows)
                for event in batch.flushed:
                    event.set()
                _settle(batch.commits, failure)
                if batch.last:
                    return
        finally:
            base.close()

    def _gather(self) -> _Batch:
        """Wait for something, then take what comes within a moment, or is there already."""
        batch = _Batch()
        item = self._waiting.get()
        until = time.monotonic() + _GATHER_S
        while True:
            if item is None:
                batch.last = True
            elif isinstance(item, threading.Event):
                batch.flushed.append(item)
            elif isinstance(item, _Commit):
                batch.commits.append(item)
            else:
                batch.rows += _rows_of(*item)
            if batch.last or len(batch.rows) >= _BATCH:
                return batch
            # Whoever waits for the file need not wait for what may come.
            patience_s = 0.0 if batch.flushed or batch.commits else until - time.monotonic()
            try:
                item = self._waiting.get(timeout=max(0.0, patience_s))
            except queue.Empty:
                return batch

    def _prune(self, base: sqlite3.Connection) -> None:
        counts = dict(base.execute("SELECT ep, count(*) FROM samples GROUP BY ep").fetchall())
        share = _share(list(counts.values()), self.rows)
        for endpoint, count in counts.items():
            if count > share:
                base.execute(
                    "DELETE FROM samples WHERE id IN "
                    "(SELECT id FROM samples WHERE ep = ? ORDER BY id LIMIT ?)",
                    (endpoint, count - share),
                )
        if self.age_s is not None and self._clock_is_steady():
            base.execute("DELETE FROM samples WHERE received_s < ?", (time.time() - self.age_s,))

    def _clock_is_steady(self) -> bool:
        """False for a day after the clock has jumped: it may be wrong, and what is deleted stays
        deleted."""
        offset_s = time.time() - time.monotonic()
        if abs(offset_s - self._clock_offset_s) > _JUMP_S:
            self._clock_offset_s = offset_s
            self._steady_at_s = time.monotonic() + _HOLD_S
            log.warning("the clock has jumped: no value is deleted by its age for a day")
        return time.monotonic() >= self._steady_at_s

    # Reading

    def query(
        self,
        endpoint: str,
        path: Path,
        *,
        since_s: float | None = None,
        until_s: float | None = None,
        limit: int = 1000,
    ) -> list[Row]:
        """The newest `limit` values at or below a path, the oldest of them first.

        Reads the disk: from a coroutine, call it in a thread. Raises HistoryError.
        """
        self.flush()
        return read(self._place, endpoint, path, since_s=since_s, until_s=until_s, limit=limit)


def _share(counts: list[int], most: int) -> int:
    """The number of values that each may keep, so that there are at most `most` altogether."""
    left = most
    remaining = sorted(counts)
    for index, count in enumerate(remaining):
        share = left // (len(remaining) - index)
        if count > share:
            return share
        left -= count
    return most


class _Batch:
    """The values of one transaction, and those who wait for it."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.flushed: list[threading.Event] = []
        self.commits: list[_Commit] = []
        self.last = False


def _rows_of(report: Report | Notification, source: str) -> list[Any]:
    return [
        (
            report.endpoint,
            str(sample.path),
            sample.time_s,
            report.received_at,
            sample.timed,
            source,
            report.types.get(sample.path),
            json.dumps(to_json(sample.value), ensure_ascii=True),
        )
        for sample in report.samples
    ]


def read(
    file: str | FilePath,
    endpoint: str,
    path: Path,
    *,
    since_s: float | None = None,
    until_s: float | None = None,
    limit: int = 1000,
) -> list[Row]:
    """As `History.query`, from a file that need not be in use. Raises HistoryError."""
    place = FilePath(file)
    if not place.is_file():
        raise HistoryError(f"there is no history at {place}")
    where, values = ["ep = ?"], [endpoint, *_below(path)]
    where += ["(path = ? OR path >= ? AND path < ?)"] if path.depth else []
    for text, moment in (("time_s >= ?", since_s), ("time_s <= ?", until_s)):
        if moment is not None:
            where.append(text)
            values.append(moment)
    try:
        base = _connect(place)
        try:
            found = base.execute(
                "SELECT ep, path, time_s, received_s, timed, source, type, value FROM samples "
                f"WHERE {' AND '.join(where)} ORDER BY time_s DESC, id DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        finally:
            base.close()
        return list(_rows(reversed(found)))
    except (sqlite3.Error, ValueError) as problem:
        raise HistoryError(f"{place} cannot be read: {problem}") from None


def _below(path: Path) -> Sequence[Any]:
    # "0" is the character behind "/"
    return (str(path), f"{path}/", f"{path}0") if path.depth else ()


def _rows(found: Iterator[Any]) -> Iterator[Row]:
    for ep, path, time_s, received_s, timed, source, kind, value in found:
        if not math.isfinite(time_s):  # early versions wrote what no clock can tell
            time_s, timed = received_s, False
        yield Row(ep, path, time_s, received_s, bool(timed), source, kind, json.loads(value))


def _connect(place: FilePath) -> sqlite3.Connection:
    return sqlite3.connect(place, timeout=_BUSY_S)
