/* The neighbour cache; theory in the header.
 *
 * When it is full, the entry at the end of the order that has nothing queued goes: since only our
 * own sending moves an entry to the front, whoever floods us with questions from made-up addresses
 * (V11) displaces his own entries, not the gateway's. */
#include "stack/net/neigh.h"

#include <errno.h>

#include "stack/net/net_internal.h"

static uint32_t bucket_count(uint32_t max) {
    uint32_t n = 1;
    while (n < max)
        n *= 2;
    return n;
}

size_t neigh_mem_size(uint32_t max) {
    return max * (sizeof(struct neigh) + 64 + 5) + bucket_count(max) * sizeof(struct neigh_list);
}

int neigh_init(struct stack *st, uint32_t max) {
    struct neigh_cache *c = &st->net->neigh;
    uint32_t n = bucket_count(max);
    c->mask = n - 1;
    c->key = rand_key(&st->rand);
    c->bucket = arena_alloc(&st->arena, n * sizeof(*c->bucket), sizeof(void *));
    if (c->bucket == NULL || !pool_init(&c->pool, &st->arena, sizeof(struct neigh), max))
        return -ENOMEM;
    TAILQ_INIT(&c->order);
    return 0;
}

const char *neigh_state_name(uint8_t state) {
    static const char *const names[] = {"INCOMPLETE", "REACHABLE", "STALE",
                                        "DELAY",      "PROBE",     "FAILED"};
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static struct neigh_list *bucket_of(struct neigh_cache *c, const struct addr *a) {
    return &c->bucket[siphash(&c->key, a, sizeof(*a)) & c->mask];
}

struct neigh *neigh_find(struct stack *st, const struct addr *a) {
    struct neigh_cache *c = &st->net->neigh;
    struct neigh *n = c->last;
    if (n != NULL && addr_eq(&n->addr, a))
        return n;
    LIST_FOREACH (n, bucket_of(c, a), chain) {
        if (addr_eq(&n->addr, a)) {
            c->last = n;
            return n;
        }
    }
    return NULL;
}

static void set_state(struct stack *st, struct neigh *n, enum neigh_state state) {
    char buf[ADDR_STRLEN];
    stack_log(st, LOG_DEBUG, "neigh %s %s -> %s", addr_format(&n->addr, buf),
              neigh_state_name(n->state), neigh_state_name((uint8_t)state));
    n->state = (uint8_t)state;
}

static void drop_head(struct stack *st, struct neigh *n) {
    struct pkt *p = STAILQ_FIRST(&n->queue);
    STAILQ_REMOVE_HEAD(&n->queue, link);
    n->queue_len--;
    st->ctr.neigh_queue_drops++;
    net_drop_pkt(st, p);
}

static void remove_entry(struct stack *st, struct neigh *n) {
    struct neigh_cache *c = &st->net->neigh;
    while (n->queue_len > 0)
        drop_head(st, n);
    timer_stop(&st->timers, &n->timer);
    LIST_REMOVE(n, chain);
    TAILQ_REMOVE(&c->order, n, order);
    if (c->last == n)
        c->last = NULL;
    pool_put(&c->pool, n);
}

/* Makes room. False when every entry has packets that wait for it. */
static bool evict(struct stack *st) {
    struct neigh_cache *c = &st->net->neigh;
    struct neigh *n;
    st->ctr.neigh_full++;
    TAILQ_FOREACH_REVERSE(n, &c->order, neigh_order, order) {
        if (n->queue_len == 0) {
            remove_entry(st, n);
            return true;
        }
    }
    return false;
}

static struct neigh *create(struct stack *st, const struct addr *a, bool used) {
    struct neigh_cache *c = &st->net->neigh;
    if (c->pool.n_used == c->pool.max && !evict(st))
        return NULL;
    struct neigh *n = pool_get(&c->pool);
    if (n == NULL)
        return NULL;
    n->addr = *a;
    n->state = NEIGH_FAILED;
    STAILQ_INIT(&n->queue);
    timer_init(&n->timer, TIMER_NEIGH);
    LIST_INSERT_HEAD(bucket_of(c, a), n, chain);
    if (used)
        TAILQ_INSERT_HEAD(&c->order, n, order);
    else
        TAILQ_INSERT_TAIL(&c->order, n, order);
    return n;
}

/* ---- the questions ---- */

static void solicit(struct stack *st, struct neigh *n) {
    n->solicits++;
    timer_set(&st->timers, &n->timer, st->now_ns + NEIGH_RETRANS_NS);
    arp_request(st, &n->addr, n->state == NEIGH_PROBE ? &n->mac : NULL);
}

static void begin(struct stack *st, struct neigh *n, enum neigh_state state) {
    set_state(st, n, state);
    n->solicits = 0;
    solicit(st, n);
}

/* Nobody answered: who waited learns it, for a connection in SYN-SENT ends with EHOSTUNREACH. */
static void fail(struct stack *st, struct neigh *n) {
    st->ctr.neigh_failed++;
    set_state(st, n, NEIGH_FAILED);
    n->failed_ns = st->now_ns;
    net_note_failed(st, &n->addr);
    while (n->queue_len > 0) {
        struct ip4_hdr h;
        struct pkt *p = STAILQ_FIRST(&n->queue);
        if (ip4_parse(pkt_hdr(p), pkt_hdr_len(p), &h) > 0)
            net_note_failed(st, &h.dst);
        drop_head(st, n);
    }
}

void neigh_timer(struct stack *st, struct neigh *n) {
    switch (n->state) {
    case NEIGH_DELAY:
        begin(st, n, NEIGH_PROBE);
        break;
    case NEIGH_INCOMPLETE:
    case NEIGH_PROBE:
        if (n->solicits < NEIGH_SOLICITS)
            solicit(st, n);
        else
            fail(st, n);
        break;
    default: /* the state changed and left its timer behind */
        break;
    }
}

/* ---- sending ---- */

static uint16_t eth_type_of(const struct neigh *n) {
    return addr_is_v4(&n->addr) ? ETH_IPV4 : ETH_IPV6;
}

static int enqueue(struct stack *st, struct neigh *n, struct pkt *p) {
    if (n->queue_len == NEIGH_QUEUE_MAX)
        drop_head(st, n); /* the oldest: RFC 4861 §7.2.2 */
    STAILQ_INSERT_TAIL(&n->queue, p, link);
    n->queue_len++;
    return 0;
}

/* The upper layer knows that it is alive (RFC 4861 §7.3.1). */
static void confirm(struct stack *st, struct neigh *n) {
    n->confirmed_ns = st->now_ns;
    if (n->state != NEIGH_REACHABLE) {
        set_state(st, n, NEIGH_REACHABLE);
        timer_stop(&st->timers, &n->timer);
    }
}

int neigh_output(struct stack *st, struct pkt *p, const struct addr *next_hop, bool confirmed) {
    struct neigh_cache *c = &st->net->neigh;
    struct neigh *n = neigh_find(st, next_hop);
    if (n == NULL) {
        n = create(st, next_hop, true);
        if (n == NULL) {
            st->ctr.IpOutDiscards++;
            net_drop_pkt(st, p);
            return -ENOBUFS;
        }
        begin(st, n, NEIGH_INCOMPLETE);
        return enqueue(st, n, p);
    }
    if (TAILQ_FIRST(&c->order) != n) {
        TAILQ_REMOVE(&c->order, n, order);
        TAILQ_INSERT_HEAD(&c->order, n, order);
    }
    if (n->state == NEIGH_INCOMPLETE)
        return enqueue(st, n, p);
    if (n->state == NEIGH_FAILED) {
        if (st->now_ns < n->failed_ns + NEIGH_FAILED_HOLD_NS) {
            st->ctr.neigh_queue_drops++;
            net_drop_pkt(st, p);
            return -EHOSTUNREACH;
        }
        begin(st, n, NEIGH_INCOMPLETE);
        return enqueue(st, n, p);
    }
    if (confirmed)
        confirm(st, n);
    else if (n->state == NEIGH_REACHABLE && st->now_ns >= n->confirmed_ns + NEIGH_REACHABLE_NS)
        set_state(st, n, NEIGH_STALE);
    if (n->state == NEIGH_STALE) {
        set_state(st, n, NEIGH_DELAY);
        timer_set(&st->timers, &n->timer, st->now_ns + NEIGH_DELAY_NS);
    }
    iface_tx_to(st, p, &n->mac, eth_type_of(n));
    return 0;
}

/* ---- what is heard ---- */

static void flush_queue(struct stack *st, struct neigh *n) {
    while (n->queue_len > 0) {
        struct pkt *p = STAILQ_FIRST(&n->queue);
        STAILQ_REMOVE_HEAD(&n->queue, link);
        n->queue_len--;
        iface_tx_to(st, p, &n->mac, eth_type_of(n));
    }
}

static bool learn_answer(struct stack *st, struct neigh *n, const struct mac *mac) {
    n->mac = *mac;
    n->updated_ns = st->now_ns;
    confirm(st, n);
    flush_queue(st, n);
    return true;
}

bool neigh_learn(struct stack *st, const struct addr *a, const struct mac *mac,
                 enum neigh_news news) {
    struct neigh *n = neigh_find(st, a);
    if (n == NULL) {
        if (news != NEIGH_ASKED || (n = create(st, a, false)) == NULL)
            return false;
    }
    bool open = n->state == NEIGH_INCOMPLETE || n->state == NEIGH_PROBE;
    if (news == NEIGH_ANSWER)
        return open && learn_answer(st, n, mac);
    bool known = n->state != NEIGH_INCOMPLETE && n->state != NEIGH_FAILED;
    if (known && mac_eq(&n->mac, mac))
        return true; /* that it speaks to us does not prove that it hears us */
    if (known && n->state != NEIGH_PROBE && st->now_ns < n->updated_ns + NEIGH_LOCK_NS)
        return false;
    n->mac = *mac;
    n->updated_ns = st->now_ns;
    set_state(st, n, NEIGH_STALE);
    timer_stop(&st->timers, &n->timer);
    if (n->queue_len > 0) { /* it is being used, and has to be confirmed */
        set_state(st, n, NEIGH_DELAY);
        timer_set(&st->timers, &n->timer, st->now_ns + NEIGH_DELAY_NS);
        flush_queue(st, n);
    }
    return true;
}

void neigh_repair(struct stack *st) {
    struct neigh_cache *c = &st->net->neigh;
    struct neigh *n;
    pool_rebuild(&c->pool);
    TAILQ_INIT(&c->order);
    c->last = NULL;
    for (uint32_t i = 0; i <= c->mask; i++)
        LIST_INIT(&c->bucket[i]);
    POOL_FOREACH (&c->pool, i, n) {
        STAILQ_INIT(&n->queue);
        n->queue_len = 0;
        if (n->state > NEIGH_FAILED || addr_is_any(&n->addr)) { /* died in create() */
            pool_put(&c->pool, n);
            continue;
        }
        LIST_INSERT_HEAD(bucket_of(c, &n->addr), n, chain);
        TAILQ_INSERT_TAIL(&c->order, n, order);
        if (n->timer.kind != TIMER_NEIGH)
            timer_init(&n->timer, TIMER_NEIGH);
        timers_readd(&st->timers, &n->timer);
    }
}
