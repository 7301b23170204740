#!/usr/bin/env bash
# Our stack at both ends beside kernel TCP at both ends, on the same veth pair, in one run: bulk
# throughput, ping-pong latency, connections per second, as a table of ratios.
#
#   bench/run.sh [--repeats N] [--seconds N]
#
# Theory of operation. The lab's interfaces carry both: our stack has 10.0.0.1 and 10.0.0.2 with MAC
# addresses of its own, the kernel 10.0.1.1 and 10.0.1.2. Each repeat measures ours and then the
# kernel's, so that whatever else the machine does meets both; a figure is the median of the repeats.
# Between measurements no keeper runs, so the kernel's frames pass no packet socket of ours.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUN=$ROOT/run-with-stack.sh
BIN=$ROOT/build
SHIM=$ROOT/libshim.so
LABNAME=bench$$
REPEATS=5
SECONDS_BULK=3
ROUNDS=20000
CONNECTIONS=2000

die() {
    printf 'bench/run.sh: %s\n' "$*" >&2
    exit 2
}

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

T=$(mktemp -d)
SERVER_PID=
cleanup() {
    [ -z "$SERVER_PID" ] || kill -KILL "$SERVER_PID" 2>/dev/null
    "$RUN" --lab "$LABNAME" lab down >/dev/null
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

prepare() {
    "$RUN" --build || exit 1
    cmake --build "$BIN" --target bulk pingpong connrate >"$T/build.log" 2>&1 ||
        { tail -n 20 "$T/build.log" >&2; die "the measuring programs do not build"; }
    "$RUN" --lab "$LABNAME" lab up >/dev/null || exit 1
    local i
    for i in 0 1; do
        ip -n "$LABNAME-host$i" addr add "10.0.1.$((i + 1))/24" dev "veth$i" || die "ip addr"
    done
}

# on ours|kernel host0|host1: the words that run a program there, in $ON.
on() {
    ON=(ip netns exec "$LABNAME-$2")
    # The machine's default may be one that paces (bbr), which is slower here.
    if [ "$1" = kernel ]; then ON+=(env BENCH_CC=cubic); else ON+=(env "LD_PRELOAD=$SHIM"); fi
}

no_process() { [ -z "$(ip netns pids "$LABNAME-host0"; ip netns pids "$LABNAME-host1")" ]; }
await() {
    local deadline=$((SECONDS + 10))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.01
    done
}

# measure ours|kernel PROGRAM SERVER-ARGS -- CLIENT-ARGS: prints what the client prints.
measure() {
    local whose=$1 program=$2 addr=10.0.0.2 server=() host out
    shift 2
    while [ "$1" != -- ]; do server+=("$1") && shift; done
    shift
    [ "$whose" = ours ] || addr=10.0.1.2
    on "$whose" host1
    "${ON[@]}" "$BIN/$program" serve 5000 "${server[@]}" >"$T/server.out" 2>"$T/server.err" &
    SERVER_PID=$!
    await grep -qs ready "$T/server.out" || echo "(no server: $(cat "$T/server.err"))" >&2
    on "$whose" host0
    out=$(timeout 120 "${ON[@]}" "$BIN/$program" "$addr" 5000 "$@" 2>"$T/client.err") ||
        echo "($program on $whose: $(tail -n 1 "$T/client.err"))" >&2
    kill -KILL "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null
    SERVER_PID=
    for host in host0 host1; do
        ip netns exec "$LABNAME-$host" "$SHIM" stop >/dev/null 2>&1
    done
    await no_process || echo "(a keeper stays)" >&2
    echo "${out:-0}"
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

median() { # ours|kernel column
    awk -v c="$2" '{ print $c + 0 }' "$T/$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else print "-" }'; }

prepare
printf 'machine: %s, %s CPUs, Linux %s, %s; commit %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
    "$(date +%F)" "$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null)"
printf 'medians of %s repeats, ours and the kernel (cubic) in turn\n\n' "$REPEATS"
printf '%-34s %10s %10s %8s\n' "" ours kernel ratio
row "bulk, one stream" Gbit/s higher bulk -- "$SECONDS_BULK"
row "round trip, blocking: median|round trip, blocking: 99 %" us lower pingpong -- "$ROUNDS"
row "round trip, non-blocking: median|round trip, non-blocking: 99 %" us lower \
    pingpong spin -- "$ROUNDS" spin
row "connections, one after another" 1/s higher connrate -- "$CONNECTIONS"
