#!/usr/bin/env bash
# protoc reads the golden files to the text beside them, and writes the same bytes from that text.
set -euo pipefail
schemas=${WADI_SOURCE_DIR:?}/schemas
command -v protoc >/dev/null || { echo "skipped: no protoc"; exit 77; }
again=$(mktemp)
trap 'rm -f "$again"' EXIT

message_of() {
    case $1 in
    event*) echo Event ;;
    batch*) echo Batch ;;
    ack*) echo Ack ;;
    record*) echo Record ;;
    esac
}

protoc_run() {
    protoc "-I$schemas" "$1=wadi.v1.$2" wadi/v1/event.proto wadi/v1/batch.proto wadi/v1/record.proto
}

count=0
for bin in "$schemas"/golden/v*/*.bin; do
    message=$(message_of "$(basename "$bin")")
    protoc_run --decode "$message" <"$bin" | diff -u "${bin%.bin}.txt" -
    protoc_run --encode "$message" <"${bin%.bin}.txt" >"$again"
    cmp "$bin" "$again"
    count=$((count + 1))
done
echo "$count golden files"
[ "$count" -gt 0 ]
