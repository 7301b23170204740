#!/usr/bin/env bash
# What a route says of the way (its metrics): set with ip(8) in the client's namespace, where both
# the kernel's stack and ours find it, and seen in the SYN and by getsockopt, the same for both. And
# routes of the stack's own configuration.
. "$(dirname "$0")/../lib/apps.sh"

ON0=(ip netns exec "$LABNAME-host0")

# Frames as they come to the server's interface.
capture() {
    need tshark tshark
    spawn tshark ip netns exec "$LABNAME-host1" tshark -q -i veth1 -f "tcp dst port 5000" -B 64 \
        -w "$T/packets.pcapng"
    await 20 test -s "$T/packets.pcapng" || fail "tshark does not capture"
}
syn() { # FIELD…: of the last one
    local fields=()
    for f in "$@"; do fields+=(-e "$f"); done
    tshark -n -r "$T/packets.pcapng" -Y "tcp.flags.syn == 1" -T fields -E separator=' ' \
        "${fields[@]}" 2>/dev/null | tail -n 1
}
syns() { [ "$(tshark -n -r "$T/packets.pcapng" -Y "tcp.flags.syn == 1" 2>/dev/null | wc -l)" -ge "$1" ]; }

# connect BEFORE AFTER: one connection, and what it shows in $T/facts.
connect() {
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" sink 5000
    heard server.out ready
    "${CLIENT[@]}" "$PY" "$APPS/tcpkit.py" route-facts "$ADDR" 5000 "$1" "$2" >"$T/facts" 2>&1 ||
        fail "client: $(cat "$T/facts")"
    ends server 0
}
# facts BEFORE AFTER WANTED…: the same, and these lines it must be.
facts() {
    connect "$1" "$2"
    shift 2
    printf '%s\n' "$@" | diff - "$T/facts" || fail "a connection shows otherwise"
}

# route WORDS…: to the server, in the client's namespace; the client's stack begins anew with it.
route() {
    ip -n "$LABNAME-host0" route replace "$ADDR/32" dev veth0 "$@" || fail "ip route"
    ! client_is_ours || { "${ON0[@]}" "$ROOT/libshim.so" stop >/dev/null 2>&1; await 10 no_keeper host0; }
}

case_metrics() {
    capture
    route advmss 1200 congctl reno initcwnd 4 rto_min 50ms
    facts "" cubic "congctl reno" "mtu 1500 mss 1448 cwnd 4" "rto small" "then cubic"
    await 10 syns 1 || fail "no SYN"
    [ "$(syn tcp.options.mss_val)" = 1200 ] || fail "MSS $(syn tcp.options.mss_val), not 1200"

    route mtu 1300 window 10000 initrwnd 3 features ecn congctl lock reno
    facts "" cubic "congctl reno" "mtu 1300 mss 1248 cwnd 10" "rto usual" "refused EPERM" "then reno"
    await 10 syns 2 || fail "no SYN"
    [ "$(syn tcp.options.mss_val tcp.window_size_value tcp.options.wscale.shift)" = "1260 3780 0" ] ||
        fail "SYN: $(syn tcp.options.mss_val tcp.window_size_value tcp.options.wscale.shift)"
    [[ $(syn tcp.flags.ece tcp.flags.cwr) =~ ^(1 1|True True)$ ]] || fail "the SYN asks for no ECN"
}

# The server's side: a route back to the client says what goes with the SYN-ACK.
case_passive() {
    ip -n "$LABNAME-host1" route replace 10.0.0.1/32 dev veth1 advmss 900 || fail "ip route"
    need tshark tshark
    spawn tshark ip netns exec "$LABNAME-host0" tshark -q -i veth0 -f "tcp src port 5000" -B 64 \
        -w "$T/packets.pcapng"
    await 20 test -s "$T/packets.pcapng" || fail "tshark does not capture"
    connect reno cubic
    grep -q "mss 888" "$T/facts" || fail "the client was told otherwise: $(cat "$T/facts")"
    await 10 syns 1 || fail "no SYN-ACK"
    [ "$(syn tcp.options.mss_val)" = 900 ] || fail "MSS $(syn tcp.options.mss_val), not 900"
}

