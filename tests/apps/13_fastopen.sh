#!/usr/bin/env bash
# Fast Open: the first connection brings the cookie, from the second on the data goes with the SYN;
# also more data than a SYN takes, and, where the server gives no cookies, as ever.
. "$(dirname "$0")/../lib/apps.sh"

# set_fastopen BITS: in both hosts, where the kernel's and our stack find it.
set_fastopen() {
    local host
    for host in host0 host1; do
        ip netns exec "$LABNAME-$host" sysctl -qw "net.ipv4.tcp_fastopen=$1" || fail "sysctl"
    done
}

exchange() { # SIZE…
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" fastopen-serve 5000 $#
    heard server.out ready
    "${CLIENT[@]}" "$PY" "$APPS/tcpkit.py" fastopen-send "$ADDR" 5000 "$@" >"$T/client.out" 2>&1 ||
        fail "client: status $?"
    ends server 0 10
    ! grep WRONG "$T/client.out" || fail "other bytes came back"
}

case_cookie() {
    set_fastopen 3
    exchange 100 1000 200000
    printf '%s\n' "100 right later" "1000 right by SYN" "200000 right by SYN" |
        diff - "$T/client.out" || fail "the client tells otherwise"
    printf '%s\n' ready "100 after the handshake" "1000 by SYN" "200000 by SYN" |
        diff - "$T/server.out" || fail "the server tells otherwise"
}

case_refused() {
    set_fastopen 1
    exchange 100 1000
    ! grep "by SYN" "$T/server.out" || fail "a server that does not do it took data"
}

run_cases "$@" <<'END'
cookie   all  30
refused  all  30
END
