#!/usr/bin/env bash
# Every socket option in every state of a socket: what getsockopt and setsockopt say on the kernel's
# stack and on ours must be the same, but for what options.txt lists. And TCP_INFO.
. "$(dirname "$0")/../lib/apps.sh"

# The options whose blocks differ, one a line.
differing() { # file file
    awk '
        function name(s) { sub(/^(fresh tcp|listener|connected udp|connected|accepted|udp) /, "", s); return s }
        /^[^ ]/ { block = $0; if (FNR != NR) seen[block] = 1; next }
        { if (FNR == NR) kernel[block] = kernel[block] "\n" $0; else ours[block] = ours[block] "\n" $0 }
        END { for (b in kernel) if (kernel[b] != ours[b]) print name(b) }
    ' "$1" "$2" | sort -u
}

case_options() {
    gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Werror -o "$T/options" "$ROOT/tests/apps/options.c" ||
        fail "options.c does not compile"
    unshare -n sh -c "ip link set lo up; exec $T/options" \
        >"$T/kernel.txt" || fail "options failed on the kernel"
    spawn options "${CLIENT[@]}" "$T/options"
    status options 60
    [ "$STATUS" = 0 ] || fail "options failed on ours"
    differing "$T/kernel.txt" "$T/options.out" >"$T/differs"
    sed -n 's/^\([A-Z][A-Z0-9_]*\) .*/\1/p' "$ROOT/tests/apps/options.txt" | sort -u >"$T/listed"
    local more less
    more=$(comm -23 "$T/differs" "$T/listed") less=$(comm -13 "$T/differs" "$T/listed")
    [ -z "$more" ] || fail "unlike Linux: ${more//$'\n'/, }"
    [ -z "$less" ] || echo "like Linux by now, to be taken from options.txt: ${less//$'\n'/, }"
}

# TCP_INFO at the stations of a connection.
case_info() {
    gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Werror -o "$T/info" "$ROOT/tests/apps/info.c" ||
        fail "info.c does not compile"
    unshare -n sh -c "ip link set lo up; exec $T/info" >"$T/kernel.txt" ||
        fail "info failed on the kernel"
    spawn info "${CLIENT[@]}" "$T/info"
    status info 60
    [ "$STATUS" = 0 ] || fail "info failed on ours"
    diff "$T/kernel.txt" "$T/info.out" || fail "TCP_INFO is not as Linux has it"
}

run_cases "$@" <<'END'
options  one-host  90  alone
info     one-host  60  alone
END
