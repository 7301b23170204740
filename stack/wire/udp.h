/* UDP headers (RFC 768). */
#ifndef STACK_WIRE_UDP_H
#define STACK_WIRE_UDP_H

#include "stack/wire/wire.h"

#define UDP_HDR_LEN     8
#define UDP_CSUM_OFFSET 6

struct udp_hdr {
    uint16_t sport, dport;
    uint16_t len; /* header included */
    bool has_csum;
};

int udp_parse(const uint8_t *p, size_t len, struct udp_hdr *h);
/* With a zero checksum field. */
void udp_build(uint8_t p[static UDP_HDR_LEN], const struct udp_hdr *h);

#endif
