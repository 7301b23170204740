#!/usr/bin/env bash
# Point 2: 1 GiB through nc each way arrives with the same SHA-256, with both offload settings at
# either end; 16 MiB likewise through an impaired link.
. "$(dirname "$0")/../lib/apps.sh"

GIB=1073741824
MIB16=16777216

prepare() { # bytes
    need nc.openbsd netcat-openbsd
    stream_file "$1"
    mkfifo "$T/received"
    sha256sum <"$T/received" >"$T/sha" &
    SHA_PID=$!
    BEGAN=$(now_ms)
}

arrived() { # bytes seconds
    local got
    ends client 0 "$2"
    ends server 0 10
    wait "$SHA_PID"
    got=$(cut -d' ' -f1 "$T/sha")
    [ "$got" = "$STREAM_SHA" ] || fail "SHA-256 $got, not $STREAM_SHA"
    echo "$1 bytes in $(($(now_ms) - BEGAN)) ms"
}

up() { # bytes seconds: client to server
    prepare "$1"
    OUT=$T/received spawn server "${SERVER[@]}" nc.openbsd -nvl 5000
    heard server.err "Listening on"
    IN=$STREAM spawn client "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000
    arrived "$1" "$2"
}

down() { # bytes seconds: server to client
    prepare "$1"
    IN=$STREAM spawn server "${SERVER[@]}" nc.openbsd -nvNl 5000
    heard server.err "Listening on"
    OUT=$T/received spawn client "${CLIENT[@]}" nc.openbsd -d "$ADDR" 5000
    arrived "$1" "$2"
}

both_off() { offload host0 off && offload host1 off; }

case_up() { up $GIB 100; }
case_down() { down $GIB 100; }
case_up_offload_off() { both_off && up $GIB 100; }
case_down_offload_off() { both_off && down $GIB 100; }
case_up_host0_off() { offload host0 off && up $GIB 100; }
case_down_host0_off() { offload host0 off && down $GIB 100; }
case_up_host1_off() { offload host1 off && up $GIB 100; }
case_down_host1_off() { offload host1 off && down $GIB 100; }

# The impairment lies in our link layer, at whichever end is ours.
impaired() {
    local to='CLIENT[@]'
    client_is_ours || to='SERVER[@]'
    if ours; then
        local words=("${!to}" "SHIMSTACK_IMPAIR=loss=1%,reorder=1%,delay=10ms")
        if client_is_ours; then CLIENT=("${words[@]}"); else SERVER=("${words[@]}"); fi
    fi
}
case_impaired_up() { impaired && up $MIB16 200; }
case_impaired_down() { impaired && down $MIB16 200; }

run_cases "$@" <<'END'
up                all                      120  alone
down              all                      120  alone
up-offload-off    hosts                    120  alone
down-offload-off  hosts                    120  alone
up-host0-off      ours-ours                120  alone
down-host0-off    ours-ours                120  alone
up-host1-off      ours-ours                120  alone
down-host1-off    ours-ours                120  alone
up-host0-off      ours-kernel,kernel-ours  120  long
down-host0-off    ours-kernel,kernel-ours  120  long
up-host1-off      ours-kernel,kernel-ours  120  long
down-host1-off    ours-kernel,kernel-ours  120  long
impaired-up       hosts                    240
impaired-down     hosts                    240
END
