# heapsize: 4m
"""Update slots: after a power cut at any moment the board runs the old firmware or the new one.

File slots run on real file systems: folders of this machine, where each operation on a file is
cut, and a littlefs in memory, where each operation on the flash is cut.
"""

import hashlib
import os
import random
import sys

from testing import eq, raises

from lwm2m.ports import backup, safe_file
from lwm2m.ports.update import file as file_slots
from lwm2m.ports.update.file import FileSlots, Image
from lwm2m.ports.update.slots import Slots

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


# --- writing --------------------------------------------------------------------------------


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


# --- power cuts -----------------------------------------------------------------------------


class Cut(Exception):
    """The power goes."""


class CutFile:
    def __init__(self, file, cuts, writes):
        self.file = file
        self.cuts = cuts
        self.writes = writes
        for name in ("read", "readinto", "seek"):
            setattr(self, name, getattr(file, name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        if self.cuts.dead():
            self.file.write(data[: len(data) // 2])
            self.file.close()
            raise Cut
        self.file.write(data)

    def close(self):
        dead = self.writes and self.cuts.dead()
        self.file.close()
        if dead:
            raise Cut


class Cuts:
    """`os` and `open` in the place of the real ones; the operation number `at` is cut."""

    def __init__(self, at):
        self.left = at
        for name in ("stat", "statvfs", "mount", "VfsLfs2", "listdir"):
            setattr(self, name, getattr(os, name))

    def dead(self):
        self.left -= 1
        return self.left < 0

    def open(self, path, mode):
        if "w" in mode and self.dead():
            raise Cut
        return CutFile(open(path, mode), self, "w" in mode)

    def sync(self):
        if self.dead():
            raise Cut

    def rename(self, old, new):
        if self.dead():
            raise Cut
        os.rename(old, new)

    def remove(self, path):
        if self.dead():
            raise Cut
        os.remove(path)


def _cut_in(prepare, action, allowed):
    """Cut `action` at every operation on a file, each time from the state that `prepare` makes;
    what starts next must be in `allowed`, and stay what it is when the trial is over or marked.
    Returns the number of operations and what was started."""
    at = 0
    seen = set()
    while True:
        clean()
        prepare()
        safe_file.os = file_slots.os = cuts = Cuts(at)
        safe_file.open = file_slots.open = cuts.open
        whole = False
        try:
            action()
            whole = True
        except Cut:
            pass
        finally:
            safe_file.os = file_slots.os = os
            safe_file.open = file_slots.open = open
        what = started()
        assert what in allowed, (at, what)
        seen.add(what)
        # The next update works, whatever the cut has left behind.
        FileSlots(FOLDER).mark_valid()
        eq((at, started()), (at, what))
        update(FileSlots(FOLDER), A)
        eq((at, started()), (at, "A"))
        if whole:
            leave()
            return at, seen
        at += 1


def _marked(data):
    update(FileSlots(FOLDER), data)
    started()
    FileSlots(FOLDER).mark_valid()


def test_cut_in_the_first_update():
    n, seen = _cut_in(lambda: None, lambda: update(FileSlots(FOLDER), B), ("factory", "B"))
    assert n > 20, n
    eq(seen, {"factory", "B"})


def test_cut_in_a_further_update():
    def two():
        _marked(B)
        _marked(A)

    n, seen = _cut_in(two, lambda: update(FileSlots(FOLDER), B), ("A", "B"))
    assert n > 20, n
    eq(seen, {"A", "B"})


def test_cut_in_an_update_over_one_that_was_activated():
    def pending():
        _marked(A)
        update(FileSlots(FOLDER), A)

    _, seen = _cut_in(pending, lambda: update(FileSlots(FOLDER), B, 10000), ("A", "B"))
    eq(seen, {"A", "B"})


def test_cut_in_mark_valid_and_rollback():
    def trial():
        _marked(A)
        update(FileSlots(FOLDER), B)
        eq(started(), "B")

    n, seen = _cut_in(trial, lambda: FileSlots(FOLDER).mark_valid(), ("B",))
    eq((n, seen), (4, {"B"}))
    n, seen = _cut_in(trial, lambda: FileSlots(FOLDER).rollback(), ("A", "B"))
    eq((n, seen), (4, {"A", "B"}))


def test_cut_while_a_start_is_counted():
    def pending():
        _marked(A)
        update(FileSlots(FOLDER), B)

    # Cut or not, it starts when the power is back.
    n, seen = _cut_in(pending, lambda: FileSlots(FOLDER).pick(), ("B",))
    eq((n, seen), (4, {"B"}))


def test_cut_at_every_start_still_ends_the_trial():
    clean()
    _marked(A)
    update(FileSlots(FOLDER), B)
    eq([started() for _ in range(4)], ["B", "B", "B", "A"])
    leave()


def _on_flash(data, cut, action):
    """Run `action` in a littlefs on a copy of `data`; the power goes at the operation `cut`.
    Returns the flash."""
    flash = Flash(0, bytearray(data))
    flash.cut = cut
    fs = os.VfsLfs2(flash)
    os.mount(fs, "/flash")
    try:
        action()
    except OSError:
        assert flash.operations > cut >= 0, "nothing was cut"
    finally:
        os.umount("/flash")
    flash.cut = -1
    return flash


def _run_on_flash(data):
    """What starts from this flash."""
    flash = Flash(0, bytearray(data))
    os.mount(os.VfsLfs2(flash), "/flash")
    try:
        return started("/flash/")
    finally:
        os.umount("/flash")


def test_cut_at_every_write_to_the_flash():
    flash = Flash(48)
    os.VfsLfs2.mkfs(flash)

    def first():
        update(FileSlots("/flash/"), A, 4096)
        FileSlots("/flash/").pick()
        FileSlots("/flash/").mark_valid()

    def second():
        update(FileSlots("/flash/"), B, 4096)

    before = _on_flash(flash.data, -1, first).data
    eq(_run_on_flash(before), "A")
    whole = _on_flash(before, -1, second)
    eq(_run_on_flash(whole.data), "B")
    assert whole.operations > 40, whole.operations
    seen = []
    for cut in range(whole.operations):
        what = _run_on_flash(_on_flash(before, cut, second).data)
        assert what in ("A", "B"), (cut, what)
        seen.append(what)
    # Once it is the new one, it stays so: it is one write that decides.
    eq(seen, sorted(seen))
    assert seen.count("A") > 30, seen
