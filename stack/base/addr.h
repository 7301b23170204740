/* Addresses. One type for IPv4 and IPv6: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d
 * (RFC 4291 §2.5.5.2), so that a comparison or a hash never asks for the family. */
#ifndef STACK_BASE_ADDR_H
#define STACK_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/be.h"

struct mac {
    uint8_t b[6];
};

struct addr {
    union {
        uint8_t b[16];
        uint32_t w[4];
        uint64_t q[2];
    };
};

/* Port in host order. */
struct endpoint {
    struct addr addr;
    uint16_t port;
};

/* A network: addresses whose first `plen` bits (of 128; an IPv4 /24 is 120) equal `net`. */
struct prefix {
    struct addr net;
    uint8_t plen;
};

#define ADDR_V4_PLEN 96 /* add to an IPv4 mask length for a struct prefix */
#define ADDR_STRLEN  48 /* enough for addr_format and for "addr/len" */

static inline bool addr_eq(const struct addr *a, const struct addr *b) {
    return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}
static inline bool endpoint_eq(const struct endpoint *a, const struct endpoint *b) {
    return addr_eq(&a->addr, &b->addr) && a->port == b->port;
}
static inline bool mac_eq(const struct mac *a, const struct mac *b) {
    return __builtin_memcmp(a->b, b->b, 6) == 0;
}
static inline bool addr_is_v4(const struct addr *a) {
    return a->q[0] == 0 && a->w[2] == __builtin_bswap32(0x0000ffffu);
}
/* IPv4 from and to a host-order integer (127.0.0.1 is 0x7f000001). */
static inline struct addr addr_v4(uint32_t host_order) {
    return (struct addr){.w = {0, 0, __builtin_bswap32(0xffffu), __builtin_bswap32(host_order)}};
}
static inline uint32_t addr_get_v4(const struct addr *a) {
    return __builtin_bswap32(a->w[3]);
}
static inline struct addr addr_from_be(be32_t v4) {
    return addr_v4(be32_get(v4));
}
static inline be32_t addr_to_be(const struct addr *a) {
    return (be32_t){a->w[3]};
}

/* 0.0.0.0 or :: */
bool addr_is_any(const struct addr *a);
/* 127.0.0.0/8 or ::1 */
bool addr_is_loopback(const struct addr *a);
/* 224.0.0.0/4 or ff00::/8 */
bool addr_is_multicast(const struct addr *a);
/* 255.255.255.255; a subnet's broadcast address is the interface's knowledge. */
bool addr_is_limited_broadcast(const struct addr *a);
/* May stand as the source of a unicast packet (RFC 1122 §3.2.1.3): not any, multicast,
 * broadcast, or class E. */
bool addr_is_unicast(const struct addr *a);
bool prefix_contains(const struct prefix *p, const struct addr *a);
/* The host part of `a` under p is all ones (IPv4, plen shorter than /31). */
bool prefix_is_broadcast(const struct prefix *p, const struct addr *a);

/* Text forms. format returns buf. parse returns false on anything but a whole valid text;
 * addr_parse_prefix takes "10.0.0.1/24" and gives the address and the prefix it lies in. */
char *addr_format(const struct addr *a, char buf[static ADDR_STRLEN]);
bool addr_parse(const char *text, struct addr *out);
bool addr_parse_prefix(const char *text, struct addr *addr, struct prefix *out);
char *mac_format(const struct mac *m, char buf[static 18]);
bool mac_parse(const char *text, struct mac *out);

#endif
