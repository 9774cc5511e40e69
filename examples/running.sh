# shellcheck shell=bash
# What the examples with a server share: set-up, a place of their own, processes that end with the script, and
# traffic. Source it, then: example_begin NAME; server_start KIND PORT; collector_start; visits_send.
. "$(dirname "${BASH_SOURCE[0]}")/../toolchains/common.sh"

python=/usr/bin/python3 # Debian's own, which set-up has installed
processes=()

# example_begin NAME: from now on $example is its folder, $place the directory of this run, afresh, and $readers
# a Python that has pyarrow, duckdb and confluent-kafka.
example_begin() {
    example=$wadi_root/examples/$1 place=$wadi_root/build/examples/$1
    "$wadi_root/toolchains/setup.sh" servers
    build_release wadi-collector wadi-send
    # shellcheck disable=SC2034 # for who sources this
    readers=$("$wadi_root/toolchains/servers/readers.sh")
    rm -rf "$place"
    mkdir -p "$place"
    "$python" "$wadi_root/examples/quickstart/certificates.py" "$place/tls"
    trap processes_end EXIT
    say "running in ${place#"$wadi_root"/}"
}

# In the reverse order: the collector before the server that it writes to.
processes_end() {
    local i
    for ((i = ${#processes[@]} - 1; i >= 0; i--)); do
        kill "${processes[i]}" 2>/dev/null || true
        wait "${processes[i]}" || true
    done
}

# begun LOG WHAT CONDITION…: waits until CONDITION holds; the process begun last has to live until then.
begun() {
    local log=$1 what=$2 pid=$!
    shift 2
    processes+=("$pid")
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || { tail -n 5 "$log" >&2 && die "$what did not start"; }
        sleep 0.1
    done
}

# server_start kafka|s3 PORT: how to reach it stands in $place/server.json.
server_start() {
    say "starting a real server: $1"
    "$python" "$wadi_root/toolchains/servers/servers.py" "$1" "$place/$1" --port "$2" \
        >"$place/server.json" 2>"$place/server.log" &
    begun "$place/server.log" "$1" test -s "$place/server.json"
}

collector_start() {
    say "starting wadi-collector --config examples/${example##*/}/collector.yaml"
    (cd "$place" && exec "$wadi_release/collector/wadi-collector" --config "$example/collector.yaml") \
        2>"$place/collector.log" &
    begun "$place/collector.log" wadi-collector curl -sf -o "$place/readyz" http://127.0.0.1:28464/readyz
}

# visits_send: a device records the visits of a web site and uploads them; $visits is how many.
visits_send() {
    visits=$("$python" "$wadi_root/examples/visits.py" "$place/visits.csv")
    "$wadi_release/sdk/tools/wadi-send" --dir "$place/store" --endpoint https://127.0.0.1:28443 \
        --ca-file "$place/tls/ca.pem" --wait acked --timeout-ms 60000 --csv --event visit <"$place/visits.csv"
    say "$visits events are acknowledged: the collector has them on its disk"
}
