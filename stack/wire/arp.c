#include "stack/wire/arp.h"

#include <string.h>

#include "stack/wire/eth.h"

#define ARP_HW_ETHERNET 1

struct wire_arp {
    be16_t hw, proto;
    uint8_t hw_len, proto_len;
    be16_t op;
    uint8_t sha[6];
    be32_t spa;
    uint8_t tha[6];
    be32_t tpa;
};
_Static_assert(sizeof(struct wire_arp) == ARP_LEN, "");

int arp_parse(const uint8_t *p, size_t len, struct arp_hdr *h) {
    struct wire_arp w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    uint16_t op = be16_get(w.op);
    if (be16_get(w.hw) != ARP_HW_ETHERNET || be16_get(w.proto) != ETH_IPV4 || w.hw_len != 6 ||
        w.proto_len != 4 || (op != ARP_REQUEST && op != ARP_REPLY))
        return -1;
    h->op = op;
    memcpy(h->sha.b, w.sha, 6);
    memcpy(h->tha.b, w.tha, 6);
    h->spa = addr_from_be(w.spa);
    h->tpa = addr_from_be(w.tpa);
    return ARP_LEN;
}

void arp_build(uint8_t p[static ARP_LEN], const struct arp_hdr *h) {
    struct wire_arp w = {
        .hw = be16(ARP_HW_ETHERNET),
        .proto = be16(ETH_IPV4),
        .hw_len = 6,
        .proto_len = 4,
        .op = be16(h->op),
        .spa = addr_to_be(&h->spa),
        .tpa = addr_to_be(&h->tpa),
    };
    memcpy(w.sha, h->sha.b, 6);
    memcpy(w.tha, h->tha.b, 6);
    memcpy(p, &w, sizeof(w));
}