# Routes of the configuration, which go before the namespace's. TCP_CONGESTION goes before a route's
# congctl here (DEVIATIONS.md).
case_configured() {
    client_is_ours || return 0 # the kernel has its own from ip(8) only
    capture
    route advmss 1200 congctl bbr
    CLIENT+=("SHIMSTACK_ROUTE=$ADDR advmss 1100 initcwnd 7 congctl dctcp,10.9.0.0/16 via 10.0.0.2")
    facts "" cubic "congctl dctcp" "mtu 1500 mss 1448 cwnd 7" "rto usual" "then cubic"
    await 10 syns 1 || fail "no SYN"
    [ "$(syn tcp.options.mss_val)" = 1100 ] || fail "MSS $(syn tcp.options.mss_val), not 1100"
    facts reno cubic "congctl reno" "mtu 1500 mss 1448 cwnd 7" "rto usual" "then cubic"
    "${ON0[@]}" "$ROOT/libshim.so" status >"$T/status" || fail "no status"
    grep -F "10.0.0.2/32 src 10.0.0.1 mtu 1500 advmss 1100 initcwnd 7 congctl dctcp" "$T/status" ||
        fail "status does not show the route: $(cat "$T/status")"
    grep -F "10.9.0.0/16 via 10.0.0.2 src 10.0.0.1 mtu 1500" "$T/status" || fail "nor the other"
}

# mistake WORD ROUTE: refused, by name, in one line.
mistake() {
    "$RUN" --lab "$LABNAME" --host host1 --route "$2" nc.openbsd -w 3 10.0.0.1 5000 \
        >"$T/mistake" 2>&1 </dev/null
    [ $? = 1 ] || fail "nc should fail with status 1: $(cat "$T/mistake")"
    [ "$(grep -c '^shimstack: ' "$T/mistake")" = 1 ] || fail "not one line: $(cat "$T/mistake")"
    grep -qF "$1" "$T/mistake" || fail "'$2': $(cat "$T/mistake")"
}
case_mistakes() {
    ours || return 0
    need nc.openbsd netcat-openbsd
    mistake "the words of a route are via" "10.2.0.0/16 advmms 1200"
    mistake "advmss: bytes from 1" "10.2.0.0/16 advmss 12OO"
    mistake "no such congestion control" "10.2.0.0/16 congctl vegas"
    mistake "none of the host's networks" "10.2.0.0/16 via 10.9.0.1"
}

# What the namespace has and the stack has no room for is told, not passed over.
told() { # WHAT, or nothing
    "$RUN" --lab "$LABNAME" --host host0 nc.openbsd -z -w 1 10.0.0.3 5000 >"$T/told" 2>&1
    await 10 no_keeper host0 || "${ON0[@]}" "$ROOT/libshim.so" stop >/dev/null 2>&1
    [ "$(grep -c '^shimstack: ' "$T/told")" = $# ] || fail "lines: $(cat "$T/told")"
    [ $# = 0 ] || grep -qF "$1" "$T/told" || fail "not '$1': $(cat "$T/told")"
}
case_left() {
    ours || return 0
    need nc.openbsd netcat-openbsd
    local i ports=
    told
    for i in $(seq 260); do
        echo "route add 10.3.$((i / 200)).$((i % 200))/32 dev veth0"
    done | ip -n "$LABNAME-host0" -batch - || fail "ip route"
    told "237 routes of this namespace have no room in the stack on veth0, which takes 23"
    ip -n "$LABNAME-host0" route flush root 10.3.0.0/16
    for i in $(seq 33); do ports+=,$((30000 + 2 * i)); done
    "${ON0[@]}" sysctl -qw net.ipv4.ip_local_reserved_ports="${ports#,}" || fail "sysctl"
    told "net.ipv4.ip_local_reserved_ports of this namespace says something"
    SHIMSTACK_SYSCTL="net.ipv4.ip_local_reserved_ports=1-1000" told
}

run_cases "$@" <<'END'
left        one-host                                         60
metrics     ours-ours,ours-kernel,kernel-ours,kernel-kernel  60
passive     ours-ours,ours-kernel,kernel-ours,kernel-kernel  60
configured  ours-kernel                                      60
mistakes    one-host                                         30
END
