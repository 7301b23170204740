#!/usr/bin/env bash
# Every test of the project: tests/run.sh [unit|sim|apps|fuzz|checks|all …] [-k PATTERN] [--long]
#
#   unit     Criterion programs of tests/unit and tests/tcp, under ASan and UBSan
#   sim      two simulated stacks through 3,000 seeds of a bad wire and 100 days, under ASan and UBSan
#   fuzz     every fuzz target for a short while, with what it found before
#   checks   clang-format, clang-tidy, shellcheck, include direction, no system call in the core
#   apps     real programs in namespaces, in every pairing with the kernel (tests/apps)
#
#   -k PATTERN    only tests whose name matches (an extended regular expression)
#   --long        the cases that take minutes, and ten times the seeds and the fuzzing
#   --self-check  the apps tests with kernel TCP at both ends: do the tests themselves hold?
#   --list        the names, and nothing run
#
# Installs what is missing, builds what is needed, prints a line per test with its time, keeps logs
# in build/test-logs, ends with "N passed, N failed" and status 0 if none failed.
# shellcheck disable=SC2016,SC2317  # sh -c has arguments of its own; the tests are called by name
set -u
cd "$(dirname "$0")/.." || exit 2
ROOT=$PWD
LOGS=$ROOT/build/test-logs
JOBS=$(nproc)
BUILD=$ROOT/build
ASAN=$ROOT/build-asan
FUZZ=$ROOT/build-fuzz

GROUPS_WANTED=()
PATTERN=.
LONG=
SELF_CHECK=
LIST=

PACKAGES=(gcc libc6-dev make cmake pkg-config libpcap-dev libbsd-dev libmd-dev libcriterion-dev iproute2 ethtool
    netcat-openbsd netcat-traditional ncat socat curl python3 tshark bind9-dnsutils iputils-ping
    openssl util-linux)
CHECK_PACKAGES=(clang-format clang-tidy shellcheck clang binutils)
FUZZ_PACKAGES=(clang libclang-rt-14-dev)

