/* The flow table: which connection or socket a packet belongs to. Keyed by (local, remote, proto),
 * hashed with SipHash. Exact entries are connections; entries with a zero remote are listeners and
 * unconnected UDP sockets, with a local address or without. Several sockets may share a listener's
 * key only by SO_REUSEADDR/PORT rules that the caller has checked (flow_on_port walks them).
 *
 * Hashing with chains over intrusive nodes; the node lies in its owner. A node's key and linked
 * are the truth, the chains are derived. */
#ifndef STACK_NET_FLOW_H
#define STACK_NET_FLOW_H

#include <sys/queue.h>

#include "stack/base/state.h"

struct flow_key {
    struct endpoint local, remote; /* remote any:0: wildcard; local.addr any: wildcard */
    uint8_t proto;
};

struct flow_node {
    LIST_ENTRY(flow_node) chain;   /* by whole key */
    LIST_ENTRY(flow_node) by_port; /* by local port and proto: conflicts and wildcards */
    struct flow_key key;
    bool linked;
    bool deaf;   /* only holds its port (bound, not listening): flow_match passes it over */
    bool spread; /* shares its key by SO_REUSEPORT: flow_match spreads the remotes over those that
                    do */
};

/* n->linked must be false (crash repair sets it so first). Newer nodes stand before older ones of
 * the same key. */
void flow_insert(struct stack *st, struct flow_node *n, const struct flow_key *key);
/* Does nothing to a node that is not linked. */
void flow_remove(struct stack *st, struct flow_node *n);
/* Exactly this key. */
struct flow_node *flow_find(struct stack *st, const struct flow_key *key);
/* For an incoming packet: the connection, else the listener bound to that address, else the one
 * bound to any. NULL: nobody. */
struct flow_node *flow_match(struct stack *st, const struct flow_key *key);
/* All nodes on a local port, one after the other, those with a wildcard remote first; prev NULL:
 * the first. */
struct flow_node *flow_on_port(struct stack *st, uint8_t proto, uint16_t port,
                               struct flow_node *prev);
/* A free port of net_set_defaults' range, for local → remote, chosen as RFC 6056 algorithm 4
 * says (a keyed offset and a counter per group of destinations, which it steps by a random amount:
 * CVE-2022-1012). With a remote, the four-tuple must be free and nobody bound to the port; with a
 * remote of any:0, no node at all may hold the port on an overlapping address. gives_way (NULL:
 * none does) says that the node which has the four-tuple may be replaced; who asked has to do that.
 * 0: none left. */
typedef bool flow_gives_way(struct stack *st, struct flow_node *n);
uint16_t flow_pick_port(struct stack *st, uint8_t proto, const struct endpoint *local,
                        const struct endpoint *remote, flow_gives_way *gives_way);

/* flow_init is called by net_init (-ENOMEM), flow_clear by net_repair, after which every owner
 * inserts its node anew. */
int flow_init(struct stack *st, uint32_t buckets);
void flow_clear(struct stack *st);

#endif
