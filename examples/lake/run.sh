#!/usr/bin/env bash
# Events into object storage: an S3 server, a collector that writes Parquet, a device that replays a web site's
# visits, and a query over the objects that are committed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../running.sh"

example_begin lake
server_start s3 28000
collector_start
visits_send
"$readers" "$example/pages.py" http://127.0.0.1:28000 "$visits"
