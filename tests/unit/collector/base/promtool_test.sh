#!/usr/bin/env bash
# promtool_test.sh PROGRAM: what PROGRAM prints is accepted by `promtool check metrics`.
set -euo pipefail
program=$1
promtool=${WADI_PROMTOOL:-$(command -v promtool || bash "$WADI_SOURCE_DIR/toolchains/promtool.sh" || true)}
if [ -z "$promtool" ]; then
    echo "skipped: promtool is not there and could not be fetched"
    exit 77
fi
"$program" | "$promtool" check metrics

# The check can fail: a counter without its suffix is found.
if printf '# HELP wadi_x x\n# TYPE wadi_x counter\nwadi_x 1\n' | "$promtool" check metrics 2>/dev/null; then
    echo "promtool accepts what it should not"
    exit 1
fi
