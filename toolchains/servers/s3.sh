#!/usr/bin/env bash
# Prints the path of versitygw, an S3 server over a directory, for tests and examples. It is built from the
# Go module proxy, which gives the Go that it wants too; the Go that fetches that one is the newest of Debian
# 12's backports, unpacked and forgotten. Of S3 servers that one program starts, this one checks signatures
# and honours `If-None-Match: *`, on PUT and on CompleteMultipartUpload.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

go_package=golang-1.23-go # 26 MB; its standard library comes with the Go that the module wants
module=github.com/versity/versitygw/cmd/versitygw@v1.8.0

make_s3() {
    local work=$1 place=$2 go
    say "building ${module%@*} ${module#*@}"
    deps_apt_init "$work" bookworm-backports
    deps_apt "$work" download "$go_package" || die "cannot fetch $go_package"
    dpkg-deb -x "$work"/*.deb "$work/go"
    go=$(echo "$work"/go/usr/lib/go-*/bin/go)
    # The checksum database vouches for every module. HOME: Go keeps settings there.
    quietly "$work/log" env -u GOROOT HOME="$work" GOENV=off GOPATH="$work/path" GOCACHE="$work/cache" \
        GOBIN="$place" GOTOOLCHAIN=auto GOSUMDB=sum.golang.org GOFLAGS='-mod=mod -modcacherw -trimpath' \
        CGO_ENABLED=0 nice "$go" install -ldflags='-s -w' "$module" || die "cannot build $module"
}

place=$(cached s3 "${BASH_SOURCE[0]}")
echo "$place/versitygw"
