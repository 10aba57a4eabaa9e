#!/bin/sh
# Builds MicroPython's unix port with the package in ROM, for its tests: build/unix/rom-VERSION, and
# build/rom/VERSION beside it.
#
#   rom.sh VERSION      1.25.0 or 1.26.1
#
# The last line that it prints is the path of the program. Does nothing when it is up to date.
set -eu
cd "$(dirname "$0")/../.."
version=${1:?usage: rom.sh VERSION}
out=build/rom/$version
boards/UNIX/build.sh --version "$version" --sources >/dev/null
.venv/bin/python -m lwm2m_host.board.rom --micropython "build/unix/source-$version" \
    --out "$out" --tests >&2
boards/UNIX/build.sh --version "$version" --name "rom-$version" --modules "$out/modules"
