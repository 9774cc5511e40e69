#!/usr/bin/env bash
# Sets a bare Debian 12 or 13 up, builds, and passes every test.
#
#   tests/run.sh [--full] [ctest argument…]     --full: the whole storms too; `-R ring`: only those
#
# A test that cannot run here is skipped, and says why; with CI=true that is a failure.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../toolchains/common.sh"

selection=(-LE '^full$')
if [ "${1:-}" = --full ]; then
    selection=()
    shift
fi

"$wadi_root/toolchains/setup.sh" test
build_tree "$wadi_release" -DWADI_TESTS=ON ${CI:+-DWADI_WERROR=ON}
say "running the tests"
run_ctest "$wadi_release" "${selection[@]}" "$@"
