/* The network layer as a whole: set-up, what a frame is, timers, crash repair, and a description
 * for people. */
#include "stack/net/net.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/net/net_internal.h"

/* ---- set-up ---- */

static struct net_config with_defaults(const struct net_config *cfg) {
    struct net_config c = *cfg;
    if (c.neigh_max == 0)
        c.neigh_max = NEIGH_MAX;
    if (c.frags_max == 0)
        c.frags_max = FRAGS_MAX;
    if (c.flow_buckets == 0)
        c.flow_buckets = FLOW_BUCKETS;
    return c;
}

size_t net_mem_size(const struct net_config *cfg) {
    struct net_config c = with_defaults(cfg);
    return sizeof(struct net) + neigh_mem_size(c.neigh_max) + frag_mem_size(c.frags_max) +
           (size_t)3 * c.flow_buckets * sizeof(struct flow_list) + 1024; /* alignment */
}

uint32_t net_timers_max(const struct net_config *cfg) {
    return with_defaults(cfg).neigh_max + 2; /* and one each for fragments and announcements */
}

/* Where packets along a route come from, if it does not say: the address on its gateway's network,
 * or on its own. */
static struct addr source_for(struct stack *st, const struct route *r) {
    const struct net_config *c = &st->net->cfg;
    int i = iface_net_of(st, addr_is_any(&r->gateway) ? &r->dst.net : &r->gateway);
    return c->addr[i >= 0 ? i : 0].addr;
}

/* Of equal prefixes the first counts, so what is configured goes before what is derived. */
static bool install_routes(struct stack *st) {
    const struct net_config *c = &st->net->cfg;
    for (int i = 0; i < c->nroutes; i++) {
        struct route r = c->route[i];
        if (addr_is_any(&r.src))
            r.src = source_for(st, &r);
        if (!route_add(st, &r))
            return false;
    }
    for (int i = 0; i < c->naddrs; i++) {
        struct route r = {.dst = c->addr[i].net, .src = c->addr[i].addr};
        if (!route_add(st, &r))
            return false;
    }
    if (addr_is_any(&c->gateway) || c->naddrs == 0)
        return true;
    struct route r = {.dst = {.net = addr_v4(0), .plen = ADDR_V4_PLEN}, .gateway = c->gateway};
    r.src = source_for(st, &r);
    return route_add(st, &r);
}

void net_set_defaults(struct stack *st, const struct net_defaults *d) {
    st->net->defaults = *d;
}

int net_init(struct stack *st, const struct net_config *cfg) {
    assert(cfg->naddrs <= NET_MAX_ADDRS);
    st->net = arena_alloc(&st->arena, sizeof(*st->net), 64);
    if (st->net == NULL)
        return -ENOMEM;
    struct net *net = st->net;
    net->cfg = with_defaults(cfg);
    net->defaults = (struct net_defaults){
        .port_first = NET_PORT_FIRST, .port_last = NET_PORT_LAST, .ttl = NET_TTL_DEFAULT};
    timer_init(&net->acd.timer, TIMER_ACD);
    pmtu_init(st);
    icmp_init(st);
    net->ipid.key = rand_key(&st->rand);
    int error = neigh_init(st, net->cfg.neigh_max);
    if (error == 0)
        error = frag_init(st, net->cfg.frags_max);
    if (error == 0)
        error = flow_init(st, net->cfg.flow_buckets);
    if (error == 0 && !install_routes(st))
        error = -ENOMEM;
    return error;
}

void net_announce(struct stack *st) {
    arp_announce(st);
}

/* ---- dispatch ---- */

enum net_in_kind net_input(struct stack *st, struct frame *f, struct ip_in *in,
                           struct icmp_err *err) {
    struct eth_hdr eth;
    const struct mac *ours = &st->net->cfg.mac;
    if (eth_parse(f->data, f->linear, &eth) < 0 || mac_is_group(&eth.src)) {
        st->ctr.eth_in_bad++;
        return NET_IN_DONE;
    }
    bool group = mac_is_group(&eth.dst);
    if ((!group && !mac_eq(&eth.dst, ours)) || mac_eq(&eth.src, ours)) {
        st->ctr.eth_in_other++;
        return NET_IN_DONE;
    }
    frame_pull(f, ETH_HDR_LEN);
    switch (eth.type) {
    case ETH_ARP:
        arp_input(st, f);
        return NET_IN_DONE;
    case ETH_IPV4:
        return ip4_input(st, f, group, false, in, err);
    default:
        st->ctr.eth_in_bad++;
        return NET_IN_DONE;
    }
}

enum net_in_kind net_input_loop(struct stack *st, struct frame *f, struct ip_in *in,
                                struct icmp_err *err) {
    f->csum = FRAME_CSUM_PARTIAL; /* never left our memory */
    return ip4_input(st, f, false, true, in, err);
}

void net_input_end(struct stack *st, struct ip_in *in) {
    (void)in;
    frag_release(st);
}

