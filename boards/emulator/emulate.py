"""`make emulate`: a board from its first start to its second life, and what the client costs it.

Prints a table of what was tried, with the seconds it took here and on the board, and one of the
heap; writes build/emulator/metrics.json, which `make bench` takes over. Exit code 1 with one line
when a step fails. --all (`make emulate-all`) compares the ways in which a board can have the
package, and uses each for more. With --shell a board is left running for mpremote.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emulator import FROZEN, HERE, OUT, PLAIN, ROM, ROOT, Emulator, EmulatorError, missing
from lwm2m_host import Device, Registered, Sent, Server
from lwm2m_host.board.errors import BoardError
from lwm2m_host.board.remote import Remote
from lwm2m_host.coap.timing import Timing
from lwm2m_host.errors import Lwm2mError
from lwm2m_host.reporting.observation import Observation
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sizes import sizes

ENDPOINT = "urn:dev:os:emulator"
TEMPERATURE = "/3303/0/5700"
APPLICATION = "/3303/0/5750"
BODY = 1500  # bytes, more than a datagram of the example's `mtu`
MAIN = HERE / "example" / "main.py"
METRICS = OUT / "metrics.json"

WATCHDOG_MS = 3000
REGISTERED_S = 120.0  # of a busy machine
READS = 20

# What the device is asked to stay within: metric -> "<=" or ">=", value
TARGETS: dict[str, tuple[str, float]] = json.loads(
    (HERE / "targets.json").read_text(encoding="utf-8")
)

Metrics = dict[str, float]


class StepError(Exception):
    """A step did not do what it should. The text names it."""


@dataclass
class Step:
    """A step that was tried: the seconds it took here and, where that is known, on the board."""

    name: str
    detail: str
    seconds: float
    board_s: float


@dataclass(frozen=True)
class Way:
    """A way in which a board has the package: its name in metrics, a title, the image, and the
    options of `board deploy`."""

    name: str
    title: str
    image: Path
    options: tuple[str, ...] = ()


PACKED = Way("packed", "files, packed", PLAIN)
WAYS = (
    Way("files", "files, --plain", PLAIN, ("--plain",)),
    PACKED,
    Way("romfs", "ROMFS, packed", PLAIN, ("--to", "romfs")),
    Way("frozen", "frozen, packed", FROZEN, ("--app-only",)),
    Way("rom", "in ROM", ROM, ("--app-only",)),
)


@dataclass
class Heap:
    """Bytes of the heap after a collection."""

    used: int
    free: int


class Run:
    """One board with one firmware, and the server it registers with."""

    def __init__(
        self, board: Emulator, server: Server, way: Way, on_step: Callable[[Step], None]
    ) -> None:
        self.board = board
        self.server = server
        self.way = way
        self._on_step = on_step
        self.mark = 0
        self.observation: Observation | None = None

    async def step(self, name: str, action: Callable[[], Awaitable[str]]) -> None:
        """Do something that has a name. Raises StepError."""
        began = time.monotonic()
        began_us = await self._board_us()
        try:
            detail = await action()
        except (EmulatorError, BoardError, Lwm2mError, StepError, TimeoutError) as error:
            problem = str(error) or self.board.with_console("it takes too long")
            raise StepError(f"{name}, {self.way.name}: {problem}") from error
        passed = await self._board_us() - began_us
        self._on_step(Step(name, detail, time.monotonic() - began, passed / 1e6))

    async def _board_us(self) -> int:
        return int((await self.board.control("status"))["time_us"])

    # The steps

    async def boot(self) -> str:
        """Until MicroPython answers."""
        identity = await asyncio.to_thread(Remote(self.board.port).identity)
        return str(identity)

    async def deploy(self, watchdog: bool = True) -> str:
        """Deploy as `lwm2m-host board deploy` does, with the settings; then restart the board."""
        settings: dict[str, str | int] = {
            "endpoint": ENDPOINT,
            "server": f"coap://10.0.0.1:{self.server.port}",
        }
        if watchdog:
            settings["watchdog_ms"] = WATCHDOG_MS
        config = self.board.folder / "config.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        command: list[str | Path] = [ROOT / ".venv/bin/lwm2m-host", "board", "deploy", "--json"]
        command += ["--port", self.board.port, "--app", MAIN, "--config", config.parent]
        command += self.way.options
        self._look_away()
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        if process.returncode:
            raise StepError(errors.decode().strip())
        report = json.loads(output)
        return f"{len(report['copied'])} files, {report['bytes'] / 1024:.1f} kB, by mpremote"

    async def registered(self) -> str:
        """Until the server knows it, and it knows that the server does."""
        await self.server.wait_for(ENDPOINT, REGISTERED_S)
        found = await self.board.says(r"^event registered (\d+)", self.mark)
        objects = sorted((await self._device.registration()).objects)
        return f"objects {', '.join(map(str, objects))}; {found[1]} ms from construction"

    async def read(self) -> str:
        value = await self._device.read(TEMPERATURE)
        if value != 21.5:
            raise StepError(f"{TEMPERATURE} is {value!r}")
        return f"{TEMPERATURE} is {value} Cel"

    async def write(self) -> str:
        await self._device.write("/1/0/1", 120)
        value = await self._device.read("/1/0/1")
        if value != 120:
            raise StepError(f"/1/0/1 is {value!r} after 120 was written")
        return "/1/0/1 = 120, and the device says so"

    async def observed(self) -> str:
        """Observe the temperature, change it on the board, and be notified."""
        self.observation = await self._device.observe(TEMPERATURE)
        return await self._notified_of_change()

    async def observed_again(self) -> str:
        """The server has renewed the observation by itself."""
        observation = self.observation
        assert observation is not None
        await self.board.until(lambda: observation.state == "active", "it is not observed again")
        return await self._notified_of_change()

    async def _notified_of_change(self) -> str:
        assert self.observation is not None
        before = await self._device.read(TEMPERATURE)
        await self.board.type("t")
        async with asyncio.timeout(REGISTERED_S):
            async for note in self.observation:
                if note.value == before + 1:
                    return (
                        f"{TEMPERATURE} has risen to {note.value}, of which the server is notified"
                    )
        raise StepError(f"the observation has ended: {self.observation.reason}")

    async def blocks(self) -> str:
        """Write a text that takes several datagrams, and read it; then a short one."""
        for text in ("x" * BODY, "short"):
            await self._device.write(APPLICATION, text)
            if await self._device.read(APPLICATION) != text:
                raise StepError(f"{APPLICATION} is not what was written")
        return f"{BODY:,} bytes there and back"

    async def sent(self) -> str:
        """A Send of the board."""
        with self.server.events(Sent) as sent:
            await self.board.type("s")
            async with asyncio.timeout(REGISTERED_S):
                event = await anext(sent)
        values = ", ".join(f"{path} = {value}" for path, value in event.report.values.items())
        return f"{values} has arrived"

    async def watchdog_reset(self) -> str:
        """A Reboot that hangs; the watchdog brings the board back, and it registers again."""
        return await self._again(self._device.execute("/3/0/4"), "watchdog")

    async def power_cycle(self) -> str:
        return await self._again(self.board.control("power", state="cycle"), "power")

    async def _again(self, cause: Awaitable[object], why: str) -> str:
        self._look_away()
        starts = len((await self.board.control("status"))["starts"])
        with self.server.events(Registered) as registered:
            await cause
            start = await self.board.wait_starts(starts + 1)
            if start["why"] != why:
                raise StepError(f"the board has started again after {start['why']}")
            await self.board.says(r"^event registered", self.mark)
            async with asyncio.timeout(REGISTERED_S):
                await anext(registered)
        if await self._device.read(TEMPERATURE) != 21.5:
            raise StepError("it is registered, and does not answer")
        return "registered again, and answers"

    # What is measured

    async def heaps(self) -> dict[str, Heap]:
        """Of this start: before the import, after it, and now."""
        mark = len(self.board.printed)
        await self.board.type("h")
        await self.board.says(r"^heap now", mark)
        found = {}
        for line in self.board.printed[self.mark :].splitlines():
            words = line.split()
            if words[:1] == ["heap"] and len(words) == 4:
                found[words[1]] = Heap(int(words[2]), int(words[3]))
        return found

    async def import_ms(self) -> float:
        found = await self.board.says(r"^import_us (\d+)", self.mark)
        return int(found[1]) / 1000

    async def register_ms(self) -> float:
        found = await self.board.says(r"^event registered (\d+)", self.mark)
        return float(found[1])

    async def read_ms(self) -> float:
        """From the arrival of a request on the line to the last byte of the answer, on the
        board's clock: the median of some."""
        await self.board.control("turnarounds")
        for _ in range(READS):
            await self._device.read(TEMPERATURE)
        taken = await self.board.control("turnarounds")
        return statistics.median(taken) / 1000

    def _look_away(self) -> None:
        """Skip what has been printed until now."""
        self.mark = len(self.board.printed)

    @property
    def _device(self) -> Device:
        return self.server.device(ENDPOINT)


