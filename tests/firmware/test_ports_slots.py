# heapsize: 4m
"""Update slots: after a power cut at any moment the board runs the old firmware or the new one.

File slots run on real file systems: folders of this machine, where each operation on a file is
cut, and a littlefs in memory, where each operation on the flash is cut.
"""

import os
import sys

from slots_bench import BLOCK, FOLDER, A, B, clean, leave, sha256, started, update
from testing import eq, raises

from lwm2m.ports import backup
from lwm2m.ports.update import file as file_slots
from lwm2m.ports.update.file import FileSlots, Image
from lwm2m.ports.update.slots import Slots


# --- the life of an update ------------------------------------------------------------------


def test_board_without_updates_runs_what_it_came_with():
    clean()
    eq(started(), "factory")
    eq(os.listdir(FOLDER), [])
    eq(FileSlots(FOLDER).running, "factory")
    leave()


def test_update_runs_on_trial_and_stays_when_marked():
    clean()
    update(FileSlots(FOLDER), A)
    eq(FileSlots(FOLDER).running, "factory")
    eq(started(), "A")
    slots = FileSlots(FOLDER)
    eq((slots.running, slots.on_trial), ("a", True))
    eq(slots.mark_valid(), True)
    eq(slots.mark_valid(), False)
    for _ in range(10):
        eq(started(), "A")
    eq((FileSlots(FOLDER).running, FileSlots(FOLDER).on_trial), ("a", False))
    leave()


def test_update_that_is_never_marked_is_left_after_three_starts():
    clean()
    update(FileSlots(FOLDER), A)
    eq([started() for _ in range(6)], ["A"] * 3 + ["factory"] * 3)
    leave()


def test_second_update_falls_back_to_the_first():
    clean()
    update(FileSlots(FOLDER), A)
    started()
    FileSlots(FOLDER).mark_valid()
    update(FileSlots(FOLDER), B)
    eq([started() for _ in range(5)], ["B"] * 3 + ["A"] * 2)
    update(FileSlots(FOLDER), B)
    eq(started(), "B")
    eq(FileSlots(FOLDER).running, "b")
    FileSlots(FOLDER).mark_valid()
    update(FileSlots(FOLDER), A)
    eq(started(), "A")
    leave()


def test_rollback():
    clean()
    eq(FileSlots(FOLDER).rollback(), False)
    update(FileSlots(FOLDER), A)
    eq(FileSlots(FOLDER).rollback(), True)  # activated, not started
    eq(started(), "factory")
    update(FileSlots(FOLDER), A)
    eq(started(), "A")
    eq(FileSlots(FOLDER).rollback(), True)  # on trial
    eq(started(), "factory")
    update(FileSlots(FOLDER), A)
    started()
    FileSlots(FOLDER).mark_valid()
    update(FileSlots(FOLDER), B)
    started()
    FileSlots(FOLDER).mark_valid()
    eq(FileSlots(FOLDER).rollback(), True)  # marked valid, and regretted
    eq(started(), "A")
    eq(FileSlots(FOLDER).rollback(), False)
    leave()


def test_way_back_is_not_overwritten():
    clean()
    update(FileSlots(FOLDER), A)
    started()
    eq(raises(OSError, FileSlots(FOLDER).open, 10).errno, 16)
    FileSlots(FOLDER).mark_valid()
    update(FileSlots(FOLDER), B)
    started()
    FileSlots(FOLDER).mark_valid()
    slots = FileSlots(FOLDER)
    slots.open(10)  # over A: no way back to it any more
    slots.close()
    eq(FileSlots(FOLDER).rollback(), False)
    eq(started(), "B")
    leave()


def test_activated_update_that_is_written_over_does_not_start():
    clean()
    slots = FileSlots(FOLDER)
    update(slots, A)
    slots.open(len(B))
    slots.write(0, B)  # whole, but nobody has verified or activated it
    slots.close()
    eq(started(), "factory")
    leave()


def test_image_that_cannot_be_mounted_is_left_at_once():
    clean()
    update(FileSlots(FOLDER), bytes(8 * BLOCK))
    eq(started(), "factory")
    eq(FileSlots(FOLDER).trial, 255)
    update(FileSlots(FOLDER), A)
    started()
    FileSlots(FOLDER).mark_valid()
    update(FileSlots(FOLDER), b"short")
    eq(started(), "A")
    os.remove(FOLDER + "slot_a")  # and that is lost too
    eq(started(), "factory")
    leave()


