"""Memory that survives a deep sleep: a few bytes, which are either right or not there.

On the ESP32 it is `machine.RTC().memory()`: 2048 bytes of which 2040 are yours; they survive
sleep and resets, not the loss of power. The RP2040, RP2350 and the unix port have none of that
size: there it is a file, which survives everything, and wears the flash.
"""

import binascii
import machine
import struct
import sys
from micropython import const

from lwm2m.ports import safe_file

_MAGIC = b"LB"
_HEADER = const(8)
_LARGEST_RTC = const(2048)
_LARGEST_FILE = const(65535 + 8)


class File:
    """A file in the place of a memory: called without an argument it returns the bytes, with bytes
    it stores them. A power cut leaves the old ones or the new ones."""

    size = _LARGEST_FILE

    def __init__(self, path):
        self.path = path

    def __call__(self, data=None):
        if data is None:
            return safe_file.read(self.path)
        safe_file.replace(self.path, data)


class Backup:
    """Bytes that are kept in `memory`: a path (a file), or a function like `RTC().memory`.

    Default: what this board has, in the file backup.bin if it is a file.
    """

    def __init__(self, memory=None):
        if memory is None:
            memory = machine.RTC().memory if sys.platform == "esp32" else "backup.bin"
        self.memory = File(memory) if isinstance(memory, str) else memory
        self.size = getattr(self.memory, "size", _LARGEST_RTC) - _HEADER

    def load(self):
        """The bytes that were saved, None when there are none or they are damaged.

        Allocates: twice their length.
        """
        return unpack(self.memory())

    def save(self, data):
        """Keep `data`. Raises ValueError when it is longer than `size`, OSError."""
        if len(data) > self.size:
            raise ValueError("%d bytes at most" % self.size)
        self.memory(pack(data))


def pack(data):
    """`data` behind a header: two letters, the length, the CRC-32."""
    return _MAGIC + struct.pack("<HI", len(data), binascii.crc32(data)) + data


def unpack(raw):
    """The bytes that were packed; None if `raw` is anything else."""
    if len(raw) < _HEADER or raw[:2] != _MAGIC:
        return None
    length, crc = struct.unpack("<HI", raw[2:_HEADER])
    data = raw[_HEADER : _HEADER + length]
    return data if len(data) == length and binascii.crc32(data) == crc else None
