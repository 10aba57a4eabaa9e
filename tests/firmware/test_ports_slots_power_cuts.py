# heapsize: 4m
"""Power that is cut at every write of an update."""

import os

from slots_bench import FOLDER, A, B, Flash, clean, leave, started, update
from testing import eq

from lwm2m.ports import safe_file
from lwm2m.ports.update import file as file_slots
from lwm2m.ports.update.file import FileSlots


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
