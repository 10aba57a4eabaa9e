"""lwm2m-host demo"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from .. import Lwm2mError
from ..demo.live import LiveDemo
from ..demo.session import DeviceDied, open_session
from ..demo.tour import Tour
from ..terminal import cells, console
from .failure import Failure, WrongArgument

TOUR_S = 120.0  # of a busy machine; two or three are usual


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Go through everything once, and end.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="UDP port for devices: 5683, or a free one."),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="TCP port for commands: 8080, or a free one."),
    ] = None,
    width: Annotated[int, typer.Option(help="Bits of the MicroPython: 64 or 32.")] = 64,
) -> None:
    """Show a server and a real MicroPython client at work, until Ctrl-C.

    Needs the project's checkout, made ready by `make setup`.
    """
    if width not in (32, 64):
        raise WrongArgument(f"--width is 64 or 32, not {width}")
    # The screen shows already what would be logged.
    logging.basicConfig(handlers=[logging.NullHandler()])
    code = asyncio.run(_until_signalled(_demo(once, port, http_port, width)))
    if code and once:
        raise typer.Exit(code)


async def _until_signalled(work: Coroutine[Any, Any, None]) -> int:
    """Run `work` until it ends, or a signal cancels it. Returns 0, or 128 and the signal."""
    task = asyncio.ensure_future(work)
    told: list[int] = []

    def stop(number: int) -> None:
        if not told:
            told.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 128 + told[0] if told else 0


async def _demo(once: bool, port: int | None, http_port: int | None, width: int) -> None:
    out = console()
    notes: list[str] = []
    try:
        async with open_session(port, http_port, width, notes.append) as session:
            if once:
                out.print("lwm2m-host demo: a LwM2M server, and a device in MicroPython\n")
                for note in notes:
                    out.print(note)
                async with asyncio.timeout(TOUR_S):
                    await Tour(session, out).run()
            else:
                try:
                    await LiveDemo(session, out, notes).run()
                except asyncio.CancelledError:
                    if await session.deregister():
                        out.print(f"{session.endpoint} has de-registered; the demo is over")
                    raise
    except DeviceDied as problem:
        out.print("the device printed:")
        out.print(*cells(problem.output or "(nothing)"))
        raise Failure(str(problem)) from None
    except TimeoutError:
        raise Failure(f"the tour was not over in {TOUR_S:g} s") from None
    except Lwm2mError as problem:
        raise Failure(str(problem)) from None
