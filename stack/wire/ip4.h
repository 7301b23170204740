/* IPv4 headers (RFC 791). */
#ifndef STACK_WIRE_IP4_H
#define STACK_WIRE_IP4_H

#include "stack/wire/wire.h"

#define IP4_HDR_LEN 20
#define IP4_HDR_MAX 60

struct ip4_hdr {
    uint8_t hdr_len; /* bytes, options included */
    uint8_t tos;     /* DSCP and ECN */
    uint16_t total_len;
    uint16_t id;
    bool df, mf;
    uint16_t frag_off; /* bytes */
    uint8_t ttl, proto;
    struct addr src, dst;
    bool source_route; /* an LSRR or SSRR option stands there */
};

/* Checks version, lengths, header checksum and the shape of the options. `len` may be less than
 * total_len (a frame whose rest is not linear); the caller compares. */
int ip4_parse(const uint8_t *p, size_t len, struct ip4_hdr *h);
/* 20 bytes, no options, with the checksum. hdr_len is ignored. */
void ip4_build(uint8_t p[static IP4_HDR_LEN], const struct ip4_hdr *h);

#endif
