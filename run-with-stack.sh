#!/usr/bin/env bash
# shellcheck disable=SC2015,SC2317  # "a && b || return" is meant; functions are called by name
# Runs unmodified programs on our own TCP/IP stack, and makes the lab that they run in.
#
# Theory of operation. A host is a network namespace with an Ethernet interface. Two of them with a
# veth pair between are a lab. The interface's alias records what the host is: "shimstack
# addr=10.0.0.1/24" is read by libshim.so itself (so the bare LD_PRELOAD needs no variable), and
# "shimstack-kernel addr=…" marks a host that was left to kernel TCP for comparison. Nothing is
# remembered outside the namespaces: the alias of lo marks a lab's own, and status and down look at
# what is there.
#
# Everything else only sets SHIMSTACK_* variables and LD_PRELOAD, and execs the program: its exit
# status, descriptors and signals are its own.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SHIM=$ROOT/libshim.so
ME=./run-with-stack.sh

LAB=        # prefix of the lab's namespaces: --lab NAME gives NAME-host0 and NAME-host1
KEEP=       # demo leaves its lab
HOST=
IFNAME=
ADDRS=
TAKE_OVER=

NETS=(10.0.0.1/24 10.0.0.2/24)

# The one line that says what is wrong and how to mend it.
die() {
    printf 'run-with-stack: %s\n' "$*" >&2
    exit 2
}

usage() {
    cat <<'HELP'
Runs unmodified programs on the Shimstack TCP/IP stack.

  run-with-stack.sh demo [--keep]
        Installs what is missing, builds, makes the lab, lets nc say hello both ways over our
        stack, scans a port range, shows the packets, gives a verdict. Removes the lab again
        unless --keep.
  run-with-stack.sh lab up [--kernel host0|host1 …] | lab down | lab status
        The lab by hand: namespaces host0 (veth0, 10.0.0.1/24) and host1 (veth1, 10.0.0.2/24), a
        veth pair between. Each may be said again at any time. --kernel leaves a host to kernel
        TCP, for comparison.
  run-with-stack.sh --host host0 [options] CMD…
        Any program on a lab host (without our stack where the host was left to the kernel).
  run-with-stack.sh [options] CMD…
        Any program, in the network namespace that this shell is in.
  run-with-stack.sh --build
        Builds libshim.so at the root of the checkout (installs what is missing for that).

Options, each with the environment variable that does the same for a bare
`LD_PRELOAD=./libshim.so CMD`. They describe the host and count when its first program starts:

  --if IFACE        SHIMSTACK_IF         the Ethernet interface
  --addr A/LEN,…    SHIMSTACK_ADDR       the stack's addresses with their prefix lengths
  --gw A            SHIMSTACK_GW         the gateway
  --route R         SHIMSTACK_ROUTE      a route in the words of ip(8), such as "10.2.0.0/16 via
                                         10.0.0.254 advmss 1200 congctl bbr"; may be said again (in
                                         the variable: commas between). Beside those that the
                                         namespace has over the interface
  --mac M           SHIMSTACK_MAC        the stack's own MAC address (else made from the address)
  --mtu N           SHIMSTACK_MTU        (else the interface's)
  --take-over       SHIMSTACK_TAKE_OVER=1
                                         use the address although the kernel holds it: the
                                         kernel's ARP on that interface is off while the stack
                                         runs, and restored after
  --pcap FILE       SHIMSTACK_PCAP       write every frame to FILE
  --impair LIST     SHIMSTACK_IMPAIR     impair the link, both ways:
                                         loss=1%,burst=3,reorder=1%,reorder-by=5ms,dup=1%,
                                         corrupt=1%,delay=10ms,jitter=2ms,rate=10Mbit,
                                         queue=64KB,mark=30KB,far-port=5002,far-delay=30ms,seed=7
  --spin US         SHIMSTACK_SPIN       how long a blocking call spins before it sleeps, in
                                         microseconds (0: never)
  --log LEVEL       SHIMSTACK_LOG        none, error, info or debug: what the stack says on stderr
  --sysctl N=V      SHIMSTACK_SYSCTL     a knob of the stack by its Linux name, such as
                                         net.ipv4.tcp_sack=0; may be said again (in the variable:
                                         commas between). Else as the namespace's /proc/sys has it
  --live-sysctl     SHIMSTACK_LIVE_SYSCTL=1
                                         read /proc/sys anew whenever a socket is made or connected
                    SHIMSTACK_STAY=1     the host's keeper stays when nothing is left to keep

Without --if and --addr the host is found by itself: the interface whose alias begins with
"shimstack " (ip link set dev veth1 alias 'shimstack addr=10.0.0.2/24', which takes all the
settings above as words: gw=… mac=… mtu=… take-over), as in the lab; else the
one Ethernet interface that is up, with the address that the kernel holds on it (which then needs
--take-over).

  --lab NAME        another lab beside the first: its hosts are the namespaces NAME-host0, NAME-host1

The exit status is the program's. 2, with one line on stderr: this script could not do it.

From a shell in a lab host nothing of this is needed:
  ip netns exec host1 env LD_PRELOAD=./libshim.so nc -l 5000
A host's keeper starts with its first program and leaves with the last; by hand:
  ip netns exec host1 ./libshim.so keeper
HELP
}

