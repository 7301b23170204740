/* The network layer's face to those above: addresses, routes, sending an IP packet, and what is
 * received taken apart. Inside: iface.c, route.c, route_text.c,
 * neigh.c, arp.c, ip4.c, frag.c, icmp.c, flow.c. */
#ifndef STACK_NET_NET_H
#define STACK_NET_NET_H

#include "stack/base/state.h"
#include "stack/net/ports.h"
#include "stack/net/route.h"
#include "stack/wire/wire.h"

#define NET_MAX_ADDRS  8
#define NET_MAX_ROUTES 32
#define NET_CONF_ROUTES                                                                            \
    (NET_MAX_ROUTES - NET_MAX_ADDRS -                                                              \
     1)                /* the others lead to the addresses' networks and gateway */
#define NEIGH_MAX 1024 /* entries in the cache; the stalest is evicted */
#define NEIGH_QUEUE_MAX                                                                            \
    64 /* packets that wait for one neighbour; the oldest goes. A 64 KB datagram in fragments fits \
        */
#define FRAG_MEM_MAX    (4u << 20) /* bytes held in incomplete datagrams (V8) */
#define FRAG_TIMEOUT_NS 30000000000ull

struct net_config {
    struct mac mac;
    uint16_t mtu;
    int naddrs;
    struct {
        struct addr addr;
        struct prefix net;
    } addr[NET_MAX_ADDRS];
    struct addr gateway; /* any: none */
    int nroutes;         /* they go before those that follow from addr and gateway */
    struct route route[NET_CONF_ROUTES];
    uint32_t gso_max;              /* of the link; 0: no super-frames */
    bool tx_csum;                  /* the link finishes checksums */
    uint32_t neigh_max, frags_max; /* entries, datagrams; 0: defaults */
    uint32_t flow_buckets;         /* of the flow table, a power of two; 0: default */
};

/* Bytes of arena and timers that net_init will take for cfg: for whoever makes both. */
size_t net_mem_size(const struct net_config *cfg);
uint32_t net_timers_max(const struct net_config *cfg);
/* Allocates st->net and installs addresses, connected routes, and the default route. -ENOMEM. */
int net_init(struct stack *st, const struct net_config *cfg);
/* What is chosen where a program does not: a local port (ip_local_port_range, 32768–60999, less the
 * reserved ones: ip_local_reserved_ports), the TTL (ip_default_ttl, 64). */
struct net_defaults {
    uint16_t port_first, port_last;
    uint8_t ttl;
    struct ports reserved;
};
void net_set_defaults(struct stack *st, const struct net_defaults *d);
/* Announces the addresses (RFC 5227: gratuitous ARP) on the link; called once at start. */
void net_announce(struct stack *st);

/* Is it one of ours: an interface address, or anything in 127.0.0.0/8? */
bool net_is_local(struct stack *st, const struct addr *a);
/* A broadcast address of a connected network, or 255.255.255.255. */
bool net_is_broadcast(struct stack *st, const struct addr *a);
/* The address that the IP layer would send from (RFC 9293 MUST-44; an address of ours is its own
 * source, one in 127.0.0.0/8 gets 127.0.0.1, as in Linux). -ENETUNREACH without a route, 0 when
 * found. */
int net_pick_source(struct stack *st, const struct addr *dst, struct addr *src);
/* What its route says of the way to dst; all 0 for ourselves, and without a route. Never NULL, and
 * good for as long as the stack lives. */
const struct route_metrics *net_path_metrics(struct stack *st, const struct addr *dst);
/* Path MTU towards dst: the interface's or the route's, or what ICMP has told; loopback 65,535. */
uint16_t net_path_mtu(struct stack *st, const struct addr *dst);
/* Lowers it, because an ICMP message said so that the caller has validated (RFC 1191, RFC 5927 §7).
 * Never below Linux's min_pmtu of 552 nor for longer than 10 minutes; never raises it, and leaves
 * the one that a route has locked. */
