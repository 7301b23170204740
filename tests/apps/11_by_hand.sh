#!/usr/bin/env bash
# No lab: namespaces and veth made by hand, the stack put on the interface by options or variables
# alone. Here host0 stays as the lab made it (our stack or the kernel's); host1's interface is
# stripped of what the lab has told the shim.
. "$(dirname "$0")/../lib/apps.sh"

KIT=("$PY" "$APPS/tcpkit.py")
NS1=$LABNAME-host1
ON1=(ip netns exec "$NS1")

bare_interface() {
    ip -n "$NS1" link set dev veth1 alias ''
    ip -n "$NS1" addr flush dev veth1
}

talk() { # address
    "${CLIENT[@]}" "${KIT[@]}" dialogue "$1" 5000 5 20000 || fail "no dialogue with $1"
}

case_options() {
    bare_interface
    spawn server "${ON1[@]}" "$RUN" --if veth1 --addr 10.0.0.77/24 "${KIT[@]}" echo 5000
    heard server.out ready
    talk 10.0.0.77
}

case_variables() {
    bare_interface
    spawn server "${ON1[@]}" env SHIMSTACK_IF=veth1 SHIMSTACK_ADDR=10.0.0.77/24,10.0.0.78/24 \
        "LD_PRELOAD=$ROOT/libshim.so" "${KIT[@]}" echo 5000
    heard server.out ready
    talk 10.0.0.77
    talk 10.0.0.78
    # The next program of the host needs no variable: the host is there.
    spawn second "${ON1[@]}" env "LD_PRELOAD=$ROOT/libshim.so" "${KIT[@]}" bind-only 5000
    ends second 1
    says second.err EADDRINUSE || fail "the second program is on another host"
}

# Only LD_PRELOAD and --take-over, where the kernel holds the address; its ARP is off meanwhile.
case_take_over() {
    bare_interface
    ip -n "$NS1" addr add 10.0.0.2/24 dev veth1
    local before mac
    before=$(arp_settings)
    mac=$(ip netns exec "$NS1" cat /sys/class/net/veth1/address)
    spawn server "${ON1[@]}" env SHIMSTACK_TAKE_OVER=1 "LD_PRELOAD=$ROOT/libshim.so" "${KIT[@]}" echo 5000
    heard server.out ready
    [ "$(arp_settings)" != "$before" ] || fail "the kernel's ARP is not off"
    talk 10.0.0.2
    if [ "$PAIRING" = kernel-ours ]; then
        ip -n "$LABNAME-host0" neigh show 10.0.0.2 | tee "$T/neigh"
        grep -q "$mac" "$T/neigh" && fail "the kernel answered ARP with the interface's own MAC"
    fi
    slay server
    await 70 no_keeper host1 || fail "the keeper stays"
    [ "$(arp_settings)" = "$before" ] || fail "the kernel's ARP is not restored: $(arp_settings)"
}
arp_settings() {
    ip -n "$NS1" link show dev veth1 | grep -o NOARP
    ip netns exec "$NS1" sh -c 'cat /proc/sys/net/ipv4/conf/veth1/arp_*'
}

case_take_over_option() {
    bare_interface
    ip -n "$NS1" addr add 10.0.0.2/24 dev veth1
    spawn server "${ON1[@]}" "$RUN" --if veth1 --addr 10.0.0.2/24 --take-over "${KIT[@]}" echo 5000
    heard server.out ready
    talk 10.0.0.2
}

# The MAC that we say, the MTU that we say, and all of it in a capture file of our own writing.
case_mac_mtu_pcap() {
    need tshark tshark
    bare_interface
    spawn server "${ON1[@]}" "$RUN" --if veth1 --addr 10.0.0.2/24 --mac 02:00:00:00:be:ef --mtu 1000 \
        --pcap "$T/ours.pcap" "${KIT[@]}" echo 5000
    heard server.out ready
    talk 10.0.0.2
    tshark -n -r "$T/ours.pcap" >"$T/shown" 2>"$T/tshark.err" || fail "tshark cannot read our file"
    grep -q 'SYN, ACK.*MSS=960' "$T/shown" || fail "the MSS is not that of MTU 1000"
    grep -q 'ARP.*10.0.0.2 is at 02:00:00:00:be:ef' "$T/shown" || fail "another MAC"
    # Five rounds of 20,000 bytes each way, in however many (super-)frames.
    [ "$(tshark -n -r "$T/ours.pcap" -T fields -e tcp.len 2>/dev/null | awk '{ n += $1 } END { print n }')" -ge \
        200000 ] || fail "the file lacks packets"
}

# Behind a gateway: host0's kernel routes to an address of its own that is on no shared network.
case_gateway() {
    bare_interface
    ip -n "$LABNAME-host0" addr add 192.0.2.1/32 dev lo
    spawn server ip netns exec "$LABNAME-host0" "${KIT[@]}" echo 5000
    heard server.out ready
    # Without one there is no way there, and that is said at once.
    "${ON1[@]}" "$RUN" --if veth1 --addr 10.0.0.2/24 "${KIT[@]}" dialogue 192.0.2.1 5000 1 1 2>"$T/none.err" &&
        fail "connected to nowhere"
    says none.err "Network is unreachable" || fail "$(cat "$T/none.err")"
    await 5 no_keeper host1 || fail "the keeper stays"
    "${ON1[@]}" "$RUN" --if veth1 --addr 10.0.0.2/24 --gw 10.0.0.1 "${KIT[@]}" dialogue 192.0.2.1 5000 5 20000 ||
        fail "no dialogue through the gateway"
}

run_cases "$@" <<'END'
options           ours-ours,kernel-ours  30
variables         ours-ours,kernel-ours  30
take-over         ours-ours,kernel-ours  90
take-over-option  kernel-ours            30
mac-mtu-pcap      kernel-ours            40
gateway           kernel-ours            60
END
