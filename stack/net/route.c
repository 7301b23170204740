/* Routes: which way a destination lies. A handful of them, so a linear search for the longest
 * prefix is the fastest. They stay as they are while the stack lives, so that a connection may
 * point at its route's metrics. Not here: policy, route changes at run time (redirects are ignored,
 * as hosts with one gateway lose nothing by that). */
#include <errno.h>

#include "stack/net/net_internal.h"

bool route_add(struct stack *st, const struct route *r) {
    struct net *net = st->net;
    if (net->nroutes == NET_MAX_ROUTES)
        return false;
    net->route[net->nroutes++] = *r;
    net->routes_have_mtu |= r->metrics.mtu != 0;
    net->route_last.valid = false;
    return true;
}

/* One of our own addresses is its own source; the rest of 127.0.0.0/8 is spoken to from 127.0.0.1,
 * as Linux's local table says. */
static struct addr local_source(const struct addr *dst) {
    return addr_is_v4(dst) && addr_is_loopback(dst) ? addr_v4(0x7f000001) : *dst;
}

static const struct route *longest_match(const struct net *net, const struct addr *dst) {
    const struct route *best = NULL;
    for (uint32_t i = 0; i < net->nroutes; i++) {
        const struct route *r = &net->route[i];
        if ((best == NULL || r->dst.plen > best->dst.plen) && prefix_contains(&r->dst, dst))
            best = r;
    }
    return best;
}

static enum route_kind look_up(struct stack *st, const struct addr *dst, struct route_hop *hop) {
    const struct net *net = st->net;
    *hop = (struct route_hop){.kind = ROUTE_NONE, .next_hop = *dst, .metrics = &net->no_metrics};
    if (net_is_local(st, dst)) {
        hop->kind = ROUTE_LOCAL;
        hop->src = local_source(dst);
        return hop->kind;
    }
    if (addr_is_limited_broadcast(dst)) { /* is on every network; ours is the first */
        if (net->cfg.naddrs > 0) {
            hop->kind = ROUTE_BROADCAST;
            hop->src = net->cfg.addr[0].addr;
        }
        return hop->kind;
    }
    const struct route *r = longest_match(net, dst);
    if (r == NULL || addr_is_any(dst))
        return ROUTE_NONE;
    hop->src = r->src;
    hop->metrics = &r->metrics;
    if (addr_is_multicast(dst)) {
        hop->kind = ROUTE_MULTICAST;
    } else if (net_is_broadcast(st, dst)) {
        hop->kind = ROUTE_BROADCAST;
    } else {
        hop->kind = ROUTE_UNICAST;
        if (!addr_is_any(&r->gateway))
            hop->next_hop = r->gateway;
    }
    return hop->kind;
}

enum route_kind route_lookup(struct stack *st, const struct addr *dst, struct route_hop *hop) {
    struct net *net = st->net;
    if (!net->route_last.valid || !addr_eq(&net->route_last.dst, dst)) {
        net->route_last.valid = false; /* should we die half-way */
        net->route_last.dst = *dst;
        look_up(st, dst, &net->route_last.hop);
        net->route_last.valid = true;
    }
    *hop = net->route_last.hop;
    return hop->kind;
}

const struct route_metrics *net_path_metrics(struct stack *st, const struct addr *dst) {
    struct route_hop hop;
    if (addr_is_any(dst)) /* a socket that has no peer yet */
        return &st->net->no_metrics;
    route_lookup(st, dst, &hop);
    return hop.metrics;
}

int net_pick_source(struct stack *st, const struct addr *dst, struct addr *src) {
    struct route_hop hop;
    if (route_lookup(st, dst, &hop) == ROUTE_NONE)
        return -ENETUNREACH;
    *src = hop.src;
    return 0;
}
