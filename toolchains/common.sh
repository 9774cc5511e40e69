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
