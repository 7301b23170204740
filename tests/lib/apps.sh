#!/usr/bin/env bash
# shellcheck disable=SC2015,SC2034  # "a && b || fail" is meant; the cases use what is set here
# What the tests in tests/apps share: a lab of their own per case and pairing, programs in the
# background with their output in files, and waiting for events instead of sleeping.
#
# Theory of operation. A test file defines functions case_NAME and ends with `run_cases "$@" <<…`,
# a table of cases: name, pairings, seconds it may take, and flags. Called as
#
#     tests/apps/01_hello.sh --list              the table, a line for each case and pairing
#     tests/apps/01_hello.sh CASE PAIRING        runs one
#
# The pairing says whose TCP is at either end, client first:
#     ours-ours ours-kernel kernel-ours   between host0 (client) and host1 (server)
#     one-host                            both programs on host1, on our stack
#     kernel-kernel kernel-one-host       no stack of ours: the tests' own check (run.sh --self-check)
#
# In a case: "${CLIENT[@]}" CMD and "${SERVER[@]}" CMD run a program at either end; $ADDR is the
# server's address; $T a directory of the case's own. Labs are named t<pid>-host0 …, so they never
# meet a user's lab or each other's.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RUN=$ROOT/run-with-stack.sh
APPS=$ROOT/tests/apps
PY=/usr/bin/python3 # not a version manager's wrapper script
ADDR=10.0.0.2
LABNAME=${TEST_LAB:-t$$}
export LC_ALL=C PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
declare -A PID=()

fail() {
    trap - ERR
    echo "FAIL: $*"
    local f
    for f in "$T"/*.out "$T"/*.err; do
        [ -f "$f" ] && [ -s "$f" ] || continue
        echo "--- ${f##*/}, $(stat -c %s "$f") bytes"
        if grep -qI . "$f"; then tail -c 1500 "$f" | tail -n 12; fi
    done
    describe
    exit 1
}

# What a failure looked like from below: where the programs are, what the stacks know.
describe() {
    local name host
    for name in "${!PID[@]}"; do
        echo "--- $name: $(cut -d' ' -f1-3 "/proc/${PID[$name]}/stat" 2>/dev/null || echo gone)" \
            "$(cat "/proc/${PID[$name]}/wchan" 2>/dev/null)"
    done
    for host in host0 host1; do
        [ -z "$(keepers "$host" 2>/dev/null)" ] ||
            timeout 5 ip netns exec "$LABNAME-$host" "$ROOT/libshim.so" status | head -n 60
    done
}

# A tool that a case uses, and its Debian package: installed if missing, so that no test passes or
# is passed over for want of one.
need() {
    command -v "$1" >/dev/null && return 0
    (
        flock 9
        command -v "$1" >/dev/null || {
            apt-get update -q && DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends "$2"
        } >"$T/apt.out" 2>&1 </dev/null
    ) 9>/tmp/shimstack-apt.lock
    command -v "$1" >/dev/null || fail "$1 (package $2) is missing and cannot be installed"
}

