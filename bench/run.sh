#!/usr/bin/env bash
# Our stack at both ends beside kernel TCP at both ends, on the same veth pair, in one run: bulk
# throughput, ping-pong latency, connections per second, as a table of ratios.
#
#   bench/run.sh [--repeats N] [--seconds N]
set -u

BENCH=bench/run.sh
LABNAME=bench$$
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
REPEATS=5
SECONDS_BULK=3
ROUNDS=20000
CONNECTIONS=2000

while [ $# -gt 0 ]; do
    case $1 in
    --repeats) REPEATS=${2:?} && shift ;;
    --seconds) SECONDS_BULK=${2:?} && shift ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "no such option: $1 (--repeats N, --seconds N)" ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || die "the lab needs root"

cleanup() {
    [ -z "$SERVER_PID" ] || kill -KILL "$SERVER_PID" 2>/dev/null
    "$RUN" --lab "$LABNAME" lab down >/dev/null
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

prepare() {
    build bulk pingpong connrate
    "$RUN" --lab "$LABNAME" lab up >/dev/null || exit 1
    kernel_addresses
}

# row LABEL UNIT higher|lower PROGRAM SERVER-ARGS -- CLIENT-ARGS: REPEATS times, a line of the table
# for each column that the program prints.
row() {
    local labels=$1 unit=$2 better=$3 i column label
    shift 3
    : >"$T/ours" && : >"$T/kernel"
    for i in $(seq "$REPEATS"); do
        measure ours "$@" >>"$T/ours"
        measure kernel "$@" >>"$T/kernel"
    done
    column=0
    while IFS= read -r label; do
        column=$((column + 1))
        printf '%-34s %10s %10s %8s   %s\n' "$label, $unit" "$(median ours $column)" \
            "$(median kernel $column)" "$(ratio "$(median ours $column)" "$(median kernel $column)")" \
            "$better is better"
    done <<<"${labels//|/$'\n'}"
}

prepare
machine_line
printf 'medians of %s repeats, ours and the kernel (cubic) in turn\n\n' "$REPEATS"
printf '%-34s %10s %10s %8s\n' "" ours kernel ratio
row "bulk, one stream" Gbit/s higher bulk -- "$SECONDS_BULK"
row "round trip, blocking: median|round trip, blocking: 99 %" us lower pingpong -- "$ROUNDS"
row "round trip, non-blocking: median|round trip, non-blocking: 99 %" us lower \
    pingpong spin -- "$ROUNDS" spin
row "connections, one after another" 1/s higher connrate -- "$CONNECTIONS"
