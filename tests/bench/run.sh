#!/usr/bin/env bash
# Benchmarks: a line of JSON each. A noisy machine fails nothing; a wrong result does.
#
#   tests/bench/run.sh [case…]      without names: all that need no server
#   WADI_BENCH_EVENTS=N             events of a collector case (default 4,000,000)
#
#   wire rows sdk.track sdk.store   parts alone; sdk.store through the ring into LMDB, synced
#   collector.jsonl                 plain JSON Lines to files, 750,000 events a second offered over 64 connections
#   collector.jsonl.max .jsonl.8    as many as are answered, over 64 connections and over 8
#   collector.zstd .record .parquet other formats to files, as many as are answered, as all below
#   collector.s3 .s3.parquet        to an S3 server (JSON Lines by zstd; Parquet)
#   collector.kafka .kafka.json     to a Kafka broker (Record by lz4; JSON by lz4)
#
# The collector has one core to itself; load and servers share the other.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../toolchains/common.sh"
bench="$wadi_release/tests/bench"
work=$(mktemp -d)
collector_pid=
server_pid=

finish() {
    [ -z "$collector_pid" ] || kill -9 "$collector_pid" 2>/dev/null || true
    [ -z "$server_pid" ] || server_stop
    rm -rf "$work"
}
trap finish EXIT

certificate_make() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$work/server.key" -out "$work/server.pem" 2>/dev/null
}

# The port that a line of the collector's diagnostics names.
port_of() { sed -n "s/.* msg=$1 .* port=\([0-9]*\).*/\1/p" "$work/log" | tail -n 1; }

# collector_start SINK: a YAML mapping without its name and braces.
collector_start() {
    rm -rf "$work/journal" "$work/events"
    mkdir -p "$work/journal"
    cat >"$work/collector.yaml" <<YAML
id: bench
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
ingress: {threads: 1}
tls: {cert_file: $work/server.pem, key_file: $work/server.key}
journal: {dir: $work/journal, max_bytes: 8GiB, keep: 1m, keep_bytes: 256MiB}
order: {window: 1s, max_pending: 256MiB}
sinks:
  - {name: bench, roll_interval: 1s, late_roll_interval: 1s, $1}
log: {level: info}
YAML
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

# load NAME SINK OPTION…: one run against a collector with that sink.
load() {
    local name=$1 sink=$2
    shift 2
    [ -e "$work/server.pem" ] || certificate_make
    collector_start "$sink"
    taskset -c 1 "$bench/wadi-bench-collector" --name "$name" --pid "$collector_pid" --ca "$work/server.pem" \
        --port "$(port_of listening)" --admin-port "$(port_of '"admin listening"')" \
        --events "${WADI_BENCH_EVENTS:-4000000}" "$@" | tee "$work/result"
    collector_stop
}

# What was measured is what readers find, each event once.
count_check() {
    "$("$wadi_root/toolchains/servers/readers.sh")" "$here/count.py" \
        "$(sed -n 's/.*"events":\([0-9]*\),.*/\1/p' "$work/result")" "$@"
}

files() { echo "type: file, path: $work/events, format: $1, compression: $2"; }

# server_start kafka|s3: its description is in $work/server.
server_start() {
    taskset -c 1 python3 "$wadi_root/toolchains/servers/servers.py" "$1" "$work/$1" >"$work/server" &
    server_pid=$!
    for _ in $(seq 600); do
        [ ! -s "$work/server" ] || return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    die "no $1 to measure with"
}

server_stop() {
    kill "$server_pid" 2>/dev/null || true
    wait "$server_pid" || true
    server_pid=
}

server_field() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" "$work/server"; }

# case_s3 NAME FORMAT COMPRESSION
case_s3() {
    server_start s3
    load "$1" "type: s3, format: $2, compression: $3, s3: {endpoint: '$(server_field endpoint)', \
bucket: $(server_field bucket), region: $(server_field region), access_key_id: $(server_field access_key), \
secret_access_key: $(server_field secret_key)}"
    count_check files "$work/s3/data/$(server_field bucket)"
    server_stop
    rm -rf "$work/s3"
}

# case_kafka NAME FORMAT
case_kafka() {
    server_start kafka
    load "$1" "type: kafka, format: $2, kafka: {brokers: '$(server_field bootstrap)', topic: events, \
partitions: 4, compression: lz4}"
    count_check kafka "$(server_field bootstrap)" events
    server_stop
    rm -rf "$work/kafka"
}

run_case() {
    case $1 in
        wire) "$bench/wire_bench" ;;
        rows) "$bench/encoder_bench" ;;
        rows.*) "$bench/encoder_bench" "${1#rows.}" ;;
        sdk.track) "$bench/sdk_track_bench" ;;
        sdk.store) "$bench/sdk_store_bench" ;;
        collector.jsonl) load "$1" "$(files jsonl none)" --rate 750000 --events-dir "$work/events" ;;
        collector.jsonl.max) load "$1" "$(files jsonl none)" --events-dir "$work/events" ;;
        collector.jsonl.8) load "$1" "$(files jsonl none)" --connections 8 --events-dir "$work/events" ;;
        collector.zstd) load "$1" "$(files jsonl zstd)" --events-dir "$work/events" ;;
        collector.record)
            load "$1" "$(files record zstd)"
            count_check files "$work/events"
            ;;
        collector.parquet)
            load "$1" "$(files parquet zstd)"
            count_check files "$work/events"
            ;;
        collector.s3) case_s3 "$1" jsonl zstd ;;
        collector.s3.parquet) case_s3 "$1" parquet zstd ;;
        collector.kafka) case_kafka "$1" record ;;
        collector.kafka.json) case_kafka "$1" jsonl ;;
        *) die "no such case: $1" ;;
    esac
}

[ -x "$bench/wire_bench" ] || die "build first: tests/run.sh"
[ $# -gt 0 ] || set -- wire rows sdk.track sdk.store collector.jsonl collector.jsonl.max collector.jsonl.8 collector.zstd
for name in "$@"; do run_case "$name"; done
