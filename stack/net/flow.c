/* The flow table; theory in the header. Two views of the same nodes: by whole key, for packets,
 * and by local port, for bind and the search for ephemeral ports; the latter apart for wildcard
 * remotes and for connections, since a busy server has many of these on one port, and who asks
 * about a port nearly always means those. */
#include "stack/net/flow.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "stack/net/net_internal.h"

int flow_init(struct stack *st, uint32_t buckets) {
    struct flow_table *t = &st->net->flow;
    assert((buckets & (buckets - 1)) == 0);
    t->mask = buckets - 1;
    t->key = rand_key(&st->rand);
    t->port_key = rand_key(&st->rand);
    for (unsigned i = 0; i < FLOW_PORT_SLOTS; i++) /* RFC 6056 §3.3.4: begun at random */
        t->port_next[i] = (uint32_t)rand_u64(&st->rand);
    size_t n = buckets;
    struct flow_list *lists = arena_alloc(&st->arena, 3 * n * sizeof(*lists), sizeof(void *));
    if (lists == NULL)
        return -ENOMEM;
    t->chain = lists;
    t->port_bound = lists + n;
    t->port_conn = lists + 2 * n;
    return 0;
}

void flow_clear(struct stack *st) {
    struct flow_table *t = &st->net->flow;
    memset(t->chain, 0, 3 * ((size_t)t->mask + 1) * sizeof(*t->chain));
}

/* 0.0.0.0 and :: are one wildcard. */
static struct flow_key canonical(const struct flow_key *key) {
    struct flow_key k = *key;
    if (addr_is_any(&k.local.addr))
        k.local.addr = addr_v4(0);
    if (addr_is_any(&k.remote.addr))
        k.remote.addr = addr_v4(0);
    return k;
}

static struct flow_list *chain_of(struct flow_table *t, const struct flow_key *k) {
    /* The addresses in full, and what is left in one word. */
    struct {
        struct addr local, remote;
        uint64_t rest;
    } key = {k->local.addr, k->remote.addr,
             (uint64_t)k->proto << 32 | (uint32_t)k->local.port << 16 | k->remote.port};
    return &t->chain[siphash(&t->key, &key, sizeof(key)) & t->mask];
}

static bool key_eq(const struct flow_key *a, const struct flow_key *b) {
    return a->proto == b->proto && endpoint_eq(&a->local, &b->local) &&
           endpoint_eq(&a->remote, &b->remote);
}

static bool is_bound_only(const struct flow_key *k) {
    return k->remote.port == 0 && addr_is_any(&k->remote.addr);
}

static uint32_t port_bucket(const struct flow_table *t, uint8_t proto, uint16_t port) {
    return (port ^ (uint32_t)proto << 8) & t->mask;
}

void flow_insert(struct stack *st, struct flow_node *n, const struct flow_key *key) {
    struct flow_table *t = &st->net->flow;
    assert(!n->linked);
    n->key = canonical(key);
    uint32_t i = port_bucket(t, key->proto, key->local.port);
    LIST_INSERT_HEAD(chain_of(t, &n->key), n, chain);
    LIST_INSERT_HEAD(is_bound_only(key) ? &t->port_bound[i] : &t->port_conn[i], n, by_port);
    n->linked = true;
}

void flow_remove(struct stack *st, struct flow_node *n) {
    (void)st;
    if (!n->linked)
        return;
    LIST_REMOVE(n, chain);
    LIST_REMOVE(n, by_port);
    n->linked = false;
}

struct flow_node *flow_find(struct stack *st, const struct flow_key *key) {
    struct flow_key k = canonical(key);
    struct flow_node *n;
    LIST_FOREACH (n, chain_of(&st->net->flow, &k), chain) {
        if (key_eq(&n->key, &k))
            return n;
    }
    return NULL;
}

/* Several sockets share the key `k` by SO_REUSEPORT: each remote has one of them to itself, as
 * long as none comes or goes. Walks from `first`, which is one of them. */
