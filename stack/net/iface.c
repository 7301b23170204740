/* The interface: our addresses, and the two ways out of the stack: st->tx (the wire) and st->loop
 * (ourselves). There is one interface and the loopback; an address is ours on whichever of both a
 * packet arrives (weak host model, RFC 1122 §3.3.4.2, as Linux), but 127.0.0.0/8 never on the wire.
 */
#include <errno.h>

#include "stack/net/net_internal.h"

int iface_index_of(struct stack *st, const struct addr *a) {
    const struct net_config *c = &st->net->cfg;
    for (int i = 0; i < c->naddrs; i++) {
        if (addr_eq(&c->addr[i].addr, a))
            return i;
    }
    return -1;
}

int iface_net_of(struct stack *st, const struct addr *a) {
    const struct net_config *c = &st->net->cfg;
    for (int i = 0; i < c->naddrs; i++) {
        if (prefix_contains(&c->addr[i].net, a))
            return i;
    }
    return -1;
}

bool net_is_local(struct stack *st, const struct addr *a) {
    return iface_index_of(st, a) >= 0 || addr_is_loopback(a);
}

bool net_is_loop(struct stack *st, const struct addr *dst) {
    return net_is_local(st, dst);
}

bool net_is_broadcast(struct stack *st, const struct addr *a) {
    const struct net_config *c = &st->net->cfg;
    if (addr_is_limited_broadcast(a))
        return true;
    for (int i = 0; i < c->naddrs; i++) {
        if (prefix_is_broadcast(&c->addr[i].net, a))
            return true;
    }
    return false;
}

uint32_t net_gso_max(struct stack *st, const struct addr *dst) {
    if (net_is_loop(st, dst))
        return NET_LOOPBACK_MTU;
    uint32_t gso = st->net->cfg.gso_max;
    return gso > 0 ? gso : net_path_mtu(st, dst);
}

void net_drop_pkt(struct stack *st, struct pkt *p) {
    pkt_free(&st->pkts, &st->chunks, p);
}

void iface_tx(struct stack *st, struct pkt *p) {
    STAILQ_INSERT_TAIL(&st->tx, p, link);
    st->tx_len++;
}

void iface_tx_to(struct stack *st, struct pkt *p, const struct mac *dst, uint16_t type) {
    struct eth_hdr eth = {.dst = *dst, .src = st->net->cfg.mac, .type = type};
    eth_build(pkt_push(p, ETH_HDR_LEN), &eth);
    iface_tx(st, p);
}

int iface_loop(struct stack *st, struct pkt *p) {
    if (st->loop_len >= NET_LOOP_MAX) {
        st->ctr.IpOutDiscards++;
        net_drop_pkt(st, p);
        return -ENOBUFS;
    }
    STAILQ_INSERT_TAIL(&st->loop, p, link);
    st->loop_len++;
    return 0;
}
