/* IPv4 in and out: what is refused (V3, V4, V5, V18), what is sent (V23). */
#include <errno.h>

#include "stack_fixture.h"

static struct fx_out o;
static uint8_t buf[2048], data[1480];

/* Expects that the packet comes up. */
static void accepted(struct stack *st, size_t len) {
    struct ip_in in;
    struct icmp_err err;
    cr_assert_eq(fx_input(st, buf, len, &in, &err), NET_IN_L4);
    net_input_end(st, &in);
}

Test(ip4, handed_up_whole) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip4_hdr h = fx_from_peer(PROTO_TCP);
    struct ip_in in;
    struct icmp_err err;
    h.tos = 0xb8;
    h.ttl = 17;
    memset(data, 0xab, 100);
    size_t len = fx_build_ip4(buf, h, data, 100);
    memset(buf + len, 0xee, 10); /* padding */
    cr_assert_eq(fx_input(st, buf, len + 10, &in, &err), NET_IN_L4);
    cr_assert_eq(in.proto, PROTO_TCP);
    cr_assert(addr_eq(&in.src, &PEER));
    cr_assert(addr_eq(&in.dst, &US));
    cr_assert_eq(in.tos, 0xb8);
    cr_assert_eq(in.ttl, 17);
    cr_assert_not(in.broadcast);
    cr_assert_not(in.loop);
    cr_assert_eq(in.f.len, 100, "padding is cut off");
    cr_assert_eq(in.f.linear, 100);
    cr_assert_eq(in.hdr_len, 20);
    cr_assert_arr_eq(in.hdr, buf + ETH_HDR_LEN, 20);
    cr_assert_eq(st->ctr.IpInDelivers, 1);
    fx_free(st);
}

Test(ip4, frames_for_others) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    size_t len = fx_build_ip4(buf, fx_from_peer(PROTO_UDP), data, 40);
    buf[5] ^= 0x40; /* another host's MAC */
    fx_input_done(st, buf, len);
    cr_assert_eq(st->ctr.eth_in_other, 1);
    buf[5] ^= 0x40;
    buf[6] |= 1; /* a group as the sender */
    fx_input_done(st, buf, len);
    cr_assert_eq(st->ctr.eth_in_bad, 1);
    for (size_t n = 0; n < ETH_HDR_LEN; n++)
        fx_input_done(st, buf, n);
    cr_assert_eq(st->ctr.eth_in_bad, 1 + ETH_HDR_LEN);
    cr_assert_eq(st->ctr.IpInReceives, 0);
    fx_free(st);
}

Test(ip4, addresses) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    static const uint32_t bad_src[] = {
        0x00000000, 0xffffffff, 0xe0000001, 0xf0000001,
        0x7f000001, 0x7f020304, 0x0a000001, /* V18, LAND: our own */
        0x0a0000ff,                         /* the net's broadcast */
    };
    static const uint32_t bad_dst[] = {0x0a000003, 0xc0000201, 0x7f000001, 0x00000000, 0xe00000fb};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof(bad_src) / sizeof(*bad_src); i++) {
        h.src = addr_v4(bad_src[i]);
        fx_input_done(st, buf, fx_build_ip4(buf, h, data, 40));
        cr_assert_eq(st->ctr.IpInAddrErrors, ++n, "source %x", bad_src[i]);
    }
    h = fx_from_peer(PROTO_UDP);
    for (unsigned i = 0; i < sizeof(bad_dst) / sizeof(*bad_dst); i++) {
        h.dst = addr_v4(bad_dst[i]);
        fx_input_done(st, buf, fx_build_ip4(buf, h, data, 40));
        cr_assert_eq(st->ctr.IpInAddrErrors, ++n, "destination %x", bad_dst[i]);
    }
    cr_assert_eq(st->tx_len, 0);
    static const uint32_t bcast[] = {0x0a0000ff, 0xffffffff};
    for (unsigned i = 0; i < 2; i++) {
        struct ip_in in;
        struct icmp_err err;
        h.dst = addr_v4(bcast[i]);
        cr_assert_eq(fx_input(st, buf, fx_build_ip4(buf, h, data, 40), &in, &err), NET_IN_L4);
        cr_assert(in.broadcast);
    }
    fx_free(st);
}

