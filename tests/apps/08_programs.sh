#!/usr/bin/env bash
# The other programs that this slice is for: socat, ncat -e, bash's /dev/tcp, half-close, UDP by nc -u
# and dig, the kernel's ping, and EADDRINUSE across programs.
. "$(dirname "$0")/../lib/apps.sh"

KIT=("$PY" "$APPS/tcpkit.py")

# ask TEXT ANSWER: a line to the server on port 5000 and its answer, by nc.
ask() {
    need nc.openbsd netcat-openbsd
    local got
    got=$(echo "$1" | timeout 10 "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000)
    [ "$got" = "$2" ] || fail "'$1' was answered by '$got', not '$2'"
}

# until_open: for servers that do not say when they listen.
until_open() {
    await 10 "${CLIENT[@]}" nc.openbsd -z "$ADDR" 5000 || fail "nobody listens"
}

case_socat_fork_exec() {
    need socat socat
    spawn server "${SERVER[@]}" socat TCP-LISTEN:5000,fork,reuseaddr EXEC:"tr a-z A-Z"
    until_open
    ask hello HELLO
    ask again AGAIN
}

case_socat_client() {
    need socat socat
    spawn server "${SERVER[@]}" socat -u TCP-LISTEN:5000,reuseaddr STDOUT
    await 10 "${CLIENT[@]}" bash -c "echo hello | socat -u STDIN TCP:$ADDR:5000" 2>"$T/client.err" ||
        fail "no connection"
    ends server 0
    [ "$(cat "$T/server.out")" = hello ] || fail "not the hello"
}

case_ncat_exec() {
    need ncat ncat
    local i
    spawn server "${SERVER[@]}" ncat -v -l -k -e /bin/cat 5000
    heard server.err "Listening on 0.0.0.0"
    # Three at once, each with a cat of its own; each closes only when all has come back.
    for i in 1 2 3; do
        spawn "client$i" "${CLIENT[@]}" "${KIT[@]}" dialogue "$ADDR" 5000 50 20000
    done
    for i in 1 2 3; do ends "client$i" 0 20; done
}

case_bash_dev_tcp() {
    spawn echo "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard echo.out ready
    # shellcheck disable=SC2016
    got=$("${CLIENT[@]}" bash -c \
        'exec 3<>/dev/tcp/$0/5000 && echo hello >&3 && read -r line <&3 && echo "$line"' "$ADDR")
    [ "$got" = hello ] || fail "got '$got'"
    # shellcheck disable=SC2016
    "${CLIENT[@]}" bash -c 'exec 3<>/dev/tcp/$0/5001' "$ADDR" 2>"$T/bash.err" && fail "5001 is open"
    says bash.err "Connection refused" || fail "not refused: $(cat "$T/bash.err")"
}

# The client ends its half; the server, which has read all of it, still answers.
case_half_close() {
    need nc.openbsd netcat-openbsd
    spawn server "${SERVER[@]}" "${KIT[@]}" answer-at-end 5000
    heard server.out ready
    ask question "you said question"
    ends server 0
}

case_udp_nc() {
    need nc.openbsd netcat-openbsd
    mkfifo "$T/server.in" "$T/client.in"
    exec 5<>"$T/server.in" 6<>"$T/client.in"
    IN=$T/server.in spawn server "${SERVER[@]}" nc.openbsd -nvul 5000
    heard server.err "Bound on"
    IN=$T/client.in spawn client "${CLIENT[@]}" nc.openbsd -u "$ADDR" 5000
    echo "hello by datagram" >&6
    heard server.out "hello by datagram"
    echo "and back" >&5
    heard client.out "and back"
}

# A datagram to a port that nobody has comes back as ECONNREFUSED.
case_udp_refused() {
    spawn other "${SERVER[@]}" "${KIT[@]}" udp-echo 5001
    heard other.out ready
    got=$("${CLIENT[@]}" "$PY" -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.connect(('$ADDR', 5000)); s.send(b'x')
try: s.recv(10)
except OSError as e: print(type(e).__name__)")
    [ "$got" = ConnectionRefusedError ] || fail "got '$got'"
}

# Datagrams as large as UDP allows: fragments both ways.
case_udp_large() {
    spawn echo "${SERVER[@]}" "${KIT[@]}" udp-echo 5000
    heard echo.out ready
    "${CLIENT[@]}" "$PY" -c "
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for size in 0, 1, 1472, 1473, 9000, 65507:
    data = os.urandom(size); s.sendto(data, ('$ADDR', 5000))
    assert s.recvfrom(70000)[0] == data, size" || fail "a datagram did not come back"
}

case_dig() {
    need dig bind9-dnsutils
    spawn dns "${SERVER[@]}" "${KIT[@]}" dns 53
    heard dns.out ready
    got=$("${CLIENT[@]}" dig +short +time=5 +tries=1 "@$ADDR" www.example.org A)
    [ "$got" = 192.0.2.77 ] || fail "dig says '$got'"
}

# The kernel's ping, from the host whose kernel holds an address, to our stack at the other end.
case_ping() {
    need ping iputils-ping
    local from=host0 to=$ADDR
    # Somebody must be on the host for its stack to be there.
    spawn other "${SERVER[@]}" "${KIT[@]}" echo 5001
    heard other.out ready
    if ! server_is_ours; then
        spawn mine "${CLIENT[@]}" "${KIT[@]}" echo 5001
        heard mine.out ready
        from=host1 to=10.0.0.1
    fi
    ip netns exec "$LABNAME-$from" ping -n -c 5 -i 0.05 -W 2 "$to" || fail "ping"
    ip netns exec "$LABNAME-$from" ping -n -c 2 -i 0.05 -W 2 -s 20000 "$to" || fail "ping, fragmented"
}

# The kernel keeps an address of its own on the same wire (D6): a second one, for the ping.
case_ping_ours_ours() {
    need ping iputils-ping
    spawn other "${SERVER[@]}" "${KIT[@]}" echo 5001
    heard other.out ready
    ip -n "$LABNAME-host0" addr add 10.0.0.3/24 dev veth0
    ip netns exec "$LABNAME-host0" ping -n -c 5 -i 0.05 -W 2 "$ADDR" || fail "ping"
}

case_eaddrinuse() {
    mkfifo "$T/in"
    exec 5<>"$T/in"
    IN=$T/in spawn first "${SERVER[@]}" "${KIT[@]}" bind-only 5000
    heard first.out ready
    spawn second "${SERVER[@]}" "${KIT[@]}" bind-only 5000
    ends second 1
    says second.err EADDRINUSE || fail "the second was not told EADDRINUSE"
    slay first
    spawn third "${SERVER[@]}" "${KIT[@]}" bind-only 5000
    ends third 0
    says third.out ready || fail "the dead program's port is not free"
}

run_cases "$@" <<'END'
socat-fork-exec  all              30
socat-client     all              30
ncat-exec        all              40
bash-dev-tcp     all              30
half-close       all              30
udp-nc           all              30
udp-refused      all              30
udp-large        all              30
dig              all              30
ping             ours-kernel,kernel-ours  30
ping-ours-ours   ours-ours        30
eaddrinuse       all              30
END
