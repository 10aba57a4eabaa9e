"""A light LwM2M server for CPython: an asyncio API, a command line and a pytest plug-in.

This is the front door: ``from lwm2m_host import Server, Device, Registered``. The modules behind
these names are loaded when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .coap.folding import FoldedLog
    from .coap.timing import Clock, Timing
    from .device import Device
    from .errors import (
        DeviceTimeout,
        Lwm2mError,
        MethodNotAllowed,
        ModelError,
        NotRegistered,
        PathError,
        RegistryError,
        ResponseError,
        ServerError,
    )
    from .events import Event, EventStream
    from .model.catalogue import Models
    from .model.path import Path
    from .registration.admission import (
        Authorizer,
        Limits,
        RegistrationRequest,
        TakeoverPolicy,
        anybody,
        of_patterns,
    )
    from .registration.definitions import Definitions
    from .registration.events import Deregistered, DeviceEvent, Expired, Registered, Updated
    from .registration.registration import Registration
    from .registration.registry import MemoryRegistry, Registry
    from .registration.sqlite import SqliteRegistry
    from .reporting.events import Notified, ObservationChanged, Sent, Unreadable
    from .reporting.history import History
    from .reporting.observation import Observation
    from .reporting.report import Notification, Sample, Send
    from .server import Server, ServerStatus

__version__ = "0.1.0"

_NAMES = {  # module: the public names in it
    "coap.folding": ("FoldedLog",),
    "coap.timing": ("Clock", "Timing"),
    "device": ("Device",),
    "errors": (
        "DeviceTimeout",
        "Lwm2mError",
        "MethodNotAllowed",
        "ModelError",
        "NotRegistered",
        "PathError",
        "RegistryError",
        "ResponseError",
        "ServerError",
    ),
    "events": ("Event", "EventStream"),
    "model.catalogue": ("Models",),
    "model.path": ("Path",),
    "registration.admission": (
        "Authorizer",
        "Limits",
        "RegistrationRequest",
        "TakeoverPolicy",
        "anybody",
        "of_patterns",
    ),
    "registration.definitions": ("Definitions",),
    "registration.events": ("Deregistered", "DeviceEvent", "Expired", "Registered", "Updated"),
    "registration.registration": ("Registration",),
    "registration.registry": ("MemoryRegistry", "Registry"),
    "registration.sqlite": ("SqliteRegistry",),
    "reporting.events": ("Notified", "ObservationChanged", "Sent", "Unreadable"),
    "reporting.history": ("History",),
    "reporting.observation": ("Observation",),
    "reporting.report": ("Notification", "Sample", "Send"),
    "server": ("Server", "ServerStatus"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Authorizer",
    "Clock",
    "Definitions",
    "Deregistered",
    "Device",
    "DeviceEvent",
    "DeviceTimeout",
    "Event",
    "EventStream",
    "Expired",
    "FoldedLog",
    "History",
    "Limits",
    "Lwm2mError",
    "MemoryRegistry",
    "MethodNotAllowed",
    "ModelError",
    "Models",
    "NotRegistered",
    "Notification",
    "Notified",
    "Observation",
    "ObservationChanged",
    "Path",
    "PathError",
    "Registered",
    "Registration",
    "RegistrationRequest",
    "Registry",
    "RegistryError",
    "ResponseError",
    "Sample",
    "Send",
    "Sent",
    "Server",
    "ServerError",
    "ServerStatus",
    "SqliteRegistry",
    "TakeoverPolicy",
    "Timing",
    "Unreadable",
    "Updated",
    "__version__",
    "anybody",
    "of_patterns",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
