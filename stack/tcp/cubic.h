/* CUBIC's state (RFC 9438), in bytes and nanoseconds. The algorithm: cc_cubic.c. */
#ifndef STACK_TCP_CUBIC_H
#define STACK_TCP_CUBIC_H

#include <stdint.h>

#include "stack/tcp/hystart.h"

struct cubic {
    uint32_t w_max;    /* window before the last reduction */
    uint32_t origin;   /* the curve's plateau */
    uint32_t w_est;    /* what Reno would have by now */
    uint32_t prior;    /* cwnd_prior: up to there Reno's share is alpha, then 1 */
    uint64_t epoch_ns; /* congestion avoidance began; 0: not yet */
    uint32_t k_ms;     /* time from there to the plateau */
    uint32_t credit;   /* growth of less than a byte, in acked bytes */
    struct hystart hystart;
    struct { /* before the last reduction, to take it back */
        uint32_t w_max;
        uint64_t epoch_ns;
    } before;
};

#endif
