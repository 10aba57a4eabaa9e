"""Events of the reporting interface, and the stream of what a device sends."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from ..events import EventStream
from ..model.path import Path
from ..registration.events import DeviceEvent
from .report import Notification, Send


@dataclass(frozen=True)
class Notified(DeviceEvent):
    """A notification, or the answer to an Observe."""

    kind: ClassVar[str] = "notification"
    notification: Notification


@dataclass(frozen=True)
class Sent(DeviceEvent):
    """A Send."""

    kind: ClassVar[str] = "send"
    report: Send


@dataclass(frozen=True)
class Unreadable(DeviceEvent):
    """A report that cannot be decoded. `source` is "notification" or "send"."""

    kind: ClassVar[str] = "unreadable"
    source: str
    path: str
    reason: str


@dataclass(frozen=True)
class ObservationChanged(DeviceEvent):
    """An observation began ("active"), waits for its device ("paused"), goes on ("active" again),
    or ended. Between paused and active nothing was reported: a gap."""

    kind: ClassVar[str] = "observation"
    observation: str
    path: Path
    paths: tuple[Path, ...]
    composite: bool
    state: str
    reason: str


class SendStream:
    """The Sends of a device: an asynchronous iterator, and a context manager.

    `dropped` counts those that were given up because nobody fetched them.
    """

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    @property
    def dropped(self) -> int:
        return self._stream.dropped

    def close(self) -> None:
        self._stream.close()

    def __aiter__(self) -> SendStream:
        return self

    async def __anext__(self) -> Send:
        event = await anext(self._stream)
        assert isinstance(event, Sent)
        return event.report

    def __enter__(self) -> SendStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
