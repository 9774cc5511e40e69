#!/usr/bin/env bash
# Sets a bare Debian 12 or 13 up, builds, and passes every test.
#
#   tests/run.sh [--full] [ctest argument…]     --full: the whole storms too; `-R ring`: only those
#
# A test that cannot run here is skipped, and says why; with CI=true that is a failure.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../toolchains/common.sh"

# The servers and readers, while we build: what cannot be had is told, and its tests are skipped.
servers_fill() {
    local name
    for name in readers kafka s3 "${full[@]}"; do
        "$wadi_root/toolchains/servers/$name.sh" >/dev/null || warn "the tests that need $name are skipped"
    done
}

selection=(-LE '^full$') full=()
if [ "${1:-}" = --full ]; then
    selection=() full=(spark)
    shift
fi

"$wadi_root/toolchains/setup.sh" test
servers_fill &
build_tree "$wadi_release" -DWADI_TESTS=ON ${CI:+-DWADI_WERROR=ON}
wait
say "running the tests"
run_ctest "$wadi_release" "${selection[@]}" "$@"
