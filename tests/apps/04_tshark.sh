#!/usr/bin/env bash
# Point 4: what tshark says of the packets on the veth: the SYN's options, the answer from a closed
# port, no warning or error on a clean transfer, no bad checksum with offloads off.
. "$(dirname "$0")/../lib/apps.sh"

CHECKSUMS=(-o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE)

# The stack before the capture: the kernel hands a frame to the newest packet socket first, and the
# answer of a spinning reader on the other core would be captured before the frame that it answers.
stack_first() {
    local on0=(ip netns exec "$LABNAME-host0")
    client_is_ours || return 0
    spawn keeper "${on0[@]}" env SHIMSTACK_STAY=1 "$ROOT/libshim.so" keeper
    await 10 "${on0[@]}" "$ROOT/libshim.so" status >/dev/null || fail "no keeper"
}

capture() {
    need tshark tshark
    stack_first
    spawn tshark ip netns exec "$LABNAME-host0" tshark -q -i veth0 -f "tcp port 5000" -B 64 \
        -w "$T/packets.pcapng"
    # dumpcap writes the file's head when the filter is in place.
    await 20 test -s "$T/packets.pcapng" || fail "tshark does not capture"
}

# captured FILTER [COUNT]: the file has that many packets of the kind (tshark's own buffer is written
# out within a moment).
captured() { [ "$(show -Y "$1" 2>/dev/null | wc -l)" -ge "${2:-1}" ]; }
# Nothing above TCP is dissected: our bytes are nobody's protocol.
show() { tshark -n -r "$T/packets.pcapng" -d tcp.port==5000,data "$@" 2>/dev/null; }

end_capture() { # what must have been seen by then
    await 10 captured "$@" || { show | tail -n 20; fail "not captured: $*"; }
    kill "${PID[tshark]}"
    status tshark
}

syn_options() { # filter, who
    local fields
    fields=$(show -Y "$1" -T fields -E separator=, -e tcp.options.mss_val \
        -e tcp.options.sack_perm -e tcp.options.timestamp.tsval -e tcp.options.wscale.shift | head -n 1)
    echo "$2: $fields"
    [[ $fields =~ ^1460,[^,]+,[0-9]+,[0-9]+$ ]] || fail "$2 lacks an option: '$fields'"
    [[ $(show -Y "$1") =~ MSS=1460.*SACK_PERM.*TSval=[0-9]+.*WS=[0-9]+ ]] ||
        fail "$2 is not shown with MSS, SACK_PERM, TSval and WS"
}

case_syn() {
    offloads_on
    need nc.openbsd netcat-openbsd
    capture
    spawn server "${SERVER[@]}" nc.openbsd -nvl 5000
    heard server.err "Listening on"
    echo hello | "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000 || fail "no connection"
    ends server 0
    end_capture "tcp.flags.fin == 1" 2
    show
    syn_options "tcp.flags.syn == 1 && tcp.flags.ack == 0" SYN
    syn_options "tcp.flags.syn == 1 && tcp.flags.ack == 1" "SYN, ACK"
    no_expert_complaint
}

case_refused() {
    need nc.openbsd netcat-openbsd
    spawn other "${SERVER[@]}" nc.openbsd -nvl 6000
    heard other.err "Listening on"
    capture
    "${CLIENT[@]}" nc.openbsd -nzv "$ADDR" 5000 && fail "port 5000 is open"
    end_capture "tcp.flags.reset == 1"
    show
    syn_options "tcp.flags.syn == 1" SYN
    [[ $(show -Y "tcp.flags.reset == 1") == *"[RST, ACK] Seq=1 Ack=1 Win=0 Len=0"* ]] ||
        fail "the refusal does not look like the kernel's"
    [ "$(show | wc -l)" = 2 ] || fail "more than the SYN and its refusal"
}

# _ws.expert.severity: 0x400000 is a note, 0x600000 a warning, 0x800000 an error.
# Where the kernel finishes a checksum whose value is 0 it writes 0xffff (skb_checksum_help), one frame
# in 65,536: the same number in one's complement (RFC 1624 §3), which tshark remarks on.
no_expert_complaint() { # [further condition]
    local bad
    bad=$(show "${CHECKSUMS[@]}" -Y "_ws.expert.severity >= 0x600000 ${1:-}" \
        -T fields -e frame.number -e _ws.expert.message |
        grep -v 'TCP Checksum 0xffff instead of 0x0000 (see RFC 1624)$')
    [ -z "$bad" ] || {
        show -c 2000 | head -n 40
        fail "expert info: $(head -n 10 <<<"$bad")"
    }
}

no_bad_checksum() {
    [ -z "$(show "${CHECKSUMS[@]}" \
        -Y '(tcp.checksum.status != 1 && tcp.checksum != 0xffff) || ip.checksum.status != 1')" ] ||
        fail "a checksum is bad"
    [ -z "$(show -Y 'frame.len > 1514')" ] || fail "a frame is larger than the MTU allows"
}

# With offloads on, a checksum on the veth is unfinished, which tshark would call bad.
offloads_on() { CHECKSUMS=(); }
offloads_off() { offload host0 off && offload host1 off; }

# Twenty thousand bytes there, back, and again: no window is ever full, so tshark has no cause at all.
dialogue() {
    capture
    spawn server "${SERVER[@]}" "$PY" "$APPS/tcpkit.py" echo 5000
    heard server.out ready
    "${CLIENT[@]}" "$PY" "$APPS/tcpkit.py" dialogue "$ADDR" 5000 100 20000 || fail "the dialogue broke"
    end_capture "tcp.flags.fin == 1" 2
    no_expert_complaint
}
case_dialogue_offload_on() { offloads_on && dialogue; }
case_dialogue_offload_off() {
    offloads_off
    dialogue
    no_bad_checksum
}

# As fast as nc can: then the receiver's window may well be full, and nothing else may happen.
bulk() {
    need nc.openbsd netcat-openbsd
    stream_file 4000000
    capture
    spawn server "${SERVER[@]}" nc.openbsd -nvl 5000
    heard server.err "Listening on"
    IN=$STREAM spawn client "${CLIENT[@]}" nc.openbsd -N "$ADDR" 5000
    ends client 0 20
    ends server 0
    cmp "$STREAM" "$T/server.out" || fail "other bytes arrived"
    end_capture "tcp.flags.fin == 1" 2
    no_expert_complaint "&& !tcp.analysis.window_full && !tcp.analysis.zero_window"
}
case_bulk_offload_on() { offloads_on && bulk; }
case_bulk_offload_off() {
    offloads_off
    bulk
    no_bad_checksum
}

run_cases "$@" <<'END'
syn                   hosts  40
refused               hosts  40
dialogue-offload-on   hosts  60  alone
dialogue-offload-off  hosts  60  alone
bulk-offload-on       hosts  60  alone
bulk-offload-off      hosts  60  alone
END