static struct flow_node *spread_over(struct flow_table *t, struct flow_node *first,
                                     const struct flow_key *k, const struct flow_key *packet) {
    struct flow_node *n;
    uint32_t count = 0;
    for (n = first; n != NULL; n = LIST_NEXT(n, chain))
        count += n->spread && !n->deaf && key_eq(&n->key, k);
    assert(count > 0); /* `first` is one */
    uint64_t h = siphash(&t->port_key, &packet->remote, sizeof(packet->remote));
    uint32_t pick = (uint32_t)(h % count);
    for (n = first; n != NULL; n = LIST_NEXT(n, chain)) {
        if (n->spread && !n->deaf && key_eq(&n->key, k) && pick-- == 0)
            return n;
    }
    return first;
}

static struct flow_node *find_hearing(struct flow_table *t, const struct flow_key *k,
                                      const struct flow_key *packet) {
    struct flow_node *n;
    LIST_FOREACH (n, chain_of(t, k), chain) {
        if (!n->deaf && key_eq(&n->key, k))
            return n->spread ? spread_over(t, n, k, packet) : n;
    }
    return NULL;
}

struct flow_node *flow_match(struct stack *st, const struct flow_key *key) {
    struct flow_table *t = &st->net->flow;
    struct flow_key k = *key;
    struct flow_node *n = flow_find(st, key);
    if (n != NULL && !n->deaf)
        return n;
    k.remote = (struct endpoint){.addr = addr_v4(0)};
    if ((n = find_hearing(t, &k, key)) != NULL)
        return n;
    k.local.addr = addr_v4(0);
    return find_hearing(t, &k, key);
}

/* The first from n on (n included) that is on that port. */
static struct flow_node *on_port_from(struct flow_node *n, uint8_t proto, uint16_t port) {
    while (n != NULL && (n->key.proto != proto || n->key.local.port != port))
        n = LIST_NEXT(n, by_port);
    return n;
}

struct flow_node *flow_on_port(struct stack *st, uint8_t proto, uint16_t port,
                               struct flow_node *prev) {
    struct flow_table *t = &st->net->flow;
    uint32_t i = port_bucket(t, proto, port);
    struct flow_node *n = on_port_from(
        prev != NULL ? LIST_NEXT(prev, by_port) : LIST_FIRST(&t->port_bound[i]), proto, port);
    if (n != NULL || (prev != NULL && !is_bound_only(&prev->key)))
        return n;
    return on_port_from(LIST_FIRST(&t->port_conn[i]), proto, port);
}

/* ---- ephemeral ports ---- */

static bool overlaps(const struct addr *a, const struct addr *b) {
    return addr_is_any(a) || addr_is_any(b) || addr_eq(a, b);
}

static bool port_is_free(struct stack *st, uint8_t proto, const struct endpoint *local,
                         const struct endpoint *remote, flow_gives_way *gives_way) {
    struct flow_key k = {.local = *local, .remote = *remote, .proto = proto};
    bool connecting = !is_bound_only(&k);
    struct flow_node *n = connecting ? flow_find(st, &k) : NULL;
    if (n != NULL && (gives_way == NULL || !gives_way(st, n)))
        return false;
    n = NULL;
    while ((n = flow_on_port(st, proto, local->port, n)) != NULL) {
        if (connecting && !is_bound_only(&n->key))
            return true; /* only connections from here on, and none is this one */
        if (overlaps(&n->key.local.addr, &local->addr))
            return false;
    }
    return true;
}

uint16_t flow_pick_port(struct stack *st, uint8_t proto, const struct endpoint *local,
                        const struct endpoint *remote, flow_gives_way *gives_way) {
    struct flow_table *t = &st->net->flow;
    struct {
        struct addr local, remote;
        uint32_t port, proto;
    } key = {local->addr, remote->addr, remote->port, proto};
    uint64_t h = siphash(&t->port_key, &key, sizeof(key));
    /* RFC 6056 §3.3.4: F gives the offset, G (other bits of the hash) the counter. */
    uint32_t offset = (uint32_t)h, *next = &t->port_next[(h >> 32) % FLOW_PORT_SLOTS];
    struct endpoint try = *local;
    const struct net_defaults *d = &st->net->defaults;
    uint32_t first = d->port_first, n = d->port_last - first + 1u;
    for (uint32_t i = 0; i < n; i++) {
        try.port = (uint16_t)(first + (offset + *next + i) % n);
        if (!ports_contain(&d->reserved, try.port) &&
            port_is_free(st, proto, &try, remote, gives_way)) {
            *next += i + 1 + rand_below(&st->rand, 8);
            return try.port;
        }
    }
    return 0;
}
