#include "tests/unit/link_util.h"

#include "stack/link/gso.h"

static struct lab lab;
static struct gso_src src;
static uint8_t buf[GSO_FRAME_MAX], whole[GSO_FRAME_MAX];

static void setup(void) {
    lab_init(&lab);
}
static void teardown(void) {
    lab_end(&lab);
}
TestSuite(gso, .init = setup, .fini = teardown);

Test(gso, super_frame_becomes_the_segments_of_a_wire) {
    struct pkt *p = lab_tcp(&lab, 1000, 10000, 1448, TH_ACK | TH_PSH | TH_FIN | TH_CWR);
    struct seen s;
    gso_from_pkt(&src, p);
    cr_assert_eq(gso_count(&src), 7);
    for (uint32_t i = 0; i < 7; i++) {
        uint32_t len = gso_build(&src, i, buf);
        cr_assert_eq(len, gso_len(&src, i));
        check_frame(buf, len, false, &s);
        cr_assert_eq(s.tcp.seq.v, 1000 + i * 1448);
        cr_assert_eq(s.payload_len, i < 6 ? 1448 : 10000 - 6 * 1448);
        cr_assert_eq(s.ip.id, (uint16_t)(0xfffe + i), "the identification wraps at 2^16");
        cr_assert(s.ip.df);
        cr_assert_eq((s.tcp.flags & (TH_FIN | TH_PSH)) != 0, i == 6);
        cr_assert_eq((s.tcp.flags & TH_CWR) != 0, i == 0);
        cr_assert(s.tcp.flags & TH_ACK);
        cr_assert_eq(s.tcp.ack.v, 77);
        cr_assert_eq(s.tcp.opt.tsval, 1);
    }
    lab_free(&lab, p);
}

Test(gso, sequence_numbers_wrap) {
    struct pkt *p = lab_tcp(&lab, 0xffffff00u, 3000, 1000, TH_ACK);
    struct seen s;
    gso_from_pkt(&src, p);
    check_frame(buf, gso_build(&src, 2, buf), false, &s);
    cr_assert_eq(s.tcp.seq.v, 0xffffff00u + 2000);
    lab_free(&lab, p);
}

Test(gso, exact_multiples_and_single_bytes) {
    static const struct {
        uint32_t len;
        uint16_t mss;
        uint32_t count;
    } t[] = {{2896, 1448, 2}, {2897, 1448, 3}, {1448, 1448, 1}, {1, 1448, 1}, {5, 1, 5}};
    struct seen s;
    for (size_t k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
        struct pkt *p = lab_tcp(&lab, 5, t[k].len, t[k].mss, TH_ACK | TH_PSH);
        uint32_t sum = 0;
        gso_from_pkt(&src, p);
        cr_assert_eq(gso_count(&src), t[k].count);
        for (uint32_t i = 0; i < t[k].count; i++) {
            check_frame(buf, gso_build(&src, i, buf), false, &s);
            sum += s.payload_len;
        }
        cr_assert_eq(sum, t[k].len);
        cr_assert(s.tcp.flags & TH_PSH);
        lab_free(&lab, p);
    }
}

Test(gso, largest_super_frame) {
    struct pkt *p = lab_tcp(&lab, 0, 65521 - 52, 1448, TH_ACK);
    struct seen s;
    gso_from_pkt(&src, p);
    for (uint32_t i = 0; i < gso_count(&src); i++)
        check_frame(buf, gso_build(&src, i, buf), false, &s);
    uint32_t len = gso_linearize(&src, buf);
    cr_assert_eq(len, 65521 + ETH_HDR_LEN);
    check_frame(buf, len, true, &s);
    lab_free(&lab, p);
}

Test(gso, ordinary_packet_gets_its_checksum_finished) {
    struct seen s;
    for (uint32_t len = 0; len < 40; len++) { /* odd and even */
        struct pkt *p = lab_tcp(&lab, len, len, 0, TH_ACK);
        gso_from_pkt(&src, p);
        cr_assert_eq(gso_count(&src), 1);
        check_frame(buf, gso_build(&src, 0, buf), false, &s);
        cr_assert_eq(s.payload_len, len);
        lab_free(&lab, p);
    }
}