/* V3: lengths that lie, both ways. */
Test(ip4, v3_lengths) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip4_hdr h = fx_from_peer(PROTO_UDP);
    h.total_len = 61;
    fx_input_done(st, buf, fx_build_ip4(buf, h, data, 40));
    h.total_len = 65535;
    fx_input_done(st, buf, fx_build_ip4(buf, h, data, 40));
    h.total_len = 19;
    fx_input_done(st, buf, fx_build_ip4(buf, h, data, 40));
    cr_assert_eq(st->ctr.IpInHdrErrors, 3);
    /* Every truncation of a good packet, in memory of exactly that size. */
    size_t len = fx_build_ip4(buf, fx_from_peer(PROTO_UDP), data, 40);
    for (size_t n = ETH_HDR_LEN; n < len; n++) {
        uint8_t *copy = malloc(n);
        memcpy(copy, buf, n);
        fx_input_done(st, copy, n);
        free(copy);
    }
    cr_assert_eq(st->ctr.IpInHdrErrors, 3 + len - ETH_HDR_LEN);
    accepted(st, len);
    buf[ETH_HDR_LEN] = 0x44; /* header shorter than a header */
    fx_input_done(st, buf, len);
    buf[ETH_HDR_LEN] = 0x65; /* not version 4 */
    fx_input_done(st, buf, len);
    buf[ETH_HDR_LEN] = 0x45;
    buf[ETH_HDR_LEN + 10] ^= 1; /* checksum */
    fx_input_done(st, buf, len);
    cr_assert_eq(st->ctr.IpInHdrErrors, 6 + len - ETH_HDR_LEN);
    cr_assert_eq(st->ctr.IpInDelivers, 1);
    cr_assert_eq(st->tx_len, 0);
    fx_free(st);
}

/* A packet with these option bytes (a multiple of four). */
static size_t with_options(const uint8_t *opt, size_t n, uint8_t proto) {
    size_t len = fx_build_ip4(buf, fx_from_peer(proto), data, 40);
    uint8_t *ip = buf + ETH_HDR_LEN;
    memmove(ip + 20 + n, ip + 20, 40);
    memcpy(ip + 20, opt, n);
    ip[0] = (uint8_t)(0x45 + n / 4);
    ip[3] = (uint8_t)(60 + n);
    ip[10] = ip[11] = 0;
    be16_t c = csum_finish(csum_add(0, ip, 20 + n));
    memcpy(ip + 10, &c, 2);
    return len + n;
}

/* V4, CVE-2019-12256: source routes. */
Test(ip4, must50_v4_source_routes) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const uint8_t bad[][12] = {
        {131, 7, 4, 10, 0, 0, 9, 0},  /* LSRR */
        {137, 7, 4, 10, 0, 0, 9, 0},  /* SSRR */
        {131, 3, 4, 131, 3, 4, 0, 0}, /* two of them */
        {131, 0, 4, 0},
        {131, 1, 4, 0},
        {131, 2, 0},     /* malformed */
        {131, 3, 0, 0},  /* pointer before the list */
        {131, 40, 4, 0}, /* past the header */
        {7, 255, 4, 0},
        {68, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        fx_input_done(st, buf, with_options(bad[i], 12, PROTO_ICMP));
        cr_assert_eq(st->ctr.IpInHdrErrors, i + 1, "option %u", i);
    }
    cr_assert_eq(st->tx_len, 0, "nothing is reflected");
    /* MUST-50: others are skipped. */
    static const uint8_t fine[12] = {1, 1, 148, 4, 0, 0, 7, 4, 4, 0, 0, 0};
    struct ip_in in;
    struct icmp_err err;
    size_t len = with_options(fine, 12, PROTO_UDP);
    cr_assert_eq(fx_input(st, buf, len, &in, &err), NET_IN_L4);
    cr_assert_eq(in.hdr_len, 32);
    cr_assert_eq(in.f.len, 40);
    fx_free(st);
}

/* V5: IP in IP, and other protocols that we do not have. */
Test(ip4, v5_unknown_protocols) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    struct ip4_hdr inner = fx_from_peer(PROTO_UDP);
    inner.total_len = 20;
    ip4_build(data, &inner);
    size_t len = fx_build_ip4(buf, fx_from_peer(4), data, 60);
    fx_input_done(st, buf, len);
    cr_assert_eq(st->ctr.IpInUnknownProtos, 1);
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_ip4(&o).proto, PROTO_ICMP);
    cr_assert_eq(FX_L4(&o)[0], ICMP4_UNREACH);
    cr_assert_eq(FX_L4(&o)[1], ICMP4_UNREACH_PROTO);
    cr_assert_arr_eq(FX_L4(&o) + 8, buf + ETH_HDR_LEN, 80, "quotes what came");
    for (int i = 0; i < 1000; i++)
        fx_input_done(st, buf, len);
    cr_assert_leq(st->tx_len, ICMP_DST_BURST);
    cr_assert_gt(st->ctr.IcmpOutRateLimited, 990);
    fx_check_empty(st);
    fx_free(st);
}

