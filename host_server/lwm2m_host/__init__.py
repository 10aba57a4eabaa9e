"""A light LwM2M server for CPython: an asyncio API, a command line and a pytest plug-in.

``from lwm2m_host import Server, Device, Models`` works; the modules behind these names are loaded
when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device import Device
    from .errors import Lwm2mError
    from .model.catalogue import Models
    from .model.path import Path
    from .server import Server

__version__ = "0.1.0"

_HOME = {
    "Device": "device",
    "Lwm2mError": "errors",
    "Models": "model.catalogue",
    "Path": "model.path",
    "Server": "server",
}

__all__ = ["Device", "Lwm2mError", "Models", "Path", "Server", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
