"""MicroPython images, looked at before they are flashed: is it one, whole, and for this chip?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from .boards import Board
from .errors import BadImage

LARGEST = 64 << 20

# esptool's "Firmware Image Format": the header, and the chip id in the extended header.
_ESP_MAGIC = 0xE9
_ESP_CHIP_AT = 12
_ESP_HEADER = 24
_ESP_MOST_SEGMENTS = 16
_ESP_CHIPS = {
    0x0000: "esp32",
    0x0002: "esp32s2",
    0x0005: "esp32c3",
    0x0009: "esp32s3",
    0x000C: "esp32c2",
    0x000D: "esp32c6",
    0x0010: "esp32h2",
    0x0012: "esp32p4",
}
# Where a partition table is in flash, and its first two bytes: an image without one at this place
# is an application without a boot loader, and would leave a board that does not start.
_ESP_TABLE_AT = 0x8000
_ESP_TABLE_MAGIC = b"\xaa\x50"

# The UF2 specification: blocks of 512 bytes.
_UF2_BLOCK = 512
_UF2_MAGIC = (0x0A324655, 0x9E5D5157)
_UF2_MAGIC_END = 0x0AB16F30
_UF2_HAS_FAMILY = 0x2000
_UF2_NOT_FOR_FLASH = 0x0001
_UF2_ABSOLUTE = 0xE48BFF57  # a block that an erratum of the RP2350 needs; it counts by itself
_UF2_CHIPS = {
    0xE48BFF56: "rp2040",
    0xE48BFF59: "rp2350",
    0xE48BFF5A: "rp2350 (RISC-V)",
    0xE48BFF5B: "rp2350 (non-secure)",
}
_UF2_PAYLOAD = 476


@dataclass(frozen=True)
class Image:
    """A MicroPython image: "esp" or "uf2", the chip that it is for, its size in bytes."""

    kind: str
    chip: str
    size: int


def read(path: Path) -> bytes:
    """The file, if it has a size that an image may have. Raises BadImage."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadImage(f"{path}: far too large for an image")
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"{path}: {error.strerror}") from None


def recognise(data: bytes, name: str) -> Image:
    """Recognise an image. Raises BadImage, with `name`, for everything else."""
    if data[:4] == struct.pack("<I", _UF2_MAGIC[0]):
        return _uf2(data, name)
    if data[:1] == bytes([_ESP_MAGIC]):
        return _esp(data, name)
    if data[:2] in (b"PK", b"\x1f\x8b"):
        raise BadImage(f"{name}: an archive; unpack it first")
    if data[:1] == b"<":
        raise BadImage(f"{name}: a web page; was it the link to the download page?")
    raise BadImage(f"{name}: neither an ESP32 image (.bin) nor a UF2 file")


def _esp(data: bytes, name: str) -> Image:
    if len(data) < _ESP_HEADER:
        raise BadImage(f"{name}: cut off in its header")
    number = struct.unpack_from("<H", data, _ESP_CHIP_AT)[0]
    if not 0 < data[1] <= _ESP_MOST_SEGMENTS:
        raise BadImage(f"{name}: not an ESP32 image: it has {data[1]} segments")
    chip = _ESP_CHIPS.get(number)
    if chip is None:
        raise BadImage(f"{name}: for an Espressif chip that is not known here (id {number})")
    return Image("esp", chip, len(data))


def _uf2(data: bytes, name: str) -> Image:
    if len(data) % _UF2_BLOCK:
        raise BadImage(f"{name}: cut off: a UF2 file is made of blocks of {_UF2_BLOCK} bytes")
    families: set[int] = set()
    seen: dict[int, set[int]] = {}
    counts: dict[int, int] = {}
    for at in range(0, len(data), _UF2_BLOCK):
        first, second, flags, _, size, number, count, family = struct.unpack_from("<8I", data, at)
        end = struct.unpack_from("<I", data, at + _UF2_BLOCK - 4)[0]
        if (first, second, end) != (*_UF2_MAGIC, _UF2_MAGIC_END):
            raise BadImage(f"{name}: damaged: block {at // _UF2_BLOCK} is no UF2 block")
        if flags & _UF2_NOT_FOR_FLASH:
            continue
        family = family if flags & _UF2_HAS_FAMILY else 0
        if size > _UF2_PAYLOAD or number >= count or counts.setdefault(family, count) != count:
            raise BadImage(f"{name}: damaged: block {at // _UF2_BLOCK} contradicts itself")
        seen.setdefault(family, set()).add(number)
        if family != _UF2_ABSOLUTE:
            families.add(family)
    if len(families) != 1:
        raise BadImage(f"{name}: for {len(families) or 'no'} chips at once")
    [family] = families
    chip = _UF2_CHIPS.get(family)
    if chip is None:
        raise BadImage(f"{name}: a UF2 file for another kind of board (family {family:#010x})")
    if len(seen[family]) != counts[family]:
        raise BadImage(
            f"{name}: cut off: {len(seen[family])} of {counts[family]} blocks are there"
        )
    return Image("uf2", chip, len(data))


def check(path: Path, board: Board) -> Image:
    """The image in a file, if this board can be flashed with it. Raises BadImage."""
    data = read(path)
    image = recognise(data, path.name)
    if image.chip != board.chip:
        raise BadImage(f"{path.name}: for {image.chip}, and {board.name} has {board.chip}")
    if image.kind == "esp":
        table = _ESP_TABLE_AT - board.flash_offset
        if data[table : table + 2] != _ESP_TABLE_MAGIC:
            raise BadImage(
                f"{path.name}: an application without boot loader and partitions, as in .app-bin: "
                f"it is for updates; take {board.image}"
            )
    if image.size + board.flash_offset > board.flash_kb * 1024 * (2 if image.kind == "uf2" else 1):
        raise BadImage(f"{path.name}: larger than the flash of {board.name}")
    return image
