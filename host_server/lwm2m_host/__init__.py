"""A light LwM2M server for CPython: an asyncio API, a command line and a pytest plug-in.

This is the front door: ``from lwm2m_host import Server, Device, Registered``. The modules behind
these names are loaded when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device import Device
    from .errors import (
        DeviceTimeout,
        Lwm2mError,
        MethodNotAllowed,
        ModelError,
        NotRegistered,
        PathError,
        ResponseError,
        ServerError,
    )
    from .events import Event, EventStream
    from .model.catalogue import Models
    from .model.path import Path
    from .registration.events import Deregistered, Expired, Registered, Updated
    from .reporting.events import Notified, ObservationChanged, Sent, Unreadable
    from .reporting.history import History
    from .server import Server

__version__ = "0.1.0"

_NAMES = {  # module: the public names in it
    "device": ("Device",),
    "errors": (
        "DeviceTimeout",
        "Lwm2mError",
        "MethodNotAllowed",
        "ModelError",
        "NotRegistered",
        "PathError",
        "ResponseError",
        "ServerError",
    ),
    "events": ("Event", "EventStream"),
    "model.catalogue": ("Models",),
    "model.path": ("Path",),
    "registration.events": ("Deregistered", "Expired", "Registered", "Updated"),
    "reporting.events": ("Notified", "ObservationChanged", "Sent", "Unreadable"),
    "reporting.history": ("History",),
    "server": ("Server",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Deregistered",
    "Device",
    "DeviceTimeout",
    "Event",
    "EventStream",
    "Expired",
    "History",
    "Lwm2mError",
    "MethodNotAllowed",
    "ModelError",
    "Models",
    "NotRegistered",
    "Notified",
    "ObservationChanged",
    "Path",
    "PathError",
    "Registered",
    "ResponseError",
    "Sent",
    "Server",
    "ServerError",
    "Unreadable",
    "Updated",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