# ---------------------------------------------------------------------------------------------
# What is missing

need_root() { [ "$(id -u)" = 0 ] || die "$1 needs root: sudo $ME $1"; }

# Installs those of the named Debian packages that are missing, naming them first.
install_missing() {
    local p missing=()
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "missing: ${missing[*]}: install them (no apt-get here)"
    [ "$(id -u)" = 0 ] || die "missing: ${missing[*]}: sudo apt-get install ${missing[*]}"
    echo "Installing missing packages: ${missing[*]}"
    local log
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        die "apt-get could not install ${missing[*]} (its log: $log)"
    fi
    rm -f "$log"
}

BUILD_PACKAGES=(gcc libc6-dev make cmake pkg-config libpcap-dev libbsd-dev libmd-dev)

build() {
    install_missing "${BUILD_PACKAGES[@]}"
    local dir=$ROOT/build log=$ROOT/build/shim-build.log
    mkdir -p "$dir" || die "cannot write $dir"
    # Tests, where tests/run.sh has configured them, stay configured; nobody else needs Criterion.
    if [ ! -f "$dir/CMakeCache.txt" ]; then
        cmake -S "$ROOT" -B "$dir" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTS=OFF >"$log" 2>&1 ||
            { tail -n 20 "$log" >&2; die "cmake failed (log: $log)"; }
    fi
    cmake --build "$dir" --target shim -j "$(nproc)" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "the build failed (log: $log)"; }
    [ -f "$SHIM" ] || die "the build made no $SHIM (log: $log)"
}

need_shim() { [ -f "$SHIM" ] || die "the shim is not built (no $SHIM): $ME --build"; }

# ---------------------------------------------------------------------------------------------
# The lab

netns_of() { echo "${LAB:+$LAB-}$1"; }
netns_exists() { ip netns list 2>/dev/null | grep -qE "^$1( |\$)"; }
lab_ifname() { echo "veth${1#host}"; }

# What a lab host is: "ours", "kernel", "none" (no such namespace), "half" (a lab that was cut
# short, or lost its veth pair) or "foreign" (a namespace of that name that no lab made).
host_kind() {
    local ns mark
    ns=$(netns_of "$1")
    netns_exists "$ns" || { echo none; return; }
    mark=$(ip -n "$ns" link show dev lo | sed -n 's/^ *alias shimstack-lab //p')
    if [ -z "$mark" ]; then
        if [ "$(ip -n "$ns" -o link show | wc -l)" -le 1 ] && [ -z "$(ip netns pids "$ns")" ]; then
            echo half
        else
            echo foreign
        fi
    elif ip -n "$ns" link show dev "$(lab_ifname "$1")" 2>/dev/null | grep -q 'alias shimstack'; then
        echo "$mark"
    else
        echo half
    fi
}

