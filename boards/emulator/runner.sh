#!/bin/sh
# Puts rp2040js into build/emulator/node, the version of package-lock.json. Silent when it is there.
# EMULATOR_OUT   instead of build/emulator
set -eu
cd "$(dirname "$0")"
here=$(pwd -P)
cd ../..
out=${EMULATOR_OUT:-build/emulator}/node

say() { echo "emulator: $*"; }
die() { echo "emulator: $*" >&2; exit 1; }

NEEDED="node 18 or later and npm are needed (Debian: apt install nodejs npm)"
command -v node >/dev/null && command -v npm >/dev/null || die "$NEEDED"
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' ||
    die "this is node $(node --version): $NEEDED"
cmp -s "$here/package-lock.json" "$out/.ready" && exit

rm -rf "$out"
mkdir -p "$out"
cp "$here/package.json" "$here/package-lock.json" "$out"
(cd "$out" && npm ci --no-audit --no-fund) >"$out.log" 2>&1 ||
    die "rp2040js could not be fetched; all that npm said: $out.log"
cp "$here/package-lock.json" "$out/.ready"
say "rp2040js in $out"
