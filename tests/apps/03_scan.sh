#!/usr/bin/env bash
# Point 3: `nc -zv 10.0.0.2 4998-5002` finds exactly the open port; closed ones say refused at
# once, whoever owns the open one.
. "$(dirname "$0")/../lib/apps.sh"

# listener NAME PORT: an nc that goes on listening.
listener() {
    spawn "$1" "${SERVER[@]}" nc.openbsd -nlkv "$2"
    heard "$1.err" "Listening on"
}

# scan OPEN…: exactly these of 4998-5002 are open, the others refused, and it took no wait.
scan() {
    local began port out took
    began=$(now_ms)
    out=$("${CLIENT[@]}" nc.openbsd -nzv "$ADDR" 4998-5002 2>&1)
    took=$(($(now_ms) - began))
    echo "$out ($took ms)"
    for port in 4998 4999 5000 5001 5002; do
        if [[ " $* " == *" $port "* ]]; then
            grep -q "^Connection to $ADDR $port port .* succeeded" <<<"$out" ||
                fail "open port $port not found"
        else
            grep -q "^nc.openbsd: connect to $ADDR port $port (tcp) failed: Connection refused" \
                <<<"$out" || fail "closed port $port not refused"
        fi
    done
    [ "$(wc -l <<<"$out")" = 5 ] || fail "more than a line for each port"
    [ $took -lt 900 ] || fail "the scan waited: $took ms for five ports"
}

case_one_open() {
    need nc.openbsd netcat-openbsd
    listener server 5000
    scan 5000
    scan 5000
}

case_none_open() {
    need nc.openbsd netcat-openbsd
    # Somebody must be there to refuse: on a host of ours, that is the stack, not the kernel.
    listener server 6000
    scan
}

# The open port belongs to one program, another one is on the host as well, and so is its scanner.
case_other_owner() {
    need nc.openbsd netcat-openbsd
    listener server 5000
    listener other 6000
    scan 5000
    listener second 5002
    scan 5000 5002
    kill "${PID[server]}"
    status server
    scan 5002
}

# Neither the refusal nor the handshake needs the owner: it stands still.
case_owner_stopped() {
    need nc.openbsd netcat-openbsd
    listener server 5000
    kill -STOP "${PID[server]}"
    scan 5000
    kill -CONT "${PID[server]}"
}

run_cases "$@" <<'END'
one-open       all  20
none-open      all  20
other-owner    all  20
owner-stopped  all  20
END
