#!/usr/bin/env bash
# Point 6: exit with unsent data; kill -9 of client, of server, of the keeper; SIGSTOP of one program
# while another goes on.
. "$(dirname "$0")/../lib/apps.sh"

KIT=("$PY" "$APPS/tcpkit.py")
LIMIT_MS=100 # how long another program of the host may stand still

# The link of an end that is ours loses 5 %.
lossy() {
    if client_is_ours; then
        CLIENT+=("SHIMSTACK_IMPAIR=loss=5%,delay=5ms")
    elif server_is_ours; then
        SERVER+=("SHIMSTACK_IMPAIR=loss=5%,delay=5ms")
    fi
}

case_exit_unsent() {
    lossy
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" exit-unsent "$ADDR" 5000 2000000
    ends client 0 30
    ends sink 0 60
    says sink.out "ended EOF bytes 2000000 sha $(cat "$T/client.out")" || fail "not what was sent"
}

# bash writes and is gone: no buffer option, no close.
case_exit_bash() {
    lossy
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    # shellcheck disable=SC2016
    "${CLIENT[@]}" bash -c 'exec 3<>/dev/tcp/$0/5000; printf "%050000d" 7 >&3' "$ADDR"
    ends sink 0 30
    says sink.out "ended EOF bytes 50000 sha $(printf '%050000d' 7 | sha256sum | cut -d' ' -f1)" ||
        fail "not what was sent"
}

# Another program's dialogue on the same two hosts, which must not stand still.
bystander() {
    spawn echo "${SERVER[@]}" "${KIT[@]}" echo 5001
    heard echo.out ready
    spawn bystander "${CLIENT[@]}" "${KIT[@]}" pingpong "$ADDR" 5001 "${PID[echo]}"
    heard bystander.out going
}
mark() {
    kill -USR1 "${PID[bystander]}"
    heard bystander.out marked
}
bystander_went_on() { # [limit in ms]
    kill "${PID[bystander]}" || fail "the bystander has gone"
    ends bystander 0 10
    local rounds gap
    read -r _ rounds _ gap < <(grep rounds "$T/bystander.out")
    echo "the bystander: $rounds rounds, longest gap $gap ms"
    [ "$rounds" -gt 0 ] || fail "the bystander did nothing"
    [ "$gap" -le "${1:-$LIMIT_MS}" ] || fail "the bystander stood still for $gap ms"
}

# A FIN; but of ours also a RST, when the sender died in the very middle of changing the connection
# (DESIGN.md D8: what was being changed may be reset).
learnt() { # whose output, is the killed one ours?
    says "$1.out" "ended EOF" || { "$2" && says "$1.out" "ended ECONNRESET"; } || fail "$(cat "$T/$1.out")"
}

# kill -9 while data flows in either direction: the peer learns of it.
case_kill_client_sending() {
    bystander
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" blast "$ADDR" 5000
    heard sink.out going
    mark
    slay client
    # What was in its send buffer still arrives, then a FIN, as after any close.
    ends sink 0 5
    learnt sink client_is_ours
    bystander_went_on
}

case_kill_client_receiving() {
    bystander
    spawn server "${SERVER[@]}" "${KIT[@]}" serve-blast 5000
    heard server.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" fetch "$ADDR" 5000
    heard client.out going
    mark
    slay client
    # Data unread, and more coming to nobody: a RST.
    ends server 0 5
    grep -qE "ended (ECONNRESET|EPIPE)" "$T/server.out" || fail "$(cat "$T/server.out")"
    bystander_went_on
}

case_kill_server_sending() {
    bystander
    spawn server "${SERVER[@]}" "${KIT[@]}" serve-blast 5000
    heard server.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" fetch "$ADDR" 5000
    heard client.out going
    mark
    slay server
    ends client 0 5
    learnt client server_is_ours
    port_is_free
    bystander_went_on
}

case_kill_server_receiving() {
    bystander
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" blast "$ADDR" 5000
    heard sink.out going
    mark
    slay sink
    ends client 0 5
    grep -qE "ended (ECONNRESET|EPIPE)" "$T/client.out" || fail "$(cat "$T/client.out")"
    port_is_free
    bystander_went_on
}

# The dead listener's port is another program's to take.
port_is_free() {
    spawn next "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard next.out ready
}

# Ten in a row, at whatever point of its work each happens to be: inside the lock too.
case_kill_again_and_again() {
    local i
    bystander
    mark
    for i in $(seq 10); do
        spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
        heard sink.out ready
        spawn client "${CLIENT[@]}" "${KIT[@]}" blast "$ADDR" 5000
        heard sink.out going
        if [ $((i % 2)) = 0 ]; then
            slay client
            ends sink 0 5
        else
            slay sink
            ends client 0 5
        fi
    done
    bystander_went_on
}

# The keeper is killed: the programs that run go on, and new ones find a host again.
kill_keeper() { # host0|host1
    local keeper
    keeper=$(keepers "$1")
    [ "$(wc -w <<<"$keeper")" = 1 ] || fail "not one keeper on $1: '$keeper'"
    kill -KILL "$keeper"
    await 60 gone "$keeper" || fail "the keeper lives on" # 60: see slay
}
case_kill_keeper_client() { killed_keeper "$CLIENT_HOST"; }
case_kill_keeper_server() { killed_keeper host1; }
killed_keeper() {
    bystander
    mark
    kill_keeper "$1"
    # Still there a thousand rounds later, and with a newcomer beside it.
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" exit-unsent "$ADDR" 5000 300000
    ends client 0 10
    ends sink 0 10
    says sink.out "ended EOF bytes 300000" || fail "$(cat "$T/sink.out")"
    bystander_went_on 1000
}

case_stop_client() { stopped client; }
case_stop_server() { stopped sink; }
# Stopped and continued twenty times, wherever it stands; the connection outlives it.
stopped() {
    local i
    bystander
    spawn sink "${SERVER[@]}" "${KIT[@]}" sink 5000
    heard sink.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" blast "$ADDR" 5000
    heard sink.out going
    mark
    for i in $(seq 20); do
        kill -STOP "${PID[$1]}"
        spawn short "${CLIENT[@]}" "${KIT[@]}" dialogue "$ADDR" 5001 20 5000
        ends short 0 5
        kill -CONT "${PID[$1]}"
    done
    bystander_went_on
    slay client
    ends sink 0 10
    learnt sink client_is_ours
}

run_cases "$@" <<'END'
exit-unsent            hosts                           90
exit-unsent            one-host                        90
exit-bash              all                             60
kill-client-sending    all                             40  alone
kill-client-receiving  all                             40  alone
kill-server-sending    all                             40  alone
kill-server-receiving  all                             40  alone
kill-again-and-again   all                             90  alone
kill-keeper-client     ours-ours,ours-kernel,one-host  40  alone
kill-keeper-server     ours-ours,kernel-ours           40  alone
stop-client            all                             60  alone
stop-server            all                             60  alone
END
