# shellcheck shell=bash disable=SC2034  # some of it is set here and used by who reads this in
# What the benches share: our stack beside the kernel's, at both ends of the same wire.
#
# Theory of operation. The hosts' interfaces carry both: our stack has 10.0.0.1 and 10.0.0.2 with MAC
# addresses of its own, the kernel 10.0.1.1 and 10.0.1.2. Each repeat measures ours and then the
# kernel's, so that whatever else the machine does meets both; a figure is the median of the repeats.
# Between measurements no keeper runs, so the kernel's frames pass no packet socket of ours.
#
# Who reads this in has set BENCH (its name) and LABNAME, and makes the two namespaces
# $LABNAME-host0 and $LABNAME-host1 with veth0 and veth1 in them.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUN=$ROOT/run-with-stack.sh
BIN=$ROOT/build
SHIM=$ROOT/libshim.so

die() {
    printf '%s: %s\n' "$BENCH" "$*" >&2
    exit 2
}

T=$(mktemp -d)
SERVER_PID=

# build PROGRAM…: libshim.so and the measuring programs.
build() {
    "$RUN" --build || exit 1
    cmake --build "$BIN" --target "$@" >"$T/build.log" 2>&1 ||
        { tail -n 20 "$T/build.log" >&2; die "the measuring programs do not build"; }
}

kernel_addresses() {
    local i
    for i in 0 1; do
        ip -n "$LABNAME-host$i" addr add "10.0.1.$((i + 1))/24" dev "veth$i" || die "ip addr"
    done
}

# on ours|kernel host0|host1: the words that run a program there, in $ON.
on() {
    ON=(ip netns exec "$LABNAME-$2")
    # The machine's default may be another (bbr), which both would take.
    ON+=(env BENCH_CC=cubic)
    [ "$1" = kernel ] || ON+=("LD_PRELOAD=$SHIM")
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

median() { # ours|kernel column
    awk -v c="$2" '{ print $c + 0 }' "$T/$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else print "-" }'; }

# machine_line: what the figures hold for.
machine_line() {
    printf 'machine: %s, %s CPUs, Linux %s, %s; commit %s\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
        "$(date +%F)" "$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null)"
}
