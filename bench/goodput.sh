#!/usr/bin/env bash
# Goodput on a bad path: our stack at both ends beside kernel TCP (cubic) at both ends, through the
# same loss and round-trip time, as a table of ratios.
#
#   bench/goodput.sh [--repeats N] [--seconds N] [--loss "0.1 1 3 10"] [--rtt "1 20 100"]
#
# Theory of operation. Between the two hosts stands a third namespace, in which bench/relay takes
# every frame from one veth and hands it out at the other one, late or not at all: the same program
# with the same seed for both stacks. The hosts' offloads are off, so that a frame is a segment. A
# figure is what the receiver had in order after so many seconds, the median of the repeats, each
# with a seed of its own.
# shellcheck disable=SC2015,SC2317  # "a && b || die" is meant; functions are called by name
set -u

BENCH=bench/goodput.sh
LABNAME=gput$$
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
REPEATS=3
SECONDS_EACH=10
LOSSES="0.1 1 3 10"
RTTS="1 20 100"
RELAY_PID=

while [ $# -gt 0 ]; do
    case $1 in
    --repeats) REPEATS=${2:?} && shift ;;
    --seconds) SECONDS_EACH=${2:?} && shift ;;
    --loss) LOSSES=${2:?} && shift ;;
    --rtt) RTTS=${2:?} && shift ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "no such option: $1 (--repeats N, --seconds N, --loss \"PERCENT …\", --rtt \"MS …\")" ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || die "the lab needs root"
command -v ethtool >/dev/null || apt-get install -q -y ethtool >/dev/null || die "ethtool is missing"

cleanup() {
    local ns
    [ -z "$SERVER_PID" ] || kill -KILL "$SERVER_PID" 2>/dev/null
    relay_stop
    for ns in host0 host1 relay; do ip netns del "$LABNAME-$ns" 2>/dev/null; done
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

prepare() {
    local i ns
    build goodput relay
    for ns in host0 host1 relay; do
        ip netns add "$LABNAME-$ns" && ip -n "$LABNAME-$ns" link set lo up || die "ip netns"
    done
    for i in 0 1; do
        ip -n "$LABNAME-host$i" link add "veth$i" type veth peer name "r$i" netns "$LABNAME-relay" &&
            ip -n "$LABNAME-host$i" link set "veth$i" up alias "shimstack addr=10.0.0.$((i + 1))/24" &&
            ip -n "$LABNAME-relay" link set "r$i" up || die "ip link"
        ip netns exec "$LABNAME-host$i" ethtool -K "veth$i" tx off rx off tso off gso off gro off \
            sg off >/dev/null || die "ethtool"
    done
    kernel_addresses
}

relay_start() { # impairment seed
    ip netns exec "$LABNAME-relay" "$BIN/relay" r0 r1 "$1" "$2" >"$T/relay.out" 2>"$T/relay.err" &
    RELAY_PID=$!
    await grep -qs ready "$T/relay.out" || die "no relay: $(cat "$T/relay.err")"
}
relay_stop() {
    [ -n "$RELAY_PID" ] || return 0
    kill -KILL "$RELAY_PID" 2>/dev/null
    wait "$RELAY_PID" 2>/dev/null
    RELAY_PID=
}

# One cell: a loss and a round-trip time.
cell() { # percent ms
    local seed whose
    : >"$T/ours" && : >"$T/kernel"
    for seed in $(seq "$REPEATS"); do
        for whose in ours kernel; do
            relay_start "loss=$1%,delay=$(awk -v ms="$2" 'BEGIN { printf "%g", ms / 2 }')ms" "$seed"
            measure "$whose" goodput -- "$SECONDS_EACH" >>"$T/$whose"
            relay_stop
        done
    done
    printf '%6s %% %6s ms %12s %12s %8s\n' "$1" "$2" "$(median ours 1)" "$(median kernel 1)" \
        "$(ratio "$(median ours 1)" "$(median kernel 1)")"
}

prepare
machine_line
printf 'Mbit/s, medians of %s repeats of %s s, ours and the kernel (cubic) in turn\n\n' \
    "$REPEATS" "$SECONDS_EACH"
printf '%8s %9s %12s %12s %8s\n' loss RTT ours kernel ratio
for rtt in $RTTS; do
    for loss in $LOSSES; do cell "$loss" "$rtt"; done
done
