# shellcheck shell=bash disable=SC2015  # "a && b || die" is meant
# A wire that is equally bad to all: between the two hosts stands a third namespace, in which
# bench/relay takes every frame from one veth and hands it out at the other one, late or not at all
# (loss, delay, a bottleneck: run-with-stack.sh --impair has the words), by the same seed for both
# stacks. The hosts' offloads are off, so that a frame is a segment.
#
# To be read in behind bench/lib.sh; everything is taken down at the end of the script.

RELAY_PID=

relay_unwire() {
    local ns
    for ns in host0 host1 relay; do ip netns del "$LABNAME-$ns" 2>/dev/null; done
}
cleanup() {
    [ -z "$SERVER_PID" ] || kill -KILL "$SERVER_PID" 2>/dev/null
    relay_stop
    relay_unwire
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# relay_wire: the three namespaces, and the kernel's addresses.
relay_wire() {
    local i ns
    [ "$(id -u)" = 0 ] || die "the lab needs root"
    command -v ethtool >/dev/null || apt-get install -q -y ethtool >/dev/null ||
        die "ethtool is missing"
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
