/* IPv4 (RFC 791, RFC 1122 §3.2): what comes in is checked, put together and handed up; what goes
 * out gets its header and its way. A host, not a router: nothing is forwarded. Source routes are
 * refused in both directions (deviation from MUST-51 to 53), other options skipped (MUST-50).
 *
 * Identification: RFC 6864 leaves it free for datagrams that may not be fragmented; receivers
 * merge segments (GRO) whose ids count up. So there is a counter for each (source, destination,
 * protocol), begun at random and shared with nobody: who reads it learns nothing about others. */
#include <errno.h>
#include <string.h>

#include "stack/net/net_internal.h"

#define L4_LINEAR_MIN                                                                              \
    60u /* bytes that the layers above may look at without reading: a TCP header */

/* ---- input ---- */

/* RFC 1122 §3.2.1.3 and §3.2.1.6; V18 (LAND): nobody else sends from an address of ours. */
static bool source_is_sane(struct stack *st, const struct addr *src, bool loop) {
    if (loop)
        return net_is_local(st, src);
    return addr_is_unicast(src) && !net_is_local(st, src) && !net_is_broadcast(st, src);
}

static bool destination_is_ours(struct stack *st, const struct addr *dst, bool loop) {
    if (net_is_broadcast(st, dst))
        return true;
    return loop ? net_is_local(st, dst) : iface_index_of(st, dst) >= 0;
}

static enum net_in_kind deliver(struct stack *st, struct ip_in *in, struct icmp_err *err) {
    switch (in->proto) {
    case PROTO_ICMP:
        st->ctr.IpInDelivers++;
        return icmp_input(st, in, err);
    case PROTO_TCP:
    case PROTO_UDP:
        /* Of our own packets the header is what lies in one piece. */
        if (!in->loop && in->f.linear < in->f.len && in->f.linear < L4_LINEAR_MIN) {
            st->ctr.IpInDiscards++;
            return NET_IN_DONE;
        }
        st->ctr.IpInDelivers++;
        return NET_IN_L4;
    default:
        st->ctr.IpInUnknownProtos++;
        icmp_send_error(st, in, ICMP4_UNREACH, ICMP4_UNREACH_PROTO);
        return NET_IN_DONE;
    }
}

enum net_in_kind ip4_input(struct stack *st, struct frame *f, bool group, bool loop,
                           struct ip_in *in, struct icmp_err *err) {
    struct ip4_hdr h;
    st->ctr.IpInReceives++;
    int hdr_len = ip4_parse(f->data, f->linear, &h);
    if (hdr_len < 0 || h.total_len > f->len || h.source_route) {
        st->ctr.IpInHdrErrors++;
        return NET_IN_DONE;
    }
    if (!source_is_sane(st, &h.src, loop) || !destination_is_ours(st, &h.dst, loop)) {
        st->ctr.IpInAddrErrors++;
        return NET_IN_DONE;
    }
    frame_trim(f, h.total_len); /* Ethernet padding (RFC 894) */
    in->src = h.src;
    in->dst = h.dst;
    in->proto = h.proto;
    in->tos = h.tos;
    in->ttl = h.ttl;
    in->broadcast = group || net_is_broadcast(st, &h.dst);
    in->loop = loop;
    in->hdr_len = (uint8_t)hdr_len;
    memcpy(in->hdr, f->data, in->hdr_len);
    in->f = *f;
    frame_pull(&in->f, in->hdr_len);
    if ((h.mf || h.frag_off > 0) && !frag_input(st, &h, in))
        return NET_IN_DONE;
    enum net_in_kind kind = deliver(st, in, err);
    if (kind == NET_IN_DONE)
        frag_release(st);
    return kind;
}

/* ---- output ---- */

uint16_t ip4_take_ids(struct stack *st, const struct ip_out *io, uint32_t n) {
    struct ipid_cache *c = &st->net->ipid;
    struct {
        uint32_t src, dst, proto;
    } key = {io->src.w[3], io->dst.w[3], io->proto};
    uint64_t tag = siphash(&c->key, &key, sizeof(key)) | 1;
    struct ipid_entry *set = c->e[(tag >> 32) % IPID_SETS], *e = &set[0];
    for (unsigned i = 0; i < IPID_WAYS; i++) {
        if (set[i].tag == tag) {
            e = &set[i];
            break;
        }
        if (set[i].used_ns < e->used_ns)
            e = &set[i];
    }
    if (e->tag != tag)
        *e = (struct ipid_entry){.tag = tag, .next = (uint16_t)rand_u64(&st->rand)};
    uint16_t id = e->next;
    e->next = (uint16_t)(e->next + n);
    e->used_ns = st->now_ns;
    return id;
}

