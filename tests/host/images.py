"""MicroPython images for tests, put together as the formats' descriptions say."""

from __future__ import annotations

import struct

from lwm2m_host.board import boards

CHIP_IDS = {"esp32": 0, "esp32s3": 9, "esp32c3": 5}
RP2040, RP2350, ABSOLUTE = 0xE48BFF56, 0xE48BFF59, 0xE48BFF57


def esp_application(chip: str, segments: list[bytes] = [b"\0" * 64]) -> bytes:  # noqa: B006
    """An image as esptool's documentation describes it: header, extended header, segments,
    checksum."""
    data = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x20, 0x40080000)
    data += struct.pack("<B3BHBHH4xB", 0xEE, 0, 0, 0, CHIP_IDS[chip], 0, 0, 0xFFFF, 0)
    checksum = 0xEF
    for segment in segments:
        data += struct.pack("<II", 0x3FFB0000, len(segment)) + segment
        for byte in segment:
            checksum ^= byte
    return data + bytes(15 - len(data) % 16) + bytes([checksum])


def esp_image(board: boards.Board) -> bytes:
    """What micropython.org has: boot loader, partition table, application."""
    loader = esp_application(board.chip).ljust(0x8000 - board.flash_offset, b"\xff")
    return loader + b"\xaa\x50" + bytes(30) + b"\xff" * 1000


def uf2(family: int, blocks: int = 4, *, absolute: bool = False) -> bytes:
    out = b""
    if absolute:  # what an erratum of the RP2350 needs
        out += uf2_block(ABSOLUTE, 0, 2)
    return out + b"".join(uf2_block(family, n, blocks) for n in range(blocks))


def uf2_block(family: int, number: int, count: int, flags: int = 0x2000, size: int = 256) -> bytes:
    address = 0x10000000 + 256 * number
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, size, number, count, family)
    return head + bytes(476) + struct.pack("<I", 0x0AB16F30)