die() {
    printf 'tests/run.sh: %s\n' "$*" >&2
    exit 2
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
        unit | sim | apps | fuzz | checks) GROUPS_WANTED+=("$1") ;;
        all) GROUPS_WANTED=(unit sim fuzz checks apps) ;;
        -k) [ $# -gt 1 ] || die "-k needs a pattern" && PATTERN=$2 && shift ;;
        --long) LONG=1 ;;
        --self-check) SELF_CHECK=1 && GROUPS_WANTED=(apps) ;;
        --list) LIST=1 ;;
        -h | --help) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
        *) die "no such test group or option: $1 (--help)" ;;
        esac
        shift
    done
    [ ${#GROUPS_WANTED[@]} -gt 0 ] || GROUPS_WANTED=(unit sim fuzz checks apps)
}

wanted() { [[ " ${GROUPS_WANTED[*]} " == *" $1 "* ]]; }

install_missing() {
    local p missing=()
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing missing packages: ${missing[*]}"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
        >"$LOGS/apt.log" 2>&1 </dev/null || die "cannot install them: see $LOGS/apt.log"
}

# ---------------------------------------------------------------------------------------------
# One test: a name, a time limit, a command. Its line is printed when it ends; results are files, so
# that tests may run in processes of their own.

run_test() { # name seconds cmd…
    local name=$1 seconds=$2 began took rc log
    shift 2
    log=$LOGS/${name//\//.}.log
    began=${EPOCHREALTIME/./}
    timeout -k 10 "$seconds" "$@" >"$log" 2>&1 </dev/null
    rc=$?
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    if [ $rc = 0 ]; then
        printf 'ok    %-52s %4d.%03d s\n' "$name" $((took / 1000)) $((took % 1000))
        echo "$name" >>"$LOGS/passed"
        return 0
    fi
    # One write, so that lines of tests that run beside each other do not mix.
    {
        printf 'FAIL  %-52s %4d.%03d s  ' "$name" $((took / 1000)) $((took % 1000))
        if [ $rc = 124 ] || [ $rc = 137 ]; then
            printf 'no end within %s s' "$seconds"
        else
            printf 'status %s' $rc
        fi
        printf ': %s\n' "$log"
        tail -n 15 "$log" | cut -c1-300 | sed 's/^/      | /'
    } >"$log.line"
    cat "$log.line" && rm -f "$log.line"
    echo "$name" >>"$LOGS/failed"
}

# selected NAME: does -k want it? With --list it is only named.
selected() {
    [[ $1 =~ $PATTERN ]] || return 1
    [ -z "$LIST" ] || { echo "$1" && return 1; }
}

# test_one NAME SECONDS CMD…
test_one() { ! selected "$1" || run_test "$@"; }

# side_by_side: tests from stdin (name, seconds, command as words), as many at once as there are cores.
side_by_side() {
    local name seconds words running=0
    while read -r name seconds words; do
        selected "$name" || continue
        if [ $running -ge "$JOBS" ]; then
            wait -n
            running=$((running - 1))
        fi
        # shellcheck disable=SC2086  # words without blanks in them
        run_test "$name" "$seconds" $words &
        running=$((running + 1))
    done
    wait
}

# ---------------------------------------------------------------------------------------------

build() { # name dir cmake-args…
    local name=$1 dir=$2
    shift 2
    test_one "build/$name" 900 sh -c '
        dir=$1 jobs=$2; shift 2
        cmake -S . -B "$dir" -G "Unix Makefiles" "$@" && cmake --build "$dir" -j "$jobs" -- -k' sh "$dir" "$JOBS" "$@"
    [ -n "$LIST" ] || ! grep -qsx "build/$name" "$LOGS/failed"
}

build_release() { build release "$BUILD" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTS=OFF; }
build_asan() {
    build asan "$ASAN" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSANITIZE=ON -DBUILD_SHIM=OFF -DBUILD_TESTS=ON
}
build_fuzz() {
    build fuzz "$FUZZ" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_FUZZ=ON -DBUILD_SHIM=OFF \
        -DBUILD_TESTS=OFF -DCMAKE_C_COMPILER=clang
}

group_unit() {
    local f name
    for f in tests/unit/test_*.c tests/tcp/tcp_*.c; do
        [ -e "$f" ] || continue
        name=$(basename "$f" .c)
        echo "$(basename "$(dirname "$f")")/${name#t*_} 300 $ASAN/$name -j1"
    done | side_by_side
}

group_sim() {
    test_one sim/seeds $((LONG ? 3600 : 300)) "$ASAN/sim_run" --seeds $((LONG ? 40000 : 3000)) \
        --days 100 --jobs "$JOBS"
    test_one sim/flows 300 "$ASAN/test_flows" -j"$JOBS"
}

group_fuzz() {
    local f name found seeds targets=() seconds
    for f in tests/fuzz/fuzz_*.c; do [ -e "$f" ] && targets+=("$(basename "$f" .c)"); done
    [ ${#targets[@]} -gt 0 ] || return 0
    for name in "${targets[@]}"; do
        # The stack has more ways through it than all others.
        seconds=$((LONG ? 600 : 60))
        [ "$name" != fuzz_stack ] || seconds=$((2 * seconds))
        # New finds go to the build's own folder; the tree's is where the fuzzer begins.
        found=$FUZZ/corpus/$name seeds=tests/fuzz/corpus/${name#fuzz_}
        mkdir -p "$found"
        [ -d "$seeds" ] || seeds=
        echo "fuzz/${name#fuzz_} $((seconds + 60)) $FUZZ/$name -max_total_time=$seconds -rss_limit_mb=2048" \
            "-artifact_prefix=$LOGS/ -print_final_stats=1 $found $seeds"
    done | side_by_side
}

group_checks() {
    test_one checks/includes 60 tests/check_includes.sh
    test_one checks/sysctls 60 tests/check_sysctls.sh
    test_one checks/requirements 60 tests/tcp/requirements.sh --check
    test_one checks/core_syscalls 240 tests/check_core_syscalls.sh
    # shellcheck disable=SC2046
    test_one checks/format 60 clang-format --dry-run -Werror $(git ls-files '*.c' '*.h')
    # shellcheck disable=SC2046
    test_one checks/shell 120 shellcheck -x -P SCRIPTDIR $(git ls-files '*.sh') .ci/run
    # The analyzer's own bound of 225,000 nodes a function takes it minutes in the tests' text parsers.
    local few_paths="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=10000"
    {
        for f in $(git ls-files 'stack/*.c' 'shim/*.c'); do
            echo "checks/tidy/${f%.c} 240 clang-tidy --quiet -p $BUILD $f"
        done
        for f in $(git ls-files 'tests/*.c'); do
            case $f in tests/fuzz/*) continue ;; esac
            echo "checks/tidy/${f%.c} 240 clang-tidy --quiet -p $ASAN $few_paths $f"
        done
    } | side_by_side
}

# Every case of every pairing is a test. First those that may run beside each other, each in a lab
# of its own; then those that measure time, alone.
group_apps() {
    local f name pairing seconds flag list
    list=$(for f in tests/apps/[0-9]*.sh; do
        "$f" --list </dev/null | while read -r name pairing seconds flag; do
            if [ -n "$SELF_CHECK" ]; then
                case $pairing in one-host) pairing=kernel-one-host ;; *) pairing=kernel-kernel ;; esac
            fi
            echo "$flag apps/$(basename "$f" .sh)/$name/$pairing $seconds" \
                "env TEST_LAB=t$$-$(basename "$f" .sh | cut -c1-2)-$name-$pairing $f $name $pairing"
        done
    done | sort -u -k2,2 | sort -s -k2,2)
    sed -n 's/^together //p' <<<"$list" | side_by_side
    local JOBS=1
    sed -n 's/^alone //p' <<<"$list" | side_by_side
    [ -z "$LONG" ] || sed -n 's/^long //p' <<<"$list" | side_by_side
}

# What a test that had to be killed left behind.
sweep() {
    local ns
    for ns in $(ip netns list | grep -oE "^t$$-[^ ]*-host[01]" | sed 's/-host[01]$//' | sort -u); do
        ./run-with-stack.sh --lab "$ns" lab down >/dev/null
    done
    rm -f "$ROOT"/build/test-data/stream-1073741824
}

main() {
    parse "$@"
    [ -n "$LIST" ] || [ "$(id -u)" = 0 ] || die "the tests make namespaces: run as root"
    local began=$SECONDS passed failed
    mkdir -p "$LOGS"
    if [ -z "$LIST" ]; then
        rm -f "$LOGS"/*.log "$LOGS"/passed "$LOGS"/failed
        install_missing "${PACKAGES[@]}"
        ! wanted checks || install_missing "${CHECK_PACKAGES[@]}"
        ! wanted fuzz || install_missing "${FUZZ_PACKAGES[@]}"
        trap sweep EXIT
        trap 'exit 130' INT TERM
    fi
    touch "$LOGS/passed" "$LOGS/failed"
    if wanted apps || wanted checks; then
        [ -n "$SELF_CHECK" ] || PATTERN=. build_release
    fi
    if wanted unit || wanted sim || wanted checks; then PATTERN=. build_asan; fi
    if wanted fuzz; then PATTERN=. build_fuzz; fi
    local group
    for group in "${GROUPS_WANTED[@]}"; do "group_$group"; done
    [ -z "$LIST" ] || exit 0
    passed=$(wc -l <"$LOGS/passed")
    failed=$(wc -l <"$LOGS/failed")
    echo
    [ "$failed" = 0 ] || sed 's/^/failed: /' "$LOGS/failed"
    printf 'in %d min %02d s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
