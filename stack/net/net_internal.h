/* State of the network layer and what its files call in each other. Nobody outside stack/net
 * includes this (tests aside). */
#ifndef STACK_NET_NET_INTERNAL_H
#define STACK_NET_NET_INTERNAL_H

#include "stack/net/flow.h"
#include "stack/net/neigh.h"
#include "stack/net/errq.h"
#include "stack/net/net.h"
#include "stack/net/udp.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"

#define NET_TTL_DEFAULT  64
#define NET_PORT_FIRST   32768
#define NET_PORT_LAST    60999
#define NET_LOOPBACK_MTU 65535u
#define NET_LOOP_MAX     4096u /* packets that wait on st->loop */
#define NET_FAILED_MAX   64u   /* destinations that wait to be told unreachable */
#define FLOW_BUCKETS     16384u
#define FLOW_PORT_SLOTS  1024u /* counters of RFC 6056 algorithm 4 */
#define FRAGS_MAX        256u  /* datagrams being reassembled */

/* ---- routes (route.c) ---- */

enum route_kind {
    ROUTE_NONE,
    ROUTE_LOCAL,     /* to ourselves */
    ROUTE_BROADCAST, /* no neighbour: the Ethernet address follows from the IP address */
    ROUTE_MULTICAST,
    ROUTE_UNICAST,
};
struct route_hop {
    enum route_kind kind;
    struct addr next_hop; /* ROUTE_UNICAST: the neighbour */
    struct addr src;      /* where packets of ours come from, if nobody says otherwise */
    const struct route_metrics *metrics;
};
/* False: the table is full. */
bool route_add(struct stack *st, const struct route *r);
/* The longest matching prefix; of equals the one added first. */
enum route_kind route_lookup(struct stack *st, const struct addr *dst, struct route_hop *hop);

/* ---- path MTU (pmtu.c) ---- */

#define PMTU_SETS   64u
#define PMTU_WAYS   4u
#define PMTU_MIN    552u            /* Linux: min_pmtu (V28: a forged 68 does not hurt) */
#define PMTU_TTL_NS 600000000000ull /* Linux: mtu_expires; RFC 1191 §6.3 */

struct pmtu_cache {
    struct siphash_key key;
    uint64_t live_until_ns; /* no entry lives longer: after it nobody looks */
    struct pmtu_entry {
        struct addr dst;
        uint64_t expires_ns; /* 0: unused */
        uint16_t mtu;
    } e[PMTU_SETS][PMTU_WAYS];
};
void pmtu_init(struct stack *st);

/* ---- fragments (frag.c) ---- */

#define FRAG_PIECES_MAX       4096u /* pieces held of all datagrams */
#define FRAG_DGRAM_PIECES_MAX 256u  /* of one: bounds the search for a place (CVE-2018-5391) */
#define FRAG_LINEAR           128u  /* bytes of a reassembled datagram that lie in one piece */

struct frag_piece {
    TAILQ_ENTRY(frag_piece) link; /* by offset */
    struct chunk *chunk;          /* one reference; contiguous pieces share a chunk */
    uint8_t *p;
    uint16_t off, len;
};
struct fragq {
    LIST_ENTRY(fragq) chain;
    TAILQ_ENTRY(fragq) age;
    struct addr src, dst;
    uint16_t id;
    uint8_t proto, tos, ttl;
    uint8_t ecn_seen; /* bit i: a fragment with ECN field i came */
    bool broadcast, first, last;
    uint32_t end;      /* length of the datagram's payload, known when `last` */
    uint32_t received; /* sum of the pieces' len */
    uint32_t mem;      /* true size charged */
    uint32_t npieces;
    uint64_t expires_ns;
    uint8_t hdr_len;
    uint8_t hdr[64]; /* IP header of the first fragment */
    TAILQ_HEAD(frag_pieces, frag_piece) pieces;
};
LIST_HEAD(fragq_list, fragq);
struct frag_cache {
    struct pool queues, pieces;
    struct fragq_list *bucket;
    uint32_t mask;
    struct siphash_key key;
    TAILQ_HEAD(frag_age, fragq) age; /* oldest first; all live equally long */
    uint32_t mem;                    /* bytes charged, <= FRAG_MEM_MAX */
    struct timer timer;
    struct fragq *done; /* whole and handed up; freed by frag_release */
    uint8_t linear[FRAG_LINEAR];
};
size_t frag_mem_size(uint32_t max);
int frag_init(struct stack *st, uint32_t max); /* -ENOMEM */
/* A fragment: in->f begins behind the IP header h. True when it completes its datagram: *in then
 * stands for the whole until frag_release. */
bool frag_input(struct stack *st, const struct ip4_hdr *h, struct ip_in *in);
void frag_release(struct stack *st);
/* Sends p in fragments of at most mtu bytes. Takes p over. */
int frag_output(struct stack *st, struct pkt *p, const struct ip_out *io,
                const struct route_hop *hop, uint16_t mtu);
void frag_timer(struct stack *st);
void frag_repair(struct stack *st);

/* ---- IPv4 (ip4.c) ---- */

#define IPID_SETS 512u
#define IPID_WAYS 4u

/* Counters for the identification field, one for each (source, destination, protocol) and never
 * shared between two of them, each begun at random (V23; RFC 7739 §5.3 for IPv6 says the same). */