def test_damaged_state_runs_what_the_board_came_with():
    clean()
    update(FileSlots(FOLDER), A)
    for state in (
        b"",
        b"LB",
        os.urandom(12),
        backup.pack(b"123"),
        backup.pack(b"\x09\xff\xff\x00"),
        backup.pack(b"\x00\x09\xff\x01"),
        backup.pack(b"\x00\xff\x09\x00"),
    ):
        with open(FOLDER + "slots.bin", "wb") as file:
            file.write(state)
        eq(started(), "factory")
    leave()


def test_boot_forgets_the_package_of_the_factory():
    clean()
    update(FileSlots(FOLDER), A)
    before = dict(sys.modules)
    eq(started(), "A")
    assert not [name for name in sys.modules if name.startswith("lwm2m")]
    sys.modules.update(before)
    leave()


def test_start_that_cannot_be_counted_is_none():
    def full(data):
        raise OSError(28)

    clean()
    update(FileSlots(FOLDER), A)
    save = backup.Backup.save
    backup.Backup.save = lambda self, data: full(data)
    try:
        eq([started() for _ in range(5)], ["factory"] * 5)
    finally:
        backup.Backup.save = save
    leave()


def test_watchdog_guards_a_trial_only():
    guarded = []
    guard = file_slots._guard
    file_slots._guard = guarded.append
    try:
        clean()
        started()
        update(FileSlots(FOLDER), A)
        eq(guarded, [])
        started()
        eq(guarded, [8000])
        FileSlots(FOLDER).mark_valid()
        started()
        eq(guarded, [8000])
    finally:
        file_slots._guard = guard
    leave()


class Memory(Slots):
    """The least kind of slots."""

    def _open(self, size):
        self.data = b""

    def _write(self, data):
        self.data += bytes(data)

    def _finish(self):
        pass

    def _pieces(self):
        yield self.data

    def _activate(self):
        self.active = True


# --- writing --------------------------------------------------------------------------------


def test_pieces_come_in_order_and_may_be_repeated():
    slots = Memory()
    slots.open(10)
    slots.write(0, b"0123")
    slots.write(0, b"0123")
    slots.write(2, b"2345")
    eq(slots.written, 6)
    for offset, data in ((7, b"7"), (-1, b"x"), (6, b"67890"), (11, b"")):
        raises(ValueError, slots.write, offset, data)
    eq((slots.written, slots.data), (6, b"012345"))
    slots.write(6, b"6789")
    eq(slots.verify(sha256(b"0123456789")), True)


def test_only_what_is_verified_is_activated():
    slots = Memory()
    raises(ValueError, slots.activate)
    slots.open(4)
    slots.write(0, b"012")
    eq(slots.verify(sha256(b"012")), False)
    slots.write(3, b"3")
    raises(ValueError, slots.activate)
    eq(slots.verify(sha256(b"0124")), False)
    raises(ValueError, slots.activate)
    eq(slots.verify(b"short"), False)
    eq(slots.verify(sha256(b"0123")), True)
    slots.open(4)
    raises(ValueError, slots.activate)
    slots.close()
    raises(ValueError, slots.activate)
    raises(ValueError, slots.write, 0, b"x")


def test_what_was_written_wrongly_is_noticed():
    clean()
    slots = FileSlots(FOLDER)
    slots.open(len(A))
    slots.write(0, A)
    slots._finish()
    with open(FOLDER + "slot_a", "r+b") as file:
        file.seek(5000)
        file.write(b"\x55")
    fed = []
    eq(slots.verify(sha256(A), lambda: fed.append(1)), False)
    eq(len(fed), len(A) // 512)
    leave()


class Full:
    """A file system with three free blocks."""

    def __getattr__(self, name):
        return getattr(os, name)

    def statvfs(self, path):
        return (4096, 4096, 100, 7, 7, 0, 0, 0, 0, 255)


def test_update_that_does_not_fit_is_refused():
    clean()
    slots = FileSlots(FOLDER)
    file_slots.os = Full()
    try:
        eq(raises(OSError, slots.open, 3 * 4096 + 1).errno, 28)
        slots.open(3 * 4096)
        slots.close()
    finally:
        file_slots.os = os
    leave()


def test_image_can_only_be_read():
    clean()
    with open(FOLDER + "i", "wb") as file:
        file.write(A)
    device = Image(FOLDER + "i")
    eq((device.ioctl(4, 0), device.ioctl(5, 0)), (8, BLOCK))
    assert device.writeblocks(0, bytearray(8)) < 0
    assert device.readblocks(8, bytearray(8)) < 0, "behind its end"
    buf = bytearray(8)
    eq(device.readblocks(1, buf, 16), 0)
    eq(buf, A[BLOCK + 16 : BLOCK + 24])
    device.file.close()
    leave()
