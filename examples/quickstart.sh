#!/usr/bin/env bash
# An event's whole way, on this machine: a fleet of devices that crash, a collector that crashes, a network
# that breaks, and at the end a ledger that balances. Sets a bare Debian 12 or 13 up by itself.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../toolchains/common.sh"

usage() {
    cat <<'EOF'
Usage: examples/quickstart.sh [--out DIR] [--input FILE.csv[.gz]] [--event NAME]

Builds Wadi, starts a collector with TLS, and runs 50 devices for about 20 seconds, while devices and
collector are killed with kill -9 and the network path between them is cut. Then audits the files.

  --out DIR      where everything goes (default build/quickstart); events in DIR/events/dt=…/hr=…/
  --input FILE   replays a CSV file instead, with a header: one device for each distinct value of the first
                 column, `time` (RFC 3339) is the event's time, the other columns are string properties
  --event NAME   the name of the replayed events (default row)
  --seconds N, --devices N, --rate N, --seed N   of the generated fleet and its storm
  --help         prints this

The last line is `quickstart: tracked=N delivered=N lost=0 duplicated=0 misordered=0 late=N`; the exit status
is 1 if anything was lost, duplicated or misordered, or if more than 20 % of the fleet's events were late.
EOF
}

# misuse TEXT…: as die, with the status of a usage error.
misuse() {
    (die "$*; try --help") || exit 64
}

out=$wadi_root/build/quickstart
input=
options=()

arguments_read() {
    local name
    while [ $# -gt 0 ]; do
        name=$1
        case $name in
            --help | -h)
                usage
                exit
                ;;
            --out | --input | --event | --seconds | --devices | --rate | --seed)
                [ -n "${2:-}" ] || misuse "$name takes a value"
                case $name in
                    --out) out=$2 ;;
                    --input) input=$2 ;;
                    *) options+=("$name=$2") ;;
                esac
                shift 2
                ;;
            *) misuse "there is no option $name" ;;
        esac
    done
    if [ -n "$input" ]; then
        if [ ! -f "$input" ] || [ ! -r "$input" ]; then
            misuse "--input: $input is not a readable file"
        fi
        options+=("--input=$input")
    fi
}

arguments_read "$@"
"$wadi_root/toolchains/setup.sh" build
build_release wadi-collector quickstart_device
# Debian's own interpreter, which set-up has installed.
exec /usr/bin/python3 "$wadi_root/examples/quickstart/fleet.py" --programs="$wadi_release" --out="$out" "${options[@]}"
