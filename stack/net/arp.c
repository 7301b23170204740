/* ARP for IPv4 over Ethernet (RFC 826), and the part of address conflict detection that a host
 * does which has had its address given by hand (RFC 5227).
 *
 * An address is used at once: no probes come first, since their seconds of silence would delay the
 * first connection; it is announced twice (RFC 5227 §2.3), and a conflict is defended (§2.4 (b))
 * and logged. Whom to believe: an answer only while our question is open, a question for us
 * always, anything else only where an entry exists already (V11). */
#include "stack/wire/arp.h"

#include "stack/net/net_internal.h"

static void arp_send(struct stack *st, enum arp_op op, const struct addr *spa,
                     const struct mac *tha, const struct addr *tpa, const struct mac *to) {
    struct pkt *p = pkt_get(&st->pkts);
    if (p == NULL) {
        st->ctr.mem_pkts_out++;
        return;
    }
    struct arp_hdr h = {.op = op, .sha = st->net->cfg.mac, .spa = *spa, .tpa = *tpa};
    if (tha != NULL)
        h.tha = *tha;
    arp_build(pkt_push(p, ARP_LEN), &h);
    iface_tx_to(st, p, to, ETH_ARP);
}

void arp_request(struct stack *st, const struct addr *target, const struct mac *to) {
    const struct net_config *c = &st->net->cfg;
    if (c->naddrs == 0)
        return;
    int i = iface_net_of(st, target);
    const struct addr *spa = &c->addr[i >= 0 ? i : 0].addr;
    arp_send(st, ARP_REQUEST, spa, NULL, target, to != NULL ? to : &eth_broadcast);
}

/* ---- our own addresses (RFC 5227) ---- */

static void announce_one(struct stack *st, int i) {
    const struct addr *a = &st->net->cfg.addr[i].addr;
    if (addr_is_v4(a))
        arp_send(st, ARP_REQUEST, a, NULL, a, &eth_broadcast);
}

void arp_announce(struct stack *st) {
    st->net->acd.announced = 0;
    arp_timer(st);
}

void arp_timer(struct stack *st) {
    struct acd *acd = &st->net->acd;
    for (int i = 0; i < st->net->cfg.naddrs; i++)
        announce_one(st, i);
    if (++acd->announced < ACD_ANNOUNCE_NUM)
        timer_set(&st->timers, &acd->timer, st->now_ns + ACD_ANNOUNCE_INTERVAL_NS);
}

static void conflict(struct stack *st, int i, const struct mac *who) {
    char a[ADDR_STRLEN], m[18];
    uint64_t *quiet_until_ns = &st->net->acd.quiet_until_ns[i];
    st->ctr.arp_conflicts++;
    /* RFC 5227 §2.4 (c): an address that we must keep is defended once in ten seconds at most,
     * lest two such hosts shout at each other without end. */
    if (st->now_ns < *quiet_until_ns)
        return;
    *quiet_until_ns = st->now_ns + ACD_DEFEND_INTERVAL_NS;
    stack_log(st, LOG_ERROR, "address conflict: %s says that it has our address %s",
              mac_format(who, m), addr_format(&st->net->cfg.addr[i].addr, a));
    announce_one(st, i);
}

/* ---- input ---- */

static bool sender_is_sane(struct stack *st, const struct arp_hdr *h) {
    static const struct mac zero;
    if (mac_is_group(&h->sha) || mac_eq(&h->sha, &zero) || mac_eq(&h->sha, &st->net->cfg.mac))
        return false;
    /* 0.0.0.0 is a probe for a conflict (RFC 5227 §1.1). */
    return addr_is_any(&h->spa) || (addr_is_unicast(&h->spa) && !addr_is_loopback(&h->spa) &&
                                    !net_is_broadcast(st, &h->spa));
}

/* RFC 826, "Packet Reception": merge, then answer. */
static void arp_merge(struct stack *st, const struct arp_hdr *h, bool for_us) {
    bool gratuitous = addr_eq(&h->spa, &h->tpa);
    bool useful = false;
    if (!addr_is_any(&h->spa) && iface_net_of(st, &h->spa) >= 0) {
        enum neigh_news news = NEIGH_CLAIM;
        if (h->op == ARP_REPLY && !gratuitous)
            news = NEIGH_ANSWER;
        else if (h->op == ARP_REQUEST && for_us)
            news = NEIGH_ASKED;
        if (news != NEIGH_ANSWER || for_us)
            useful = neigh_learn(st, &h->spa, &h->sha, news);
    } else if (h->op == ARP_REPLY && for_us) { /* a gateway outside of our networks */
        useful = neigh_learn(st, &h->spa, &h->sha, NEIGH_ANSWER);
    }
    if (for_us && h->op == ARP_REQUEST)
        arp_send(st, ARP_REPLY, &h->tpa, &h->sha, &h->spa, &h->sha);
    else if (!useful)
        st->ctr.arp_in_ignored++;
}

void arp_input(struct stack *st, struct frame *f) {
    struct arp_hdr h;
    if (arp_parse(f->data, f->linear, &h) < 0 || !sender_is_sane(st, &h)) {
        st->ctr.arp_in_bad++;
        return;
    }
    int own = iface_index_of(st, &h.spa);
    if (own >= 0) {
        conflict(st, own, &h.sha);
        return;
    }
    arp_merge(st, &h, iface_index_of(st, &h.tpa) >= 0);
}
