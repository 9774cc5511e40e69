#!/usr/bin/env bash
# Prints the path of a Python that has the readers which the tests hold our output against: pyarrow, duckdb
# and confluent-kafka as readers.txt pins them, from PyPI.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

make_readers() { make_venv "$@" --only-binary=:all: -r "$servers_dir/readers.txt"; }

place=$(cached readers "$servers_dir/readers.txt" "${BASH_SOURCE[0]}")
echo "$place/bin/python"
