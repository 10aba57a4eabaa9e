"""Slots of an update in a flash of the test's own, and the steps of an update."""

import hashlib
import os
import random
import sys

from testing import eq

from lwm2m.ports.update import file as file_slots

FOLDER = "build/test_slots_%d/" % random.getrandbits(24)
BLOCK = 4096


class Flash:
    """A block device in memory, as rp2.Flash: bits are only cleared by a write, set by an erase.

    The operation number `cut` and all after it do not happen; of a write half does.
    """

    def __init__(self, blocks, data=None):
        self.data = data or bytearray(b"\xff" * (blocks * BLOCK))
        self.operations = 0
        self.cut = -1

    def _dead(self):
        self.operations += 1
        return 0 <= self.cut < self.operations

    def readblocks(self, n, buf, offset=0):
        at = n * BLOCK + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]
        return 0

    def writeblocks(self, n, buf, offset=0):
        length = len(buf)
        if self._dead():
            if self.operations > self.cut + 1:
                return -5
            length //= 2
        at = n * BLOCK + offset
        for i in range(length):
            self.data[at + i] &= buf[i]
        return 0 if length == len(buf) else -5

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            if self._dead():
                return -5
            at = arg * BLOCK
            self.data[at : at + BLOCK] = b"\xff" * BLOCK
        return 0


def image(text):
    """A littlefs of 8 blocks with a module `which` that says `text`, as its bytes."""
    flash = Flash(8)
    os.VfsLfs2.mkfs(flash)
    fs = os.VfsLfs2(flash)
    with fs.open("which.py", "w") as file:
        # Longer than what littlefs keeps beside the name: half an image can be mounted too.
        file.write("# %s\ntext = %r\n" % (6000 * text, text))
    return bytes(flash.data)


A = image("A")
B = image("B")


def sha256(data):
    return hashlib.sha256(data).digest()


def update(slots, data, piece=1000):
    """Everything that an update does until the reset."""
    slots.open(len(data))
    for offset in range(0, len(data), piece):
        slots.write(offset, data[offset : offset + piece])
    assert slots.verify(sha256(data))
    slots.activate()


def started(folder=None):
    """What a start of the board runs: "A", "B", or "factory"; and as what."""
    name = file_slots.boot(folder or FOLDER, 8000)
    try:
        if "/slot" not in sys.path:
            eq(name, "factory")
            return "factory"
        assert sys.path[0] == "/slot"
        sys.modules.pop("which", None)
        import which

        return which.text
    finally:
        if "/slot" in sys.path:
            sys.path.remove("/slot")
            os.umount("/slot")


def clean():
    try:
        for name in os.listdir(FOLDER):
            os.remove(FOLDER + name)
    except OSError:
        os.mkdir(FOLDER[:-1])


def leave():
    clean()
    os.rmdir(FOLDER[:-1])