@contextlib.asynccontextmanager
async def run_on(way: Way, on_step: Callable[[Step], None]) -> AsyncIterator[Run]:
    """A board with a blank flash, and a server."""
    folder = Path(tempfile.mkdtemp(prefix="emulator-", dir=OUT))
    try:
        async with (
            Server(port=0, timing=Timing(timeout_s=REGISTERED_S)) as server,
            Emulator(folder, image=way.image) as board,
        ):
            yield Run(board, server, way, on_step)
    finally:
        shutil.rmtree(folder)


@dataclass
class Results:
    """Metrics, and of each way the heap at several moments."""

    metrics: Metrics
    heaps: dict[str, dict[str, Heap]]

    def take_heap(self, way: Way, found: dict[str, Heap]) -> None:
        """That of a registered client whose temperature is observed."""
        self.heaps[way.name] = found
        self.metrics[f"rp2040.{way.name}.heap_bytes"] = found["now"].used - found["before"].used
        self.metrics[f"rp2040.{way.name}.heap_free_bytes"] = found["now"].free

    def take_used(self, way: Way, found: dict[str, Heap]) -> None:
        """That of one that has done everything."""
        self.heaps[way.name]["used"] = found["now"]
        name = f"rp2040.{way.name}.after_use.heap_bytes"
        self.metrics[name] = found["now"].used - found["before"].used


