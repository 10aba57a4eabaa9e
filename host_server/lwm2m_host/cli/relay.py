"""lwm2m-host relay"""

from __future__ import annotations

import asyncio
import re
import signal
from typing import Annotated, Any

import typer

from .. import ServerError
from ..faults import Entry, FaultError, Faults, Relay
from ..terminal import print_json
from .failure import Failure, WrongArgument
from .options import Json

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


def relay(
    listen: Annotated[
        str,
        typer.Option(metavar="[HOST:]PORT", help="Address for clients; :: is every one."),
    ] = "5783",
    target: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="The server behind the relay.")
    ] = "localhost:5683",
    loss: Annotated[float, typer.Option(metavar="P", help="Probability that one is lost.")] = 0.0,
    duplicate: Annotated[float, typer.Option(metavar="P", help="... is sent twice.")] = 0.0,
    reorder: Annotated[float, typer.Option(metavar="P", help="... is overtaken.")] = 0.0,
    corrupt: Annotated[
        float, typer.Option(metavar="P", help="... has bytes flipped, or its end cut off.")
    ] = 0.0,
    delay: Annotated[str, typer.Option(metavar="MS[-MS]", help="Milliseconds on the way.")] = "0",
    rebind_every: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Change the source port, as a forgetful NAT."),
    ] = None,
    blackout: Annotated[
        str | None,
        typer.Option(metavar="S/PERIOD", help="Of each PERIOD seconds, S let nothing pass."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed decides the same way; else it is drawn.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Print each datagram.")] = False,
    json: Json = False,
) -> None:
    """Inject faults between devices and a server, until Ctrl-C.

    Faults are the same in both directions. JSON: one object per line: {"listen", "target",
    "seed"}, with --log {"time", "direction", "client", "size", "coap", "decision"} for each
    datagram, and at the end {"up", "down", "rebinds"} with the counters.
    """
    try:
        faults = Faults(
            loss=loss,
            duplicate=duplicate,
            reorder=reorder,
            corrupt=corrupt,
            delay_ms=_range(delay),
            rebind_every_s=rebind_every,
            blackout_s=None if blackout is None else _fraction(blackout),
        )
    except FaultError as error:
        raise WrongArgument(str(error)) from None
    places = _place("listen", listen, "::"), _place("target", target, None)
    if not places[1][1]:
        raise WrongArgument("target: port 0 is nobody's")
    try:
        asyncio.run(_relay(*places, faults, seed, log, json))
    except ServerError as error:
        raise Failure(str(error)) from None


async def _relay(
    listen: tuple[str, int],
    target: tuple[str, int],
    faults: Faults,
    seed: int | None,
    log: bool,
    json: bool,
) -> None:
    def show(entry: Entry) -> None:
        if json:
            print_json(entry.as_dict())
        else:
            print(entry, flush=True)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    relay = Relay(target, listen, faults, seed=seed, on_entry=show if log else None)
    async with relay:
        place, behind = _text((relay.host, relay.port)), _text(target)
        if json:
            print_json({"listen": place, "target": behind, "seed": relay.seed})
        else:
            print(f"relay  {place} -> {behind}  seed {relay.seed}", flush=True)
        await stop.wait()
    _sum_up(relay, json)


def _sum_up(relay: Relay, json: bool) -> None:
    if json:
        out: dict[str, Any] = {"up": vars(relay.up), "down": vars(relay.down)}
        print_json({**out, "rebinds": relay.rebinds})
        return
    print(f"up     {relay.up}")
    print(f"down   {relay.down}")
    if relay.rebinds:
        print(f"rebinds {relay.rebinds}")


def _place(option: str, text: str, host: str | None) -> tuple[str, int]:
    """``host:port`` with IPv6 in brackets. `host` is that of a lone port; None: 5683 is the port
    of a lone host."""
    found = re.fullmatch(r"(?:(\[[0-9A-Za-z:.%]+\]|[^:\[\]/\s]+):)?([0-9]{1,5})", text)
    if found and int(found[2]) < 65536 and (found[1] or host is not None):
        return (found[1] or host or "").strip("[]"), int(found[2])
    if host is None and re.fullmatch(r"\[[0-9A-Za-z:.%]+\]|[^:\[\]/\s]+", text):
        return text.strip("[]"), 5683
    form = "[HOST:]PORT" if host is not None else "HOST[:PORT]"
    raise WrongArgument(f"{option} is {form}, IPv6 in brackets, not {text}")


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _range(text: str) -> tuple[float, float]:
    found = re.fullmatch(rf"({_NUMBER})(?:-({_NUMBER}))?", text)
    if not found:
        raise WrongArgument(f"delay is milliseconds as in 200 or 50-400, not {text}")
    low = float(found[1])
    return low, float(found[2]) if found[2] else low


def _fraction(text: str) -> tuple[float, float]:
    found = re.fullmatch(rf"({_NUMBER})/({_NUMBER})", text)
    if not found:
        raise WrongArgument(f"blackout is seconds of a period as in 10/60, not {text}")
    return float(found[1]), float(found[2])
