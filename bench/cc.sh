#!/usr/bin/env bash
# Congestion controls told by their figures: flows of our stack through one bottleneck, on virtual
# time, with plots; then through a real one beside the kernel's.
#
#   bench/cc.sh [--seconds N] [--repeats N] [--out DIR] [--virtual]
#
# The first part (--virtual: only that) takes a minute and says the same on any machine: utilisation,
# Jain's index and queue of one flow and of several, how a near flow and a far one share, and
# DIR/*.svg (build/cc). The second runs each mixture with our stack at both ends and with the kernel
# at both ends, through bench/relay's bottleneck, and prints Mbit/s of each flow and the mean
# round-trip time of the first, medians of the repeats. The kernel's bbr is version 1, ours is 3.
# A near and a far flow need a minute to settle: --seconds 60 tells what they come to.
set -u

BENCH=bench/cc.sh
LABNAME=cc$$
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=bench/relay.sh
. "$(dirname "${BASH_SOURCE[0]}")/relay.sh"
SECONDS_EACH=15
REPEATS=3
OUT=$BIN/cc
VIRTUAL=
SIM=$ROOT/build-cc

while [ $# -gt 0 ]; do
    case $1 in
    --seconds) SECONDS_EACH=${2:?} && shift ;;
    --repeats) REPEATS=${2:?} && shift ;;
    --out) OUT=${2:?} && shift ;;
    --virtual) VIRTUAL=1 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "no such option: $1 (--seconds N, --repeats N, --out DIR, --virtual)" ;;
    esac
    shift
done

# ---- on virtual time ----

prepare_virtual() {
    command -v gnuplot >/dev/null || apt-get install -q -y gnuplot-nox >/dev/null ||
        die "gnuplot is missing"
    mkdir -p "$OUT" || exit 1
    { cmake -S "$ROOT" -B "$SIM" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_SHIM=OFF \
        -DBUILD_TESTS=ON && cmake --build "$SIM" --target cc_run; } >"$T/build.log" 2>&1 ||
        { tail -n 20 "$T/build.log" >&2; die "cc_run does not build"; }
}

plot() { # name title cc…
    local name=$1 title=$2 i=1 curves=() cc
    shift 2
    for cc in "$@"; do
        i=$((i + 1))
        curves+=("'$T/$name' using 1:$i with lines title '${cc%@*}'")
    done
    gnuplot <<EOF || die "gnuplot"
set terminal svg size 900,500 background 'white'
set output '$OUT/$name.svg'
set multiplot layout 2,1 title '$title'
set ylabel 'Mbit/s'
plot $(printf '%s, ' "${curves[@]}" | sed 's/, $//')
set ylabel 'queue, ms'
set xlabel 's'
plot '$T/$name' using 1:18 with lines notitle
unset multiplot
EOF
}

# virtual NAME WIRE SECONDS CC…: one mixture, its figures and its plot.
virtual() {
    local name=$1 wire=$2 seconds=$3
    shift 3
    printf '\n%s: %s\n' "$name" "$*"
    "$SIM/cc_run" --wire "$wire" --seconds "$seconds" --from $((seconds / 4)) \
        --series "$T/$name" "$@" || die "cc_run"
    plot "$name" "$name: $wire" "$@"
}

# two_ways NAME WIRE CC: a near flow and a far one, REPEATS times with other jitter, which keeps the
# two from falling in step; medians. The plot is of the first.
two_ways() {
    local name=$1 wire=$2 cc=$3 seed
    : >"$T/ours"
    for seed in $(seq "$REPEATS"); do
        "$SIM/cc_run" --wire "$wire" --seconds 180 --from 60 --seed "$seed" \
            --series "$T/$name.$seed" "$cc" "$cc+far" >"$T/run" || die "cc_run"
        awk '/Mbit/ { v[++n] = $(NF - 1) } /^util/ { print v[1], v[2], $2, $8 }' "$T/run" >>"$T/ours"
    done
    mv "$T/$name.1" "$T/$name"
    two_ways_line "$cc" "$(median ours 1)" "$(median ours 2)"
    printf '  utilisation %.3f  queue %6.2f ms\n' "$(median ours 3)" "$(median ours 4)"
    plot "$name" "$name: $wire" "$cc" "$cc far"
}
two_ways_line() { # what near far: Mbit/s, the far one's share, and how many times its rate the near one has
    awk -v what="$1" -v a="$2" -v b="$3" 'BEGIN {
        printf "%-16s %8.2f %8.2f   far %4.1f %%   near/far %5.2f",
            what, a, b, 100 * b / (a + b), a / b }'
}