struct ipid_cache {
    struct siphash_key key;
    struct ipid_entry {
        uint64_t tag; /* hash of the key; 0: unused */
        uint64_t used_ns;
        uint16_t next;
    } e[IPID_SETS][IPID_WAYS];
};
enum net_in_kind ip4_input(struct stack *st, struct frame *f, bool group, bool loop,
                           struct ip_in *in, struct icmp_err *err);
/* Takes a run of n ids, returns the first. */
uint16_t ip4_take_ids(struct stack *st, const struct ip_out *io, uint32_t n);
/* Builds the IP header and sends it along `hop`. frag_off in bytes. */
int ip4_send(struct stack *st, struct pkt *p, const struct ip_out *io, const struct route_hop *hop,
             uint16_t id, bool mf, uint16_t frag_off);
int ip4_output(struct stack *st, struct pkt *p, const struct ip_out *io);

/* ---- ARP (arp.c) ---- */

#define ACD_ANNOUNCE_NUM         2 /* RFC 5227 §1.1 */
#define ACD_ANNOUNCE_INTERVAL_NS 2000000000ull
#define ACD_DEFEND_INTERVAL_NS   10000000000ull

struct acd {
    struct timer timer;
    uint8_t announced;                      /* times so far */
    uint64_t quiet_until_ns[NET_MAX_ADDRS]; /* the next conflict is defended from then on */
};
void arp_input(struct stack *st, struct frame *f);
/* Asks for target's address; `to` NULL: everybody. */
void arp_request(struct stack *st, const struct addr *target, const struct mac *to);
void arp_announce(struct stack *st);
void arp_timer(struct stack *st);

/* ---- ICMP (icmp.c) ---- */

#define ICMP_DST_SETS          64u
#define ICMP_DST_WAYS          4u
#define ICMP_DST_INTERVAL_NS   1000000000ull /* Linux: icmp_ratelimit 1000 ms … */
#define ICMP_DST_BURST         6u            /* … of which 6 may be saved up */
#define ICMP_GLOBAL_PER_SECOND 1000u         /* Linux: icmp_msgs_per_sec */
#define ICMP_GLOBAL_BURST      50u           /* Linux: icmp_msgs_burst */
#define ICMP_ERROR_MAX         576u          /* RFC 1812 §4.3.2.3: length of an error message */

struct icmp_limits {
    struct siphash_key key;
    uint32_t credit; /* messages, of all destinations */
    uint64_t stamp_ns;
    struct icmp_dst {
        struct addr dst;
        bool used;
        uint64_t saved_ns; /* token bucket, in time */
        uint64_t stamp_ns;
    } e[ICMP_DST_SETS][ICMP_DST_WAYS];
};
void icmp_init(struct stack *st);
enum net_in_kind icmp_input(struct stack *st, struct ip_in *in, struct icmp_err *err);
/* An error message about a packet just received, if RFC 1122 §3.2.2 and the rate limit allow. */
void icmp_send_error(struct stack *st, struct ip_in *in, uint8_t type, uint8_t code);

/* ---- UDP (udp.c) and the flow table (flow.c) ---- */

struct udp_state {
    struct pool socks, dgrams;
    STAILQ_HEAD(, udp) events;
    uint64_t order; /* of the datagram queued last */
};
LIST_HEAD(flow_list, flow_node);
struct flow_table {
    struct flow_list *chain;      /* by whole key */
    struct flow_list *port_bound; /* by local port: wildcard remotes … */
    struct flow_list *port_conn;  /* … and connections */
    uint32_t mask;
    struct siphash_key key, port_key;
    uint32_t port_next[FLOW_PORT_SLOTS];
};

/* ---- all of it ---- */

struct net {
    struct net_config cfg;
    uint32_t nroutes;
    struct route route[NET_MAX_ROUTES];
    bool routes_have_mtu; /* one of them has: else nobody looks */
    struct route_metrics no_metrics;
    struct { /* the last look-up and its answer: packets come in runs */
        bool valid;
        struct addr dst;
        struct route_hop hop;
    } route_last;
    struct neigh_cache neigh;
    struct acd acd;
    struct frag_cache frag;
    struct pmtu_cache pmtu;
    struct ipid_cache ipid;
    struct icmp_limits icmp;
    struct flow_table flow;
    struct net_defaults defaults;
    struct udp_state udp;
    struct errq_pool errq;
    /* Destinations for net_next_failed: a ring; the oldest is overwritten. */
    struct addr failed[NET_FAILED_MAX];
    uint32_t failed_head, failed_n;
};

/* The interface address on whose network `a` lies, or -1. */
int iface_net_of(struct stack *st, const struct addr *a);
/* Index among the interface's own addresses, or -1. */
int iface_index_of(struct stack *st, const struct addr *a);
/* Queues a frame for the wire. */
void iface_tx(struct stack *st, struct pkt *p);
/* Pushes the Ethernet header and queues. */
void iface_tx_to(struct stack *st, struct pkt *p, const struct mac *dst, uint16_t type);
/* Queues an IP packet for ourselves. -ENOBUFS (and freed) over NET_LOOP_MAX. */
int iface_loop(struct stack *st, struct pkt *p);
void net_drop_pkt(struct stack *st, struct pkt *p);
/* Notes a destination for net_next_failed. */
void net_note_failed(struct stack *st, const struct addr *dst);

#endif
