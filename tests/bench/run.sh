#!/usr/bin/env bash
# Benchmarks: a line of JSON each. A noisy machine fails nothing; a wrong result does.
#
#   tests/bench/run.sh [case…]      all, or some of: wire sdk.track collector.jsonl collector.jsonl.max
#                                   collector.jsonl.8
#   WADI_BENCH_EVENTS=N             events of a collector case (default 4,000,000)
#
# collector.jsonl offers 750,000 events a second; .max as many as are answered, and .8 so over 8 connections.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../toolchains/common.sh"
bench="$wadi_release/tests/bench"
work=$(mktemp -d)
collector_pid=

finish() {
    [ -z "$collector_pid" ] || kill -9 "$collector_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

collector_config() {
    cat <<YAML
id: bench
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
ingress: {threads: 1}
tls: {cert_file: $work/server.pem, key_file: $work/server.key}
journal: {dir: $work/journal, max_bytes: 8GiB, keep: 1m, keep_bytes: 256MiB}
order: {window: 1s, max_pending: 256MiB}
sinks:
  - {name: files, type: file, format: jsonl, path: $work/events, compression: none, roll_interval: 1s}
log: {level: info}
YAML
}

certificate_make() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$work/server.key" -out "$work/server.pem" 2>/dev/null
}

# The port that a line of the collector's diagnostics names.
port_of() { sed -n "s/.* msg=$1 .* port=\([0-9]*\).*/\1/p" "$work/log" | tail -n 1; }

collector_start() {
    rm -rf "$work/journal" "$work/events"
    mkdir -p "$work/journal"
    collector_config >"$work/collector.yaml"
    taskset -c 0 "$wadi_release/collector/wadi-collector" --config "$work/collector.yaml" 2>"$work/log" &
    collector_pid=$!
    for _ in $(seq 200); do
        [ -z "$(port_of listening)" ] || return 0
        kill -0 "$collector_pid" 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/log" >&2
    die "the collector did not start"
}

collector_stop() {
    kill "$collector_pid"
    wait "$collector_pid" || warn "the collector ended with an error"
    collector_pid=
}

# case_collector NAME CONNECTIONS RATE: the collector has one core to itself, the load the other.
case_collector() {
    [ -e "$work/server.pem" ] || certificate_make
    collector_start
    taskset -c 1 "$bench/wadi-bench-collector" --name "$1" --connections "$2" --rate "$3" --pid "$collector_pid" \
        --port "$(port_of listening)" --admin-port "$(port_of '"admin listening"')" --ca "$work/server.pem" \
        --events-dir "$work/events" --events "${WADI_BENCH_EVENTS:-4000000}"
    collector_stop
}

run_case() {
    case $1 in
        wire) "$bench/wire_bench" ;;
        sdk.track) "$bench/sdk_track_bench" ;;
        collector.jsonl) case_collector collector.jsonl 64 750000 ;;
        collector.jsonl.max) case_collector collector.jsonl.max 64 0 ;;
        collector.jsonl.8) case_collector collector.jsonl.8 8 0 ;;
        *) die "no such case: $1" ;;
    esac
}

[ -x "$bench/wire_bench" ] || die "build first: tests/run.sh"
[ $# -gt 0 ] || set -- wire sdk.track collector.jsonl collector.jsonl.max collector.jsonl.8
for name in "$@"; do run_case "$name"; done
