#!/usr/bin/env bash
# Sets a bare Debian 12 or 13 up: packages by apt, and the few libraries that come from Debian 13
# into a cache of our own (deps.sh). A second run finds everything there and takes no time.
#
#   toolchains/setup.sh [build|servers|test|ci]
#       what quickstart needs (default) | + real servers, for examples | + the tests | + .ci/run
#   toolchains/setup.sh --prefixes      prints name=directory of each cached library, for CMake
set -euo pipefail
toolchains=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$toolchains/common.sh"
. "$toolchains/deps.sh"

packages_build=(
    gcc libc6-dev make cmake ninja-build pkgconf python3 dpkg-dev openssl zstd
    nanopb libnanopb-dev liblmdb-dev libc-ares-dev libzmq3-dev libevent-dev
    libyaml-dev libjansson-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev
    libcurl4-openssl-dev ca-certificates
)
packages_servers=(curl python3-venv default-jre-headless maven) # toolchains/servers
packages_test=("${packages_servers[@]}" g++ libcmocka-dev strace valgrind xfsprogs e2fsprogs mount)
packages_ci=(git clang clang-tidy clang-format libclang-rt-dev cppcheck shellcheck debootstrap)

# The packages of a profile that are not installed yet.
packages_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

apt_do() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }

packages_install() {
    local missing log
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing by apt: ${missing[*]}"
    log=$(mktemp)
    # One broken third-party source must not stop us: what we need may well be in the others.
    quietly "$log" apt_do update || warn "apt-get update had errors; going on with the lists that are there"
    quietly "$log" apt_do install -y --no-install-recommends "${missing[@]}" ||
        die "apt-get could not install: ${missing[*]}"
    rm -f "$log"
}

main() {
    case ${1:-build} in
        --prefixes)
            deps_prefixes
            return
            ;;
        build) packages_install "${packages_build[@]}" ;;
        servers) packages_install "${packages_build[@]}" "${packages_servers[@]}" ;;
        test) packages_install "${packages_build[@]}" "${packages_test[@]}" ;;
        ci) packages_install "${packages_build[@]}" "${packages_test[@]}" "${packages_ci[@]}" ;;
        *) die "usage: $0 [build|servers|test|ci|--prefixes]" ;;
    esac
    deps_fill
}

main "$@"
