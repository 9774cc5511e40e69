#!/usr/bin/env bash
# Events into a real Kafka: a broker, a collector, a device that replays a web site's visits, a consumer.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../running.sh"

example_begin kafka
server_start kafka 28092
collector_start
visits_send
say "a read_committed consumer of events.visit:"
"$readers" "$example/consume.py" 127.0.0.1:28092 events.visit "$visits"
