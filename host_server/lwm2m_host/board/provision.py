"""config.json and keys.json: the settings with which a device starts.

The device's own `lwm2m.config` decides what is right, in the MicroPython that runs here: there is
no second opinion that could differ.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from ..checkout import find_micropython, find_root
from .boards import Board
from .errors import BadSetting, BoardError
from .remote import Identity

CONFIG, KEYS = "config.json", "keys.json"
COAP_PORT = 5683
_LOAD_TIMEOUT_S = 20.0

_LOAD = """
import sys
from lwm2m.config import ConfigError, load
try:
    load(sys.argv[1])
except ConfigError as e:
    print(e)
    sys.exit(1)
"""


def endpoint_of(identity: Identity) -> str:
    """A name for a device, out of what its board says of itself: its MAC address as an EUI-64
    (RFC 9039 §4.1), or else the number of its chip."""
    mac = identity.mac or (identity.unique if len(identity.unique) == 12 else "")
    if len(mac) == 12 and set(mac) != {"0"}:
        return f"urn:dev:mac:{mac[:6]}fffe{mac[6:]}"
    if identity.unique:
        return f"urn:dev:os:{identity.platform}-{identity.unique}"
    return ""


def wired(known: Sequence[Board]) -> dict[str, Any] | None:
    """The network of a board that has no other choice: PPP over the pins of its description.
    None when the board has one, or it is not known which board it is."""
    if len(known) != 1 or known[0].network != ("ppp",):
        return None
    pins = known[0].pins
    return {"kind": "ppp", **{name: pins[name] for name in ("uart", "tx", "rx") if name in pins}}


def merge(
    base: dict[str, Any], changes: dict[str, Any], *, network: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Settings with `changes` made to them. A value of None changes nothing; `server` takes the
    place of `servers`; `network` replaces the network of another kind, and {} removes it."""
    merged = dict(base)
    for name, value in changes.items():
        if value is None:
            continue
        merged[name] = value
        if name == "server":
            merged.pop("servers", None)
    if network is not None:
        old = merged.pop("network", None)
        given = {name: value for name, value in network.items() if value is not None}
        if given and isinstance(old, dict) and old.get("kind") == given.get("kind"):
            given = {**old, **given}
        if given:
            merged["network"] = given
    return merged


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and keys in a folder, {} for a file that is not there. Raises BadSetting."""
    found = []
    for name in (CONFIG, KEYS):
        try:
            data = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            data = {}
        except OSError as error:
            raise BadSetting(str(folder / name), error.strerror or "cannot be read") from None
        except (UnicodeDecodeError, ValueError, RecursionError):
            raise BadSetting(str(folder / name), "not JSON") from None
        if not isinstance(data, dict):
            raise BadSetting(str(folder / name), "{…} is needed")
        found.append(data)
    return found[0], found[1]


def check(settings: dict[str, Any], keys: dict[str, Any]) -> None:
    """Let the device's own code judge. Raises BadSetting, which names the field."""
    with TemporaryDirectory(prefix="lwm2m-") as temporary:
        folder = Path(temporary)
        write(folder, settings, keys)
        check_folder(folder)


def check_folder(folder: Path) -> None:
    """The same for files that are there. Raises BadSetting."""
    command = [str(find_micropython(64)), "-c", _LOAD, str(folder / CONFIG)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "MICROPYPATH": f"{find_root() / 'firmware'}:.frozen"},
            capture_output=True,
            text=True,
            timeout=_LOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BoardError("lwm2m.config does not end") from None
    if done.returncode == 0:
        return
    said = done.stdout.strip()
    if not said:  # the output may hold anything: only its last line, and that is of Python
        lines = done.stderr.strip().splitlines()
        raise BoardError(f"lwm2m.config failed: {lines[-1] if lines else done.returncode}")
    name, _, rest = said.removeprefix(f"{folder}/").partition(": ")
    field, found, reason = rest.partition(": ")
    raise BadSetting(field, f"{reason} ({name})") if found else BadSetting(name, rest)


def write(folder: Path, settings: dict[str, Any], keys: dict[str, Any]) -> list[Path]:
    """Write the files; keys.json can be read by nobody else at any time. Returns their paths.

    Raises BadSetting.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data, mode in ((CONFIG, settings, 0o644), (KEYS, keys, 0o600)):
            if name == KEYS and not keys and not (folder / KEYS).exists():
                continue
            new = folder / f".{name}.{os.getpid()}"
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file, indent=2, ensure_ascii=False)
                file.write("\n")
            new.replace(folder / name)
            written.append(folder / name)
    except OSError as error:
        raise BadSetting(str(folder), error.strerror or "cannot be written") from None
    return written


# --- is there a server? -----------------------------------------------------------------------


def ask_server(uri: str, timeout_s: float = 3.0) -> str:
    """Ask a server whether it is there: a CoAP ping (RFC 7252 §4.3), which needs no rights.

    Returns "" when it answers, otherwise one line that says what is wrong. From here is not from
    the device: a firewall may stand between. Raises BadSetting for what is no address.
    """
    host, port, secure = _address(uri)
    if secure:
        return f"{uri}: not asked, because coaps needs the keys of the device"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError):
        return f"no host {host}"
    mid = secrets.token_bytes(2)
    until = time.monotonic() + timeout_s
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
            wait_s = timeout_s / 4
            while (left_s := until - time.monotonic()) > 0:
                sock.send(b"\x40\x00" + mid)
                sock.settimeout(min(wait_s, left_s))
                wait_s *= 2
                try:
                    if _is_answer(sock.recv(64), mid):
                        return ""
                except TimeoutError:
                    continue
        except ConnectionRefusedError:
            return f"nobody listens at {host}, UDP port {port}"
        except OSError as error:
            return f"{host} cannot be reached: {error.strerror}"
    return f"no answer from {host}, UDP port {port}"


def _is_answer(data: bytes, mid: bytes) -> bool:
    """RST, or ACK from a server that is no stickler, to our message."""
    return len(data) == 4 and data[0] in (0x60, 0x70) and data[1] == 0 and data[2:] == mid


def _address(uri: str) -> tuple[str, int, bool]:
    if not re.match(r"coaps?://", uri):
        raise BadSetting("server", f"coap://host:port is needed, not {uri!r}")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadSetting("server", f"coap://host:port is needed, not {uri!r}") from None
    if not host or parts.path.strip("/") or parts.query or parts.username is not None:
        raise BadSetting("server", f"coap://host:port is needed, not {uri!r}")
    secure = parts.scheme == "coaps"
    return host, (COAP_PORT + 1 if secure else COAP_PORT) if port is None else port, secure


def is_local(uri: str) -> bool:
    """True when an address means the board itself when a board uses it."""
    try:
        host = _address(uri)[0]
    except BadSetting:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")
