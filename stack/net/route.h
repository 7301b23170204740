/* A route and its metrics: what `ip route add` may say of the way to a network. Which one a
 * destination takes: route.c. In the words of ip(8): route_text.c. */
#ifndef STACK_NET_ROUTE_H
#define STACK_NET_ROUTE_H

#include "stack/base/addr.h"

#define ROUTE_CC_MAX      16     /* Linux: TCP_CA_NAME_MAX, with its 0 */
#define ROUTE_MTU_LEAST   68u    /* RFC 791 §3.2: every IPv4 link carries 68 bytes */
#define ROUTE_MTU_MOST    65520u /* Linux: fib_convert_metrics cuts off there, … */
#define ROUTE_MSS_MOST    65495u /* … and there */
#define ROUTE_WINDOW_MOST (1u << 30)
#define ROUTE_SEGS_MOST   65535u
#define ROUTE_RTO_MOST    120000u /* ms: TCP_RTO_MAX_NS */

/* 0 or empty: the route does not say, and what holds without it does. */
struct route_metrics {
    uint16_t mtu;      /* bytes; a larger one than the interface's counts as that */
    uint16_t advmss;   /* bytes, as the MSS option has it */
    uint32_t window;   /* bytes: the most that is advertised, where TCP_WINDOW_CLAMP is not set */
    uint32_t initcwnd; /* segments */
    uint32_t initrwnd; /* segments */
    uint32_t rto_min_ms;
    bool mtu_lock;     /* packets may be fragmented, and routers' word on their size is not heard */
    bool quickack;     /* every segment is acknowledged at once */
    bool ecn;          /* as with tcp_ecn 1 */
    bool congctl_lock; /* TCP_CONGESTION does not change it */
    char congctl[ROUTE_CC_MAX];
};

struct route {
    struct prefix dst;
    struct addr gateway; /* any: on link */
    struct addr src;     /* preferred source; any in a configuration: net_init chooses it */
    bool onlink;         /* the gateway need not be in one of our networks */
    struct route_metrics metrics;
};

/* "default", "10.2.0.0/16" or "10.2.0.5", then in any order: via ADDR, src ADDR, onlink, mtu [lock]
 * BYTES, advmss BYTES, window BYTES, initcwnd SEGMENTS, initrwnd SEGMENTS, rto_min TIME (ms, or
 * with a unit: 50ms, 1s), quickack 0|1, features ecn, congctl [lock] NAME. Whether there is such a
 * congestion control is TCP's to know. NULL, or what is wrong (static text); then *out is
 * undefined.
 */
const char *route_parse(const char *text, struct route *out);

#endif
