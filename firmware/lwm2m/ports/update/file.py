"""Update slots in files, for boards without two partitions (RP2040, RP2350) and the unix port.
Loaded with lwm2m.ports.update.trial, or by the application.

A slot is the file slot_a or slot_b: an image of a littlefs with blocks of 4096 bytes. `boot`,
called from boot.py, mounts the one that is to run at /slot, read-only, and puts it in front of
`sys.path`: modules in it, the package lwm2m for one, are found before those on the board, which
are the factory's and stay as they are for the day when no slot is any good.

Which slot is valid, and how often the one on trial was started, is in slots.bin.
"""

import os
import sys
from micropython import const

from lwm2m.ports.backup import Backup
from lwm2m.ports.reset import note
from lwm2m.ports.update.slots import SLOT, Slots

# In slots.bin: numbers of slots, of which 0 is what the board came with
_NONE = const(255)
_NAMES = ("factory", "a", "b")

_BLOCK = const(4096)
_PIECE = const(512)
# Free blocks that are left for the file's own pointers and for slots.bin
_RESERVE = const(4)

_EBUSY = const(16)
_ENOSPC = const(28)
_EROFS = const(30)


class FileSlots(Slots):
    """Slots in `folder` (with a slash at its end; default: the current one).

    `limit`: so often an update is started without being marked valid.
    """

    def __init__(self, folder="", limit=3):
        self.folder = folder
        self.limit = limit
        self.file = None
        self.backup = Backup(folder + "slots.bin")
        state = self.backup.load()
        if not _sound(state):
            state = (0, _NONE, _NONE, 0)
        self.valid, self.trial, self.previous, self.boots = state
        self.current = self.trial if self.on_trial else self.valid

    @property
    def on_trial(self):
        """True while what runs is not marked valid."""
        return self.trial != _NONE and self.boots > 0

    @property
    def running(self):
        """ "factory", "a" or "b"; the one before as long as there was no reset."""
        return _NAMES[self.current]

    def path(self, slot):
        return self.folder + "slot_" + _NAMES[slot]

    # Booting

    def pick(self):
        """Choose the slot to start, and count the start of one that is on trial. Raises OSError
        when that cannot be written down: then it must not be started."""
        if self.trial != _NONE:
            if self.boots < self.limit:
                self._save(self.valid, self.trial, self.previous, self.boots + 1)
            else:
                self.rollback()
        self.current = self.trial if self.on_trial else self.valid
        return self.current

    # Updating

    def _open(self, size):
        if self.on_trial:
            raise OSError(_EBUSY)
        target = 2 if self.valid == 1 else 1
        path = self.path(target)
        # First nothing may point to the slot any more.
        previous = _NONE if self.previous == target else self.previous
        if self.trial != _NONE or previous != self.previous:
            self._save(self.valid, _NONE, previous, 0)
        try:
            os.remove(path)
        except OSError:
            pass
        info = os.statvfs(self.folder or ".")
        if info[4] - _RESERVE < (size + info[1] - 1) // info[1]:
            raise OSError(_ENOSPC)
        self.target = target
        self.file = open(path, "wb")

    def _write(self, data):
        self.file.write(data)

    def _finish(self):
        if self.file:
            self.file.close()
            self.file = None

    def _pieces(self):
        piece = bytearray(_PIECE)
        with open(self.path(self.target), "rb") as file:
            while True:
                n = file.readinto(piece)
                if not n:
                    return
                yield memoryview(piece)[:n]

    def _activate(self):
        self._save(self.valid, self.target, self.previous, 0)

    def close(self):
        self._finish()
        super().close()

    def mark_valid(self):
        """Note that what runs has proved itself. True if it was on trial. Raises OSError."""
        if not self.on_trial:
            return False
        self._save(self.trial, _NONE, self.valid, 0)
        return True

    def rollback(self):
        """Let the next reset start what ran before: what is on trial or was activated is dropped,
        else the slot before the valid one comes back. False if there is none. Raises OSError."""
        if self.trial != _NONE:
            self._save(self.valid, _NONE, self.previous, 0)
        elif self.previous != _NONE:
            self._save(self.previous, _NONE, _NONE, 0)
        else:
            return False
        return True

    def _save(self, valid, trial, previous, boots):
        self.backup.save(bytes((valid, trial, previous, boots)))
        self.valid = valid
        self.trial = trial
        self.previous = previous
        self.boots = boots


def _sound(state):
    if not state or len(state) != 4 or state[0] > 2:
        return False
    return (state[1] < 3 or state[1] == _NONE) and (state[2] < 3 or state[2] == _NONE)


class Image:
    """A file as a block device that can only be read."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.size = os.stat(path)[6] // _BLOCK

    def readblocks(self, n, buf, offset=0):
        self.file.seek(n * _BLOCK + offset)
        return 0 if self.file.readinto(buf) == len(buf) else -5  # EIO

    def writeblocks(self, n, buf, offset=0):
        return -_EROFS

    def ioctl(self, op, arg):
        # Number of blocks, and size of one; the rest is nothing to do.
        return self.size if op == 4 else _BLOCK if op == 5 else 0


def boot(folder="", watchdog_ms=8000):
    """Start the slot whose turn it is: see the top of this module. Returns its name.

    On trial a watchdog of `watchdog_ms` is started, if the board has one: an update that does not
    even get as far as its loop is left again too. Never raises; what is wrong is printed.
    """
    slots = FileSlots(folder)
    slot = slots.valid
    note()
    try:
        slot = slots.pick()
        if slot and slots.on_trial:
            _guard(watchdog_ms)
        if not _mount(slots, slot) and slots.on_trial:
            slots.rollback()
            slot = slots.valid
            _mount(slots, slot)
    except OSError as e:
        print("slots: %s" % e)
    # What has been imported until here is the factory's: it must not stand for the slot's.
    for name in list(sys.modules):
        if name == "lwm2m" or name.startswith("lwm2m."):
            del sys.modules[name]
    return _NAMES[slot] if SLOT in sys.path or not slot else _NAMES[0]


def _mount(slots, slot):
    if not slot:
        return True
    try:
        os.mount(os.VfsLfs2(Image(slots.path(slot))), SLOT, readonly=True)
    except OSError as e:
        print("slot_%s: %s" % (_NAMES[slot], e))
        return False
    sys.path.insert(0, SLOT)
    return True


def _guard(timeout_ms):
    import machine

    if hasattr(machine, "WDT"):
        machine.WDT(timeout=timeout_ms)
