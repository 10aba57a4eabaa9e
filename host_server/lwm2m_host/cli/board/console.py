"""lwm2m-host board monitor and run: the output of a program on a board"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ...board import monitor as monitoring
from ...board import onboard
from ...board.pack.traceback import Decoder
from ...board.remote import Remote
from ...checkout import find_root
from ..failure import WrongArgument
from .common import Port, failing, interrupt, the_port


def monitor(
    port: Port = None,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0, help="End after this time.")
    ] = None,
) -> None:
    """Show the output of a board; keys go to it.

    Tracebacks of packed code name file and line of the source.
    Ctrl-] ends it, Ctrl-C stops the program there.
    """

    decoder = Decoder(find_root())

    def out(text: str) -> None:
        sys.stdout.write(decoder.text(text))
        sys.stdout.flush()

    def note(text: str) -> None:
        print(f"--- {text}", file=sys.stderr, flush=True)

    with failing():
        where = the_port(port)
        with monitoring.raw_terminal() as keys:
            if keys is not None:
                note(f"{where}; Ctrl-] ends this")
            monitoring.watch(where, out, note, keys=keys, for_s=for_s)


def decode(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Output of a board; standard input.")
    ] = None,
) -> None:
    """Print the output of a board with tracebacks that name file and line of the source."""
    decoder = Decoder(find_root())
    try:
        lines = sys.stdin if file is None else file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise WrongArgument(f"{file}: {error.strerror}") from None
    with lines:
        for line in decoder.lines(lines):
            sys.stdout.write(line)


def run(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A program on this computer: firmware/main.py."),
    ] = None,
    port: Port = None,
) -> None:
    """Run a program on a board without copying it, and show its output.

    The modules that it imports have to be there: `lwm2m-host board deploy` puts them there.
    """
    with failing():
        program = find_root() / "firmware" / "main.py" if file is None else file
        if not program.is_file():
            raise WrongArgument(f"no file {program}")
        where = the_port(port)
        code = _run(where, program)
    if code:
        raise typer.Exit(1)


def _run(port: str, program: Path) -> int:
    """Run a program. Returns 1 when it ended with a traceback, or was interrupted, else 0."""
    remote = Remote(port)
    # Report a port without a board in our own words, and keep a running watchdog fed.
    remote.program(onboard.FEED_PROGRAM)
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return remote.follow(program)
    except KeyboardInterrupt:
        # The board does not know that nobody listens any more.
        remote.call("resume", "exec", "")
        print("stopped", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
