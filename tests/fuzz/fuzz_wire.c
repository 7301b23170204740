/* libFuzzer target of all parsers of stack/wire: the first byte of the input chooses which.
 * Whatever parses must build again, and parse again to the same. */
#include <assert.h>
#include <string.h>

#include "stack/wire/arp.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool endpoint_addr_eq(const struct addr *a, const struct addr *b) {
    return addr_eq(a, b) && addr_is_v4(a);
}

static void fuzz_eth(const uint8_t *p, size_t len) {
    struct eth_hdr h, again;
    uint8_t out[ETH_HDR_LEN];
    if (eth_parse(p, len, &h) < 0)
        return;
    eth_build(out, &h);
    assert(eth_parse(out, sizeof(out), &again) == ETH_HDR_LEN);
    assert(mac_eq(&h.dst, &again.dst) && mac_eq(&h.src, &again.src) && h.type == again.type);
    assert(memcmp(out, p, sizeof(out)) == 0);
}

static void fuzz_arp(const uint8_t *p, size_t len) {
    struct arp_hdr h;
    uint8_t out[ARP_LEN];
    if (arp_parse(p, len, &h) < 0)
        return;
    arp_build(out, &h);
    assert(memcmp(out, p, sizeof(out)) == 0);
}

/* The header checksum would keep nearly all inputs out, so it is put right first. */
static void fuzz_ip4(const uint8_t *p, size_t len) {
    uint8_t b[IP4_HDR_MAX], out[IP4_HDR_LEN];
    struct ip4_hdr h, again;
    ip4_parse(p, len, &h);
    len = len < sizeof(b) ? len : sizeof(b);
    if (len < IP4_HDR_LEN)
        return;
    memcpy(b, p, len);
    size_t hdr_len = (size_t)(b[0] & 15) * 4;
    memset(b + 10, 0, 2);
    be16_t c = csum_finish(csum_add(0, b, hdr_len < len ? hdr_len : len));
    memcpy(b + 10, &c, 2);
    int n = ip4_parse(b, len, &h);
    if (n < 0)
        return;
    assert(n == h.hdr_len && (size_t)n <= len && h.total_len >= n);
    ip4_build(out, &h);
    int m = ip4_parse(out, sizeof(out), &again);
    assert(m == IP4_HDR_LEN);
    assert(h.tos == again.tos && h.total_len == again.total_len && h.id == again.id);
    assert(h.df == again.df && h.mf == again.mf && h.frag_off == again.frag_off);
    assert(h.ttl == again.ttl && h.proto == again.proto && !again.source_route);
    assert(endpoint_addr_eq(&h.src, &again.src) && endpoint_addr_eq(&h.dst, &again.dst));
}

static void fuzz_icmp4(const uint8_t *p, size_t len) {
    struct icmp4_hdr h, again;
    uint8_t out[ICMP4_HDR_LEN];
    if (icmp4_parse(p, len, &h) < 0)
        return;
    icmp4_build(out, &h);
    assert(icmp4_parse(out, sizeof(out), &again) == ICMP4_HDR_LEN);
    assert(h.type == again.type && h.code == again.code && h.id == again.id);
    assert(h.seq == again.seq && h.mtu == again.mtu);
}

static void fuzz_udp(const uint8_t *p, size_t len) {
    struct udp_hdr h;
    uint8_t out[UDP_HDR_LEN];
    if (udp_parse(p, len, &h) < 0)
        return;
    assert(h.len >= UDP_HDR_LEN);
    udp_build(out, &h);
    assert(memcmp(out, p, 6) == 0);
}

static void fuzz_tcp(const uint8_t *p, size_t len) {
    struct tcp_hdr h, again;
    uint8_t out[TCP_HDR_MAX];
    char flags[10];
    int n = tcp_parse(p, len, &h);
    if (n < 0)
        return;
    assert(n == h.hdr_len && (size_t)n <= len && h.opt.nsack <= TCP_SACK_MAX);
    assert(strlen(tcp_flags_format(h.flags, flags)) < sizeof(flags));
    size_t m = tcp_build(out, &h);
    assert(m == tcp_build_len(&h) && m >= TCP_HDR_LEN && m <= TCP_HDR_MAX && m % 4 == 0);
    assert(tcp_parse(out, m, &again) == (int)m);
    assert(h.sport == again.sport && h.dport == again.dport && h.flags == again.flags);
    assert(seq_eq(h.seq, again.seq) && seq_eq(h.ack, again.ack));
    assert(h.window == again.window && h.urg == again.urg);
    const struct tcp_opts *a = &h.opt, *b = &again.opt;
    assert(a->has_mss == b->has_mss && a->mss == b->mss);
    assert(a->has_wscale == b->has_wscale && a->wscale == b->wscale);
    assert(a->sack_permitted == b->sack_permitted && a->has_ts == b->has_ts);
    assert(a->tsval == b->tsval && a->tsecr == b->tsecr && a->has_md5 == b->has_md5);
    assert(a->fo.present == b->fo.present || (a->has_md5 && !b->fo.present));
    if (b->fo.present)
        assert(memcmp(&a->fo, &b->fo, sizeof(a->fo)) == 0);
    assert(b->nsack == a->nsack || (a->has_ts && a->nsack == 4 && b->nsack == 3));
    for (int i = 0; i < b->nsack; i++)
        assert(seq_eq(a->sack[i].lo, b->sack[i].lo) && seq_eq(a->sack[i].hi, b->sack[i].hi));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const target[])(const uint8_t *, size_t) = {fuzz_eth,   fuzz_arp, fuzz_ip4,
                                                              fuzz_icmp4, fuzz_udp, fuzz_tcp};
    if (size > 0)
        target[data[0] % (sizeof(target) / sizeof(target[0]))](data + 1, size - 1);
    return 0;
}
