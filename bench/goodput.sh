#!/usr/bin/env bash
# Goodput on a bad path: our stack at both ends beside kernel TCP (cubic) at both ends, through the
# same loss and round-trip time, as a table of ratios.
#
#   bench/goodput.sh [--repeats N] [--seconds N] [--loss "0.1 1 3 10"] [--rtt "1 20 100"]
#
# A figure is what the receiver had in order after so many seconds, the median of the repeats, each
# with a seed of its own. The wire: bench/relay.sh.
set -u

BENCH=bench/goodput.sh
LABNAME=gput$$
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=bench/relay.sh
. "$(dirname "${BASH_SOURCE[0]}")/relay.sh"
REPEATS=3
SECONDS_EACH=10
LOSSES="0.1 1 3 10"
RTTS="1 20 100"

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

# One cell: a loss and a round-trip time. The wire is new each time: what the kernel still sends for
# the connections before would take part in the losses of the next.
cell() { # percent ms
    local seed whose
    : >"$T/ours" && : >"$T/kernel"
    for seed in $(seq "$REPEATS"); do
        for whose in ours kernel; do
            relay_unwire
            relay_wire
            relay_start "loss=$1%,delay=$(awk -v ms="$2" 'BEGIN { printf "%g", ms / 2 }')ms" "$seed"
            measure "$whose" goodput -- "$SECONDS_EACH" >>"$T/$whose"
            relay_stop
        done
    done
    printf '%6s %% %6s ms %12s %12s %8s\n' "$1" "$2" "$(median ours 1)" "$(median kernel 1)" \
        "$(ratio "$(median ours 1)" "$(median kernel 1)")"
}

build goodput relay
machine_line
printf 'Mbit/s, medians of %s repeats of %s s, ours and the kernel (cubic) in turn\n\n' \
    "$REPEATS" "$SECONDS_EACH"
printf '%8s %9s %12s %12s %8s\n' loss RTT ours kernel ratio
for rtt in $RTTS; do
    for loss in $LOSSES; do cell "$loss" "$rtt"; done
done
