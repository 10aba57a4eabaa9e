# heapsize: 1m
"""Update slots in the partitions of an ESP32, on a fake of its flash and its boot loader.

The fake of `esp32.Partition` follows its document and the port's source (esp32_partition.c):
writeblocks erases and writes whole blocks of 4096, info() is (type, subtype, address, size,
label, encrypted), set_boot() raises OSError for what is no image (ESP_ERR_OTA_VALIDATE_FAILED,
-5379), and an image that was started and not marked valid is left at the next reset (app rollback
of ESP-IDF, which MicroPython builds with).
"""

import hashlib
import random
import sys

from testing import eq, raises

BLOCK = 4096


class Cut(Exception):
    """The power goes."""


def sha256(data):
    return hashlib.sha256(data).digest()


def update(slots, data, piece=1000):
    """Everything that an update does until the reset."""
    slots.open(len(data))
    for offset in range(0, len(data), piece):
        slots.write(offset, data[offset : offset + piece])
    assert slots.verify(sha256(data))
    slots.activate()


class Esp32:
    """Flash and boot loader: two partitions, what is booted next, what is on trial."""

    def __init__(self):
        self.parts = [bytearray(b"\xff" * (16 * BLOCK)) for _ in range(2)]
        self.running = self.next = 0
        self.trial = self.pending = False
        self.operations = 0
        self.cut = -1

    def dead(self):
        self.operations += 1
        if 0 <= self.cut < self.operations:
            raise Cut

    def reset(self):
        if self.trial and self.running == self.next:
            self.next = 1 - self.running  # not marked: left
            self.trial = False
        elif self.next != self.running:
            self.trial = self.pending
        self.pending = False
        self.running = self.next


class FakePartition:
    RUNNING = 1
    board = None

    def __init__(self, which, number=None):
        self.number = self.board.running if number is None else number

    def info(self):
        return (0, 16 + self.number, 0x10000, 16 * BLOCK, "ota_%d" % self.number, False)

    def get_next_update(self):
        return FakePartition(None, 1 - self.number)

    def writeblocks(self, n, buf):
        assert len(buf) % BLOCK == 0 and (n * BLOCK + len(buf)) <= 16 * BLOCK
        assert self.number != self.board.running, "the running firmware is overwritten"
        at = n * BLOCK
        part = self.board.parts[self.number]
        part[at : at + len(buf)] = b"\xff" * len(buf)
        self.board.dead()
        part[at : at + len(buf)] = buf

    def readblocks(self, n, buf):
        part = self.board.parts[self.number]
        buf[:] = part[n * BLOCK : n * BLOCK + len(buf)]

    def set_boot(self):
        if self.board.parts[self.number][0] != 0xE9:
            raise OSError(-5379)
        self.board.dead()
        self.board.next = self.number
        self.board.pending = True

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        cls.board.trial = False


class FakeModule:
    Partition = FakePartition


class FakeSys:
    platform = "esp32"
    path = ()


def esp32():
    """A board whose first partition runs, and the class of its slots."""
    sys.modules["esp32"] = FakeModule
    from lwm2m.ports.update import trial
    from lwm2m.ports.update.partition import PartitionSlots

    trial.sys = FakeSys
    FakePartition.board = board = Esp32()
    board.parts[0][0] = 0xE9
    return board, PartitionSlots


def firmware(size):
    random.seed(size)
    return b"\xe9" + bytes(random.getrandbits(8) for _ in range(size - 1))


def test_partition_is_written_read_back_and_started():
    for size in (1, 4095, 4096, 4097, 9000, 65536):
        board, PartitionSlots = esp32()
        data = firmware(size)
        slots = PartitionSlots()
        eq(slots.running, "ota_0")
        update(slots, data, 1000 if size < 60000 else 5000)
        eq(bytes(board.parts[1][:size]), data)
        eq(bytes(board.parts[1][size:]), b"\xff" * (65536 - size))
        eq(slots.verify(sha256(data)), True)  # once more
        board.reset()
        eq((PartitionSlots().running, board.trial), ("ota_1", True))
        PartitionSlots().mark_valid()
        board.reset()
        eq(PartitionSlots().running, "ota_1")


def test_partition_that_is_not_marked_is_left():
    board, PartitionSlots = esp32()
    update(PartitionSlots(), firmware(5000))
    board.reset()
    eq(PartitionSlots().running, "ota_1")
    board.reset()
    eq(PartitionSlots().running, "ota_0")


def test_partition_too_small():
    _, PartitionSlots = esp32()
    eq(raises(OSError, PartitionSlots().open, 65537).errno, 28)


def test_partition_with_something_else_in_it_is_not_started():
    board, PartitionSlots = esp32()
    slots = PartitionSlots()
    data = bytes(5000)
    slots.open(5000)
    slots.write(0, data)
    eq(slots.verify(sha256(data)), True)
    raises(OSError, slots.activate)
    eq(slots.rollback(), False)
    board.reset()
    eq(PartitionSlots().running, "ota_0")


def test_partition_rollback():
    board, PartitionSlots = esp32()
    update(PartitionSlots(), firmware(5000))
    board.reset()
    PartitionSlots().mark_valid()
    board.reset()
    eq(PartitionSlots().rollback(), True)
    board.reset()
    eq(PartitionSlots().running, "ota_0")


def test_partition_cut_at_every_write():
    data = firmware(20000)
    cut = 0
    seen = []
    while True:
        board, PartitionSlots = esp32()
        board.cut = cut
        whole = False
        try:
            update(PartitionSlots(), data)
            whole = True
        except Cut:
            pass
        board.cut = -1
        board.reset()
        seen.append(board.running)
        if whole:
            break
        eq(board.running, 0)
        update(PartitionSlots(), data)
        board.reset()
        eq(board.running, 1)
        cut += 1
    eq(seen, [0] * 6 + [1])


def test_firmware_without_rollback_or_partitions_marks_nothing():
    from lwm2m.ports.update import trial

    def refuse():
        raise OSError(-261)

    esp32()
    mark = FakePartition.mark_app_valid_cancel_rollback
    FakePartition.mark_app_valid_cancel_rollback = refuse
    try:
        trial.mark_valid()
    finally:
        FakePartition.mark_app_valid_cancel_rollback = mark
