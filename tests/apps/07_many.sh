#!/usr/bin/env bash
# Point 7: 200 connections open at once on one poll loop, each echoing; a slow reader (zero window)
# for 10 s, then all of it.
. "$(dirname "$0")/../lib/apps.sh"

KIT=("$PY" "$APPS/tcpkit.py")

case_poll_200() {
    spawn echo "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard echo.out ready
    spawn client "${CLIENT[@]}" "${KIT[@]}" many "$ADDR" 5000 200
    ends client 0 40
    says client.out "all echoed" || fail "not all echoed"
    says echo.out "peak 200" || fail "not 200 at once"
}

# Several programs on either host with 50 connections each.
case_poll_four_programs() {
    local i
    spawn echo "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard echo.out ready
    for i in 1 2 3 4; do spawn "client$i" "${CLIENT[@]}" "${KIT[@]}" many "$ADDR" 5000 50; done
    for i in 1 2 3 4; do
        ends "client$i" 0 40
        says "client$i.out" "all echoed" || fail "not all echoed"
    done
}

case_slow_reader() {
    need nc.openbsd netcat-openbsd
    stream_file 33554432
    IN=$STREAM spawn server "${SERVER[@]}" nc.openbsd -nvNl 5000
    heard server.err "Listening on"
    spawn reader "${CLIENT[@]}" "${KIT[@]}" slow-reader "$ADDR" 5000 10
    ends reader 0 50
    says reader.out "ended EOF bytes 33554432 sha $STREAM_SHA" || fail "$(cat "$T/reader.out")"
    ends server 0 5
}

run_cases "$@" <<'END'
poll-200            all  60
poll-four-programs  all  60
slow-reader         all  80
END
