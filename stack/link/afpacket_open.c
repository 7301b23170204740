/* Opening the packet socket: everything that is set once, by the process that makes the host.
 *
 * Order matters. The socket is made for protocol 0, so that it receives nothing until bind; vnet
 * headers must be set before the ring, the ring and the filter before bind, so that no frame slips
 * in past either. What the kernel lacks is left out (vnet headers, ring, forced buffer
 * sizes); what the link cannot do without is an error with a message. */
#include "stack/link/afpacket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stack/link/netif.h"
#include "stack/link/pcaplib.h"
#include "stack/link/sys.h"
#include "stack/wire/eth.h"

#define RING_BLOCK_SIZE 65536u
#define RING_SLOTS_MIN  64u
/* The kernel counts a super-frame from its Ethernet header and wants it below the limit; at the
 * limit it segments in software. */
#define GSO_OVERHEAD (ETH_HDR_LEN + 1u)

struct opening {
    const char *ifname;
    const struct mac *mac;
    const struct addr *addrs;
    int naddrs;
    unsigned flags;
    struct netif netif;
    int fd;
    struct afpacket_shared *sh;
    char *err;
    size_t errlen;
};

static int fail(struct opening *o, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct opening *o, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(o->err, o->errlen, fmt, ap);
    va_end(ap);
    return -code;
}

static int set_int(struct opening *o, int level, int opt, int v) {
    return sys_setsockopt(o->fd, level, opt, &v, sizeof(v));
}

static int check_interface(struct opening *o) {
    char list[256];
    int r = netif_get(o->ifname, &o->netif);
    if (r == -ENODEV) {
        netif_list(list, sizeof(list));
        return fail(o, ENODEV, "there is no interface %s here; there are: %s", o->ifname, list);
    }
    if (r < 0)
        return fail(o, -r, "cannot look at interface %s: %s", o->ifname, strerror(-r));
    if (!o->netif.ethernet)
        return fail(o, EINVAL,
                    "%s is not an Ethernet interface; a veth, tap or network card is needed",
                    o->ifname);
    if (!o->netif.up)
        return fail(o, ENETDOWN, "interface %s is down: ip link set %s up", o->ifname, o->ifname);
    if (mac_is_group(o->mac))
        return fail(o, EINVAL, "the stack's MAC must not be a group address");
    if (mac_eq(o->mac, &o->netif.mac))
        return fail(o, EINVAL,
                    "the stack's MAC is that of %s itself, so the kernel would answer too: give "
                    "another one, or none",
                    o->ifname);
    return 0;
}

static int open_socket(struct opening *o) {
    o->fd = sys_socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (o->fd >= 0)
        return 0;
    if (errno == EPERM)
        return fail(o, EPERM,
                    "raw frames on %s need CAP_NET_RAW: run as root, or have the keeper started as "
                    "root first",
                    o->ifname);
    return fail(o, errno, "cannot make a packet socket: %s", strerror(errno));
}

/* Frames to us or to a group; of these ARP, and IPv4 to our addresses. To a group any destination:
 * which broadcast addresses are ours is known above. */
static void filter_text(const struct opening *o, char *text, size_t len) {
    char s[ADDR_STRLEN], m[18];
    int known = 0;
    size_t n =
        (size_t)snprintf(text, len, "(ether dst %s or ether multicast) and (arp or (ip and (",
                         mac_format(o->mac, m));
    for (int i = 0; i < o->naddrs && n < len; i++)
        if (addr_is_v4(&o->addrs[i])) {
            n += (size_t)snprintf(text + n, len - n, "ip dst host %s or ",
                                  addr_format(&o->addrs[i], s));
            known++;
        }
    if (n < len)
        snprintf(text + n, len - n, "%s)))", known > 0 ? "ether multicast" : "ip");
}

