#include "stack/wire/udp.h"

#include <string.h>

struct wire_udp {
    be16_t sport, dport, len, csum;
};
_Static_assert(sizeof(struct wire_udp) == UDP_HDR_LEN, "");

int udp_parse(const uint8_t *p, size_t len, struct udp_hdr *h) {
    struct wire_udp w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    h->sport = be16_get(w.sport);
    h->dport = be16_get(w.dport);
    h->len = be16_get(w.len);
    h->has_csum = w.csum.raw != 0; /* RFC 768: zero is "none was made" */
    return h->len < UDP_HDR_LEN ? -1 : UDP_HDR_LEN;
}

void udp_build(uint8_t p[static UDP_HDR_LEN], const struct udp_hdr *h) {
    struct wire_udp w = {.sport = be16(h->sport), .dport = be16(h->dport), .len = be16(h->len)};
    memcpy(p, &w, sizeof(w));
}
