/* Ethernet II headers (IEEE 802.3, RFC 894). */
#ifndef STACK_WIRE_ETH_H
#define STACK_WIRE_ETH_H

#include "stack/wire/wire.h"

#define ETH_HDR_LEN 14
enum eth_type { ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_IPV6 = 0x86dd };

struct eth_hdr {
    struct mac dst, src;
    uint16_t type;
};
extern const struct mac eth_broadcast;

int eth_parse(const uint8_t *p, size_t len, struct eth_hdr *h);
void eth_build(uint8_t p[static ETH_HDR_LEN], const struct eth_hdr *h);
/* Broadcast or multicast. */
static inline bool mac_is_group(const struct mac *m) {
    return m->b[0] & 1;
}

#endif
