/* The network layer under a storm of frames that are nearly right: nothing is read past its end
 * (the sanitizers watch), nothing is lost or held for ever, the bounds hold. */
#include "stack_fixture.h"

static uint8_t base[2000], msg[2000], data[1480];

/* One of the kinds of frame that we know, in good order. Returns its length. */
static size_t good_frame(struct rand *r) {
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    struct icmp4_hdr echo = {.type = ICMP4_ECHO}, unreach = {.type = ICMP4_UNREACH, .code = 3};
    size_t n = rand_below(r, 1400);
    h.src = addr_v4(0x0a000002 + rand_below(r, 4));
    switch (rand_below(r, 7)) {
    case 0:
        return fx_build_arp(base, rand_below(r, 2) ? ARP_REQUEST : ARP_REPLY, fx_peer_mac, h.src,
                            US);
    case 1:
        h.proto = PROTO_ICMP;
        return fx_build_ip4(base, h, msg, fx_build_icmp(msg, echo, data, n));
    case 2: {
        struct ip4_hdr q = {.src = US, .dst = PEER, .proto = PROTO_UDP, .total_len = 100};
        ip4_build(data, &q);
        h.proto = PROTO_ICMP;
        return fx_build_ip4(base, h, msg, fx_build_icmp(msg, unreach, data, 28));
    }
    case 3:
        h.proto = PROTO_TCP;
        return fx_build_ip4(base, h, data, n);
    case 4:
        h.id = (uint16_t)rand_below(r, 3);
        n = rand_below(r, 4); /* quarters of a datagram, seldom something else */
        h.frag_off = (uint16_t)(512 * n);
        h.mf = n < 3;
        return fx_build_ip4(base, h, data, rand_below(r, 10) > 0 ? 512 : 520);
    default:
        n = fx_build_udp(msg, h.src, 9, h.dst, (uint16_t)(53 + rand_below(r, 2)), data, n);
        return fx_build_ip4(base, h, msg, n);
    }
}

/* The IP header's checksum made right again, so that the storm gets past it. */
static void mend(uint8_t *b, size_t len) {
    size_t hdr_len = len > ETH_HDR_LEN ? (size_t)(b[ETH_HDR_LEN] & 15) * 4 : 0;
    if (hdr_len < IP4_HDR_LEN || ETH_HDR_LEN + hdr_len > len)
        return;
    b[ETH_HDR_LEN + 10] = b[ETH_HDR_LEN + 11] = 0;
    be16_t c = csum_finish(csum_add(0, b + ETH_HDR_LEN, hdr_len));
    memcpy(b + ETH_HDR_LEN + 10, &c, 2);
}

static void storm(struct stack *st, struct rand *r, struct udp *u) {
    struct ip_in in;
    struct icmp_err err;
    struct fx_split s;
    struct frame f;
    size_t len = good_frame(r);
    if (rand_below(r, 4) == 0)
        len = rand_below(r, (uint32_t)len + 1);
    uint8_t *copy = malloc(len + 1); /* exactly as long as it says */
    copy = realloc(copy, len > 0 ? len : 1);
    memcpy(copy, base, len);
    for (uint32_t i = rand_below(r, 4); i > 0 && len > 12; i--)
        copy[12 + rand_below(r, (uint32_t)(len < 70 ? len : 70) - 12)] = (uint8_t)rand_u64(r);
    if (rand_below(r, 4) > 0)
        mend(copy, len);
    size_t linear = rand_below(r, 3) == 0 ? 14 + rand_below(r, 200) : len;
    fx_frame(&f, &s, copy, len, linear < len ? linear : len);
    f.csum = (uint8_t)rand_below(r, 3);
    f.gso_size = rand_below(r, 10) == 0 ? (uint16_t)(1 + rand_below(r, 1000)) : 0;
    fx_dispatch(st, net_input(st, &f, &in, &err), &in, &err);
    struct iovec iov = {data, sizeof(data)};
    if (rand_below(r, 3) == 0)
        udp_recv(st, u, &iov, 1, false, NULL, NULL);
    free(copy);
}

Test(net, storm) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    struct endpoint local = {addr_v4(0), 53};
    struct rand r;
    rand_init(&r, (const uint8_t *)"sixteen bytes of");
    cr_assert_eq(udp_bind(st, u, &local), 0);
    for (int i = 0; i < 100000; i++) {
        storm(st, &r, u);
        fx_advance(st, rand_below(&r, 20) * MS);
        if (i % 50 == 0) {
            fx_run_loop(st);
            fx_drain(st);
        }
        cr_assert_leq(st->net->frag.mem, FRAG_MEM_MAX);
    }
    cr_assert_gt(st->ctr.IpReasmOKs, 100);
    cr_assert_gt(st->ctr.UdpInDatagrams, 1000);
    cr_assert_gt(st->ctr.IcmpOutMsgs, 1000);
    udp_close(st, u);
    fx_advance(st, 40 * SEC);
    fx_check_empty(st);
    cr_assert_eq(st->net->frag.mem, 0);
    fx_free(st);
}

/* Out of every kind of memory: refusals, no crash, and all is well when there is some again. */
Test(net, out_of_memory) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct udp *u = udp_open(st);
    struct endpoint local = {addr_v4(0), 53};
    struct rand r;
    rand_init(&r, (const uint8_t *)"sixteen bytes of");
    cr_assert_eq(udp_bind(st, u, &local), 0);
    struct pool *pools[] = {&st->pkts, &st->chunks.small, &st->chunks.large, &st->net->frag.pieces,
                            &st->net->udp.dgrams};
    for (unsigned k = 0; k < 5; k++) {
        uint32_t max = pools[k]->max;
        pools[k]->max = pools[k]->fresh; /* nothing that was not in use before */
        for (int i = 0; i < 5000; i++) {
            storm(st, &r, u);
            fx_advance(st, 20 * MS);
            if (i % 500 == 0)
                fx_drain(st);
        }
        pools[k]->max = max;
        fx_drain(st);
    }
    cr_assert_gt(st->ctr.mem_chunks_out + st->ctr.mem_pkts_out, 0);
    udp_close(st, u);
    fx_advance(st, 40 * SEC);
    fx_check_empty(st);
    fx_free(st);
}

/* What net_mem_size and net_timers_max promise is enough, and they do not promise twice of it. */
Test(net, sizes_told_are_right) {
    static const uint8_t seed[16];
    struct net_config cfg = fx_config();
    for (uint32_t n = 1; n <= 1024; n *= 8) {
        cfg.neigh_max = n;
        cfg.frags_max = n;
        cfg.flow_buckets = 64 * n;
        size_t want = net_mem_size(&cfg) + udp_mem_size(n, 2 * n);
        struct stack *st = calloc(1, sizeof(*st));
        uint8_t *mem = calloc(1, want);
        arena_init(&st->arena, mem, want);
        rand_init(&st->rand, seed);
        cr_assert_eq(net_init(st, &cfg), 0);
        cr_assert_eq(udp_init(st, n, 2 * n), 0);
        cr_assert_geq(st->arena.used * 2, want);
        cr_assert_eq(net_timers_max(&cfg), n + 2);
        free(mem);
        mem = calloc(1, sizeof(struct net) + 100);
        arena_init(&st->arena, mem, sizeof(struct net) + 100);
        cr_assert_lt(net_init(st, &cfg), 0, "too small, and says so");
        free(mem);
        free(st);
    }
}
