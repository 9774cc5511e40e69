#!/usr/bin/env bash
# Installs into a new prefix, moves that prefix, and uses it as a stranger would: by the CMake package
# and by pkg-config, from C and C++, shared and static. And: nothing but wadi_* is exported.
# With `subproject`: the same programs, with Wadi built as a part of their project.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# uses PROGRAM…: it runs, with a store of its own.
uses() {
    local store
    store=$(mktemp -d "$work/store.XXXX")/wadi
    "$@" "$store" >"$work/out" 2>&1 || fail "$* said: $(cat "$work/out")"
    echo "ok: ${*##*/}"
}

# by_cmake OPTION: the consumer's project, and all programs that it makes.
by_cmake() {
    cmake -G Ninja -S "$here/consumer" -B "$work/build" "$1" >"$work/log" || fail "cmake: $(cat "$work/log")"
    cmake --build "$work/build" >"$work/log" || fail "build: $(cat "$work/log")"
    for program in "$work"/build/c{,pp}_wadi*; do
        uses "$program"
    done
}

by_pkg_config() {
    local flags lib
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name wadi.pc)")
    export PKG_CONFIG_PATH
    lib=$(pkg-config --variable=libdir wadi)
    flags=$(pkg-config --cflags --libs wadi)
    # shellcheck disable=SC2086 # flags are words
    cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o "$work/c" "$here/consumer/main.c" $flags "-Wl,-rpath,$lib"
    # shellcheck disable=SC2086
    c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -o "$work/cpp" "$here/consumer/main.cpp" $flags "-Wl,-rpath,$lib"
    uses "$work/c"
    uses "$work/cpp"

    # The static library: its shared twin put out of the way, the rest as wadi.pc says.
    rm "$lib"/libwadi.so*
    # shellcheck disable=SC2046
    cc -std=c11 -o "$work/c_static" "$here/consumer/main.c" $(pkg-config --static --cflags --libs wadi)
    uses "$work/c_static"
}

only_wadi_exported() {
    local strangers
    strangers=$(nm -D --defined-only "$work"/prefix/lib*/libwadi.so | awk '$3 !~ /^wadi_/')
    [ -z "$strangers" ] || fail "libwadi.so exports: $strangers"
    strangers=$(nm --defined-only --extern-only "$work"/prefix/lib*/libwadi.a | awk 'NF == 3 && $3 !~ /^wadi_/')
    [ -z "$strangers" ] || fail "libwadi.a defines: $strangers"
    nm -D --defined-only "$work"/prefix/lib*/libwadi.so | grep -q ' wadi_track' || fail "wadi_track is not exported"
    echo "ok: exports"
}

if [ "${1:-}" = subproject ]; then
    by_cmake "-DWADI_SUBPROJECT=$WADI_SOURCE_DIR"
    exit
fi
cmake --install "$WADI_BUILD_DIR" --prefix "$work/first" >"$work/log" || fail "install: $(cat "$work/log")"
mv "$work/first" "$work/prefix"
only_wadi_exported
by_cmake "-DCMAKE_PREFIX_PATH=$work/prefix"
by_pkg_config
