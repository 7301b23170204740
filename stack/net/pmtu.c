/* Path MTU by destination (RFC 1191), as ICMP has told it and a transport has believed it. A small
 * set-associative cache: bounded, and the entry nearest to its end goes first. */
#include "stack/net/net_internal.h"

void pmtu_init(struct stack *st) {
    st->net->pmtu.key = rand_key(&st->rand);
}

static struct pmtu_entry *set_of(struct pmtu_cache *c, const struct addr *dst) {
    return c->e[siphash(&c->key, dst, sizeof(*dst)) % PMTU_SETS];
}

static uint16_t first_hop_mtu(struct stack *st, const struct addr *dst) {
    const struct net *net = st->net;
    uint16_t mtu = net->routes_have_mtu ? net_path_metrics(st, dst)->mtu : 0;
    return mtu != 0 && mtu < net->cfg.mtu ? mtu : net->cfg.mtu;
}

uint16_t net_path_mtu(struct stack *st, const struct addr *dst) {
    struct pmtu_cache *c = &st->net->pmtu;
    if (net_is_loop(st, dst))
        return NET_LOOPBACK_MTU;
    uint16_t mtu = first_hop_mtu(st, dst);
    if (c->live_until_ns <= st->now_ns)
        return mtu;
    struct pmtu_entry *set = set_of(c, dst);
    for (unsigned i = 0; i < PMTU_WAYS; i++) {
        if (set[i].expires_ns > st->now_ns && addr_eq(&set[i].dst, dst) && set[i].mtu < mtu)
            return set[i].mtu;
    }
    return mtu;
}

void net_set_path_mtu(struct stack *st, const struct addr *dst, uint16_t mtu) {
    struct pmtu_cache *c = &st->net->pmtu;
    if (mtu < PMTU_MIN)
        mtu = PMTU_MIN;
    if (net_path_metrics(st, dst)->mtu_lock || mtu >= net_path_mtu(st, dst))
        return; /* RFC 1191 §3: a message never raises it */
    struct pmtu_entry *set = set_of(c, dst), *victim = &set[0];
    for (unsigned i = 0; i < PMTU_WAYS; i++) {
        if (addr_eq(&set[i].dst, dst)) {
            victim = &set[i];
            break;
        }
        if (set[i].expires_ns < victim->expires_ns)
            victim = &set[i];
    }
    *victim = (struct pmtu_entry){.dst = *dst, .mtu = mtu, .expires_ns = st->now_ns + PMTU_TTL_NS};
    c->live_until_ns = victim->expires_ns;
}
