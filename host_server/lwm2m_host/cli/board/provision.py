"""lwm2m-host board provision"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from ...board import boards, deploying
from ...board import provision as provisioning
from ...board.boards import Board
from ...board.building import Item
from ...board.remote import Identity, Remote
from ...checkout import find_root
from ..failure import WrongArgument
from .common import failing, warn

PASSWORD_VARIABLE = "LWM2M_WIFI_PASSWORD"

Settings = dict[str, Any]

Port = Annotated[
    str | None,
    typer.Option("--port", "-p", metavar="PORT", help="Write straight to the board at this port."),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write here; firmware/ in the checkout otherwise."),
]
Endpoint = Annotated[
    str | None, typer.Option(metavar="NAME", help="Endpoint name; else of the board's number.")
]
ServerUri = Annotated[
    str | None, typer.Option(metavar="URI", help="For example coap://192.0.2.10:5683.")
]
Lifetime = Annotated[int | None, typer.Option(metavar="SECONDS", help="Of the registration.")]
WifiSsid = Annotated[
    str | None, typer.Option(metavar="SSID", help="Name of the Wi-Fi; '' for no Wi-Fi.")
]
WifiPasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"Its password; {PASSWORD_VARIABLE} in the environment, or asked for, otherwise.",
    ),
]
Country = Annotated[str | None, typer.Option(metavar="CC", help="Where the Wi-Fi is, as in DE.")]
Hostname = Annotated[str | None, typer.Option(help="Name of the device in the network.")]
Ntp = Annotated[str | None, typer.Option(metavar="HOST", help="Server to take the time from.")]
WatchdogMs = Annotated[
    int | None, typer.Option(metavar="MS", help="The board restarts when it hangs so long.")
]
Check = Annotated[bool, typer.Option(help="Ask the server whether it is there; a warning if not.")]


@dataclass(frozen=True)
class Options:
    """The command line of `provision`."""

    port: str | None
    out: Path | None
    endpoint: str | None
    server: str | None
    lifetime_s: int | None
    wifi_ssid: str | None
    wifi_password_file: Path | None
    country: str | None
    hostname: str | None
    ntp: str | None
    watchdog_ms: int | None
    check: bool


def provision(
    port: Port = None,
    out: Out = None,
    endpoint: Endpoint = None,
    server: ServerUri = None,
    lifetime: Lifetime = None,
    wifi_ssid: WifiSsid = None,
    wifi_password_file: WifiPasswordFile = None,
    country: Country = None,
    hostname: Hostname = None,
    ntp: Ntp = None,
    watchdog_ms: WatchdogMs = None,
    check: Check = True,
) -> None:
    """Write config.json, and keys.json for what must stay secret.

    Asks for what is not given, when there is somebody to ask. What is in the files already stays,
    unless it is given anew.
    """
    given = Options(
        port, out, endpoint, server, lifetime, wifi_ssid, wifi_password_file, country, hostname,
        ntp, watchdog_ms, check,
    )  # fmt: skip
    with failing():
        folder = None if port and out is None else _settings_folder(out)
        base, keys = provisioning.read(folder) if folder else ({}, {})
        identity = Remote(port).identity() if port else None
        known = identity.matches(boards.load_all()) if identity else []
        settings, keys = _settings(given, base, keys, identity, known)
        provisioning.check(settings, keys)
        if folder:
            for path in provisioning.write(folder, settings, keys):
                print(f"{path} written")
        if port:
            _write_to_board(port, settings, keys)
    uri = settings.get("server")
    if isinstance(uri, str):
        _check_server(uri, check, any(board.port != "unix" for board in known))


def _settings(
    given: Options,
    base: Settings,
    keys: Settings,
    identity: Identity | None,
    known: Sequence[Board],
) -> tuple[Settings, Settings]:
    """The settings and the keys of before, with what is given, or answered, in their place."""
    endpoint = _endpoint(given.endpoint, base, identity)
    server = given.server
    if "servers" not in base:
        server = server or _ask("server", "--server", base, "Server, as in coap://192.0.2.10")
    ssid = _ssid(given, base, known)
    wifi = bool(ssid) or _has_wifi(base)
    network = _network(ssid, given.country, given.hostname, wifi)
    if network is None and "network" not in base and not wifi:
        network = provisioning.wired(known)
    changes = {
        "endpoint": endpoint,
        "server": server,
        "lifetime_s": given.lifetime_s,
        "ntp": given.ntp,
        "watchdog_ms": given.watchdog_ms,
    }
    settings = provisioning.merge(base, changes, network=network)
    if wifi and ssid != "":
        keys = _with_password(given.wifi_password_file, keys, new_network=bool(ssid))
    return settings, keys


def _settings_folder(out: Path | None) -> Path:
    return find_root() / "firmware" if out is None else out


def _endpoint(given: str | None, base: Settings, identity: Identity | None) -> str:
    """The endpoint name: the given one, that of before, that of the board, or an answer."""
    if not given and "endpoint" not in base and identity:
        given = provisioning.endpoint_of(identity) or None
        if given:
            print(f"endpoint: {given}, from the number of the board")
    return given or _ask("endpoint", "--endpoint", base, "Endpoint name")


def _ssid(given: Options, base: Settings, known: Sequence[Board]) -> str | None:
    """The name of the Wi-Fi: None for that of before, "" for no Wi-Fi."""
    if given.wifi_ssid is not None or _has_wifi(base) or not _is_terminal():
        return given.wifi_ssid
    if not all("wifi" in board.network for board in known):
        return None
    answer: str = typer.prompt("Wi-Fi (empty for none)", default="", show_default=False)
    return answer


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _ask(field: str, option: str, base: Settings, question: str) -> str:
    """A setting: that of before, unless somebody is there to give another one."""
    before = base.get(field)
    if not _is_terminal():
        if isinstance(before, str) and before:
            return before
        raise WrongArgument(f"{field}: is missing; give {option}")
    answer: str = typer.prompt(question, default=before)
    return answer.strip()


def _has_wifi(base: Settings) -> bool:
    network = base.get("network")
    return isinstance(network, dict) and network.get("kind") == "wifi"


def _network(
    ssid: str | None, country: str | None, hostname: str | None, wifi: bool
) -> Settings | None:
    """The network that is given: None for the one of before, {} for none."""
    if ssid == "":
        return {}
    if not wifi:
        if country or hostname:
            raise WrongArgument("--country and --hostname are for a Wi-Fi: give --wifi-ssid")
        return None
    return {"kind": "wifi", "ssid": ssid, "country": country, "hostname": hostname} | (
        {} if ssid else {"ssid": None}
    )


def _with_password(file: Path | None, keys: Settings, *, new_network: bool) -> Settings:
    """The keys with the password of the Wi-Fi in them, or without one."""
    password = _password(file, "wifi_password" in keys and not new_network)
    if password is None:
        return keys
    others = {name: value for name, value in keys.items() if name != "wifi_password"}
    return {**others, "wifi_password": password} if password else others


def _password(file: Path | None, there: bool) -> str | None:
    """The password of the Wi-Fi, never printed: None for the one of before, "" for none."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise WrongArgument(f"--wifi-password-file: {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise WrongArgument(f"--wifi-password-file: {file}: not UTF-8") from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not _is_terminal():
        if there:
            return None
        raise WrongArgument(
            f"wifi_password: is missing; give --wifi-password-file or {PASSWORD_VARIABLE} "
            "(empty for an open network)"
        )
    question = "Its password" + (" (empty: as before)" if there else " (empty: open network)")
    answer: str = typer.prompt(question, default="", show_default=False, hide_input=True)
    return None if there and not answer else answer


def _write_to_board(port: str, settings: Settings, keys: Settings) -> None:
    with TemporaryDirectory(prefix="lwm2m-") as temporary:
        written = provisioning.write(Path(temporary), settings, keys)
        items = [Item.of(path.name, path) for path in written]
        remote = Remote(port)
        state = deploying.survey(remote, items)
        plan = deploying.plan(state, items, prune=False, keep=[item.target for item in items])
        report = deploying.carry_out(remote, state, plan)
    for name in report.copied:
        print(f"{name} written to the board at {port}")
    for name in report.unchanged:
        print(f"{name} is on the board at {port} as it is")


def _check_server(uri: str, check: bool, elsewhere: bool) -> None:
    if elsewhere and provisioning.is_local(uri):
        warn(f"server: {uri} means the board itself there; give it the address of this computer")
    if check:
        with failing():
            trouble = provisioning.ask_server(uri)
        if trouble:
            warn(f"server: {trouble} (asked from this computer)")
        else:
            print(f"{uri} answers")