lab_make_host() { # host0|host1 ours|kernel
    local ns dev net=${NETS[${1#host}]}
    ns=$(netns_of "$1")
    dev=$(lab_ifname "$1")
    ip -n "$ns" link set dev lo up && ip -n "$ns" link set dev lo alias "shimstack-lab $2" || return 1
    if [ "$2" = kernel ]; then
        ip -n "$ns" addr add "$net" dev "$dev" &&
            ip -n "$ns" link set dev "$dev" alias "shimstack-kernel addr=$net" || return 1
    else
        # No IPv6 of the kernel's on our wire: its neighbour discovery would only be noise.
        ip -n "$ns" link set dev "$dev" addrgenmode none &&
            ip -n "$ns" link set dev "$dev" alias "shimstack addr=$net" || return 1
    fi
    ip -n "$ns" link set dev "$dev" up
}

lab_up() {
    need_root "lab up"
    local want=(ours ours) have=() host
    while [ $# -gt 0 ]; do
        case $1 in
        --kernel)
            case ${2:-} in
            host0 | host1) want[${2#host}]=kernel ;;
            *) die "lab up --kernel: host0 or host1, not '${2:-}'" ;;
            esac
            shift 2
            ;;
        *) die "lab up: '$1' is no option of it (--kernel host0, --kernel host1)" ;;
        esac
    done
    install_missing iproute2
    have=("$(host_kind host0)" "$(host_kind host1)")
    if [ "${have[*]}" = "${want[*]}" ]; then
        echo "lab: already up"
        return 0
    fi
    for host in host0 host1; do
        case ${have[${host#host}]} in
        foreign) die "a namespace $(netns_of $host) exists that no lab made:" \
            "ip netns del $(netns_of $host), or name another lab: --lab NAME" ;;
        ours | kernel) die "the lab is up with ${have[0]} on host0 and ${have[1]} on host1:" \
            "$ME lab down first" ;;
        esac
    done
    lab_down >/dev/null # what was only half made
    for host in host0 host1; do
        ip netns add "$(netns_of $host)" ||
            die "cannot make the namespace $(netns_of $host)"
    done
    # Made inside the namespaces at once, so no name is ever taken outside them.
    if ! { ip link add veth0 netns "$(netns_of host0)" type veth \
        peer name veth1 netns "$(netns_of host1)" &&
        lab_make_host host0 "${want[0]}" && lab_make_host host1 "${want[1]}"; }; then
        lab_down >/dev/null
        die "cannot make the lab's veth pair (is the kernel without veth?)"
    fi
    echo "lab: up: host0 ${NETS[0]} (${want[0]}), host1 ${NETS[1]} (${want[1]})"
}

# Ends the processes of a lab host: asked first, then killed (a stopped one can only be killed).
end_processes() {
    local ns=$1 pids p tries
    pids=$(ip netns pids "$ns")
    for p in $pids; do
        [ "$p" != $$ ] || die "this shell runs inside $ns: leave it first"
    done
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086  # a list of numbers
    kill -TERM $pids 2>/dev/null
    for tries in $(seq 100); do
        pids=$(ip netns pids "$ns")
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086
        [ "$tries" -lt 25 ] || kill -KILL $pids 2>/dev/null
        sleep 0.02
    done
    die "processes of $ns do not end: $pids"
}

lab_down() {
    need_root "lab down"
    local host ns kinds=() found=
    kinds=("$(host_kind host0)" "$(host_kind host1)")
    for host in host0 host1; do
        ns=$(netns_of $host)
        case ${kinds[${host#host}]} in
        none) continue ;;
        foreign) die "a namespace $ns exists that no lab made: left alone" ;;
        esac
        end_processes "$ns"
        ip netns del "$ns" || die "cannot delete the namespace $ns"
        found=1
    done
    if [ -n "$found" ]; then echo "lab: down"; else echo "lab: already down"; fi
}

lab_status() {
    local host ns kind up=0 p
    for host in host0 host1; do
        ns=$(netns_of $host)
        kind=$(host_kind $host)
        case $kind in
        ours | kernel)
            printf '%s: up, %s, %s, %s\n' "$ns" "$(lab_ifname $host)" "${NETS[${host#host}]}" \
                "$([ "$kind" = ours ] && echo "our stack" || echo "kernel TCP")"
            for p in $(ip netns pids "$ns"); do
                printf '    %s %s\n' "$p" "$(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null)"
            done
            [ "$kind" = kernel ] || [ ! -f "$SHIM" ] ||
                ip netns exec "$ns" "$SHIM" status 2>/dev/null | sed 's/^/    /'
            ;;
        half) up=1 && echo "$ns: half made ($ME lab up completes it)" ;;
        foreign) up=1 && echo "$ns: a namespace that no lab made" ;;
        none) up=1 && echo "$ns: down" ;;
        esac
    done
    return $up
}

