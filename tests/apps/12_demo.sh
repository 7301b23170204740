#!/usr/bin/env bash
# The demo, as a user runs it.
. "$(dirname "$0")/../lib/apps.sh"

case_demo() {
    local lab=$LABNAME-demo
    spawn demo "$RUN" --lab "$lab" demo
    ends demo 0 110
    tail -n 1 "$T/demo.out" | grep -q "^demo: PASSED" || fail "no verdict in the last line"
    says demo.out "host1 hears: hello from host0" || fail "no hello to host1"
    says demo.out "host0 hears: hello from host1" || fail "no hello to host0"
    grep -q "SYN.*MSS=1460.*SACK_PERM.*TSval=.*WS=" "$T/demo.out" || fail "no packets shown"
    ip netns list | grep -q "^$lab" && fail "something of the lab remains"
    return 0
}

case_demo_keep() {
    local lab=$LABNAME-demo
    spawn demo "$RUN" --lab "$lab" demo --keep
    ends demo 0 110
    "$RUN" --lab "$lab" lab status || fail "the lab is gone"
    # A lab that was there before the demo is left as it was.
    spawn demo "$RUN" --lab "$lab" demo
    ends demo 0 110
    "$RUN" --lab "$lab" lab status || fail "the demo removed a lab that was not its own"
    "$RUN" --lab "$lab" lab down
}

run_cases "$@" <<'END'
demo       ours-ours  120
demo-keep  ours-ours  240
END
