#include "stack/wire/eth.h"

#include <string.h>

const struct mac eth_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

#define ETH_TYPE_MIN 0x0600 /* below it stands an IEEE 802.3 length (RFC 1122 §2.3.3) */

struct wire_eth {
    uint8_t dst[6], src[6];
    be16_t type;
};
_Static_assert(sizeof(struct wire_eth) == ETH_HDR_LEN, "");

int eth_parse(const uint8_t *p, size_t len, struct eth_hdr *h) {
    struct wire_eth w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    memcpy(h->dst.b, w.dst, 6);
    memcpy(h->src.b, w.src, 6);
    h->type = be16_get(w.type);
    return h->type < ETH_TYPE_MIN ? -1 : ETH_HDR_LEN;
}

void eth_build(uint8_t p[static ETH_HDR_LEN], const struct eth_hdr *h) {
    struct wire_eth w = {.type = be16(h->type)};
    memcpy(w.dst, h->dst.b, 6);
    memcpy(w.src, h->src.b, 6);
    memcpy(p, &w, sizeof(w));
}
