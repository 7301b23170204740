#!/usr/bin/env bash
# The shared host: one keeper however many programs start at once, gone when nothing is left, started
# by hand too; programs need no privilege of their own.
. "$(dirname "$0")/../lib/apps.sh"

KIT=("$PY" "$APPS/tcpkit.py")

one_keeper() { [ "$(keepers host1 | wc -l)" = 1 ]; }

# For a kernel's host the same programs run; there is only no keeper to be counted.
case_ten_at_once() {
    local i
    for i in $(seq 10); do spawn "p$i" "${SERVER[@]}" "${KIT[@]}" echo $((5000 + i)); done
    for i in $(seq 10); do heard "p$i.out" ready; done
    ! ours || one_keeper || fail "not one keeper: $(keepers host1)"
    for i in $(seq 10); do
        "${CLIENT[@]}" "${KIT[@]}" dialogue "$ADDR" $((5000 + i)) 3 1000 || fail "no echo on $((5000 + i))"
    done
}

case_gone_at_the_end() {
    spawn server "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard server.out ready
    ! ours || one_keeper || fail "not one keeper: $(keepers host1)"
    slay server
    await 5 no_keeper host1 || fail "the keeper stays although nothing is left"
    # And the next program has one again.
    spawn server "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard server.out ready
    ! ours || one_keeper || fail "not one keeper: $(keepers host1)"
}

# After a connection the host is kept for as long as TIME-WAIT lasts, and not longer.
case_gone_after_time_wait() {
    spawn server "${SERVER[@]}" "${KIT[@]}" answer-at-end 5000
    heard server.out ready
    echo question | "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000 >"$T/client.out" || fail "no connection"
    ends server 0
    await 140 no_keeper "$CLIENT_HOST" || fail "the client's keeper stays"
    no_keeper host1 || fail "the server's keeper stays"
}

case_by_hand() {
    if ours; then
        spawn keeper ip netns exec "$LABNAME-host1" env SHIMSTACK_STAY=1 "$ROOT/libshim.so" keeper
        await 5 one_keeper || fail "no keeper"
    fi
    spawn server "${SERVER[@]}" "${KIT[@]}" echo 5000
    heard server.out ready
    "${CLIENT[@]}" "${KIT[@]}" dialogue "$ADDR" 5000 3 1000 || fail "no echo"
    ! ours || one_keeper || fail "not one keeper: $(keepers host1)"
}

# The keeper has the privileged descriptors; a program of another user is handed them.
case_no_privilege() {
    spawn first "${SERVER[@]}" "${KIT[@]}" echo 5001
    heard first.out ready
    cp "$ROOT/libshim.so" "$APPS/tcpkit.py" "$T/" 2>/dev/null
    chmod -R a+rX "$T"
    local preload=()
    ! ours || preload=(env "LD_PRELOAD=$T/libshim.so")
    spawn server ip netns exec "$LABNAME-host1" setpriv --reuid=65534 --regid=65534 --clear-groups \
        --inh-caps=-all --bounding-set=-all "${preload[@]}" "$PY" "$T/tcpkit.py" echo 5000
    heard server.out ready
    "${CLIENT[@]}" "${KIT[@]}" dialogue "$ADDR" 5000 3 1000 || fail "no echo"
}

run_cases "$@" <<'END'
ten-at-once          ours-ours,one-host     40
gone-at-the-end      ours-ours              30
by-hand              ours-ours              30
no-privilege         ours-ours              30
gone-after-time-wait ours-ours              170  long
END
