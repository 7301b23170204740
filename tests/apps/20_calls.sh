#!/usr/bin/env bash
# The calls' fine print (tests/calls): errnos, flags, blocking, signals, descriptors, fork and exec,
# epoll, stdio. The same program passes on the kernel's stack.
. "$(dirname "$0")/../lib/apps.sh"

case_calls() {
    gcc -std=gnu17 -D_GNU_SOURCE -O2 -o "$T/calls" "$ROOT"/tests/calls/*.c -lpthread ||
        fail "tests/calls does not compile"
    spawn calls "${CLIENT[@]}" "$T/calls"
    status calls 240
    [ $STATUS = 0 ] || { grep FAIL "$T/calls.out"; fail "some calls are not as Linux has them"; }
}

run_cases "$@" <<'END'
calls  one-host  250  alone
END