Test(gso, finished_packet_is_left_alone) {
    struct pkt *p = lab_tcp(&lab, 1, 100, 0, TH_ACK);
    p->csum_partial = false;
    gso_from_pkt(&src, p);
    uint32_t len = gso_build(&src, 0, buf);
    cr_assert_eq(len, gso_linearize(&src, whole));
    cr_assert_arr_eq(buf, whole, len);
    lab_free(&lab, p);
}

Test(gso, received_super_frame_is_split_alike) {
    struct pkt *p = lab_tcp(&lab, 9, 5000, 1000, TH_ACK | TH_PSH);
    struct seen s;
    gso_from_pkt(&src, p);
    uint32_t len = gso_linearize(&src, whole);
    cr_assert(gso_from_frame(&src, whole, len, 1000, FRAME_CSUM_PARTIAL));
    cr_assert_eq(gso_count(&src), 5);
    for (uint32_t i = 0; i < 5; i++) {
        check_frame(buf, gso_build(&src, i, buf), false, &s);
        cr_assert_eq(s.tcp.seq.v, 9 + i * 1000);
    }
    lab_free(&lab, p);
}

Test(gso, received_partial_checksum_is_finished_and_padding_cut) {
    struct pkt *p = lab_tcp(&lab, 9, 3, 0, TH_ACK);
    struct seen s;
    gso_from_pkt(&src, p);
    uint32_t len = gso_linearize(&src, whole);
    memset(whole + len, 0xee, 10);
    cr_assert(gso_from_frame(&src, whole, len + 10, 0, FRAME_CSUM_PARTIAL));
    cr_assert_eq(gso_build(&src, 0, buf), len);
    check_frame(buf, len, false, &s);
    lab_free(&lab, p);
}

Test(gso, received_frame_of_unknown_kind_passes_as_it_is) {
    memset(whole, 0x5a, 60);
    cr_assert(gso_from_frame(&src, whole, 60, 0, FRAME_CSUM_UNKNOWN));
    cr_assert_eq(gso_build(&src, 0, buf), 60);
    cr_assert_arr_eq(buf, whole, 60);
    cr_assert(gso_from_frame(&src, whole, 60, 0, FRAME_CSUM_PARTIAL));
    cr_assert_eq(gso_build(&src, 0, buf), 60);
    cr_assert_arr_eq(buf, whole, 60);
    cr_assert_not(gso_from_frame(&src, whole, 60, 20, FRAME_CSUM_PARTIAL));
}

/* Every truncation and every single changed header byte of a super-frame: split or refused, never
 * a read or write out of bounds (run under ASan), never a segment longer than the whole. */
Test(gso, hostile_headers) {
    struct pkt *p = lab_tcp(&lab, 9, 3000, 1000, TH_ACK);
    gso_from_pkt(&src, p);
    uint32_t len = gso_linearize(&src, whole);
    for (uint32_t cut = 0; cut <= len; cut += cut < 80 ? 1 : 97) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, whole, cut);
        if (gso_from_frame(&src, exact, cut, 1000, FRAME_CSUM_PARTIAL))
            cr_assert_eq(cut, len);
        free(exact);
    }
    for (uint32_t at = 0; at < FRAME_HDR; at++)
        for (uint32_t v = 0; v < 256; v++) {
            uint8_t old = whole[at];
            whole[at] = (uint8_t)v;
            if (gso_from_frame(&src, whole, len, 1000, FRAME_CSUM_PARTIAL))
                for (uint32_t i = 0; i < gso_count(&src); i++)
                    cr_assert_leq(gso_build(&src, i, buf), len);
            whole[at] = old;
        }
    lab_free(&lab, p);
}

