#!/usr/bin/env bash
# run-with-stack.sh itself: the lab is idempotent, a program's status and input are its own, and each
# mistake gives one line that says what is wrong and how to mend it. Likewise for the bare LD_PRELOAD.
. "$(dirname "$0")/../lib/apps.sh"

# mistake WHAT HOW CMD…: status 2, exactly one line, which has both words.
mistake() {
    local what=$1 how=$2 err rc
    shift 2
    err=$("$@" 2>&1 >/dev/null </dev/null)
    rc=$?
    echo "$err"
    [ $rc = 2 ] || fail "status $rc, not 2: $*"
    [ "$(wc -l <<<"$err")" = 1 ] || fail "not one line: $*"
    [[ $err == *"$what"* ]] || fail "does not say '$what': $err"
    [[ $err == *"$how"* ]] || fail "does not say how to mend it ('$how'): $err"
}

ON0=(ip netns exec "$LABNAME-host0")

case_lab() {
    local run=("$RUN" --lab "$LABNAME-x") out
    "${run[@]}" lab status >/dev/null && fail "a lab that is down has status 0"
    "${run[@]}" lab down || fail "lab down where there is none"
    "${run[@]}" lab up || fail "lab up"
    "${run[@]}" lab up || fail "lab up again"
    out=$("${run[@]}" lab status) || fail "lab status"
    [[ $out == *host0*10.0.0.1*"our stack"*host1*10.0.0.2*"our stack"* ]] || fail "lab status: $out"
    mistake "is up" "lab down" "${run[@]}" lab up --kernel host1
    mistake "host0 or host1" "" "${run[@]}" lab up --kernel host7
    spawn stray ip netns exec "$LABNAME-x-host1" sleep 1000
    "${run[@]}" lab down || fail "lab down"
    status stray
    "${run[@]}" lab down || fail "lab down again"
    ip netns list | grep -q "^$LABNAME-x" && fail "a namespace remains"
    ip netns add "$LABNAME-x-host0"
    ip -n "$LABNAME-x-host0" link add dev own type veth peer name own2
    mistake "no lab made" "ip netns del" "${run[@]}" lab up
    mistake "no lab made" "left alone" "${run[@]}" lab down
    ip netns del "$LABNAME-x-host0"
}

case_status_and_input() {
    local run=("$RUN" --lab "$LABNAME" --host host0)
    "${run[@]}" sh -c 'exit 7'
    [ $? = 7 ] || fail "exit status not passed through"
    "${run[@]}" sh -c 'kill -TERM $$'
    [ $? = 143 ] || fail "death by signal not passed through"
    [ "$(echo hello | "${run[@]}" cat)" = hello ] || fail "input not passed through"
    [ "$("${run[@]}" printf '%s|' 'a b' '' '*')" = 'a b||*|' ] || fail "arguments changed"
    # shellcheck disable=SC2016
    [ "$("${run[@]}" --spin 5 --log info --gw 10.0.0.9 --mtu 900 sh -c \
        'echo $SHIMSTACK_SPIN $SHIMSTACK_LOG $SHIMSTACK_GW $SHIMSTACK_MTU')" = "5 info 10.0.0.9 900" ] ||
        fail "options do not arrive"
}

