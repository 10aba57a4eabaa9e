#!/bin/sh
# Builds build/emulator/images/rom.bin, MicroPython for the emulated RP2040 with the package in ROM:
# what it is made of is in build/emulator/rom. Does nothing when it is up to date.
set -eu
cd "$(dirname "$0")/../.."
out=build/emulator/rom
boards/emulator/build.sh --plain
.venv/bin/python -m lwm2m_host.board.rom --micropython build/emulator/source/micropython \
    --out "$out"
cat >"$out/image.py" <<END
# What the image freezes: what the plain one does, and the modules that are not in the ROM
include("$PWD/boards/emulator/firmware/manifest.py")
include("manifest.py")
END
boards/emulator/build.sh --image rom --manifest "$out/image.py" --modules "$out/modules"