lab() {
    local word=${1:-}
    shift
    [ "$word" = up ] || command -v ip >/dev/null || die "no ip command: apt-get install iproute2"
    case $word in
    up) lab_up "$@" ;;
    down) lab_down ;;
    status) lab_status ;;
    *) die "lab up, lab down or lab status, not 'lab $word'" ;;
    esac
}

# ---------------------------------------------------------------------------------------------
# A program on the stack

# CAP_NET_RAW is bit 13 of the effective set.
has_net_raw() {
    local caps
    caps=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    (((16#$caps >> 13) & 1))
}

keeper_runs() { grep -q '@shimstack' /proc/net/unix 2>/dev/null; }

# The mistakes that can be seen before the program starts; libshim.so says the same of those that
# a bare LD_PRELOAD makes.
check_addr() {
    local a octets o rest=$ADDRS,
    while [ -n "$rest" ]; do
        a=${rest%%,*}
        rest=${rest#*,}
        [[ $a == */* ]] || die "--addr $a: the prefix length is missing: --addr $a/24"
        [[ ${a%/*} == *:* ]] && continue # IPv6: the shim's to judge
        [[ $a =~ ^([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)/([0-9]+)$ ]] ||
            die "--addr $a: not an address with prefix length, as 10.9.0.5/24"
        octets=("${BASH_REMATCH[@]:1:4}")
        for o in "${octets[@]}"; do
            [ "$o" -le 255 ] || die "--addr $a: $o is more than 255 in an IPv4 address"
        done
        { [ "${BASH_REMATCH[5]}" -ge 1 ] && [ "${BASH_REMATCH[5]}" -le 32 ]; } ||
            die "--addr $a: wrong mask: the prefix length is 1 to 32, as ${a%/*}/24"
        if [ -z "$TAKE_OVER" ] && [ -n "$(ip -4 -o addr show to "${a%/*}" 2>/dev/null)" ]; then
            die "--addr $a: the kernel holds this address: add --take-over, or free it:" \
                "ip addr del $a dev ${IFNAME:-IFACE}"
        fi
    done
}

check_interface() {
    ip link show dev "$IFNAME" >/dev/null 2>&1 ||
        die "--if $IFNAME: no such interface in this namespace; there are:" \
            "$(ip -o link show 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | grep -vx lo | tr '\n' ' ')"
    ip link show dev "$IFNAME" 2>/dev/null | grep -q 'link/ether' ||
        die "--if $IFNAME: not an Ethernet interface: name one that is, or a veth"
    ip link show dev "$IFNAME" 2>/dev/null | grep -qE '<[^>]*\bUP\b' ||
        die "--if $IFNAME: the interface is down: ip link set dev $IFNAME up"
}

run_program() {
    [ $# -gt 0 ] || die "no program named: $ME [options] CMD… (see $ME --help)"
    local preload=("LD_PRELOAD=$SHIM${LD_PRELOAD:+:$LD_PRELOAD}")
    if [ -n "$HOST" ]; then
        case $HOST in
        host0 | host1) ;;
        *) die "--host $HOST: the lab's hosts are host0 and host1" ;;
        esac
        need_root "--host"
        case $(host_kind "$HOST") in
        ours) need_shim ;;
        kernel) preload=() ;;
        *) die "--host $HOST: the lab is not up: $ME lab up" ;;
        esac
        exec ip netns exec "$(netns_of "$HOST")" env "${preload[@]}" "$@"
    fi
    need_shim
    [ -z "$IFNAME" ] || check_interface
    [ -z "$ADDRS" ] || check_addr
    has_net_raw || keeper_runs ||
        die "no CAP_NET_RAW for the packet socket: sudo $ME …, or let root start the host's first program"
    command -v "$1" >/dev/null || die "no such program: $1"
    exec env "${preload[@]}" "$@"
}

# ---------------------------------------------------------------------------------------------
# The demo

# The program on a lab host, as --host runs it, without a second copy of this script between. (In the
# background: in place of the subshell, so that its pid is the program's.)
on() {
    local host=$1
    shift
    exec ip netns exec "$(netns_of "$host")" env LD_PRELOAD="$SHIM" "$@"
}

# Waits (at most 10 s) until the command succeeds.
await() {
    local deadline=$((SECONDS + 10))
    while [ $SECONDS -lt $deadline ]; do
        "$@" && return 0
        sleep 0.02
    done
    return 1
}

file_has() { grep -qsF -- "$2" "$1"; }

demo_cleanup() {
    local p
    for p in "${DEMO_PIDS[@]}"; do kill "$p" 2>/dev/null; done
    [ -n "$KEEP" ] || [ -n "$DEMO_FOUND" ] || lab_down >/dev/null
    rm -rf "$DEMO_DIR"
}

demo_fail() {
    echo
    echo "demo: FAILED: $*"
    exit 1
}

# The host's stack itself says who listens.
listens() { ip netns exec "$(netns_of "$1")" "$SHIM" status 2>/dev/null | grep -q "LISTEN.*:$2 "; }

# Hello from host0 to host1 and back, through FIFOs that stand for the two keyboards.
demo_hello() {
    local d=$DEMO_DIR server client
    mkfifo "$d/server.in" "$d/client.in"
    exec 7<>"$d/server.in" 8<>"$d/client.in"
    echo
    echo "host1\$ nc -l 5000"
    on host1 "$NC" -l 5000 <"$d/server.in" >"$d/server.out" 2>"$d/server.err" 7>&- 8>&- &
    server=$!
    DEMO_PIDS+=("$server")
    await listens host1 5000 || demo_fail "nc -l does not listen ($(cat "$d/server.err"))"
    echo "host0\$ nc 10.0.0.2 5000"
    on host0 "$NC" 10.0.0.2 5000 <"$d/client.in" >"$d/client.out" 2>"$d/client.err" 7>&- 8>&- &
    client=$!
    DEMO_PIDS+=("$client")
    echo "hello from host0" >&8
    await file_has "$d/server.out" "hello from host0" ||
        demo_fail "host1 did not hear host0 ($(cat "$d/server.err" "$d/client.err"))"
    echo "hello from host1" >&7
    await file_has "$d/client.out" "hello from host1" || demo_fail "host0 did not hear host1"
    echo "    host1 hears: $(cat "$d/server.out")"
    echo "    host0 hears: $(cat "$d/client.out")"
    kill "$client"
    wait "$client" 2>/dev/null
    wait "$server" || demo_fail "nc -l ended with status $?"
    echo "    the client ends, and nc -l with status 0"
    exec 7>&- 8>&-
}

demo_scan() {
    local out open server
    echo
    echo "host1\$ nc -lk 5000"
    on host1 "$NC" -lk 5000 </dev/null >/dev/null 2>"$DEMO_DIR/scan.err" &
    server=$!
    DEMO_PIDS+=("$server")
    await listens host1 5000 || demo_fail "nc -lk does not listen ($(cat "$DEMO_DIR/scan.err"))"
    echo "host0\$ nc -zv 10.0.0.2 4998-5002"
    out=$(on host0 "$NC" -zv 10.0.0.2 4998-5002 2>&1)
    printf '%s\n' "$out" | sed 's/^/    /'
    open=$(sed -n 's/.* \([0-9]*\) port .* succeeded.*/\1/p' <<<"$out")
    [ "$open" = 5000 ] || demo_fail "the scan should find port 5000 and no other"
    [ "$(grep -c refused <<<"$out")" = 4 ] || demo_fail "the closed ports should say refused"
}

demo() {
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) KEEP=1 ;;
        *) die "demo: '$1' is no option of it (--keep)" ;;
        esac
        shift
    done
    need_root demo
    install_missing iproute2 netcat-openbsd tshark "${BUILD_PACKAGES[@]}"
    echo "Building libshim.so"
    build
    NC=nc # as Debian's alternatives have it, unless that is another netcat
    [ "$(readlink -f "$(command -v nc)")" = "$(readlink -f "$(command -v nc.openbsd)")" ] || NC=nc.openbsd

    DEMO_PIDS=()
    DEMO_FOUND=
    [ "$(host_kind host0)$(host_kind host1)" = oursours ] && DEMO_FOUND=1 # it stays as it was
    lab_up
    DEMO_DIR=$(mktemp -d)
    trap demo_cleanup EXIT
    trap 'exit 130' INT TERM

    local cap=$DEMO_DIR/packets.pcapng tshark
    ip netns exec "$(netns_of host0)" tshark -q -i veth0 -f "tcp portrange 4998-5002" -w "$cap" \
        >"$DEMO_DIR/tshark.log" 2>&1 &
    tshark=$!
    DEMO_PIDS+=("$tshark")
    await test -s "$cap" || demo_fail "tshark does not capture ($(cat "$DEMO_DIR/tshark.log"))"

    demo_hello
    demo_scan

    # The scan's last packet is the RST from port 5002.
    await demo_captured "$cap"
    kill -INT "$tshark"
    wait "$tshark"
    echo
    echo "tshark -i veth0 -f \"tcp portrange 4998-5002\":"
    tshark -n -r "$cap" 2>/dev/null | sed 's/^/    /'
    tshark -n -r "$cap" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields \
        -e tcp.options.mss_val -e tcp.options.sack_perm -e tcp.options.timestamp.tsval \
        -e tcp.options.wscale.shift 2>/dev/null | awk -F'\t' 'NF != 4 || $1 == "" || $2 == "" || $3 == "" || $4 == "" { bad = 1 } END { exit bad || !NR }' ||
        demo_fail "a SYN lacks MSS, SACK_PERM, timestamps or window scale"
    [ -z "$KEEP" ] || echo "The lab stays: $ME lab down removes it."
    echo
    echo "demo: PASSED: unmodified nc on both hosts, over our own stack"
}

demo_captured() {
    [ -n "$(tshark -n -r "$1" -Y 'tcp.srcport == 5002 && tcp.flags.reset == 1' 2>/dev/null)" ]
}

# ---------------------------------------------------------------------------------------------

value_of() { # option, number of words left
    [ "$2" -gt 1 ] || die "$1 needs a value (see $ME --help)"
}

main() {
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) usage && exit 0 ;;
        --build) build && exit 0 ;;
        --keep) KEEP=1 && shift ;;
        --live-sysctl) export SHIMSTACK_LIVE_SYSCTL=1 && shift ;;
        --take-over) TAKE_OVER=1 && export SHIMSTACK_TAKE_OVER=1 && shift ;;
        --host | --lab | --if | --addr | --gw | --route | --mac | --mtu | --pcap | --impair | --spin | --log | \
            --sysctl)
            value_of "$1" $#
            case $1 in
            --host) HOST=$2 ;;
            --lab) LAB=$2 ;;
            --if) IFNAME=$2 && export SHIMSTACK_IF=$2 ;;
            --addr) ADDRS=$2 && export SHIMSTACK_ADDR=$2 ;;
            --gw) export SHIMSTACK_GW=$2 ;;
            --route) export SHIMSTACK_ROUTE=${SHIMSTACK_ROUTE:+$SHIMSTACK_ROUTE,}$2 ;;
            --mac) export SHIMSTACK_MAC=$2 ;;
            --mtu) export SHIMSTACK_MTU=$2 ;;
            --pcap) export SHIMSTACK_PCAP=$2 ;;
            --impair) export SHIMSTACK_IMPAIR=$2 ;;
            --spin) export SHIMSTACK_SPIN=$2 ;;
            --log) export SHIMSTACK_LOG=$2 ;;
            --sysctl) export SHIMSTACK_SYSCTL=${SHIMSTACK_SYSCTL:+$SHIMSTACK_SYSCTL,}$2 ;;
            esac
            shift 2
            ;;
        --) shift && run_program "$@" ;;
        -*) die "no such option: $1 (see $ME --help)" ;;
        demo) shift && demo "$@" && exit 0 ;;
        lab) shift && lab "$@" && exit 0 || exit ;;
        *) run_program "$@" ;;
        esac
    done
    usage >&2
    exit 2
}

main "$@"