async def measure(way: Way, results: Results, on_step: Callable[[Step], None]) -> None:
    """A board from its first start to its second life. Raises StepError."""
    async with run_on(way, on_step) as run:
        await run.step("boot", run.boot)
        await run.step("deploy", run.deploy)
        await run.step("registered", run.registered)
        await run.step("read", run.read)
        results.metrics["rp2040.import_ms"] = await run.import_ms()
        results.metrics["rp2040.register_ms"] = await run.register_ms()
        results.metrics["rp2040.read_ms"] = await run.read_ms()
        await run.step("write", run.write)
        await run.step("observed", run.observed)
        await run.step("watchdog reset", run.watchdog_reset)
        await run.step("power cycle", run.power_cycle)
        # What the write has loaded is gone with the power.
        await run.step("observed again", run.observed_again)
        results.take_heap(way, await run.heaps())


async def compare(way: Way, results: Results, on_step: Callable[[Step], None]) -> None:
    """One way: registered, observed, and used for more. Raises StepError."""
    async with run_on(way, on_step) as run:
        await run.step("boot", run.boot)
        await run.step("deploy", partial(run.deploy, watchdog=False))
        await run.step("registered", run.registered)
        await run.step("read", run.read)
        await run.step("observed", run.observed)
        results.take_heap(way, await run.heaps())
        results.metrics[f"rp2040.{way.name}.import_ms"] = await run.import_ms()
        results.metrics[f"rp2040.{way.name}.read_ms"] = await run.read_ms()
        await run.step("write", run.write)
        await run.step("blocks", run.blocks)
        await run.step("send", run.sent)
        results.take_used(way, await run.heaps())
    if way.image == ROM:
        (plain_ram, plain_flash), (ram, flash) = (
            sizes(image.with_suffix(".elf")) for image in (PLAIN, ROM)
        )
        results.metrics[f"rp2040.{way.name}.static_bytes"] = ram - plain_ram
        results.metrics[f"rp2040.{way.name}.flash_bytes"] = flash - plain_flash