virtual_part() {
    local cc far ms n deep=rate=10Mbit,delay=10ms,queue=64KB shallow=rate=100Mbit,delay=10ms,queue=32KB
    printf 'ON VIRTUAL TIME\nrate 10 Mbit/s, round trip 20 ms, queue 64 KB (2.6 of the path):\n'
    for cc in reno cubic bbr; do virtual "one-$cc" $deep 60 $cc; done
    for n in 2 4 10; do
        for cc in reno cubic bbr; do
            # shellcheck disable=SC2046  # a word for each flow, which begin a second apart
            virtual "$n-$cc" rate=50Mbit,delay=10ms,queue=250KB 120 \
                $(for i in $(seq 0 $((n - 1))); do echo "$cc@$i"; done)
        done
    done
    virtual cubic-beside-reno $deep 120 cubic reno
    virtual bbr-beside-cubic $deep 120 bbr cubic
    printf '\nrate 100 Mbit/s, round trip 20 ms, queue 32 KB (an eighth of the path):\n'
    for cc in reno cubic bbr; do virtual "shallow-$cc" $shallow 60 $cc; done
    printf '\n… and 1 %% of loss:\n'
    for cc in reno cubic bbr; do virtual "lossy-$cc" $shallow,loss=1% 60 $cc; done
    for far in 30 70; do
        printf '\nrate 50 Mbit/s, round trips 20 and %s ms; Mbit/s of each:\n' $((20 + 2 * far))
        # The queue is one path of the near flow, then of the mean of both.
        for ms in 20 $((20 + far)); do
            printf 'queue %s ms\n' "$ms"
            for cc in reno cubic bbr; do
                two_ways "far$((20 + 2 * far))-queue$ms-$cc" \
                    "rate=50Mbit,delay=10ms,far-delay=${far}ms,jitter=1ms,queue=$((ms * 50000 / 8))B" $cc
            done
        done
    done
    printf '\nrate 100 Mbit/s, round trip 2 ms, ECN marks from 60 KB on:\n'
    virtual dctcp rate=100Mbit,delay=1ms,queue=1MB,mark=60KB 20 dctcp dctcp@1
    printf '\nplots: %s/*.svg\n' "$OUT"
}

# ---- beside the kernel ----

# mixture ours|kernel CC…: a line of "Mbit/s rtt" for each flow, all at the same time.
mixture() {
    local whose=$1 addr=10.0.0.2 port=5000 cc i pids=() servers=()
    shift
    [ "$whose" = ours ] || addr=10.0.1.2
    for cc in "$@"; do
        port=$((port + 1))
        on "$whose" host1
        "${ON[@]}" env "BENCH_CC=$cc" "$BIN/goodput" serve $port >"$T/s$port" 2>&1 &
        servers+=($!)
        await grep -qs ready "$T/s$port" || die "no server: $(cat "$T/s$port")"
    done
    port=5000
    on "$whose" host0
    for cc in "$@"; do
        port=$((port + 1))
        timeout 120 "${ON[@]}" env "BENCH_CC=$cc" "$BIN/goodput" $addr $port "$SECONDS_EACH" \
            >"$T/c$port" 2>&1 &
        pids+=($!)
    done
    wait "${pids[@]}"
    kill -KILL "${servers[@]}" 2>/dev/null
    wait "${servers[@]}" 2>/dev/null
    for i in $(seq $#); do tr '\n' ' ' <"$T/c$((5000 + i))"; done
    echo
    for i in host0 host1; do ip netns exec "$LABNAME-$i" "$SHIM" stop >/dev/null 2>&1; done
    await no_process || echo "(a keeper stays)" >&2
}

# both WIRE CC…: the figures of ours and of the kernel's in $T/ours and $T/kernel.
both() {
    local wire=$1 whose seed
    shift
    for whose in ours kernel; do
        : >"$T/$whose"
        for seed in $(seq "$REPEATS"); do
            relay_start "$wire" "$seed"
            mixture "$whose" "$@" >>"$T/$whose"
            relay_stop
        done
    done
}

row() { # cc…
    local whose i line
    both rate=20Mbit,delay=10ms,queue=100KB "$@"
    for whose in ours kernel; do
        line=
        for i in $(seq $#); do line+=$(printf '%8.2f' "$(median "$whose" $((2 * i - 1)))"); done
        printf '%-16s %-7s %-24s %8.1f ms\n' "$*" "$whose" "$line" "$(median "$whose" 2)"
    done
}

# The second flow of a mixture goes to port 5002.
far_row() { # cc far-delay in ms
    local whose
    both "rate=20Mbit,delay=10ms,queue=$(((20 + $2) * 20000 / 8))B,jitter=1ms,far-port=5002,far-delay=$2ms" \
        "$1" "$1"
    for whose in ours kernel; do
        two_ways_line "$(printf '%-8s %s' "$1" $whose)" "$(median $whose 1)" "$(median $whose 3)"
        printf '   round trips %6.1f %6.1f ms\n' "$(median $whose 2)" "$(median $whose 4)"
    done
}

kernel_part() {
    local far cc
    build goodput relay
    relay_wire
    printf '\nBESIDE THE KERNEL\nrate 20 Mbit/s, round trip 20 ms, queue 100 KB (40 ms), %s s:\n' \
        "$SECONDS_EACH"
    printf '%-16s %-7s %-24s %11s\n' flows whose 'Mbit/s of each' 'round trip'
    row reno
    row cubic
    row bbr
    row cubic cubic
    row cubic reno
    row bbr cubic
    for far in 30 70; do
        printf '\nrate 20 Mbit/s, round trips 20 and %s ms, queue %s ms (their mean), Mbit/s of each:\n' \
            $((20 + 2 * far)) $((20 + far))
        for cc in reno cubic bbr; do far_row $cc $far; done
    done
}

prepare_virtual
machine_line
virtual_part
[ -n "$VIRTUAL" ] || kernel_part