case_mistakes() {
    mistake "no such option" "--help" "$RUN" --frobnicate
    mistake "needs a value" "--help" "$RUN" --addr
    mistake "no program named" "--help" "$RUN" --host host0 --
    mistake "lab up, lab down or lab status" "" "$RUN" lab sideways
    mistake "host0 and host1" "" "$RUN" --host host9 true
    mistake "lab is not up" "lab up" "$RUN" --lab "$LABNAME-none" --host host0 true
    mistake "no such interface" "veth0" "${ON0[@]}" "$RUN" --if nosuch --addr 10.9.0.5/24 true
    mistake "not an Ethernet interface" "veth" "${ON0[@]}" "$RUN" --if lo --addr 10.9.0.5/24 true
    mistake "prefix length is missing" "/24" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.5 true
    mistake "wrong mask" "1 to 32" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.5/33 true
    mistake "255" "" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.500/24 true
    mistake "no such program" "nosuch" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.5/24 nosuch
    ip -n "$LABNAME-host0" addr add 10.9.0.5/24 dev veth0
    mistake "kernel holds" "--take-over" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.5/24 true
    ip -n "$LABNAME-host0" addr del 10.9.0.5/24 dev veth0
    ip -n "$LABNAME-host0" link set dev veth0 down
    mistake "is down" "ip link set" "${ON0[@]}" "$RUN" --if veth0 --addr 10.9.0.5/24 true
    ip -n "$LABNAME-host0" link set dev veth0 up
    mistake "CAP_NET_RAW" "sudo" "${ON0[@]}" setpriv --inh-caps=-all --bounding-set=-net_raw "$RUN" \
        --if veth0 --addr 10.9.0.5/24 true
    # As another user, and where nothing is built: a copy of the script alone.
    cp "$RUN" "$T/"
    chmod -R a+rX "$T"
    mistake "needs root" "sudo" setpriv --reuid=65534 --clear-groups "$T/run-with-stack.sh" lab up
    mistake "not built" "--build" "$T/run-with-stack.sh" --if veth0 --addr 10.9.0.5/24 true
    "$RUN" --help | grep -q SHIMSTACK_TAKE_OVER || fail "--help"
}

# bare WHAT HOW VARIABLE…: one line of the shim's, once; the program sees an ordinary error.
bare() {
    local what=$1 how=$2 lines
    shift 2
    "${ON0[@]}" env "$@" "LD_PRELOAD=$ROOT/libshim.so" nc.openbsd -w 3 10.9.0.1 5000 2>"$T/bare.err" </dev/null
    [ $? = 1 ] || fail "nc should fail with status 1"
    lines=$(grep '^shimstack: ' "$T/bare.err")
    echo "$lines"
    [ "$(wc -l <<<"$lines")" = 1 ] || fail "not one line of the shim's: $*: $(cat "$T/bare.err")"
    [[ $lines == *"$what"* ]] || fail "does not say '$what': $lines"
    [[ $lines == *"$how"* ]] || fail "does not say how to mend it ('$how'): $lines"
}

case_bare_mistakes() {
    need nc.openbsd netcat-openbsd
    bare "no interface nosuch" "veth0" SHIMSTACK_IF=nosuch
    bare "mask" "/24" SHIMSTACK_IF=veth0 SHIMSTACK_ADDR=10.9.0.5
    bare "mask" "1 to 32" SHIMSTACK_IF=veth0 SHIMSTACK_ADDR=10.9.0.5/33
    bare "SHIMSTACK_MAC" "02:" SHIMSTACK_MAC=hello
    bare "SHIMSTACK_IMPAIR" "loss" SHIMSTACK_IMPAIR=loss=much
    ip -n "$LABNAME-host0" addr add 10.9.0.5/24 dev veth0
    bare "kernel holds 10.9.0.5" "SHIMSTACK_TAKE_OVER=1" SHIMSTACK_IF=veth0 SHIMSTACK_ADDR=10.9.0.5/24
    ip -n "$LABNAME-host0" addr del 10.9.0.5/24 dev veth0
    ip -n "$LABNAME-host0" link set dev veth0 down
    bare "is down" "ip link set" SHIMSTACK_IF=veth0
    ip -n "$LABNAME-host0" link set dev veth0 up
    ON0+=(setpriv --inh-caps=-all --bounding-set=-net_raw)
    bare "CAP_NET_RAW" "root" SHIMSTACK_IF=veth0 SHIMSTACK_ADDR=10.9.0.5/24
}

# A program without Internet sockets pays nothing: no keeper, no message.
case_no_sockets() {
    [ "$("$RUN" --lab "$LABNAME" --host host1 sh -c 'echo a; ls / >/dev/null' 2>&1)" = a ] ||
        fail "a word too many"
    no_keeper host1 || fail "a keeper for a program without sockets"
}

run_cases "$@" <<'END'
lab               ours-ours  60
status-and-input  ours-ours  30
mistakes          ours-ours  60
bare-mistakes     ours-ours  60
no-sockets        ours-ours  30
END
