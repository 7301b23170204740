/* A stack made by hand, for tests of the network layer and above: memory, pools, net and UDP, no
 * link. Frames are given by fx_input*, what the stack sends is looked at with fx_pop. Our address
 * is 10.0.0.1/24, the gateway 10.0.0.254; the peer that tests speak for is 10.0.0.2. */
#ifndef TESTS_UNIT_STACK_FIXTURE_H
#define TESTS_UNIT_STACK_FIXTURE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "stack/net/net_internal.h"
#include "stack/wire/arp.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/udp.h"

#define FX  __attribute__((unused)) static
#define SEC 1000000000ull
#define MS  1000000ull

static const struct mac fx_mac = {{2, 0, 0, 0, 0, 1}}, fx_peer_mac = {{2, 0, 0, 0, 0, 2}};

/* Lvalues, so that their address may be taken. */
#define FX_V4(v) (*(struct addr[]){addr_v4(v)})
#define US       FX_V4(0x0a000001)
#define PEER     FX_V4(0x0a000002)

FX struct net_config fx_config(void) {
    struct net_config c = {.mac = fx_mac, .mtu = 1500, .naddrs = 1};
    cr_assert(addr_parse_prefix("10.0.0.1/24", &c.addr[0].addr, &c.addr[0].net));
    cr_assert(addr_parse("10.0.0.254", &c.gateway));
    return c;
}

FX struct stack *fx_new(const struct net_config *cfg) {
    static const uint8_t seed[16] = "network fixture";
    size_t size = 64u << 20;
    uint8_t *mem = calloc(1, size);
    struct stack *st = (struct stack *)mem;
    struct arena *a = &st->arena;
    st->now_ns = 1000 * SEC;
    arena_init(a, mem + 65536, size - 65536);
    cr_assert(sizeof(*st) <= 65536);
    rand_init(&st->rand, seed);
    st->log.level = LOG_DEBUG;
    STAILQ_INIT(&st->tx);
    STAILQ_INIT(&st->loop);
    cr_assert(chunk_pools_init(&st->chunks, a, 2048, 64));
    cr_assert(pool_init(&st->pkts, a, sizeof(struct pkt), 8192));
    cr_assert(timers_init(&st->timers, a, 4096));
    cr_assert_eq(net_init(st, cfg), 0);
    cr_assert_eq(udp_init(st, 64, 512), 0);
    return st;
}
FX void fx_free(struct stack *st) {
    free(st);
}

/* Runs the timers of the next `ns`, each at its time. */
FX void fx_advance(struct stack *st, uint64_t ns) {
    uint64_t end = st->now_ns + ns, next;
    struct timer *t;
    while ((next = timers_next(&st->timers)) <= end) {
        if (next > st->now_ns)
            st->now_ns = next;
        while ((t = timers_expire(&st->timers, st->now_ns)) != NULL)
            cr_assert(net_timer(st, t));
    }
    st->now_ns = end;
}

/* ---- what was sent ---- */

struct fx_out {
    uint8_t data[70000];
    size_t len;
    bool csum_partial;
    uint16_t csum_start, csum_offset, gso_size;
};