/* A UDP super-frame (UDP_SEGMENT): datagrams of their own. */
Test(gso, udp_super_frame) {
    struct addr a = addr_v4(IP_A), b = addr_v4(IP_B);
    uint32_t payload = 2500, len = ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN + payload;
    struct eth_hdr eh = {.dst = mac_b, .src = mac_a, .type = ETH_IPV4};
    struct ip4_hdr ih = {.total_len = (uint16_t)(len - ETH_HDR_LEN),
                         .id = 5,
                         .ttl = 64,
                         .proto = PROTO_UDP,
                         .src = a,
                         .dst = b};
    struct udp_hdr uh = {.sport = 1, .dport = 2, .len = (uint16_t)(UDP_HDR_LEN + payload)};
    eth_build(whole, &eh);
    ip4_build(whole + ETH_HDR_LEN, &ih);
    udp_build(whole + 34, &uh);
    for (uint32_t i = 0; i < payload; i++)
        whole[42 + i] = pattern(i);
    cr_assert(gso_from_frame(&src, whole, len, 1000, FRAME_CSUM_PARTIAL));
    cr_assert_eq(gso_count(&src), 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n = gso_build(&src, i, buf), l4 = n - 34, want = i < 2 ? 1000 : 500;
        cr_assert_eq(l4, UDP_HDR_LEN + want);
        cr_assert_eq(ip4_parse(buf + ETH_HDR_LEN, n - ETH_HDR_LEN, &ih), IP4_HDR_LEN);
        cr_assert_eq(ih.id, 5 + i);
        cr_assert_gt(udp_parse(buf + 34, l4, &uh), 0);
        cr_assert_eq(uh.len, l4);
        cr_assert(uh.has_csum);
        uint64_t sum = csum_pseudo(&a, &b, PROTO_UDP, l4);
        cr_assert_eq(be16_get(csum_finish(csum_add(sum, buf + 34, l4))), 0);
        cr_assert_eq(buf[42], pattern(i * 1000));
    }
}

Test(gso, udp_checksum_zero_goes_as_all_ones) {
    /* A datagram whose checksum comes out as 0 (RFC 768): the two payload bytes make it so. */
    struct addr a = addr_v4(IP_A), b = addr_v4(IP_B);
    struct eth_hdr eh = {.dst = mac_b, .src = mac_a, .type = ETH_IPV4};
    struct ip4_hdr ih = {
        .total_len = 30, .id = 5, .ttl = 64, .proto = PROTO_UDP, .src = a, .dst = b};
    struct udp_hdr uh = {.sport = 1, .dport = 2, .len = 10};
    eth_build(whole, &eh);
    ip4_build(whole + ETH_HDR_LEN, &ih);
    udp_build(whole + 34, &uh);
    be16_t pad = csum_finish(csum_add(csum_pseudo(&a, &b, PROTO_UDP, 10), whole + 34, 8));
    memcpy(whole + 42, &pad, 2);
    be16_t seed = csum_fold(csum_pseudo(&a, &b, PROTO_UDP, 10));
    memcpy(whole + 40, &seed, 2);
    cr_assert(gso_from_frame(&src, whole, 44, 0, FRAME_CSUM_PARTIAL));
    gso_build(&src, 0, buf);
    cr_assert_eq(buf[40] << 8 | buf[41], 0xffff);
}

Test(gso, ipv6_super_frame) {
    struct addr a, b;
    struct eth_hdr eh = {.dst = mac_b, .src = mac_a, .type = ETH_IPV6};
    struct tcp_hdr th = {.sport = 1, .dport = 2, .seq = seq(100), .flags = TH_ACK | TH_PSH};
    uint32_t payload = 2500, len = ETH_HDR_LEN + 40 + TCP_HDR_LEN + payload;
    cr_assert(addr_parse("2001:db8::1", &a) && addr_parse("2001:db8::2", &b));
    memset(whole, 0, len);
    eth_build(whole, &eh);
    uint8_t *ip = whole + ETH_HDR_LEN;
    ip[0] = 0x60;
    ip[4] = (uint8_t)((TCP_HDR_LEN + payload) >> 8);
    ip[5] = (uint8_t)(TCP_HDR_LEN + payload);
    ip[6] = PROTO_TCP;
    memcpy(ip + 8, a.b, 16);
    memcpy(ip + 24, b.b, 16);
    tcp_build(ip + 40, &th);
    cr_assert(gso_from_frame(&src, whole, len, 1000, FRAME_CSUM_PARTIAL));
    cr_assert_eq(gso_count(&src), 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n = gso_build(&src, i, buf), l4 = n - ETH_HDR_LEN - 40;
        cr_assert_eq(l4, TCP_HDR_LEN + (i < 2 ? 1000 : 500));
        cr_assert_eq(buf[ETH_HDR_LEN + 4] << 8 | buf[ETH_HDR_LEN + 5], l4);
        cr_assert_gt(tcp_parse(buf + ETH_HDR_LEN + 40, l4, &th), 0);
        cr_assert_eq(th.seq.v, 100 + i * 1000);
        uint64_t sum = csum_pseudo(&a, &b, PROTO_TCP, l4);
        cr_assert_eq(be16_get(csum_finish(csum_add(sum, buf + ETH_HDR_LEN + 40, l4))), 0);
    }
}