Test(ip4, layer4_must_be_within_reach) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct frame f;
    struct fx_split s;
    struct ip_in in;
    struct icmp_err err;
    size_t len = fx_build_ip4(buf, fx_from_peer(PROTO_TCP), data, 1400);
    fx_frame(&f, &s, buf, len, ETH_HDR_LEN + 20 + 59);
    cr_assert_eq(net_input(st, &f, &in, &err), NET_IN_DONE);
    cr_assert_eq(st->ctr.IpInDiscards, 1);
    fx_frame(&f, &s, buf, len, ETH_HDR_LEN + 20 + 60);
    cr_assert_eq(net_input(st, &f, &in, &err), NET_IN_L4);
    cr_assert_eq(in.f.linear, 60);
    cr_assert_eq(in.f.len, 1400);
    cr_assert_eq(s.reads, 0, "nobody has read the rest");
    fx_free(st);
}

/* ---- output ---- */

Test(ip4, header_that_is_sent) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    struct ip_out io = {.dst = PEER, .proto = PROTO_TCP, .tos = 0x10, .ttl = 3, .df = true};
    cr_assert_eq(net_output(st, fx_pkt(st, 1480), &io), 0);
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_eth(&o)->type, ETH_IPV4);
    struct ip4_hdr h = fx_ip4(&o);
    cr_assert(addr_eq(&h.src, &US), "picked");
    cr_assert(addr_eq(&h.dst, &PEER));
    cr_assert(h.df && !h.mf && h.frag_off == 0);
    cr_assert_eq(h.ttl, 3);
    cr_assert_eq(h.tos, 0x10);
    io.ttl = 0;
    net_output(st, fx_pkt(st, 10), &io);
    cr_assert(fx_pop(st, &o));
    cr_assert_eq(fx_ip4(&o).ttl, 64);
    fx_check_empty(st);
    fx_free(st);
}

Test(ip4, too_large_with_df) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    fx_know_peer(st);
    struct ip_out io = {.dst = PEER, .proto = PROTO_TCP, .df = true};
    cr_assert_eq(net_output(st, fx_pkt(st, 1481), &io), -EMSGSIZE);
    net_set_path_mtu(st, &PEER, 1000);
    cr_assert_eq(net_output(st, fx_pkt(st, 981), &io), -EMSGSIZE);
    cr_assert_eq(net_output(st, fx_pkt(st, 980), &io), 0);
    /* A super-frame is judged by its segments. */
    struct pkt *p = fx_pkt(st, 20000);
    p->gso_type = GSO_TCP4;
    p->gso_size = 1448;
    memset(pkt_push(p, 32), 0, 32);
    cr_assert_eq(net_output(st, p, &io), -EMSGSIZE);
    p = fx_pkt(st, 20000);
    p->gso_type = GSO_TCP4;
    p->gso_size = 948;
    memset(pkt_push(p, 32), 0, 32);
    cr_assert_eq(net_output(st, p, &io), 0);
    io.df = false;
    cr_assert_eq(net_output(st, fx_pkt(st, 65516), &io), -EMSGSIZE, "no IPv4 packet is so long");
    fx_check_empty(st);
    fx_free(st);
}

Test(ip4, loopback_source_stays_inside) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip_out io = {.src = FX_V4(0x7f000001), .dst = PEER, .proto = PROTO_UDP};
    cr_assert_eq(net_output(st, fx_pkt(st, 1), &io), -EINVAL);
    fx_check_empty(st);
    fx_free(st);
}

Test(ip4, loopback_carries_65535_bytes) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    static const uint32_t own[] = {0x7f000001, 0x0a000001, 0x7f112233};
    for (unsigned i = 0; i < 3; i++) {
        struct ip_out io = {.dst = addr_v4(own[i]), .proto = PROTO_TCP, .df = true};
        struct pkt *p = fx_pkt(st, 65495);
        memset(pkt_push(p, 20), 0x11, 20);
        cr_assert_eq(net_output(st, p, &io), 0);
        cr_assert_eq(st->tx_len, 0);
        cr_assert_eq(st->loop_len, 1);
        struct frame f;
        struct ip_in in;
        struct icmp_err err;
        p = STAILQ_FIRST(&st->loop);
        frame_from_pkt(&f, p);
        cr_assert_eq(net_input_loop(st, &f, &in, &err), NET_IN_L4);
        cr_assert(in.loop);
        cr_assert_eq(in.f.len, 65515);
        cr_assert_eq(in.f.linear, 20, "the L4 header");
        cr_assert_eq(in.f.csum, FRAME_CSUM_PARTIAL);
        cr_assert_eq(in.f.data[0], 0x11);
        net_input_end(st, &in);
        fx_run_loop(st);
    }
    fx_check_empty(st);
    fx_free(st);
}