FX void fx_flatten(struct pkt *p, struct fx_out *o) {
    struct iovec iov[1 + PKT_FRAGS_MAX];
    int n = pkt_iov(p, iov);
    o->len = 0;
    for (int i = 0; i < n; i++) {
        memcpy(o->data + o->len, iov[i].iov_base, iov[i].iov_len);
        o->len += iov[i].iov_len;
    }
    o->csum_partial = p->csum_partial;
    o->csum_start = p->csum_start;
    o->csum_offset = p->csum_offset;
    o->gso_size = p->gso_size;
}
/* Takes the oldest packet off a queue; false when it is empty. */
FX bool fx_pop_from(struct stack *st, struct pkt_queue *q, uint32_t *qlen, struct fx_out *o) {
    struct pkt *p = STAILQ_FIRST(q);
    if (p == NULL) {
        cr_assert_eq(*qlen, 0);
        return false;
    }
    STAILQ_REMOVE_HEAD(q, link);
    --*qlen;
    fx_flatten(p, o);
    pkt_free(&st->pkts, &st->chunks, p);
    return true;
}
FX bool fx_pop(struct stack *st, struct fx_out *o) {
    return fx_pop_from(st, &st->tx, &st->tx_len, o);
}
FX void fx_drain(struct stack *st) {
    static struct fx_out o;
    while (fx_pop(st, &o))
        continue;
}
/* Finishes a partial checksum, as a link does. */
FX void fx_finish(struct fx_out *o) {
    if (!o->csum_partial)
        return;
    uint8_t *from = o->data + o->csum_start;
    be16_t c = csum_finish(csum_add(0, from, o->len - o->csum_start));
    if (c.raw == 0)
        c.raw = 0xffff;
    memcpy(from + o->csum_offset, &c, 2);
    o->csum_partial = false;
}
/* Valid until the next call. */
FX const struct eth_hdr *fx_eth(const struct fx_out *o) {
    static struct eth_hdr h;
    cr_assert(eth_parse(o->data, o->len, &h) > 0);
    return &h;
}
FX struct ip4_hdr fx_ip4(const struct fx_out *o) {
    struct ip4_hdr h;
    cr_assert(ip4_parse(o->data + ETH_HDR_LEN, o->len - ETH_HDR_LEN, &h) > 0);
    cr_assert_eq(h.total_len, o->len - ETH_HDR_LEN);
    return h;
}
#define FX_L4(o)     ((o)->data + ETH_HDR_LEN + IP4_HDR_LEN)
#define FX_L4_LEN(o) ((o)->len - ETH_HDR_LEN - IP4_HDR_LEN)

/* ---- what is received ---- */

struct fx_split {
    const uint8_t *rest;
    size_t len;
    int reads;
};
FX int fx_read_rest(struct frame *f, const struct iovec *iov, int niov) {
    struct fx_split *s = f->src;
    struct iovec src = {(void *)(uintptr_t)s->rest, s->len};
    s->reads++;
    return (int)iov_copy(iov, niov, 0, &src, 1, 0, s->len);
}
/* Only the first `linear` bytes are in memory, as of a large frame in the ring. *s must live as
 * long as the frame. */
FX void fx_frame(struct frame *f, struct fx_split *s, const uint8_t *data, size_t len,
                 size_t linear) {
    frame_from_mem(f, data, (uint32_t)len);
    if (linear < len) {
        *s = (struct fx_split){data + linear, len - linear, 0};
        f->linear = (uint32_t)linear;
        f->read_rest = fx_read_rest;
        f->src = s;
    }
}
/* A frame from the wire. The views in *in stay valid; the caller ends with net_input_end. */
FX enum net_in_kind fx_input(struct stack *st, const uint8_t *data, size_t len, struct ip_in *in,
                             struct icmp_err *err) {
    struct frame f;
    frame_from_mem(&f, data, (uint32_t)len);
    return net_input(st, &f, in, err);
}
/* Gives a frame and expects that nothing comes up. */
FX void fx_input_done(struct stack *st, const uint8_t *data, size_t len) {
    struct ip_in in;
    struct icmp_err err;
    cr_assert_eq(fx_input(st, data, len, &in, &err), NET_IN_DONE);
}

