"""The registry in an SQLite file: registrations and observations outlive the server.

A thread of its own writes, many changes in one transaction. A change is acknowledged after its
transaction: what was acknowledged survives the end of the process, however it ends; with `durable`
also the loss of power.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from ..coap.folding import FoldedLog
from ..coap.timing import Clock, Uptime
from ..errors import RegistryError
from .registration import ObjectLinks, Registration, RegistrationUpdate
from .registry import MemoryRegistry, ObservationRecord

log = logging.getLogger(__name__)

# Each step leads from one version of the file to the next. None of them is ever changed: a file
# of any version is brought up by those that it lacks.
MIGRATIONS = (
    """
    CREATE TABLE registrations (
        endpoint TEXT PRIMARY KEY,
        location TEXT NOT NULL,
        address TEXT NOT NULL,
        secure INTEGER NOT NULL,
        lifetime_s INTEGER NOT NULL,
        version TEXT NOT NULL,
        binding TEXT NOT NULL,
        queue_mode INTEGER NOT NULL,
        links BLOB NOT NULL,
        parameters TEXT NOT NULL,
        registered_at REAL NOT NULL,
        updated_at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE observations (
        endpoint TEXT NOT NULL,
        id TEXT NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (endpoint, id)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE registrations ADD COLUMN identity TEXT NOT NULL DEFAULT ''",
    # The Uptime when it was written
    "ALTER TABLE registrations ADD COLUMN boot TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE registrations ADD COLUMN uptime_s REAL NOT NULL DEFAULT 0",
)
_REGISTRATION = (
    "INSERT OR REPLACE INTO registrations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATED_AT = 11
_NO_REGISTRATION = "DELETE FROM registrations WHERE endpoint = ?"
_OBSERVATION = "INSERT OR REPLACE INTO observations VALUES (?, ?, ?)"
_NO_OBSERVATION = "DELETE FROM observations WHERE endpoint = ? AND id = ?"

# After a restart no registration ends sooner: its device may have sent an Update meanwhile.
GRACE_S = 93.0
_RETRY_S = 1.0
# Seconds for which changes are gathered into one transaction
_GATHER_S = 0.004
_BUSY_S = 1.0

Key = tuple[str, ...]  # (endpoint,) of a registration, (endpoint, id) of an observation


class SqliteRegistry:
    """A Registry in a file. It answers from memory; the file is read when it is opened.

    file: its folder is made if need be. One server has it at a time.
    durable: write to the disk before a change is acknowledged, not only to the system.

    What cannot be written raises RegistryError: a Register and a De-register are undone, an Update
    and observations are tried again until they can be.
    """

    def __init__(self, file: str | Path, clock: Clock, *, durable: bool = False) -> None:
        self.file = Path(file)
        self.durable = durable
        self._clock = clock
        self._memory = MemoryRegistry(clock)
        self._log = FoldedLog(log, clock.monotonic)  # the thread's
        self.transactions = 0  # so far
        self._base: sqlite3.Connection | None = None  # the thread's
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # What is to be written; None is to be deleted.
        self._changes: dict[Key, Registration | ObservationRecord | None] = {}
        self._written: asyncio.Future[None] | None = None  # of the next transaction
        self._writing: asyncio.Future[None] | None = None  # of the present one
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()  # False is the end
        self._woken = False  # since the writer took the last changes

    async def open(self) -> None:
        if self._thread is not None:
            raise RegistryError("the registry is open already")
        self._loop = asyncio.get_running_loop()
        base, registrations, observations = await asyncio.to_thread(self._load)
        for record, age_s in registrations:
            remaining_s = record.lifetime_s - age_s
            remaining_s = max(min(remaining_s, record.lifetime_s), min(GRACE_S, record.lifetime_s))
            self._memory.restore(record, remaining_s)
        for observation in observations:
            self._memory.put_observation(observation)
        self._base = base
        self._thread = threading.Thread(
            target=self._write_for_ever, args=(base,), name="lwm2m registry", daemon=True
        )
        self._thread.start()

    async def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.put(False)
            await asyncio.to_thread(thread.join)

    # Registrations

    async def register(self, new: Registration) -> Registration | None:
        present = await self._memory.by_endpoint(new.endpoint)
        remaining_s = 0.0 if present is None else self._memory.remaining_s(present.location)
        before = await self._memory.register(new)
        try:
            await self._write((new.endpoint,), new)
        except RegistryError:
            if await self._memory.by_endpoint(new.endpoint) is new:
                await self._memory.deregister(new.location)
                self._undo(new.endpoint, before, remaining_s)
            raise
        return before

    async def update(self, location: str, change: RegistrationUpdate) -> Registration | None:
        changed = await self._memory.update(location, change)
        if changed is not None:
            await self._write((changed.endpoint,), changed)
        return changed

    async def deregister(self, location: str) -> Registration | None:
        remaining_s = self._memory.remaining_s(location)
        gone = await self._memory.deregister(location)
        if gone is None:
            return None
        try:
            await self._write((gone.endpoint,), None)
        except RegistryError:
            if await self._memory.by_endpoint(gone.endpoint) is None:
                self._undo(gone.endpoint, gone, remaining_s)
            raise
        return gone

    def _undo(self, endpoint: str, before: Registration | None, remaining_s: float) -> None:
        """Have again what there was, in the file too: the writer may have succeeded meanwhile."""
        if before is not None:
            self._memory.restore(before, remaining_s)
        self._put((endpoint,), before)

    async def by_endpoint(self, endpoint: str) -> Registration | None:
        return await self._memory.by_endpoint(endpoint)

    async def by_location(self, location: str) -> Registration | None:
        return await self._memory.by_location(location)

    async def by_address(self, address: str) -> Registration | None:
        return await self._memory.by_address(address)

    async def by_identity(self, identity: str) -> Registration | None:
        return await self._memory.by_identity(identity)

    async def page(self, after: str = "", limit: int = 100) -> list[Registration]:
        return await self._memory.page(after, limit)

    async def count(self) -> int:
        return await self._memory.count()

    async def expire(self, limit: int = 100) -> list[Registration]:
        gone = await self._memory.expire(limit)
        for registration in gone:
            self._put((registration.endpoint,), None)
        return gone

    async def next_deadline_s(self) -> float | None:
        return await self._memory.next_deadline_s()

    # Observations

    def put_observation(self, record: ObservationRecord) -> None:
        self._memory.put_observation(record)
        self._put((record.endpoint, record.id), record)

    def remove_observation(self, endpoint: str, identifier: str) -> None:
        self._memory.remove_observation(endpoint, identifier)
        self._put((endpoint, identifier), None)

    async def observations(self) -> list[ObservationRecord]:
        return await self._memory.observations()

    async def settle(self) -> None:
        with self._lock:
            if self._changes and self._written is None and self._loop is not None:
                self._written = self._loop.create_future()
            waiting = [item for item in (self._writing, self._written) if item is not None]
        for item in waiting:
            await asyncio.shield(item)

    # Writing

    async def _write(self, key: Key, value: Registration | None) -> None:
        # Many wait for one transaction: who is cancelled gives up alone.
        await asyncio.shield(self._put(key, value))

    def _put(
        self, key: Key, value: Registration | ObservationRecord | None
    ) -> asyncio.Future[None]:
        """Write it with the next transaction. The result is done after that."""
        if self._thread is None or self._loop is None:
            raise RegistryError("the registry is not open")
        with self._lock:
            self._changes.pop(key, None)
            self._changes[key] = value
            if self._written is None:
                self._written = self._loop.create_future()
            written = self._written
            woken, self._woken = self._woken, True
        if not woken:
            self._wake.put(True)
        return written

    def _write_for_ever(self, base: sqlite3.Connection) -> None:
        going_on = True
        failed = False
        try:
            while going_on:
                timeout_s = _RETRY_S if failed else None
                with contextlib.suppress(queue.Empty):
                    going_on = self._wake.get(timeout=timeout_s)
                    if going_on:
                        time.sleep(_GATHER_S)
                failed = not self._write_changes(base)
        finally:
            base.close()

    def _write_changes(self, base: sqlite3.Connection) -> bool:
        with self._lock:
            changes, self._changes = self._changes, {}
            self._woken = False
            written, self._written = self._written, None
            self._writing = written
        if not changes:
            return True
        problem: Exception | None = None
        try:
            self.transactions += 1
            with base:
                for statement, rows in _statements(changes, self._clock.uptime()):
                    base.executemany(statement, rows)
        except (sqlite3.Error, OSError) as error:
            problem = RegistryError(f"{self.file} cannot be written: {error}")
            self._log.warning("write", str(problem))
            with self._lock:  # what is newer wins
                self._changes = {**changes, **self._changes}
        with self._lock:
            self._writing = None
        if written is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(_resolve, written, problem)
        return problem is None

    # The file

    def _load(
        self,
    ) -> tuple[sqlite3.Connection, list[tuple[Registration, float]], list[ObservationRecord]]:
        """The file, the registrations with the seconds since they were heard of, observations."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
            base = sqlite3.connect(self.file, timeout=_BUSY_S, check_same_thread=False)
        except (OSError, sqlite3.Error) as problem:
            raise RegistryError(f"{self.file} cannot be used: {problem}") from None
        try:
            self._migrate(base)
            registrations = [
                (_registration(row), self._age_s(row))
                for row in base.execute("SELECT * FROM registrations")
            ]
            observations = [
                ObservationRecord(*row) for row in base.execute("SELECT * FROM observations")
            ]
        except (sqlite3.Error, ValueError) as problem:
            base.close()
            if "locked" in str(problem):
                raise RegistryError(f"{self.file} is in use by another server") from None
            raise RegistryError(f"{self.file} cannot be used: {problem}") from None
        except RegistryError:
            base.close()
            raise
        return base, registrations, observations

    def _age_s(self, row: tuple[Any, ...]) -> float:
        """Seconds since a registration was heard of: the wall clock may have jumped meanwhile, and
        counts only when the machine was started anew."""
        boot, then_s = row[-2:]
        uptime = self._clock.uptime()
        if boot and boot == uptime.boot:
            return uptime.seconds - float(then_s)
        return self._clock.now() - float(row[_UPDATED_AT])

    def _migrate(self, base: sqlite3.Connection) -> None:
        # Whoever has the file locks it as long as it is open.
        base.execute("PRAGMA locking_mode = EXCLUSIVE")
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise RegistryError(f"{self.file} is of a newer version of this program")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'NORMAL'}")
        base.execute("BEGIN EXCLUSIVE")
        for step in MIGRATIONS[version:]:
            base.execute(step)
        base.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        base.commit()


def _resolve(written: asyncio.Future[None], problem: Exception | None) -> None:
    if written.done():
        return
    if problem is None:
        written.set_result(None)
    else:
        written.set_exception(problem)
        written.exception()  # nobody need wait for it


def _statements(
    changes: dict[Key, Registration | ObservationRecord | None], uptime: Uptime
) -> list[tuple[str, list[Any]]]:
    """The changes as statements, each with its rows."""
    found: dict[str, list[Any]] = {}
    for key, value in changes.items():
        if isinstance(value, Registration):
            found.setdefault(_REGISTRATION, []).append((*_row(value), *uptime))
        elif value is not None:
            found.setdefault(_OBSERVATION, []).append(tuple(value))
        else:
            statement = _NO_REGISTRATION if len(key) == 1 else _NO_OBSERVATION
            found.setdefault(statement, []).append(key)
    return list(found.items())


def _row(value: Registration) -> tuple[Any, ...]:
    return (
        value.endpoint,
        value.location,
        value.address,
        value.secure,
        value.lifetime_s,
        value.version,
        value.binding,
        value.queue_mode,
        value.links.text or ",".join(map(str, value.links.links)).encode(),
        json.dumps(value.parameters) if value.parameters else "{}",
        value.registered_at,
        value.updated_at,
        value.identity,
    )


def _registration(row: tuple[Any, ...]) -> Registration:
    """The registration of a row. Raises ValueError."""
    (
        endpoint,
        location,
        address,
        secure,
        lifetime_s,
        version,
        binding,
        queue_mode,
        links,
        parameters,
        registered_at,
        updated_at,
        identity,
        *_,
    ) = row
    return Registration(
        endpoint=endpoint,
        location=location,
        address=address,
        lifetime_s=lifetime_s,
        version=version,
        binding=binding,
        queue_mode=bool(queue_mode),
        links=ObjectLinks.parse(links),
        registered_at=registered_at,
        updated_at=updated_at,
        parameters=json.loads(parameters),
        secure=bool(secure),
        identity=identity,
    )
