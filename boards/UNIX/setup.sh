#!/bin/sh
# Makes the checkout ready: .venv (pinned Python packages) and build/micropython (interpreters of
# several versions; only the project's own one is a must).
# Silent and quick when nothing is to be done; writes nothing outside the checkout.
# PYTHON=... picks the Python that .venv is made with.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd -P)
lock=host_server/requirements.lock
ready=.venv/.ready

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

suitable() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suitable "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or later"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or later is needed: install it (Debian: apt install python3 python3-venv) or set PYTHON=/path/to/python3"
}

make_venv() { # $1: the Python to make it with
    rm -rf .venv
    if "$1" -c 'import ensurepip; ensurepip.version()' 2>/dev/null; then
        "$1" -m venv .venv
        return
    fi
    # Debian keeps pip out of python3; the wheel it would use is a package of its own.
    "$1" -m venv --without-pip .venv
    rm -rf build/pip-wheel
    boards/UNIX/fetch.sh --unpack build/pip-wheel python3-pip-whl ||
        die "this Python has no ensurepip: apt install python3-venv"
    wheel=$(echo build/pip-wheel/usr/share/python-wheels/pip-*.whl)
    .venv/bin/python "$wheel/pip" install --quiet --no-deps --no-index "$wheel"
    rm -rf build/pip-wheel
}

packages() {
    wanted="$root ${PYTHON:-} $(cat pyproject.toml $lock | cksum)"
    have=$(cat $ready 2>/dev/null || true)
    if [ "$have" = "$wanted" ] && [ -x .venv/bin/python ]; then
        return
    fi
    started=$(date +%s)
    say "python packages and MicroPython are fetched: a minute or two"
    # Without a stamp of this very place and Python, what is there may be half made or moved.
    case "$have" in
        "$root ${PYTHON:-} "*) [ -x .venv/bin/python ] || have= ;;
        *) have= ;;
    esac
    rm -f $ready
    if [ -z "$have" ]; then
        python=$(find_python)
        make_venv "$python"
    fi
    export PIP_CACHE_DIR="$root/build/cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    .venv/bin/python -m pip install --quiet --no-deps -r $lock
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
    .venv/bin/python -m pip check --quiet ||
        die "$lock does not satisfy pyproject.toml: run make lock"
    echo "$wanted" >$ready.new
    mv $ready.new $ready
    say "python packages in .venv ($(($(date +%s) - started)) s)"
}

mkdir -p build
if command -v flock >/dev/null; then # two shells, one checkout
    exec 9>build/.setup.lock
    flock 9
fi
# The packages of Python and of Debian come from different places, at the same time.
boards/UNIX/fetch.sh 9>&- &
own=$!
boards/UNIX/fetch.sh --suite forky 9>&- &
other=$!
trap 'kill $own $other 2>/dev/null; exit 130' INT TERM
packages
boards/UNIX/fetch.sh --pypi
wait $other || true
wait $own
