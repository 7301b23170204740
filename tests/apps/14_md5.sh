#!/usr/bin/env bash
# TCP MD5 signatures (RFC 2385, TCP_MD5SIG_EXT): both ends with a key, and what then is on the wire;
# one end with another key, or with none.
. "$(dirname "$0")/../lib/apps.sh"

exchange() { # NET PREFIX ROUNDS SIZE
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" md5-serve 5000 "$1" "$2" "a secret"
    heard server.out ready
    "${CLIENT[@]}" "$PY" "$APPS/tcpkit.py" md5-dialogue "$ADDR" 5000 "a secret" "$3" "$4" \
        >"$T/client.out" 2>&1 || fail "client: $(cat "$T/client.out")"
    ends server 0 10
    grep -qx "$(($3 * $4)) echoed" "$T/server.out" || fail "not all was echoed"
}

case_dialogue() { exchange 10.0.0.0 8 200 2000; }
case_bulk() { exchange 10.0.0.0 8 10 400000; }

show() { tshark -n -r "$T/packets.pcapng" "$@" 2>/dev/null; }
captured() { [ "$(show -Y "$1" | wc -l)" -ge "$2" ]; }

# tcpdump knows the key, and says of each digest whether it is right.
case_wire() {
    need tshark tshark
    need tcpdump tcpdump
    spawn tshark ip netns exec "$LABNAME-host1" tshark -q -i veth1 -f "tcp port 5000" -B 64 \
        -w "$T/packets.pcapng"
    await 20 test -s "$T/packets.pcapng" || fail "tshark does not capture"
    exchange 10.0.0.0 24 20 20000
    await 10 captured "tcp.flags.fin == 1" 2 || fail "no end captured"
    kill "${PID[tshark]}"
    status tshark
    show -Y "tcp.flags.syn == 1"
    [ -z "$(show -Y "!tcp.options.md5" | head)" ] || fail "a segment without the option"
    [ -z "$(show -Y "tcp.len > 1440" | head)" ] || fail "a segment with the signature of another"
    tcpdump -n -v -r "$T/packets.pcapng" -M "a secret" >"$T/tcpdump" 2>/dev/null
    grep -c "md5 valid" "$T/tcpdump" >"$T/valid"
    show | wc -l | diff - "$T/valid" || fail "$(grep -m 3 "md5 invalid" "$T/tcpdump")"
}

# The count of dropped segments in $2, at the server.
counted() { # NAME
    local on1=(ip netns exec "$LABNAME-host1")
    if server_is_ours; then
        "${on1[@]}" "$ROOT/libshim.so" status | grep -Eq "TcpExt$1 +[1-9]"
    else
        "${on1[@]}" nstat -sz "TcpExt$1" | grep -Eq "TcpExt$1 +[1-9]"
    fi
}

refused() { # CLIENT'S-KEY COUNTER
    "${CLIENT[@]}" "$PY" "$APPS/tcpkit.py" md5-dialogue "$ADDR" 5000 "$1" 1 1 >"$T/client.out" 2>&1 &&
        fail "a connection was made"
    grep -q TimeoutError "$T/client.out" || fail "the client was answered"
    counted "$2" || fail "$2 is 0"
}

case_refusals() {
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" md5-serve 5000 10.0.0.0 24 "a secret"
    heard server.out ready
    refused "another" TCPMD5Failure
    refused "" TCPMD5NotFound
    kill "${PID[server]}"
    status server
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" md5-serve 5000 10.1.0.0 16 "a secret"
    heard server.out ready
    refused "a secret" TCPMD5Unexpected
}

run_cases "$@" <<'END'
dialogue  all    30
bulk      all    30
wire      hosts  60
refusals  hosts  60
END