int net_output(struct stack *st, struct pkt *p, const struct ip_out *io) {
    return ip4_output(st, p, io);
}

#define OWNER_OF(t, type, field) ((type *)(void *)((char *)(t)-offsetof(type, field)))

bool net_timer(struct stack *st, struct timer *t) {
    switch (t->kind) {
    case TIMER_NEIGH:
        neigh_timer(st, OWNER_OF(t, struct neigh, timer));
        return true;
    case TIMER_FRAG:
        frag_timer(st);
        return true;
    case TIMER_ACD:
        arp_timer(st);
        return true;
    default:
        return false;
    }
}

/* ---- failures to be told ---- */

void net_note_failed(struct stack *st, const struct addr *dst) {
    struct net *net = st->net;
    for (uint32_t i = 0; i < net->failed_n; i++) {
        if (addr_eq(&net->failed[(net->failed_head + i) % NET_FAILED_MAX], dst))
            return;
    }
    net->failed[(net->failed_head + net->failed_n) % NET_FAILED_MAX] = *dst;
    if (net->failed_n < NET_FAILED_MAX)
        net->failed_n++;
    else
        net->failed_head = (net->failed_head + 1) % NET_FAILED_MAX;
}

bool net_next_failed(struct stack *st, struct addr *dst) {
    struct net *net = st->net;
    if (net->failed_n == 0)
        return false;
    *dst = net->failed[net->failed_head];
    net->failed_head = (net->failed_head + 1) % NET_FAILED_MAX;
    net->failed_n--;
    return true;
}

/* ---- crash repair ---- */

void net_repair(struct stack *st) {
    struct net *net = st->net;
    net->route_last.valid = false;
    neigh_repair(st);
    frag_repair(st);
    flow_clear(st);
    timers_readd(&st->timers, &net->acd.timer);
    if (net->failed_head >= NET_FAILED_MAX || net->failed_n > NET_FAILED_MAX)
        net->failed_head = net->failed_n = 0;
}

/* ---- for people ---- */

/* Where snprintf is to go on, and what is left. */
struct text {
    char *buf;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...) {
    __builtin_va_list ap;
    __builtin_va_start(ap, fmt);
    size_t at = t->len < t->size ? t->len : t->size;
    int n = vsnprintf(t->buf != NULL ? t->buf + at : NULL, t->size - at, fmt, ap);
    __builtin_va_end(ap);
    if (n > 0)
        t->len += (size_t)n;
}

static void describe_metrics(struct text *t, const struct route_metrics *m) {
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {{"advmss", m->advmss},
                   {"window", m->window},
                   {"initcwnd", m->initcwnd},
                   {"initrwnd", m->initrwnd},
                   {"quickack", m->quickack}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (numbers[i].value != 0)
            add(t, " %s %u", numbers[i].name, numbers[i].value);
    if (m->rto_min_ms != 0)
        add(t, " rto_min %ums", m->rto_min_ms);
    if (m->ecn)
        add(t, " features ecn");
    if (m->congctl[0] != '\0')
        add(t, " congctl %s%s", m->congctl_lock ? "lock " : "", m->congctl);
    add(t, "\n");
}

static void describe_route(struct stack *st, struct text *t, const struct route *r) {
    char a[ADDR_STRLEN];
    unsigned plen = addr_is_v4(&r->dst.net) ? r->dst.plen - ADDR_V4_PLEN : r->dst.plen;
    if (plen == 0)
        add(t, "default");
    else
        add(t, "%s/%u", addr_format(&r->dst.net, a), plen);
    if (!addr_is_any(&r->gateway))
        add(t, " via %s", addr_format(&r->gateway, a));
    const struct route_metrics *m = &r->metrics;
    bool lower = m->mtu != 0 && m->mtu < st->net->cfg.mtu;
    add(t, " src %s mtu %s%u", addr_format(&r->src, a), m->mtu_lock ? "lock " : "",
        lower ? m->mtu : st->net->cfg.mtu);
    describe_metrics(t, m);
}

static void describe_neigh(struct stack *st, struct text *t, const struct neigh *n) {
    char a[ADDR_STRLEN], m[18];
    uint8_t state = n->state;
    if (state == NEIGH_REACHABLE && st->now_ns >= n->confirmed_ns + NEIGH_REACHABLE_NS)
        state = NEIGH_STALE;
    add(t, "%s", addr_format(&n->addr, a));
    if (state != NEIGH_INCOMPLETE && state != NEIGH_FAILED)
        add(t, " lladdr %s", mac_format(&n->mac, m));
    add(t, " %s\n", neigh_state_name(state));
}

int net_describe(struct stack *st, char *buf, size_t len) {
    struct net *net = st->net;
    struct text t = {.buf = buf, .size = len};
    const struct neigh *n;
    for (uint32_t i = 0; i < net->nroutes; i++)
        describe_route(st, &t, &net->route[i]);
    TAILQ_FOREACH (n, &net->neigh.order, order)
        describe_neigh(st, &t, n);
    return (int)t.len;
}
