#!/usr/bin/env bash
# Point 1: hello both ways with each of the three ncs, between the hosts and through localhost;
# `nc -l` leaves with status 0 when the client closes.
. "$(dirname "$0")/../lib/apps.sh"

# hello ADDRESS LISTEN-CMD -- CONNECT-CMD: two keyboards, a line each way, then Ctrl-C at the client.
hello() {
    local announce=$1 listen=() connect
    shift
    while [ "$1" != -- ]; do listen+=("$1") && shift; done
    shift
    connect=("$@")
    mkfifo "$T/server.in" "$T/client.in"
    exec 5<>"$T/server.in" 6<>"$T/client.in"
    IN=$T/server.in spawn server "${SERVER[@]}" "${listen[@]}"
    heard server.err "$announce"
    IN=$T/client.in spawn client "${CLIENT[@]}" "${connect[@]}"
    echo "hello from the client" >&6
    heard server.out "hello from the client"
    echo "hello from the server" >&5
    heard client.out "hello from the server"
    kill "${PID[client]}" || fail "the client has gone"
    status client
    ends server 0
    [ "$(cat "$T/server.out")" = "hello from the client" ] || fail "the server heard more"
    [ "$(cat "$T/client.out")" = "hello from the server" ] || fail "the client heard more"
}

case_openbsd() {
    need nc.openbsd netcat-openbsd
    hello "Listening on" nc.openbsd -nvl 5000 -- nc.openbsd "$ADDR" 5000
}
case_traditional() {
    need nc.traditional netcat-traditional
    hello "listening on" nc.traditional -v -l -p 5000 -- nc.traditional "$ADDR" 5000
}
case_ncat() {
    need ncat ncat
    hello "Listening on 0.0.0.0" ncat -v -l 5000 -- ncat "$ADDR" 5000
}
case_openbsd_localhost() { ADDR=localhost case_openbsd; }
case_traditional_localhost() { ADDR=localhost case_traditional; }
case_ncat_localhost() { ADDR=localhost case_ncat; }
case_openbsd_loopback_net() { ADDR=127.3.4.5 case_openbsd; }

# Without -v, word by word as in the README: the client asks until nc -l listens, and its end of
# input (-N) is what ends it.
case_plain() {
    need nc.openbsd netcat-openbsd
    local deadline=$((SECONDS + 10))
    spawn server "${SERVER[@]}" nc.openbsd -l 5000
    until echo hello | "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000 >"$T/client.out" 2>"$T/client.err"; do
        [ $SECONDS -lt $deadline ] || fail "nobody listens"
    done
    ends server 0
    [ "$(cat "$T/server.out")" = hello ] || fail "not the hello"
}

run_cases "$@" <<'END'
openbsd                all       20
traditional            all       20
ncat                   all       20
plain                  all       20
openbsd-localhost      one-host  20
traditional-localhost  one-host  20
ncat-localhost         one-host  20
openbsd-loopback-net   one-host  20
END