def heap_table(results: Results) -> Table:
    table = Table(title="heap of the board, bytes")
    table.add_column("")
    titles = {way.name: way.title for way in WAYS}
    for name in results.heaps:
        table.add_column(titles[name], justify="right")
    for when, title in (
        ("before", "free before the import"),
        ("imported", "free after the import"),
        ("now", "free, registered and observed"),
        ("used", "free, used for everything"),
    ):
        cells = [heap.get(when) for heap in results.heaps.values()]
        if any(cells):
            table.add_row(title, *(f"{cell.free:,}" if cell else "" for cell in cells))
    for key, title in (
        ("heap_bytes", "taken by the client"),
        ("after_use.heap_bytes", "taken after use"),
        ("static_bytes", "taken outside of the heap"),
        ("import_ms", "loading, ms"),
        ("read_ms", "a read, ms"),
    ):
        row = []
        for name in results.heaps:
            metric = f"rp2040.{name}.{key}"
            value = results.metrics.get(metric)
            row.append("" if value is None else f"{value:,.6g}{verdict(metric, results.metrics)}")
        if any(row):
            table.add_row(title, *row)
    return table


def verdict(metric: str, metrics: Metrics) -> str:
    """A mark behind a number that has a target."""
    if metric not in TARGETS:
        return ""
    sign, limit = TARGETS[metric]
    met = metrics[metric] <= limit if sign == "<=" else metrics[metric] >= limit
    return " [green]✓[/]" if met else f" [bold red]✗ {sign} {limit:,}[/]"


async def tour(console: Console, ways: Sequence[Way]) -> int:
    """The tables and the metrics; without `ways` those of the short one. Returns the exit code."""
    table = Table(title="an RP2040 that is emulated, with MicroPython 1.25.0")
    for title, justify in (("step", "left"), ("s", "right"), ("board's s", "right"), ("", "left")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]

    def on_step(way: Way, step: Step) -> None:
        title = f"{step.name}, {way.name}" if ways else step.name
        table.add_row(title, f"{step.seconds:.2f}", f"{step.board_s:.2f}", step.detail)

    results = Results({}, {})
    try:
        with Live(table, console=console):
            if ways:
                for way in ways:
                    if way.image.exists():
                        await compare(way, results, partial(on_step, way))
            else:
                await measure(PACKED, results, partial(on_step, PACKED))
    except StepError as error:
        print(f"emulate: {error}", file=sys.stderr)
        return 1
    keep(results.metrics)
    console.print()
    console.print(heap_table(results))
    if not ways:
        for name in ("import", "register", "read"):
            console.print(f"{name}: {results.metrics[f'rp2040.{name}_ms']:.1f} ms on the board")
    return 0


def keep(metrics: Metrics) -> None:
    """Write the metrics beside those that another run has measured."""
    known = json.loads(METRICS.read_text(encoding="utf-8")) if METRICS.exists() else {}
    known.update(metrics)
    METRICS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


async def shell(console: Console) -> int:
    """A registered board, until Ctrl-C."""
    async with run_on(PACKED, lambda step: console.print(f"{step.name}: {step.detail}")) as run:
        try:
            await run.step("boot", run.boot)
            await run.step("deploy", lambda: run.deploy(watchdog=False))
            await run.step("registered", run.registered)
        except StepError as error:
            print(f"emulate: {error}", file=sys.stderr)
            return 1
        port = run.board.port
        console.print(f"\n  .venv/bin/mpremote connect {port}\n", highlight=False)
        console.print(f"The server is at {run.server.uri}. Ctrl-C ends both.")
        await asyncio.Event().wait()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="emulate.py", description=__doc__.split("\n")[0])
    parser.add_argument("--shell", action="store_true", help="leave a board running")
    parser.add_argument("--all", action="store_true", help="compare all ways to have the package")
    names = [way.name for way in WAYS]
    parser.add_argument("--way", action="append", default=[], choices=names, help="one of them")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if arguments.all or way.name in arguments.way]
    reason = missing(PLAIN) or (missing(FROZEN) if arguments.all else None)
    if reason:
        print(f"emulate: {reason}", file=sys.stderr)
        return 1
    console = Console(width=None if sys.stdout.isatty() else 100)
    try:
        return asyncio.run(shell(console) if arguments.shell else tour(console, ways))
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
