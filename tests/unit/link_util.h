/* For the tests of stack/link: packets as the stack hands them down, and a look at what came out.
 * A pattern of bytes stands for the payload; byte i of it is known from i. */
#ifndef TESTS_UNIT_LINK_UTIL_H
#define TESTS_UNIT_LINK_UTIL_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/csum.h"
#include "stack/base/pkt.h"
#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

#define FRAME_HDR 66u /* Ethernet, IPv4, TCP with timestamps */

struct lab {
    void *mem;
    struct chunk_pools chunks;
    struct pool pkts;
    uint16_t sport, dport;
};

static const struct mac mac_a = {{2, 0, 0, 0, 0, 0xa}}, mac_b = {{2, 0, 0, 0, 0, 0xb}};
#define IP_A 0x0a090001u
#define IP_B 0x0a090002u

static inline uint8_t pattern(uint32_t i) {
    return (uint8_t)(i * 7 + i / 251 + (i >> 13));
}

static inline void lab_init(struct lab *b) {
    struct arena a;
    size_t size = 32u << 20;
    b->sport = 1000;
    b->dport = 2000;
    b->mem = calloc(1, size);
    arena_init(&a, b->mem, size);
    cr_assert(chunk_pools_init(&b->chunks, &a, 1024, 64));
    cr_assert(pool_init(&b->pkts, &a, sizeof(struct pkt), 256));
}
static inline void lab_end(struct lab *b) {
    cr_assert_eq(b->pkts.n_used, 0);
    cr_assert_eq(b->chunks.small.n_used + b->chunks.large.n_used, 0);
    free(b->mem);
}
static inline void lab_free(struct lab *b, struct pkt *p) {
    pkt_free(&b->pkts, &b->chunks, p);
}

/* A TCP segment from a to b, `len` bytes of payload in chunks (large ones if `len` is), checksum
 * left partial; a super-frame when mss > 0. `seq` also chooses the pattern's first byte. */
static inline struct pkt *lab_tcp(struct lab *b, uint32_t seq_no, uint32_t len, uint16_t mss,
                                  uint16_t flags) {
    struct pkt *p = pkt_get(&b->pkts);
    uint8_t *bytes = malloc(len + 1);
    struct addr src = addr_v4(IP_A), dst = addr_v4(IP_B);
    cr_assert(p != NULL);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = pattern(seq_no + i);
    cr_assert(pkt_add_copy(p, &b->chunks, bytes, len));
    free(bytes);

    struct tcp_hdr th = {.sport = b->sport,
                         .dport = b->dport,
                         .seq = seq(seq_no),
                         .ack = seq(77),
                         .flags = flags,
                         .window = 500,
                         .opt = {.has_ts = true, .tsval = 1, .tsecr = 2}};
    size_t thl = tcp_build_len(&th);
    uint8_t *t = pkt_push(p, thl);
    tcp_build(t, &th);
    be16_t sum = csum_fold(csum_pseudo(&src, &dst, PROTO_TCP, (uint32_t)thl + len));
    memcpy(t + TCP_CSUM_OFFSET, &sum, 2);
    p->csum_partial = true;
    p->csum_offset = TCP_CSUM_OFFSET;
    if (mss > 0) {
        p->gso_type = GSO_TCP4;
        p->gso_size = mss;
        p->gso_hdr_len = (uint16_t)thl;
    }
    struct ip4_hdr ih = {.total_len = (uint16_t)(IP4_HDR_LEN + thl + len),
                         .id = 0xfffe,
                         .df = true,
                         .ttl = 64,
                         .proto = PROTO_TCP,
                         .src = src,
                         .dst = dst};
    ip4_build(pkt_push(p, IP4_HDR_LEN), &ih);
    struct eth_hdr eh = {.dst = mac_b, .src = mac_a, .type = ETH_IPV4};
    eth_build(pkt_push(p, ETH_HDR_LEN), &eh);
    cr_assert_eq(pkt_hdr_len(p), FRAME_HDR);
    return p;
}

struct seen {
    struct ip4_hdr ip;
    struct tcp_hdr tcp;
    uint32_t payload_len;
};

/* Parses a linear frame of lab_tcp and checks everything about it that must hold for any: lengths,
 * IP checksum, the pattern, and the TCP checksum unless it's said to be partial. */
static inline void check_frame(const uint8_t *f, uint32_t len, bool partial, struct seen *out) {
    struct eth_hdr eh;
    cr_assert_eq(eth_parse(f, len, &eh), ETH_HDR_LEN);
    cr_assert_eq(eh.type, ETH_IPV4);
    int ihl = ip4_parse(f + ETH_HDR_LEN, len - ETH_HDR_LEN, &out->ip);
    cr_assert_eq(ihl, IP4_HDR_LEN);
    cr_assert_eq(out->ip.total_len + ETH_HDR_LEN, len);
    const uint8_t *l4 = f + ETH_HDR_LEN + ihl;
    uint32_t l4_len = len - ETH_HDR_LEN - (uint32_t)ihl;
    if (!partial) {
        uint64_t sum = csum_pseudo(&out->ip.src, &out->ip.dst, PROTO_TCP, l4_len);
        cr_assert_eq(be16_get(csum_finish(csum_add(sum, l4, l4_len))), 0, "TCP checksum");
    }
    int thl = tcp_parse(l4, l4_len, &out->tcp);
    cr_assert_eq(thl, 32);
    out->payload_len = l4_len - (uint32_t)thl;
    for (uint32_t i = 0; i < out->payload_len; i++)
        if (l4[(uint32_t)thl + i] != pattern(out->tcp.seq.v + i))
            cr_assert_fail("byte %u of the segment at %u", i, out->tcp.seq.v);
}

/* The whole frame into buf. */
static inline uint32_t read_frame(struct frame *f, uint8_t *buf, uint32_t cap) {
    struct iovec iov = {buf, cap};
    uint32_t len = f->len;
    cr_assert_leq(len, cap);
    cr_assert_eq(frame_read(f, 0, len, &iov, 1), (int)len);
    return len;
}

#endif