Test(ip4, loopback_queue_is_bounded) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip_out io = {.dst = US, .proto = PROTO_TCP};
    for (unsigned i = 0; i < NET_LOOP_MAX; i++)
        cr_assert_eq(net_output(st, pkt_get(&st->pkts), &io), 0);
    cr_assert_eq(net_output(st, pkt_get(&st->pkts), &io), -ENOBUFS);
    cr_assert_eq(st->ctr.IpOutDiscards, 1);
    fx_free(st);
}

Test(ip4, broadcast_and_multicast_have_their_macs) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct ip_out io = {.dst = FX_V4(0x0a0000ff), .proto = PROTO_UDP};
    cr_assert_eq(net_output(st, fx_pkt(st, 1), &io), 0);
    cr_assert(fx_pop(st, &o));
    cr_assert(mac_eq(&fx_eth(&o)->dst, &eth_broadcast));
    cr_assert_eq(st->loop_len, 1, "we hear it too");
    fx_run_loop(st);
    io.dst = FX_V4(0xe08000fb);
    cr_assert_eq(net_output(st, fx_pkt(st, 1), &io), 0);
    cr_assert(fx_pop(st, &o));
    cr_assert(mac_eq(&fx_eth(&o)->dst, &(struct mac){{1, 0, 0x5e, 0, 0, 0xfb}}));
    fx_check_empty(st);
    fx_free(st);
}

static uint16_t id_to(struct stack *st, struct addr dst, uint8_t proto, unsigned segs) {
    struct ip_out io = {.dst = dst, .proto = proto, .df = true};
    struct pkt *p = fx_pkt(st, (size_t)segs * 1000);
    if (segs > 1) {
        p->gso_type = GSO_TCP4;
        p->gso_size = 1000;
    }
    cr_assert_eq(net_output(st, p, &io), 0);
    cr_assert(fx_pop(st, &o));
    return fx_ip4(&o).id;
}

/* V23: ids towards one destination tell nothing of what goes elsewhere; RFC 6864 and GRO want
 * them to count up within a flow. */
Test(ip4, v23_no_shared_id_counter) {
    struct net_config cfg = fx_config();
    cr_assert(addr_parse_prefix("10.0.0.1/8", &cfg.addr[0].addr, &cfg.addr[0].net));
    struct stack *st = fx_new(&cfg);
    uint8_t b[64];
    fx_know_peer(st);
    for (uint32_t i = 0; i < 100; i++)
        fx_input_done(st, b,
                      fx_build_arp(b, ARP_REQUEST, fx_peer_mac, addr_v4(0x0a010000 + i), US));
    fx_drain(st);
    uint16_t first = id_to(st, PEER, PROTO_TCP, 1);
    unsigned near = 0;
    for (uint32_t i = 0; i < 100; i++) {
        uint16_t other = id_to(st, addr_v4(0x0a010000 + i), PROTO_TCP, 1);
        near += (uint16_t)(other - first) < 200;
    }
    cr_assert_leq(near, 3, "begun at random");
    uint16_t udp = id_to(st, PEER, PROTO_UDP, 1);
    cr_assert_eq(id_to(st, PEER, PROTO_TCP, 1), (uint16_t)(first + 1), "nobody else took any");
    cr_assert_eq(id_to(st, PEER, PROTO_TCP, 40), (uint16_t)(first + 2));
    cr_assert_eq(id_to(st, PEER, PROTO_TCP, 1), (uint16_t)(first + 42), "one for each segment");
    cr_assert_eq(id_to(st, PEER, PROTO_UDP, 1), (uint16_t)(udp + 1));
    fx_free(st);
}

Test(ip4, described_for_people) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    char text[512];
    fx_know_peer(st);
    struct ip_out io = {.dst = addr_v4(0x0a000009), .proto = PROTO_UDP};
    net_output(st, fx_pkt(st, 1), &io);
    int n = net_describe(st, text, sizeof(text));
    cr_assert_str_eq(text, "10.0.0.0/24 src 10.0.0.1 mtu 1500\n"
                           "default via 10.0.0.254 src 10.0.0.1 mtu 1500\n"
                           "10.0.0.9 INCOMPLETE\n"
                           "10.0.0.2 lladdr 02:00:00:00:00:02 STALE\n");
    cr_assert_eq((size_t)n, strlen(text));
    char small[20];
    cr_assert_eq(net_describe(st, small, sizeof(small)), n, "as snprintf");
    cr_assert_eq(strlen(small), 19);
    fx_free(st);
}