FX size_t fx_build_eth(uint8_t *b, const struct mac *dst, uint16_t type) {
    struct eth_hdr h = {.dst = *dst, .src = fx_peer_mac, .type = type};
    eth_build(b, &h);
    return ETH_HDR_LEN;
}
/* Ethernet, IPv4 as h says (total_len is computed when 0), payload. */
FX size_t fx_build_ip4(uint8_t *b, struct ip4_hdr h, const void *payload, size_t len) {
    size_t n = fx_build_eth(b, &fx_mac, ETH_IPV4);
    if (h.total_len == 0)
        h.total_len = (uint16_t)(IP4_HDR_LEN + len);
    if (h.ttl == 0)
        h.ttl = 64;
    ip4_build(b + n, &h);
    if (len > 0)
        memcpy(b + n + IP4_HDR_LEN, payload, len);
    return n + IP4_HDR_LEN + len;
}
FX struct ip4_hdr fx_from_peer(uint8_t proto) {
    return (struct ip4_hdr){.src = PEER, .dst = US, .proto = proto, .id = 7};
}
/* A UDP datagram with its checksum, without IP header. */
FX size_t fx_build_udp(uint8_t *b, struct addr src, uint16_t sport, struct addr dst, uint16_t dport,
                       const void *data, size_t len) {
    struct udp_hdr h = {.sport = sport, .dport = dport, .len = (uint16_t)(UDP_HDR_LEN + len)};
    udp_build(b, &h);
    if (len > 0)
        memcpy(b + UDP_HDR_LEN, data, len);
    be16_t c = csum_finish(csum_add(csum_pseudo(&src, &dst, PROTO_UDP, h.len), b, h.len));
    if (c.raw == 0)
        c.raw = 0xffff;
    memcpy(b + UDP_CSUM_OFFSET, &c, 2);
    return h.len;
}
FX size_t fx_build_icmp(uint8_t *b, struct icmp4_hdr h, const void *data, size_t len) {
    icmp4_build(b, &h);
    if (len > 0)
        memcpy(b + ICMP4_HDR_LEN, data, len);
    be16_t c = csum_finish(csum_add(0, b, ICMP4_HDR_LEN + len));
    memcpy(b + 2, &c, 2);
    return ICMP4_HDR_LEN + len;
}
FX size_t fx_build_arp(uint8_t *b, enum arp_op op, struct mac sha, struct addr spa,
                       struct addr tpa) {
    size_t n = fx_build_eth(b, op == ARP_REQUEST ? &eth_broadcast : &fx_mac, ETH_ARP);
    struct arp_hdr h = {.op = op, .sha = sha, .spa = spa, .tpa = tpa};
    if (op == ARP_REPLY)
        h.tha = fx_mac;
    arp_build(b + n, &h);
    return n + ARP_LEN;
}
/* The peer is known from here on, without anything sent. */
FX void fx_know_peer(struct stack *st) {
    uint8_t b[64];
    fx_input_done(st, b, fx_build_arp(b, ARP_REQUEST, fx_peer_mac, PEER, US));
    fx_drain(st);
    cr_assert_not_null(neigh_find(st, &PEER));
}

/* What stack.c does with an IP packet, without TCP. */
FX void fx_dispatch(struct stack *st, enum net_in_kind kind, struct ip_in *in,
                    struct icmp_err *err) {
    if (kind == NET_IN_ICMP_ERR && err->proto == PROTO_UDP)
        udp_icmp(st, err);
    if (kind == NET_IN_L4 && in->proto == PROTO_UDP && !udp_input(st, in))
        net_send_unreach(st, in, ICMP4_UNREACH_PORT);
    net_input_end(st, in);
}
FX void fx_input_all(struct stack *st, const uint8_t *data, size_t len) {
    struct ip_in in;
    struct icmp_err err;
    fx_dispatch(st, fx_input(st, data, len, &in, &err), &in, &err);
}
/* Delivers what lies on st->loop, and what that brings forth. */
FX void fx_run_loop(struct stack *st) {
    struct pkt *p;
    while ((p = STAILQ_FIRST(&st->loop)) != NULL) {
        struct frame f;
        struct ip_in in;
        struct icmp_err err;
        STAILQ_REMOVE_HEAD(&st->loop, link);
        st->loop_len--;
        frame_from_pkt(&f, p);
        fx_dispatch(st, net_input_loop(st, &f, &in, &err), &in, &err);
        pkt_free(&st->pkts, &st->chunks, p);
    }
}
/* A packet with `len` bytes of payload and no L4 header. */
FX struct pkt *fx_pkt(struct stack *st, size_t len) {
    static uint8_t zeros[65536];
    struct pkt *p = pkt_get(&st->pkts);
    cr_assert_not_null(p);
    cr_assert(pkt_add_copy(p, &st->chunks, zeros, (uint32_t)len));
    return p;
}
/* Nothing is held that should not be: all packets and chunks are back. */
FX void fx_check_empty(struct stack *st) {
    fx_drain(st);
    cr_assert_eq(st->pkts.n_used, 0, "%u packets", st->pkts.n_used);
    cr_assert_eq(st->chunks.small.n_used, 0, "%u chunks", st->chunks.small.n_used);
    cr_assert_eq(st->chunks.large.n_used, 0, "%u large chunks", st->chunks.large.n_used);
}

#endif
