#include "stack/wire/ip4.h"

#include <string.h>

struct wire_ip4 {
    uint8_t ver_ihl, tos;
    be16_t total_len, id, frag;
    uint8_t ttl, proto;
    be16_t csum;
    be32_t src, dst;
};
_Static_assert(sizeof(struct wire_ip4) == IP4_HDR_LEN, "");

#define IP4_DF       0x4000
#define IP4_MF       0x2000
#define IP4_OFF_MASK 0x1fff

enum ip4_opt { IP4_OPT_END = 0, IP4_OPT_NOP = 1, IP4_OPT_LSRR = 131, IP4_OPT_SSRR = 137 };

/* RFC 791 §3.1, RFC 1122 §3.2.1.8. Every option must lie within the header; of the source routes
 * there may be one, and its pointer must be possible. What others mean is ignored (MUST-50). */
static bool parse_options(const uint8_t *p, size_t len, struct ip4_hdr *h) {
    for (size_t i = 0; i < len;) {
        if (p[i] == IP4_OPT_END)
            return true;
        if (p[i] == IP4_OPT_NOP) {
            i++;
            continue;
        }
        if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
            return false;
        if (p[i] == IP4_OPT_LSRR || p[i] == IP4_OPT_SSRR) {
            if (h->source_route || p[i + 1] < 3 || p[i + 2] < 4)
                return false;
            h->source_route = true;
        }
        i += p[i + 1];
    }
    return true;
}

int ip4_parse(const uint8_t *p, size_t len, struct ip4_hdr *h) {
    struct wire_ip4 w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    uint8_t hdr_len = (uint8_t)((w.ver_ihl & 0x0f) * 4);
    uint16_t frag = be16_get(w.frag);
    *h = (struct ip4_hdr){
        .hdr_len = hdr_len,
        .tos = w.tos,
        .total_len = be16_get(w.total_len),
        .id = be16_get(w.id),
        .df = frag & IP4_DF,
        .mf = frag & IP4_MF,
        .frag_off = (uint16_t)((frag & IP4_OFF_MASK) * 8),
        .ttl = w.ttl,
        .proto = w.proto,
        .src = addr_from_be(w.src),
        .dst = addr_from_be(w.dst),
    };
    if (w.ver_ihl >> 4 != 4 || hdr_len < IP4_HDR_LEN || hdr_len > len || h->total_len < hdr_len)
        return -1;
    if (csum_finish(csum_add(0, p, hdr_len)).raw != 0)
        return -1;
    if (hdr_len > IP4_HDR_LEN && !parse_options(p + IP4_HDR_LEN, hdr_len - IP4_HDR_LEN, h))
        return -1;
    return hdr_len;
}

void ip4_build(uint8_t p[static IP4_HDR_LEN], const struct ip4_hdr *h) {
    struct wire_ip4 w = {
        .ver_ihl = 0x45,
        .tos = h->tos,
        .total_len = be16(h->total_len),
        .id = be16(h->id),
        .frag = be16((uint16_t)((h->df ? IP4_DF : 0) | (h->mf ? IP4_MF : 0) | h->frag_off / 8)),
        .ttl = h->ttl,
        .proto = h->proto,
        .src = addr_to_be(&h->src),
        .dst = addr_to_be(&h->dst),
    };
    w.csum = csum_finish(csum_add(0, &w, sizeof(w)));
    memcpy(p, &w, sizeof(w));
}
