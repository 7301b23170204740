/* The neighbour cache: which Ethernet address an on-link IP address has. One for IPv4 and IPv6:
 * the states and timers are those of RFC 4861 §7.3 (as Linux uses them for ARP too); only the
 * question asked (arp_request, and a neighbour solicitation for IPv6) differs by address family.
 *
 * Invariants: a neighbour with packets queued is INCOMPLETE; its timer runs in INCOMPLETE, DELAY
 * and PROBE only; `addr`, `mac`, `state` and the times are the truth, chain and order are
 * derived. REACHABLE turns STALE by being looked at, not by a timer. */
#ifndef STACK_NET_NEIGH_H
#define STACK_NET_NEIGH_H

#include <sys/queue.h>

#include "stack/base/state.h"

#define NEIGH_RETRANS_NS   1000000000ull  /* RFC 4861 §10: RETRANS_TIMER */
#define NEIGH_SOLICITS     3              /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define NEIGH_REACHABLE_NS 30000000000ull /* REACHABLE_TIME */
#define NEIGH_DELAY_NS     5000000000ull  /* DELAY_FIRST_PROBE_TIME */
#define NEIGH_LOCK_NS      1000000000ull  /* Linux: locktime; a second answer changes nothing */
#define NEIGH_FAILED_HOLD_NS                                                                       \
    500000000ull /* how long a failure is answered without asking again                            \
                  */

enum neigh_state {
    NEIGH_INCOMPLETE,
    NEIGH_REACHABLE,
    NEIGH_STALE,
    NEIGH_DELAY,
    NEIGH_PROBE,
    NEIGH_FAILED,
};

struct neigh {
    LIST_ENTRY(neigh) chain;
    TAILQ_ENTRY(neigh) order;
    struct addr addr;
    struct mac mac; /* valid in REACHABLE, STALE, DELAY, PROBE */
    uint8_t state;  /* enum neigh_state */
    uint8_t solicits;
    uint16_t queue_len;
    uint64_t updated_ns;   /* mac was learnt or confirmed by an answer */
    uint64_t confirmed_ns; /* known to be alive */
    uint64_t failed_ns;
    struct timer timer;
    struct pkt_queue queue; /* IP packets, without Ethernet header */
};
LIST_HEAD(neigh_list, neigh);

struct neigh_cache {
    struct pool pool;
    struct neigh_list *bucket;
    uint32_t mask;
    struct siphash_key key;
    TAILQ_HEAD(neigh_order, neigh)
    order;              /* last used by us first; who only spoke to us stands at the end */
    struct neigh *last; /* found last */
};

/* What was heard of a neighbour. */
enum neigh_news {
    NEIGH_ANSWER, /* to a question of ours: counts only while one is open */
    NEIGH_CLAIM,  /* it said so unasked: changes an entry that exists */
    NEIGH_ASKED,  /* it asked for us: worth an entry (RFC 826) */
};

size_t neigh_mem_size(uint32_t max);
int neigh_init(struct stack *st, uint32_t max); /* -ENOMEM */
struct neigh *neigh_find(struct stack *st, const struct addr *a);
/* Sends an IP packet to an on-link address, at once or when it is resolved. Takes p over. 0,
 * -EHOSTUNREACH (failed lately), -ENOBUFS (no entry to be had). */
int neigh_output(struct stack *st, struct pkt *p, const struct addr *next_hop, bool confirmed);
/* True when it was of any use. */
bool neigh_learn(struct stack *st, const struct addr *a, const struct mac *mac,
                 enum neigh_news news);
void neigh_timer(struct stack *st, struct neigh *n);
void neigh_repair(struct stack *st);
const char *neigh_state_name(uint8_t state); /* as `ip neigh` writes it */

#endif
