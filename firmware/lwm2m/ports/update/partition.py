"""Update slots in the two app partitions of an ESP32 (`esp32.Partition`).

The boot loader does the rest: an image that was activated is started once; if it is reset before
it was marked valid, the one before is started again (CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE, on in
MicroPython's own builds). The flash needs a partition table with ota_0 and ota_1.
"""

from esp32 import Partition
from micropython import const

from lwm2m.ports.update.slots import Slots
from lwm2m.ports.update.trial import mark_valid

_BLOCK = const(4096)
_ENOSPC = const(28)


class PartitionSlots(Slots):
    """The partition that runs, and the one for the next update.

    `buf`: 4096 bytes to work in; made by the first `open` otherwise. Raises OSError (ENOENT) on a
    board without partitions for updates.
    """

    def __init__(self, buf=None):
        self.buf = buf
        current = Partition(Partition.RUNNING)
        self.running = current.info()[4]
        self.target = current.get_next_update()

    def _open(self, size):
        if size > self.target.info()[3]:
            raise OSError(_ENOSPC)
        if not self.buf:
            self.buf = bytearray(_BLOCK)

    def _write(self, data):
        # The flash is erased and written in whole blocks: they are collected here.
        buf = self.buf
        at = self.written
        taken = 0
        while taken < len(data):
            start = at % _BLOCK
            n = min(_BLOCK - start, len(data) - taken)
            buf[start : start + n] = data[taken : taken + n]
            at += n
            taken += n
            if not at % _BLOCK:
                self.target.writeblocks(at // _BLOCK - 1, buf)

    def _finish(self):
        rest = self.size % _BLOCK
        if rest:
            for i in range(rest, _BLOCK):
                self.buf[i] = 0xFF
            self.target.writeblocks(self.size // _BLOCK, self.buf)

    def _pieces(self):
        for n in range((self.size + _BLOCK - 1) // _BLOCK):
            self.target.readblocks(n, self.buf)
            yield self.buf

    def _activate(self):
        # Checks the image, and raises OSError if it is none.
        self.target.set_boot()

    def mark_valid(self):
        """Note that what runs has proved itself. Nothing in a firmware built without roll-back."""
        mark_valid()

    def rollback(self):
        """Let the next reset start the other partition. False if there is no firmware in it."""
        try:
            self.target.set_boot()
        except OSError:
            return False
        return True
