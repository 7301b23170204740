#!/usr/bin/env bash
# The socket calls' fine print: tests/calls, one program that knows nothing of any stack.
. "$(dirname "$0")/../lib/apps.sh"

case_calls() {
    need gcc gcc
    gcc -std=gnu17 -O1 -g -D_GNU_SOURCE -I"$ROOT" "$ROOT"/tests/calls/*.c -o "$T/calls" -lpthread ||
        fail "tests/calls does not build"
    "${SERVER[@]}" "$T/calls" || fail "some calls are not as on Linux"
}

run_cases "$@" <<'END'
calls  one-host  300
END