void net_set_path_mtu(struct stack *st, const struct addr *dst, uint16_t mtu);
/* Goes to ourselves: no checksum, no wire. */
bool net_is_loop(struct stack *st, const struct addr *dst);
/* The largest IP packet that net_output takes for dst: the GSO limit where the link (or loopback)
 * takes super-frames, else the MTU. */
uint32_t net_gso_max(struct stack *st, const struct addr *dst);

struct ip_out {
    struct addr src, dst;
    uint8_t proto, tos, ttl; /* ttl 0: 64 */
    bool df;
    bool confirmed; /* the peer is known to be alive (an ACK of new data came): keeps the neighbour
                       fresh */
};
/* Puts IP and Ethernet headers before the L4 packet and queues it: on st->tx, st->loop, or behind
 * the resolution of its neighbour. Takes the packet over in any case. Fragments a packet that is
 * larger than the MTU, carries no gso, and may be (df false). src any: net_pick_source's. 0;
 * -ENETUNREACH; -EMSGSIZE (df and too large); -EHOSTUNREACH (the neighbour has lately failed);
 * -EINVAL (a loopback source towards the wire); -ENOBUFS. */
int net_output(struct stack *st, struct pkt *p, const struct ip_out *io);

/* A received IP packet, headers taken apart, reassembled: f begins at the L4 header. */
struct ip_in {
    struct addr src, dst;
    uint8_t proto, tos, ttl;
    bool broadcast; /* to a broadcast or multicast address, or in such a frame */
    bool loop;      /* from ourselves */
    struct frame f;
    uint8_t hdr[64]; /* the IP header as it came, for quoting in ICMP; hdr_len bytes */
    uint8_t hdr_len;
};

/* An ICMP error about a packet of ours, checked for length: quote begins with L4 header bytes. */
struct icmp_err {
    struct addr src, dst; /* of the quoted packet: src is ours */
    struct addr from;     /* who says so */
    uint8_t type, code, proto;
    uint16_t mtu;
    int error; /* errno as Linux maps it (icmp_err_convert); 0: not an error for sockets */
    bool hard; /* the `fatal` of Linux's icmp_err_convert */
    uint8_t quote[64];
    uint8_t quote_len; /* >= 8 */
};

enum net_in_kind {
    NET_IN_DONE,     /* consumed (ARP, fragment, echo request, dropped and counted) */
    NET_IN_L4,       /* *in is filled: TCP, UDP */
    NET_IN_ICMP_ERR, /* *err is filled */
};
/* A frame from the link, Ethernet header first. What net_input hands up refers to memory of the
 * frame or of the net layer, and is valid until net_input_end. */
enum net_in_kind net_input(struct stack *st, struct frame *f, struct ip_in *in,
                           struct icmp_err *err);
/* The same for an IP packet from st->loop (no Ethernet header). */
enum net_in_kind net_input_loop(struct stack *st, struct frame *f, struct ip_in *in,
                                struct icmp_err *err);
void net_input_end(struct stack *st, struct ip_in *in);

/* ICMP port unreachable about a packet just received (rate limited, never about broadcast). */
void net_send_unreach(struct stack *st, struct ip_in *in, uint8_t code);

/* Destinations whose packets were dropped because their neighbour (a gateway, maybe) did not
 * answer: hands one at a time, for errors to the sockets concerned. False when there is none. */
bool net_next_failed(struct stack *st, struct addr *dst);

/* True when `t` is one of this layer's timers (TIMER_NEIGH, _FRAG, _ACD), which it then handles. */
bool net_timer(struct stack *st, struct timer *t);

/* Crash repair: forgets pending packets and fragments, empties the flow table, rebuilds tables and
 * timers. Called after timers_clear, chunk_pools_mark_begin, and after every struct pkt was given
 * back (the queues point at nothing then), and before the owners of flow nodes insert them anew. */
void net_repair(struct stack *st);

/* For people: "10.0.0.2 lladdr … REACHABLE" lines and routes, as `ip neigh` and `ip route` write
 * them. Returns the length as snprintf does. */
int net_describe(struct stack *st, char *buf, size_t len);

#endif
