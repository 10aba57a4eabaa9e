"""lwm2m-host serve"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import json
import logging
import os
import signal
import sys
from enum import StrEnum
from pathlib import Path as FilePath
from typing import Annotated

import typer

from .. import (
    Clock,
    History,
    Limits,
    Lwm2mError,
    MemoryRegistry,
    ModelError,
    Models,
    Registry,
    RegistryError,
    Server,
    SqliteRegistry,
    TakeoverPolicy,
    anybody,
    of_patterns,
)
from ..errors import HistoryError
from ..reporting.history import default_file
from ..terminal import iso, printable
from ..web import ControlPlane
from .failure import Failure, WrongArgument


class LogFormat(StrEnum):
    """The form of the log."""

    TEXT = "text"
    JSON = "json"


class TextFormatter(logging.Formatter):
    """A line for each record, without control characters; a traceback has lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        shown = copy.copy(record)
        shown.msg, shown.args = printable(record.getMessage()), None
        return "\n".join(printable(line) for line in super().format(shown).split("\n"))


class JsonFormatter(logging.Formatter):
    """A line of JSON for each record: time, level, logger, message, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": iso(round(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def serve(
    host: Annotated[
        str, typer.Option(help="Address for devices; :: is every address, IPv4 too.")
    ] = "::",
    port: Annotated[int, typer.Option(min=0, max=65535, help="UDP port for devices.")] = 5683,
    http_port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1 for commands and pages.")
    ] = 8080,
    models: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="A folder of OMA object definitions. May be repeated."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where to store notifications and Send; by default in your state folder "
            "(~/.local/state/lwm2m-host).",
        ),
    ] = None,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Store them until the server ends.")
    ] = False,
    history_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many values to store.")
    ] = 1_000_000,
    history_days: Annotated[
        float | None, typer.Option(min=0.001, metavar="DAYS", help="How long to store them.")
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where to store registrations and observations; by default in your state folder, "
            "one file for each port.",
        ),
    ] = None,
    no_registry: Annotated[
        bool, typer.Option("--no-registry", help="Store them until the server ends.")
    ] = False,
    durable: Annotated[
        bool,
        typer.Option(
            "--durable", help="Answer a Register when it is on the disk: it survives a power cut."
        ),
    ] = False,
    on_takeover: Annotated[
        TakeoverPolicy,
        typer.Option(
            help="When a device that is registered registers from another address: accept it, "
            "accept it and warn, or refuse it as long as the address of before replies.",
        ),
    ] = TakeoverPolicy.WARN,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ENDPOINT[@NETWORK]",
            help="Which devices may register, such as 'urn:dev:*' or 'meter-*@192.0.2.0/24'; by "
            "default all. May be repeated.",
        ),
    ] = None,
    max_devices: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many devices may be registered.")
    ] = 100_000,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines of text, or a JSON object for each line.")
    ] = LogFormat.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every message.")] = False,
) -> None:
    """Run the server until Ctrl-C."""
    definitions = Models.default()
    for folder in models or []:
        try:
            for line in definitions.load(folder):
                print(f"left out: {line}", file=sys.stderr)
        except ModelError as error:
            raise WrongArgument(str(error)) from None
    if history and no_history:
        raise WrongArgument("either --history or --no-history")
    file = None if no_history else FilePath(history) if history else _usual_file()
    if registry and no_registry:
        raise WrongArgument("either --registry or --no-registry")
    try:
        authorizer = of_patterns(accept) if accept else anybody
    except ValueError as error:
        raise WrongArgument(str(error)) from None
    age_s = None if history_days is None else history_days * 86400
    make_private(default_file().parent)
    kept = History(file, rows=history_rows, age_s=age_s)
    setup_logging(verbose, log_format)
    collect_rarely()
    clock = Clock()
    stored = _registry(clock, port, registry, no_registry, durable)
    server = Server(
        host,
        port,
        models=definitions,
        history=kept,
        clock=clock,
        registry=stored,
        on_takeover=on_takeover,
        authorizer=authorizer,
        limits=Limits(devices=max_devices),
    )
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(server, http_port))
        except Lwm2mError as error:
            raise Failure(str(error)) from None


def collect_rarely() -> None:
    """Let Python look for circular garbage less often.

    With thousands of registrations each full collection stands the loop still for a tenth of a
    second, and the server makes next to no circles.
    """
    gc.set_threshold(50_000, 20, 100)


def make_private(folder: FilePath) -> None:
    """Close the state folder, and the files of this program in it, to other users: early versions
    left them open."""
    with contextlib.suppress(OSError):
        for file in folder.glob("*.sqlite*"):
            os.chmod(file, 0o600)
        os.chmod(folder, 0o700)


def _registry(
    clock: Clock, port: int, file: str | None, no_registry: bool, durable: bool
) -> Registry:
    """The registry: a file, or memory where there is none to come back to."""
    if file is not None:
        return SqliteRegistry(file, clock, durable=durable)
    if no_registry or port == 0:
        return MemoryRegistry(clock)
    usual = SqliteRegistry(
        default_file().with_name(f"registry-{port}.sqlite"), clock, durable=durable
    )
    try:
        asyncio.run(_try(usual))
    except RegistryError as problem:
        print(f"{problem}; registrations are stored until the server ends", file=sys.stderr)
        return MemoryRegistry(clock)
    return usual


async def _try(registry: SqliteRegistry) -> None:
    await registry.open()
    await registry.close()


def _usual_file() -> FilePath | None:
    """The file in the user's state folder. None, and a line about it, where there can be none:
    a file that was not asked for must not stop the server."""
    history = History(default_file())
    try:
        history.open()
    except HistoryError as problem:
        print(f"{problem}; values are stored until the server ends", file=sys.stderr)
        return None
    history.close()
    return history.file


def setup_logging(verbose: bool, log_format: LogFormat = LogFormat.TEXT) -> None:
    """Log events at INFO, warnings with their repetitions folded; never a payload."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    line = "%(asctime)s %(name)s %(message)s" if verbose else "%(asctime)s %(message)s"
    text = TextFormatter(line, "%H:%M:%S")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter() if log_format is LogFormat.JSON else text)
    logging.getLogger("lwm2m_host").setLevel(logging.DEBUG if verbose else logging.INFO)
    if not verbose:
        logging.getLogger("uvicorn").setLevel(logging.ERROR)


async def _serve(server: Server, http_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with (
        server,
        ControlPlane(server, port=http_port) as plane,
    ):
        place = f"[{server.host}]" if ":" in server.host else server.host
        print(f"devices   coap://{place}:{server.port}", flush=True)
        print(f"commands  {plane.url}", flush=True)
        await stop.wait()
