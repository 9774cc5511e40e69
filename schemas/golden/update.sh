#!/usr/bin/env bash
# Writes the golden files of a wire version that is not released yet: the bytes, and beside them what protoc,
# which shares no code with us, reads in them.
#
#   schemas/golden/update.sh BUILD_DIR [VERSION]      after building the target wire_golden
set -euo pipefail
schemas=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${1:?the build directory}/tests/unit/schemas/wire_golden
out=$schemas/golden/${2:-v1}

mkdir -p "$out"
"$program" "$out" | while read -r name message; do
    protoc "-I$schemas" --decode="wadi.v1.$message" \
        wadi/v1/event.proto wadi/v1/batch.proto wadi/v1/record.proto <"$out/$name.bin" >"$out/$name.txt"
    echo "$out/$name.bin: $message"
done
