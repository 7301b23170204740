/* ICMP messages (RFC 792). */
#ifndef STACK_WIRE_ICMP4_H
#define STACK_WIRE_ICMP4_H

#include "stack/wire/wire.h"

#define ICMP4_HDR_LEN 8
enum icmp4_type {
    ICMP4_ECHO_REPLY = 0,
    ICMP4_UNREACH = 3,
    ICMP4_SOURCE_QUENCH = 4,
    ICMP4_REDIRECT = 5,
    ICMP4_ECHO = 8,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAM_PROBLEM = 12,
};
enum icmp4_unreach {
    ICMP4_UNREACH_NET = 0,
    ICMP4_UNREACH_HOST = 1,
    ICMP4_UNREACH_PROTO = 2,
    ICMP4_UNREACH_PORT = 3,
    ICMP4_UNREACH_FRAG = 4,
    ICMP4_UNREACH_ADMIN = 13,
};

enum icmp4_time_exceeded { ICMP4_TIMEX_TTL = 0, ICMP4_TIMEX_REASM = 1 };

struct icmp4_hdr {
    uint8_t type, code;
    uint16_t id, seq; /* echo */
    uint16_t mtu;     /* unreachable, fragmentation needed (RFC 1191) */
};

/* The eight bytes; the checksum over the whole message is the caller's to verify. */
int icmp4_parse(const uint8_t *p, size_t len, struct icmp4_hdr *h);
/* With a zero checksum field at bytes 2..3. */
void icmp4_build(uint8_t p[static ICMP4_HDR_LEN], const struct icmp4_hdr *h);
/* An error about another packet (RFC 1122 §3.2.2): never to be answered with an error. */
bool icmp4_is_error(uint8_t type);

#endif