static int set_filter(struct opening *o) {
    struct pcaplib lib;
    struct bpf_program prog;
    char text[1024];
    int r = 0;

    if (!pcaplib_open(&lib))
        return fail(o, ENOPKG, "libpcap is not installed: apt install libpcap0.8");
    filter_text(o, text, sizeof(text));
    if (lib.compile(lib.dead, &prog, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        r = fail(o, EINVAL, "libpcap does not take the filter \"%s\": %s", text,
                 lib.geterr(lib.dead));
    } else {
        /* Both describe the same machine: struct bpf_insn and struct sock_filter are alike. */
        struct sock_fprog fp = {(unsigned short)prog.bf_len, (struct sock_filter *)prog.bf_insns};
        if (sys_setsockopt(o->fd, SOL_SOCKET, SO_ATTACH_FILTER, &fp, sizeof(fp)) < 0)
            r = fail(o, errno, "cannot attach the packet filter: %s", strerror(errno));
        lib.freecode(&prog);
    }
    pcaplib_close(&lib);
    return r;
}

/* Frames larger than a slot wait in the socket's receive queue, as far as its buffer goes. */
static void set_buffers(struct opening *o) {
    if (set_int(o, SOL_SOCKET, SO_RCVBUFFORCE, (int)AFPACKET_RCVBUF) < 0)
        set_int(o, SOL_SOCKET, SO_RCVBUF, (int)AFPACKET_RCVBUF);
    if (set_int(o, SOL_SOCKET, SO_SNDBUFFORCE, (int)AFPACKET_SNDBUF) < 0)
        set_int(o, SOL_SOCKET, SO_SNDBUF, (int)AFPACKET_SNDBUF);
}

static bool set_ring(struct opening *o) {
    struct afpacket_shared *sh = o->sh;
    if (set_int(o, SOL_PACKET, PACKET_VERSION, TPACKET_V2) < 0 ||
        set_int(o, SOL_PACKET, PACKET_COPY_THRESH, 1) < 0)
        return false;
    sh->slot_size = AFPACKET_SLOT_SIZE;
    for (sh->slots = AFPACKET_SLOTS; sh->slots >= RING_SLOTS_MIN; sh->slots /= 2) {
        struct tpacket_req req = {.tp_block_size = RING_BLOCK_SIZE,
                                  .tp_block_nr = sh->slots * sh->slot_size / RING_BLOCK_SIZE,
                                  .tp_frame_size = sh->slot_size,
                                  .tp_frame_nr = sh->slots};
        if (sys_setsockopt(o->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) == 0)
            return true;
        if (errno != ENOMEM)
            break;
    }
    sh->slots = sh->slot_size = 0;
    return false;
}

static void set_features(struct opening *o) {
    struct afpacket_shared *sh = o->sh;

    set_buffers(o);
    set_int(o, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1); /* else our own frames only cost time */
    sh->vnet = !(o->flags & AFPACKET_NO_VNET) && set_int(o, SOL_PACKET, PACKET_VNET_HDR, 1) == 0;
    sh->ring = !(o->flags & AFPACKET_NO_RING) && set_ring(o);
    if (!sh->ring) /* checksum and VLAN flags, which the ring has in its slots */
        set_int(o, SOL_PACKET, PACKET_AUXDATA, 1);
    if (sh->vnet) {
        uint32_t frame_max = o->netif.gso_max != 0 ? o->netif.gso_max : 65536;
        sh->gso_max = frame_max > 65536 ? 65536 - GSO_OVERHEAD : frame_max - GSO_OVERHEAD;
    }
}

/* ETH_P_ALL, although a socket bound to ETH_P_IP would come after all taps, so that tshark never
 * saw our answer before its question: the kernel has taken the VLAN tag out of a frame, and
 * forgotten it, before it looks for the protocol's own sockets (Linux 6.18: no
 * TP_STATUS_VLAN_VALID, PACKET_OTHERHOST as all frames to our MAC). Other networks' frames would be
 * taken for ours. */
static int bind_to(struct opening *o) {
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)o->netif.index};
    if (sys_bind(o->fd, &ll, sizeof(ll)) == 0)
        return 0;
    if (errno == ENETDOWN)
        return fail(o, ENETDOWN, "interface %s is down: ip link set %s up", o->ifname, o->ifname);
    return fail(o, errno, "cannot bind to interface %s: %s", o->ifname, strerror(errno));
}

/* Tells a network card to let frames to our own MAC in (D6). A veth lets everything in, so that a
 * refusal may mean nothing. */
static void join_mac(struct opening *o) {
    struct packet_mreq mr = {.mr_ifindex = (int)o->netif.index,
                             .mr_type = PACKET_MR_UNICAST,
                             .mr_alen = sizeof(o->mac->b)};
    memcpy(mr.mr_address, o->mac->b, sizeof(o->mac->b));
    if (sys_setsockopt(o->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr)) == 0)
        return;
    mr.mr_type = PACKET_MR_PROMISC;
    (void)sys_setsockopt(o->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr, sizeof(mr));
}

int afpacket_open_flags(const char *ifname, const struct mac *mac, const struct addr *addrs,
                        int naddrs, unsigned flags, struct afpacket_shared *sh, char *err,
                        size_t errlen) {
    struct opening o = {.ifname = ifname,
                        .mac = mac,
                        .addrs = addrs,
                        .naddrs = naddrs,
                        .flags = flags,
                        .fd = -1,
                        .sh = sh,
                        .err = err,
                        .errlen = errlen};
    int r;

    *sh = (struct afpacket_shared){0};
    if ((r = check_interface(&o)) < 0 || (r = open_socket(&o)) < 0)
        return r;
    sh->ifindex = o.netif.index;
    sh->mtu = o.netif.mtu;
    set_features(&o);
    if ((r = set_filter(&o)) < 0 || (r = bind_to(&o)) < 0) {
        sys_close(o.fd);
        return r;
    }
    join_mac(&o);
    return o.fd;
}

int afpacket_open(const char *ifname, const struct mac *mac, const struct addr *addrs, int naddrs,
                  struct afpacket_shared *sh, char *err, size_t errlen) {
    return afpacket_open_flags(ifname, mac, addrs, naddrs, 0, sh, err, errlen);
}
