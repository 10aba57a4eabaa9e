"""lwm2m-host board provision"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..failure import WrongArgument
from .common import failing, warn

PASSWORD_VARIABLE = "LWM2M_WIFI_PASSWORD"


def add_to(commands: typer.Typer) -> None:
    commands.command()(provision)


def provision(
    port: Annotated[
        str | None,
        typer.Option(
            "--port", "-p", metavar="PORT", help="Write straight to the board at this port."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write here; firmware/ in the checkout otherwise."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Endpoint name; else of the board's number.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URI", help="For example coap://192.0.2.10:5683.")
    ] = None,
    lifetime: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Of the registration.")
    ] = None,
    wifi_ssid: Annotated[
        str | None, typer.Option(metavar="SSID", help="Name of the Wi-Fi; '' for no Wi-Fi.")
    ] = None,
    wifi_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Its password; {PASSWORD_VARIABLE} in the environment, or asked for, otherwise.",
        ),
    ] = None,
    country: Annotated[
        str | None, typer.Option(metavar="CC", help="Where the Wi-Fi is, as in DE.")
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Name of the device in the network.")
    ] = None,
    ntp: Annotated[
        str | None, typer.Option(metavar="HOST", help="Server to take the time from.")
    ] = None,
    watchdog_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="The board restarts when it hangs so long.")
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Ask the server whether it is there; a warning if not.")
    ] = True,
) -> None:
    """Write config.json, and keys.json for what must stay secret.

    Asks for what is not given, when there is somebody to ask. What is in the files already stays,
    unless it is given anew.
    """
    from ...board import boards, provision
    from ...board.remote import Remote

    with failing():
        folder = None if port and out is None else _settings_folder(out)
        base, keys = provision.read(folder) if folder else ({}, {})
        identity = Remote(port).identity() if port else None
        known = identity.matches(boards.load_all()) if identity else []
        if not endpoint and "endpoint" not in base and identity:
            endpoint = provision.endpoint_of(identity) or None
            if endpoint:
                print(f"endpoint: {endpoint}, from the number of the board")
        endpoint = endpoint or _ask("endpoint", "--endpoint", base, "Endpoint name")
        if "servers" not in base:
            server = server or _ask("server", "--server", base, "Server, as in coap://192.0.2.10")
        wifi = bool(wifi_ssid) or _has_wifi(base)
        if (
            wifi_ssid is None
            and not wifi
            and _somebody()
            and all("wifi" in b.network for b in known)
        ):
            wifi_ssid = typer.prompt("Wi-Fi (empty for none)", default="", show_default=False)
            wifi = bool(wifi_ssid)
        network = _network(wifi_ssid, country, hostname, wifi)
        if network is None and "network" not in base and not wifi:
            network = provision.wired(known)
        changes = {
            "endpoint": endpoint,
            "server": server,
            "lifetime_s": lifetime,
            "ntp": ntp,
            "watchdog_ms": watchdog_ms,
        }
        settings = provision.merge(base, changes, network=network)
        if wifi and wifi_ssid != "":
            password = _password(wifi_password_file, "wifi_password" in keys and not wifi_ssid)
            if password is not None:
                keys = {**keys, "wifi_password": password}
                if not password:
                    del keys["wifi_password"]
        provision.check(settings, keys)
        if folder:
            for path in provision.write(folder, settings, keys):
                print(f"{path} written")
        if port:
            _write_to_board(port, settings, keys)
    uri = settings.get("server")
    if isinstance(uri, str):
        _judge_server(uri, check, any(b.port != "unix" for b in known))


def _settings_folder(out: Path | None) -> Path:
    from ...checkout import find_root

    return find_root() / "firmware" if out is None else out


def _somebody() -> bool:
    return sys.stdin.isatty()


def _ask(field: str, option: str, base: dict[str, Any], question: str) -> str:
    """A setting: that of before, unless somebody is there to say another one."""
    before = base.get(field)
    if not _somebody():
        if isinstance(before, str) and before:
            return before
        raise WrongArgument(f"{field}: is missing; give {option}")
    answer: str = typer.prompt(question, default=before)
    return answer.strip()


def _has_wifi(base: dict[str, Any]) -> bool:
    network = base.get("network")
    return isinstance(network, dict) and network.get("kind") == "wifi"


def _network(
    ssid: str | None, country: str | None, hostname: str | None, wifi: bool
) -> dict[str, Any] | None:
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


def _password(file: Path | None, there: bool) -> str | None:
    """The password of the Wi-Fi, never printed: None for the one of before, "" for none."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise WrongArgument(f"--wifi-password-file: {file}: {reason}") from None
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not _somebody():
        if there:
            return None
        raise WrongArgument(
            f"wifi_password: is missing; give --wifi-password-file or {PASSWORD_VARIABLE} "
            "(empty for an open network)"
        )
    question = "Its password" + (" (empty: as before)" if there else " (empty: open network)")
    answer: str = typer.prompt(question, default="", show_default=False, hide_input=True)
    return None if there and not answer else answer


def _write_to_board(port: str, settings: dict[str, Any], keys: dict[str, Any]) -> None:
    from tempfile import TemporaryDirectory

    from ...board import deploying, provision
    from ...board.building import Item
    from ...board.remote import Remote

    with TemporaryDirectory(prefix="lwm2m-") as temporary:
        written = provision.write(Path(temporary), settings, keys)
        items = [Item.of(path.name, path) for path in written]
        remote = Remote(port)
        state = deploying.survey(remote, items)
        todo = deploying.plan(state, items, prune=False, keep=[item.target for item in items])
        report = deploying.carry_out(remote, state, todo)
    for name in report.copied:
        print(f"{name} written to the board at {port}")
    for name in report.unchanged:
        print(f"{name} is on the board at {port} as it is")


def _judge_server(uri: str, check: bool, elsewhere: bool) -> None:
    from ...board import provision

    if elsewhere and provision.is_local(uri):
        warn(f"server: {uri} means the board itself there; give it the address of this computer")
    if check:
        with failing():
            trouble = provision.ask_server(uri)
        if trouble:
            warn(f"server: {trouble} (asked from this computer)")
        else:
            print(f"{uri} answers")
