#!/usr/bin/env bash
# Prints the path of promtool, for tests. It is unpacked from Debian's package into the dependency
# cache: on Debian 12 that is `prometheus`, and installing it would start a service.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cache=$(wadi_cache_dir)
promtool=$cache/promtool/promtool

promtool_fetch() {
    local work package=promtool
    apt-cache show promtool >/dev/null 2>&1 || package=prometheus
    work=$(mktemp -d "$cache/.promtool.XXXXXX")
    # shellcheck disable=SC2064 # the directory as it is now
    trap "rm -rf '$work'" EXIT
    (cd "$work" && quietly log apt-get -q -o APT::Sandbox::User=root download "$package")
    dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work" ./usr/bin/promtool
    mkdir -p "${promtool%/*}"
    mv "$work/usr/bin/promtool" "$promtool"
}

mkdir -p "$cache"
(
    flock 9
    [ -x "$promtool" ] || promtool_fetch
) 9>"$cache/.promtool.lock"
echo "$promtool"
