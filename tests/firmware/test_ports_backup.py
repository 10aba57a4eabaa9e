"""Backup memory: what comes back is what was saved, or nothing.

The fake of `machine.RTC().memory` follows its document and the ESP32's source: 2048 bytes, the
length is kept, ValueError for more; after a loss of power it is empty, or holds anything.
"""

import os
import random

from testing import eq, raises

from lwm2m.ports import safe_file
from lwm2m.ports.backup import Backup, File, pack, unpack

NAME = "build/test_backup_%d.bin" % random.getrandbits(24)


class FakeMemory:
    def __init__(self):
        self.data = b""

    def __call__(self, data=None):
        if data is None:
            return bytes(self.data)
        if len(data) > 2048:
            raise ValueError("buffer too long")
        self.data = bytes(data)


def _remove():
    for name in (NAME, NAME + ".new"):
        try:
            os.remove(name)
        except OSError:
            pass


def test_nothing_is_there_at_first():
    eq(Backup(FakeMemory()).load(), None)
    eq(Backup("build/nowhere.bin").load(), None)


def test_what_is_saved_comes_back():
    for memory in (FakeMemory(), NAME):
        for data in (b"", b"x", bytes(range(256)), bytes(2040)):
            Backup(memory).save(data)
            eq(Backup(memory).load(), data)
    _remove()


def test_size_is_told_and_kept():
    store = Backup(FakeMemory())
    eq(store.size, 2040)
    store.save(b"kept")
    raises(ValueError, store.save, bytes(2041))
    eq(store.load(), b"kept")
    raises(ValueError, Backup(NAME).save, bytes(65536))
    _remove()


def test_every_damaged_byte_is_noticed():
    raw = pack(b"state of the device")
    for at in range(len(raw)):
        for bit in (1, 0x80):
            damaged = bytearray(raw)
            damaged[at] ^= bit
            eq((at, unpack(damaged)), (at, None))
        eq((at, unpack(raw[:at])), (at, None))


def test_more_than_was_saved_does_no_harm():
    eq(unpack(pack(b"state") + b"what was there before"), b"state")


def test_fuzz():
    random.seed(8)
    for _ in range(20000):
        raw = os.urandom(random.randrange(40))
        if random.getrandbits(1):
            raw = b"LB" + raw
        eq(unpack(raw), None)


class Cut(Exception):
    """The power goes."""


class CutFile:
    """A file that loses the power at one of its operations; of a write half is left."""

    def __init__(self, file, cuts):
        self.file = file
        self.cuts = cuts

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self):
        return self.file.read()

    def write(self, data):
        if self.cuts.now():
            self.file.write(data[: len(data) // 2])
            raise Cut
        self.file.write(data)


class Cuts:
    """Counts what is done to files; the operation `at` is the one at which the power goes."""

    def __init__(self, at, replaces):
        self.left = at
        self.replaces = replaces

    def now(self):
        self.left -= 1
        return self.left < 0

    def open(self, path, mode):
        if "w" in mode and self.now():
            raise Cut
        return CutFile(open(path, mode), self)

    def stat(self, path):
        return os.stat(path)

    def sync(self):
        if self.now():
            raise Cut

    def rename(self, old, new):
        if self.now():
            raise Cut
        if not self.replaces and new.split("/")[-1] in os.listdir("build"):
            raise OSError(17)  # FAT
        os.rename(old, new)

    def remove(self, path):
        if self.now():
            raise Cut
        os.remove(path)


def _cut_everywhere(replaces):
    at = 0
    while True:
        _remove()
        Backup(NAME).save(b"old")
        safe_file.os = cuts = Cuts(at, replaces)
        safe_file.open = cuts.open
        whole = False
        try:
            Backup(NAME).save(b"new state")
            whole = True
        except Cut:
            pass
        finally:
            safe_file.os = os
            safe_file.open = open
        found = Backup(NAME).load()
        eq((at, found), (at, b"new state" if whole else found))
        assert found in (b"old", b"new state"), (at, found)
        # What a cut has left behind is no obstacle.
        Backup(NAME).save(b"next")
        eq(Backup(NAME).load(), b"next")
        _remove()
        if whole:
            return at
        at += 1


def test_power_cut_at_every_operation():
    eq(_cut_everywhere(True), 4)


def test_power_cut_at_every_operation_on_a_file_system_that_cannot_rename_over():
    eq(_cut_everywhere(False), 6)


def test_file_is_chosen_where_there_is_no_such_memory():
    assert isinstance(Backup().memory, File)
    eq(Backup().memory.path, "backup.bin")


def test_cut_during_a_save_after_a_cut_between_the_names_leaves_the_newest():
    # FAT: the old name is gone, the new file has its own name still
    _remove()
    with open(NAME + ".new", "wb") as file:
        file.write(pack(b"newest"))
    safe_file.os = cuts = Cuts(2, False)
    safe_file.open = cuts.open
    try:
        raises(Cut, Backup(NAME).save, b"never complete")
    finally:
        safe_file.os = os
        safe_file.open = open
    eq(Backup(NAME).load(), b"newest")
    _remove()
