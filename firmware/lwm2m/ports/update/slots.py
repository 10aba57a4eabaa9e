"""Update slots: a new firmware is written beside the one that runs, and has to prove itself.

    slots = FileSlots()                      # or PartitionSlots() on an ESP32
    slots.open(len(image))
    slots.write(offset, piece)               # in order; a repeated piece does no harm
    slots.verify(sha256) and slots.activate()
    reset()                                  # the new one starts, on trial
    slots.mark_valid()                       # in the new one, when its server knows it

A power cut at any moment leaves the old firmware or the whole new one. What is not marked valid
is left again: on an ESP32 at the next reset, with `lwm2m.ports.update.file` after three starts.
"""

import hashlib

# Where boot.py mounts the slot that runs
SLOT = "/slot"


class Slots:
    """The base of both kinds. `running` names the slot that runs, `size` and `written`
    are bytes of the update that is being written, `verified` says that it may be activated."""

    running = None
    size = written = 0
    verified = finished = False

    def open(self, size):
        """Start to write an update of `size` bytes into the slot that does not run.

        Raises OSError: ENOSPC (28) when it does not fit, EBUSY (16) while what runs is on trial:
        the other slot is then the way back.
        """
        self.close()
        self._open(size)
        self.size = size
        self.finished = False

    def write(self, offset, data):
        """Write the piece that belongs at `offset`; of one that was written already nothing is.

        Raises ValueError for a gap and beyond the end, OSError.
        """
        end = offset + len(data)
        if offset < 0 or offset > self.written or end > self.size:
            raise ValueError("offset: %d, but %d follows" % (offset, self.written))
        if end > self.written:
            self._write(memoryview(data)[self.written - offset :])
            self.written = end

    def verify(self, sha256, feed=None):
        """Read all of it back: True if it is whole and has the hash `sha256` (32 bytes).

        `feed()` is called now and then: reading takes seconds. Allocates: a buffer.
        """
        self.verified = False
        if self.written != self.size or not self.size:
            return False
        if not self.finished:
            self._finish()
            self.finished = True
        hasher = hashlib.sha256()
        left = self.size
        for piece in self._pieces():
            piece = memoryview(piece)[: min(left, len(piece))]
            hasher.update(piece)
            left -= len(piece)
            if feed:
                feed()
        self.verified = not left and hasher.digest() == bytes(sha256)
        return self.verified

    def activate(self):
        """Let the next reset start it, on trial. Raises ValueError unless it is verified."""
        if not self.verified:
            raise ValueError("not verified")
        self._activate()

    def close(self):
        """Stop writing; what was written stays unused."""
        self.verified = False
        self.size = self.written = 0
