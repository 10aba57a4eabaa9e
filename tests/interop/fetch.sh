#!/bin/sh
# Puts other people's CoAP programs into build/interop, as far as this machine can have them:
#   libcoap    from Debian, as boards/UNIX/fetch.sh gets MicroPython: signed, nothing installed
#   node/      node-coap from npm, the versions of tests/interop/node/package-lock.json
# What cannot be had is said in a line, and its tests are skipped. Does nothing when it is there.
set -eu
cd "$(dirname "$0")/../.."
out=build/interop

say() { echo "interop: $*"; }

wrap() { # PROGRAM: started with the C library that was unpacked beside it
    cat >"$out/libcoap.new/$1" <<EOF
#!/bin/sh
here=\$(dirname "\$0")
exec "\$here/$loader" --library-path "\$here/${loader%/*}" "\$here/usr/bin/$1" "\$@"
EOF
    chmod +x "$out/libcoap.new/$1"
}

libcoap() {
    if command -v coap-client-notls >/dev/null || command -v coap-client >/dev/null; then
        return
    fi
    if [ -x "$out/libcoap/coap-client-notls" ]; then
        return
    fi
    rm -rf "$out/libcoap.new" "$out/libcoap"
    if ! boards/UNIX/fetch.sh --unpack "$out/libcoap.new" \
        libcoap3-bin libcoap3t64 libc6 >"$out/libcoap.log" 2>&1; then
        say "libcoap cannot be fetched ($out/libcoap.log): apt install libcoap3-bin"
        return
    fi
    loader=$(cd "$out/libcoap.new" && echo usr/lib/*/ld-linux*.so.*)
    for program in coap-client-notls coap-server-notls coap-rd-notls; do
        wrap $program
    done
    mv "$out/libcoap.new" "$out/libcoap"
    say "libcoap in $out/libcoap"
}

node_coap() {
    if ! command -v npm >/dev/null; then
        say "node-coap needs node and npm: apt install nodejs npm"
        return
    fi
    lock=tests/interop/node/package-lock.json
    if [ -d tests/interop/node/node_modules/coap ] || cmp -s $lock "$out/node/.ready"; then
        return
    fi
    rm -rf "$out/node"
    mkdir -p "$out/node"
    cp tests/interop/node/package.json $lock "$out/node"
    if ! (cd "$out/node" && npm ci --no-audit --no-fund) >"$out/node.log" 2>&1; then
        say "node-coap cannot be fetched ($out/node.log): npm ci in tests/interop/node"
        return
    fi
    cp $lock "$out/node/.ready"
    say "node-coap in $out/node"
}

mkdir -p "$out"
libcoap
node_coap
