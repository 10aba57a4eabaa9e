# Debian's packages and sources without root and without a change to this machine: functions for
# the scripts in the folders beside this, which have `say`, `die`, YOUR_OWN and SUITE.
#
# DEBIAN_MIRROR, DEBIAN_KEYRING   as in UNIX/fetch.sh

# The Debian mirrors of this machine's own apt configuration, one address per line.
mirrors() {
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        echo "$DEBIAN_MIRROR"
        return
    fi
    # Before a machine's first `apt-get update` apt does not know the origin of a source.
    . /etc/os-release
    apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(CREATED_BY)' |
        awk -F'|' -v id="${ID:-}" '
            $1 ~ /^cdrom:/ || $3 ~ /-(security|backports)/ || $3 ~ /\/updates$/ { next }
            $4 != "main" || $5 != "Packages" || seen[$1]++ { next }
            $2 == "Debian" || ($2 ~ /^(\$\(ORIGIN\))?$/ && id == "debian") { print $1 }'
}

keyring() {
    for file in ${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg \
        /usr/share/keyrings/debian-archive-keyring.pgp}; do
        if [ -r "$file" ]; then
            echo "$file"
            return
        fi
    done
    die "the keys that sign Debian's packages are not here: apt install debian-archive-keyring"
}

# An apt of our own: the machine's configuration (proxies, certificates), but lists, cache and
# state in $1, only the architectures $2, and none of the hooks that tidy up the system.
private_apt() { # DIR "ARCH..." MIRROR KEYRING
    rm -rf "$1"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/debs"
    : >"$1/status"
    echo "deb [arch=$(echo "$2" | tr ' ' ,) target=Packages signed-by=$4] $3 $SUITE main" \
        >"$1/sources.list"
    cat >"$1/apt.conf" <<EOF
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "$1";
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
Dir::Log "$1";
#clear APT::Architectures;
APT::Architectures { $(for arch in $2; do printf '"%s"; ' "$arch"; done)};
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
EOF
}

# --- builds from Debian's sources -----------------------------------------------------------

# Runs a command with its output in $out/log; the end of it is shown when it fails.
logged() { # LOG COMMAND...
    log=$out/log/$1
    shift
    "$@" >"$log" 2>&1 || {
        grep -nE 'error|undefined|^E:' "$log" | tail -n 15 >&2 || tail -n 15 "$log" >&2
        die "${1##*/} failed; all it said: $log"
    }
}

# Downloads sources, and packages with sources in them, into $apt/debs. apt checks the signatures.
fetch_sources() { # "SOURCE..." "PACKAGE..."
    command -v apt-get >/dev/null || die "there is no apt here to fetch MicroPython's sources with"
    found=$(mirrors)
    [ -n "$found" ] || die "apt knows no Debian mirror here: $YOUR_OWN"
    keys=$(keyring) || exit 1
    apt=$out/apt
    for mirror in $found; do
        private_apt "$apt" "$(dpkg --print-architecture)" "$mirror" "$keys"
        echo "deb-src [signed-by=$keys] $mirror $SUITE main" >>"$apt/sources.list"
        if (
            export LC_ALL=C
            # Chained: -e is off inside a condition.
            apt-get --config-file "$apt/apt.conf" --quiet update && cd "$apt/debs" || exit 1
            [ -z "$2" ] || apt-get --config-file "$apt/apt.conf" --quiet download $2 || exit 1
            apt-get --config-file "$apt/apt.conf" --quiet source --download-only $1
        ) >"$out/log/sources-$SUITE" 2>&1; then
            return
        fi
    done
    grep -E '^(E|W|Err)' "$out/log/sources-$SUITE" | tail -n 5 >&2 || true
    die "apt could not fetch and verify the sources (all it said: $out/log/sources-$SUITE)"
}

unpack_into() { # FOLDER ARCHIVE, which has its own name for it
    rm -rf "$1"
    mkdir -p "$1"
    tar --extract --file "$2" --directory "$1" --strip-components 1
}

digest() { # FILES AND FOLDERS...
    find "$@" -type f ! -name '*.pyc' -exec cksum {} + | LC_ALL=C sort -k 3 | cksum
}

# Copies a folder into another; files that are the same keep their age, so that make leaves them.
copy_changed() { # FROM TO
    (cd "$1" && find . -type f) | while read -r file; do
        mkdir -p "$2/$(dirname "$file")"
        cmp -s "$1/$file" "$2/$file" || cp "$1/$file" "$2/$file"
    done
    (cd "$2" && find . -type f) | while read -r file; do
        [ -e "$1/$file" ] || rm "$2/$file"
    done
}

lock() { # FILE: two shells, one checkout
    if command -v flock >/dev/null; then
        exec 9>"$1"
        flock 9
    fi
}