# await SECONDS CMD…: until CMD succeeds. It is asked ten times a second at least, so that a machine
# which stood still meanwhile (a virtual one) gives the programs their time all the same.
await() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) tries=$(($1 * 10))
    shift
    until "$@"; do
        [ $((tries--)) -gt 0 ] || [ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
        sleep 0.01
    done
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# A program in the background: spawn NAME CMD…; its stdin is $IN (else nothing), its output
# $OUT (else $T/NAME.out) and $T/NAME.err, its pid ${PID[NAME]}.
spawn() {
    local name=$1
    shift
    # What an earlier program of that name said is gone before this one starts: `heard` must not
    # read it meanwhile.
    [ -n "${OUT:-}" ] || : >"$T/$name.out"
    : >"$T/$name.err"
    # Emptied here already: who awaits a word must not find it in what a namesake said before.
    : >"$T/$name.out"
    : >"$T/$name.err"
    # The FIFOs that a case holds open are not the program's to inherit.
    "$@" <"${IN:-/dev/null}" >"${OUT:-$T/$name.out}" 2>"$T/$name.err" 5>&- 6>&- &
    PID[$name]=$!
}

says() { grep -qsF -- "$2" "$T/$1"; }
# heard FILE TEXT [SECONDS]: until that output has the text.
heard() { await "${3:-10}" says "$1" "$2" || fail "no '$2' in $1"; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# status NAME [SECONDS]: waits for the program's end; its exit status is in $STATUS.
status() {
    await "${2:-10}" zombie_or_gone "${PID[$1]}" || fail "$1 does not end"
    wait "${PID[$1]}" 2>/dev/null # bash's own word on a killed job is not wanted
    STATUS=$?
    unset "PID[$1]"
}
zombie_or_gone() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
    [[ $line == *") Z "* ]]
}
# ends NAME WANTED [SECONDS]
ends() {
    status "$1" "${3:-10}"
    [ $STATUS = "$2" ] || fail "$1 ended with status $STATUS, not $2"
}
# kill -9, and its end: a process that is the last one in its mount namespace (`ip netns exec` makes
# one) waits on its way out for the kernel's RCU, its sockets still open, which takes seconds on a
# busy machine. Kernel TCP tells the peer no earlier; what a test times begins here.
slay() { # NAME
    kill -KILL "${PID[$1]}" || fail "$1 has gone"
    await 60 zombie_or_gone "${PID[$1]}" || fail "$1 survives kill -9"
    wait "${PID[$1]}" 2>/dev/null
    unset "PID[$1]"
}
sleeping() { [[ $(cat "/proc/$1/stat" 2>/dev/null) == *") S "* ]]; }

# A stream of bytes in which no mistake goes unnoticed: a counter-mode key stream.
stream() { # bytes
    need openssl openssl
    openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f -iv 0 </dev/zero 2>/dev/null |
        head -c "$1"
}
# The same as a file, made once, with its SHA-256 beside it: $STREAM and $STREAM_SHA.
stream_file() { # bytes
    STREAM=$ROOT/build/test-data/stream-$1
    mkdir -p "${STREAM%/*}"
    (
        flock 9
        [ ! -s "$STREAM" ] || [ ! -s "$STREAM.sha256" ] || exit 0
        stream "$1" >"$STREAM" && sha256sum <"$STREAM" | cut -d' ' -f1 >"$STREAM.tmp" &&
            mv "$STREAM.tmp" "$STREAM.sha256"
    ) 9>"$STREAM.lock" || fail "cannot make $STREAM"
    STREAM_SHA=$(cat "$STREAM.sha256")
}

# Both ends of the lab's veth pair: offloads on|off.
OFFLOADS=(tx rx tso gso gro sg)
offload() { # host0|host1 on|off
    need ethtool ethtool
    local f words=()
    for f in "${OFFLOADS[@]}"; do words+=("$f" "$2"); done
    ip netns exec "$LABNAME-$1" ethtool -K "veth${1#host}" "${words[@]}" >/dev/null ||
        fail "ethtool -K on $1"
}

# The keepers of a lab host's stack: libshim.so run as a program.
keepers() { # host0|host1
    local p
    for p in $(ip netns pids "$LABNAME-$1"); do
        tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q 'libshim\.so keeper' && echo "$p"
    done
}
no_keeper() { [ -z "$(keepers "$1")" ]; }

ours() { [[ $PAIRING != *kernel-kernel && $PAIRING != kernel-one-host ]]; }
client_is_ours() { [[ $PAIRING == ours-* || $PAIRING == one-host ]]; }
server_is_ours() { [[ $PAIRING == *-ours || $PAIRING == one-host ]]; }

lab_for_pairing() {
    local kernel=() c=host0
    case $PAIRING in
    ours-ours | one-host) ;;
    ours-kernel) kernel=(--kernel host1) ;;
    kernel-ours) kernel=(--kernel host0) ;;
    kernel-kernel | kernel-one-host) kernel=(--kernel host0 --kernel host1) ;;
    *) fail "no such pairing: $PAIRING" ;;
    esac
    [[ $PAIRING == *one-host ]] && c=host1
    CLIENT_HOST=$c
    CLIENT=(ip netns exec "$LABNAME-$c")
    SERVER=(ip netns exec "$LABNAME-host1")
    if client_is_ours; then CLIENT+=(env "LD_PRELOAD=$ROOT/libshim.so"); fi
    if server_is_ours; then SERVER+=(env "LD_PRELOAD=$ROOT/libshim.so"); fi
    "$RUN" --lab "$LABNAME" lab up "${kernel[@]}" >/dev/null || fail "lab up"
}

# This case's lab, and those that it made beside it, named after it.
labs_down() {
    local lab
    for lab in $(ip netns list | sed -nE "s/^($1(-[a-z]+)?)-host[01]( .*)?\$/\1/p" | sort -u); do
        "$RUN" --lab "$lab" lab down >/dev/null
    done
}

finish() {
    local rc=$? p
    for p in "${PID[@]}" $(jobs -p); do kill -KILL "$p" 2>/dev/null; done
    wait 2>/dev/null
    [ -n "${KEEP_LAB:-}" ] || labs_down "$LABNAME"
    rm -rf "$T"
    exit $rc
}

# run_cases "$@" with the table on stdin: name, pairings (comma-separated, or "all"), seconds, flags
# ("alone": measures time, or takes the whole machine: nothing beside it; "long": alone, and only in
# a long run).
run_cases() {
    local name pairings seconds flags p
    while read -r name pairings seconds flags; do
        [ -n "$name" ] || continue
        pairings=${pairings/#all/ours-ours,ours-kernel,kernel-ours,one-host}
        pairings=${pairings/#hosts/ours-ours,ours-kernel,kernel-ours}
        if [ "${1:-}" = --list ]; then
            for p in ${pairings//,/ }; do echo "$name $p $seconds ${flags:-together}"; done
        elif [ "${1:-}" = "$name" ] && [ -n "${2:-}" ]; then
            PAIRING=$2
            T=$(mktemp -d "/tmp/shimstack-$name.XXXXXX")
            trap finish EXIT
            trap 'exit 143' INT TERM
            lab_for_pairing
            "case_${name//-/_}"
            exit 0
        fi
    done
    [ "${1:-}" = --list ] || { echo "no such case: ${1:-}"; exit 2; }
}
