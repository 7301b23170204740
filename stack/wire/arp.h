/* ARP for IPv4 over Ethernet (RFC 826). Anything else is refused. */
#ifndef STACK_WIRE_ARP_H
#define STACK_WIRE_ARP_H

#include "stack/wire/wire.h"

#define ARP_LEN 28
enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_hdr {
    uint16_t op;
    struct mac sha, tha;
    struct addr spa, tpa;
};

int arp_parse(const uint8_t *p, size_t len, struct arp_hdr *h);
void arp_build(uint8_t p[static ARP_LEN], const struct arp_hdr *h);

#endif