/* 224.0.0.1 → 01:00:5e:00:00:01 (RFC 1112 §6.4). */
static struct mac group_mac(const struct addr *dst) {
    return (struct mac){{0x01, 0x00, 0x5e, dst->b[13] & 0x7f, dst->b[14], dst->b[15]}};
}

int ip4_send(struct stack *st, struct pkt *p, const struct ip_out *io, const struct route_hop *hop,
             uint16_t id, bool mf, uint16_t frag_off) {
    struct ip4_hdr h = {
        .tos = io->tos,
        .total_len = (uint16_t)(IP4_HDR_LEN + pkt_len(p)),
        .id = id,
        .df = io->df,
        .mf = mf,
        .frag_off = frag_off,
        .ttl = io->ttl != 0 ? io->ttl : st->net->defaults.ttl,
        .proto = io->proto,
        .src = io->src,
        .dst = io->dst,
    };
    ip4_build(pkt_push(p, IP4_HDR_LEN), &h);
    switch (hop->kind) {
    case ROUTE_LOCAL:
        return iface_loop(st, p);
    case ROUTE_BROADCAST:
        iface_tx_to(st, p, &eth_broadcast, ETH_IPV4);
        return 0;
    case ROUTE_MULTICAST: {
        struct mac m = group_mac(&io->dst);
        iface_tx_to(st, p, &m, ETH_IPV4);
        return 0;
    }
    default:
        return neigh_output(st, p, &hop->next_hop, io->confirmed);
    }
}

/* A broadcast is for us too (RFC 919 §7: the sender hears its own). */
static void loop_copy(struct stack *st, const struct pkt *p, const struct ip_out *io) {
    static const struct route_hop self = {.kind = ROUTE_LOCAL};
    struct pkt *q = pkt_get(&st->pkts);
    if (q == NULL) {
        st->ctr.mem_pkts_out++;
        return;
    }
    memcpy(pkt_push(q, pkt_hdr_len(p)), p->hdr + p->hdr_off, pkt_hdr_len(p));
    for (unsigned i = 0; i < p->nfrags; i++)
        pkt_add_frag(q, p->frag[i].chunk, p->frag[i].p, p->frag[i].len);
    q->csum_partial = p->csum_partial;
    q->csum_start = p->csum_start;
    q->csum_offset = p->csum_offset;
    ip4_send(st, q, io, &self, 0, false, 0);
}

static int refuse(struct stack *st, struct pkt *p, int error) {
    if (error == -ENETUNREACH)
        st->ctr.IpOutNoRoutes++;
    else
        st->ctr.IpOutDiscards++;
    net_drop_pkt(st, p);
    return error;
}

int ip4_output(struct stack *st, struct pkt *p, const struct ip_out *io) {
    struct route_hop hop;
    struct ip_out o = *io;
    if (route_lookup(st, &io->dst, &hop) == ROUTE_NONE)
        return refuse(st, p, -ENETUNREACH);
    if (addr_is_any(&o.src))
        o.src = hop.src;
    if (hop.kind != ROUTE_LOCAL && addr_is_loopback(&o.src))
        return refuse(st, p, -EINVAL);     /* RFC 1122 §3.2.1.3 (g): never on the wire */
    o.df = o.df && !hop.metrics->mtu_lock; /* as Linux: ip_dont_fragment */
    size_t total = IP4_HDR_LEN + pkt_len(p);
    if (total > PKT_PAYLOAD_MAX)
        return refuse(st, p, -EMSGSIZE);
    uint16_t mtu = hop.kind == ROUTE_LOCAL ? NET_LOOPBACK_MTU : net_path_mtu(st, &io->dst);
    bool super = p->gso_size > 0;
    size_t on_wire = super ? IP4_HDR_LEN + (size_t)p->gso_hdr_len + p->gso_size : total;
    if (on_wire > mtu && (o.df || super))
        return refuse(st, p, -EMSGSIZE);
    st->ctr.IpOutRequests++;
    if (hop.kind == ROUTE_BROADCAST)
        loop_copy(st, p, &o);
    if (on_wire > mtu)
        return frag_output(st, p, &o, &hop, mtu);
    uint32_t nids = super ? (p->payload_len + p->gso_size - 1) / p->gso_size : 1;
    return ip4_send(st, p, &o, &hop, ip4_take_ids(st, &o, nids), false, 0);
}
