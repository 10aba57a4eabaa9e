"""The order of notifications: what is newer, late, or here already (RFC 7641 §3.4)."""

from __future__ import annotations

from collections import deque
from enum import Enum

from ..model.path import Path
from .report import Sample

# A notification is newer when it came so much later, whatever its number (RFC 7641 §3.4)
REORDERED_S = 128.0
SEQUENCES = 1 << 24  # sequence numbers have 24 bits
_HALF = SEQUENCES // 2
_RECENT = 64
# Samples with times that are remembered, so that none is delivered twice
_REMEMBERED = 4096


class Order(Enum):
    """The place of a notification among those before it."""

    NEWEST = "newest"
    LATE = "late"
    DUPLICATE = "duplicate"
    REPEATED = "repeated"  # another content under a number that was here already


class Ordering:
    """The order of one observation. Times are seconds of the server's monotonic clock."""

    def __init__(self) -> None:
        # The number of the answer to the Observe; None when the device does not observe.
        self.first: int | None = None
        # The newest number, and when it came.
        self._newest = 0
        self._newest_s = 0.0
        # Number and hash of the payload of the last notifications.
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT)
        # Path, time and value of the last samples with times, the oldest first.
        self._samples: dict[tuple[Path, float, str], None] = {}

    def begin(self, sequence: int | None, now_s: float) -> None:
        """Start with the number of the answer to an Observe."""
        self.first = sequence
        self._recent.clear()
        if sequence is not None:
            self._newest, self._newest_s = sequence, now_s
            self._recent.append((sequence, 0))

    def place(self, sequence: int, payload: bytes, now_s: float) -> Order:
        """The place of a notification. It is remembered unless its number was here already."""
        content = (sequence, hash(payload))
        repeated = content in self._recent
        late = not repeated and not self._is_newer(sequence, now_s)
        if repeated:
            return Order.DUPLICATE
        if late and any(sequence == before for before, _ in self._recent):
            return Order.REPEATED
        self._recent.append(content)
        return Order.LATE if late else Order.NEWEST

    def precedes_first(self, sequence: int) -> bool:
        """True for a notification that is not newer than the answer to the Observe."""
        return self.first is not None and (self.first - sequence) % SEQUENCES < _HALF

    def _is_newer(self, sequence: int, now_s: float) -> bool:
        ahead = (sequence - self._newest) % SEQUENCES
        if 0 < ahead < _HALF or now_s > self._newest_s + REORDERED_S:
            self._newest, self._newest_s = sequence, now_s
            return True
        return False

    def new_samples(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """The samples that are not here yet; they are remembered.

        A device that does not know what has arrived sends what it has stored once more, after a
        Register under another number. The time tells.
        """
        found = []
        for sample in samples:
            key = (sample.path, sample.time_s, repr(sample.value))
            if sample.timed and key in self._samples:
                continue
            if sample.timed:
                self._samples[key] = None
                if len(self._samples) > _REMEMBERED:
                    del self._samples[next(iter(self._samples))]
            found.append(sample)
        return tuple(found)
