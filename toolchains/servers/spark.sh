#!/usr/bin/env bash
# Prints the path of a Python that has pyspark as spark.txt pins it, from PyPI: 500 MB, for `tests/run.sh --full`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

make_spark() { make_venv "$@" -r "$servers_dir/spark.txt"; }

place=$(cached spark "$servers_dir/spark.txt" "${BASH_SOURCE[0]}")
echo "$place/bin/python"
