# shellcheck shell=bash
# Where the tests' servers and readers lie: $(wadi_cache_dir)/servers/<name>-<key>, the key made of the files
# that decide the content, the release and the architecture. A warm cache needs no network; it is safe to
# delete, and safe to fill from two processes at once. With WADI_OFFLINE=1 nothing is fetched.

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
. "$wadi_root/toolchains/deps.sh"
# shellcheck disable=SC2034 # those who source this use it
servers_dir=$wadi_root/toolchains/servers

# cached NAME FILE…: prints the place, which `make_NAME WORK PLACE` fills when it is not there yet. What that
# says goes to stderr.
cached() {
    local name=$1 cache key place
    shift
    cache=$(wadi_cache_dir)/servers
    key=$( (
        . /etc/os-release
        echo "$ID ${VERSION_ID:-}"
        dpkg --print-architecture
        cat "$@"
    ) | sha256sum | cut -c1-12)
    place=$cache/$name-$key
    if [ ! -d "$place" ] && [ "${WADI_OFFLINE:-}" = 1 ]; then
        die "$name is not in $cache; $servers_dir/$name.sh fetches it"
    fi
    [ -d "$place" ] || cached_fill "$name" "$cache" "$place" >&2 || return 1
    echo "$place"
}

cached_fill() (
    name=$1 cache=$2 place=$3 began=$SECONDS
    mkdir -p "$cache" || die "cannot write to $cache"
    exec 9>"$cache/.$name.lock"
    flock 9
    [ ! -d "$place" ] || exit 0       # another process was quicker
    rm -rf "${cache:?}/.$name-fill".* # what a killed process left
    work=$(mktemp -d "$cache/.$name-fill.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "make_$name" "$work" "$work/place"
    mv "$work/place" "$place" || exit 1
    say "cached $name in $place ($((SECONDS - began)) s)"
)

# make_venv WORK PLACE REQUIREMENT…: with what pip installs by these arguments.
make_venv() {
    local work=$1 place=$2
    shift 2
    say "fetching Python packages from PyPI"
    quietly "$work/log" /usr/bin/python3 -m venv "$place" || die "needs python3-venv: toolchains/setup.sh servers installs it"
    quietly "$work/log" "$place/bin/python" -m pip install --disable-pip-version-check --no-cache-dir \
        --require-hashes "$@" || die "cannot fetch from PyPI"
}
