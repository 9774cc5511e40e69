# shellcheck shell=bash
# What every script of this project shares: how it talks, how it becomes root, where its cache is.
# Source it; it sets no options and changes nothing by itself.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    wadi_bold=$'\e[1m' wadi_green=$'\e[32m' wadi_yellow=$'\e[33m' wadi_red=$'\e[31m' wadi_plain=$'\e[0m'
else
    wadi_bold='' wadi_green='' wadi_yellow='' wadi_red='' wadi_plain=''
fi

say() { printf '%s==>%s %s%s%s\n' "$wadi_green" "$wadi_plain" "$wadi_bold" "$*" "$wadi_plain"; }
warn() { printf '%swarning:%s %s\n' "$wadi_yellow" "$wadi_plain" "$*" >&2; }
die() {
    printf '%serror:%s %s\n' "$wadi_red" "$wadi_plain" "$*" >&2
    exit 1
}

# as_root CMD…: runs CMD as root, by sudo where we are not root already.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $* (run it as root, or install sudo)"
    fi
}

# quietly LOG CMD…: CMD's output goes to LOG, and is shown only when it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 </dev/null && return
    cat "$log" >&2
    return 1
}

wadi_cache_dir() { echo "${WADI_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wadi}"; }

# ---- building -------------------------------------------------------------------------------------

wadi_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wadi_release=$wadi_root/build/release # the tree that quickstart and the tests share: compiled once

# configure_tree DIR [cmake argument…]
configure_tree() {
    local tree=$1
    shift
    mkdir -p "$tree"
    quietly "$tree/configure.log" cmake -G Ninja -S "$wadi_root" -B "$tree" "$@" || die "cmake failed"
}

# build_targets DIR [target…]: on a terminal with the compiler's progress, else only its failure.
build_targets() {
    local tree=$1 build=(cmake --build "$1")
    shift
    [ $# -eq 0 ] || build+=(--target "$@")
    say "building in ${tree#"$wadi_root"/}"
    if [ -t 1 ]; then
        "${build[@]}" || die "the build failed"
    else
        quietly "$tree/build.log" "${build[@]}" || die "the build failed"
    fi
}

# build_tree DIR [cmake argument…]: configures and builds everything. Set-up is the caller's.
build_tree() {
    configure_tree "$@"
    build_targets "$1"
}

# build_release [target…]: for who needs programs, not tests. A tree that already has the tests keeps
# them (turning them off would delete their objects); a new one is made without, for they need more packages.
build_release() {
    local tests=(-DWADI_TESTS=OFF)
    [ ! -f "$wadi_release/CMakeCache.txt" ] || tests=()
    configure_tree "$wadi_release" "${tests[@]}"
    build_targets "$wadi_release" "$@"
}

# run_ctest TREE [ctest argument…]: ctest, then what was skipped, then `N passed, N failed`.
run_ctest() {
    local tree=$1 results=$1/results.xml passed failed total skipped=()
    shift
    rm -f "$results"
    ctest --test-dir "$tree" --output-on-failure --no-tests=error -j "$(nproc)" --output-junit "$results" \
        "$@" </dev/null || true
    total=$(grep -c '<testcase ' "$results") || die "no test ran"
    passed=$(grep -c '<testcase .*status="run"' "$results" || true)
    mapfile -t skipped < <(
        awk -F'"' '/<testcase /{name = $2} /<skipped message="SKIP/{print name}' "$results"
    )
    failed=$((total - passed - ${#skipped[@]}))
    if [ ${#skipped[@]} -gt 0 ]; then
        warn "skipped: ${skipped[*]}"
        [ "${CI:-}" != true ] || failed=$((failed + ${#skipped[@]}))
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
