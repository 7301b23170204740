/* Pacing: how fast data may leave, and when the next of it. The rate comes from cwnd and the
 * round-trip time as in Linux, or from a congestion control that paces (struct cc_ops). Two things
 * follow from it: super-segments are no larger than what leaves in about a millisecond (TSO
 * autosizing), on any connection; and data waits for its time of departure (TIMER_TCP_PACE) where
 * the congestion control or SO_MAX_PACING_RATE asks for that. */
#ifndef STACK_TCP_PACE_H
#define STACK_TCP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/timer.h"

struct stack;
struct tcb;

#define PACE_NO_LIMIT UINT64_MAX

struct pace {
    uint64_t rate;    /* bytes per second of payload; PACE_NO_LIMIT: not known yet */
    uint64_t next_ns; /* what is sent next leaves at this time at the earliest */
    struct timer timer;
};

void pace_init(struct tcb *t);
/* After an ACK: the rate follows cwnd and RTT, unless the congestion control sets it itself. */
void pace_update(struct stack *st, struct tcb *t);
/* The rate that a congestion control asks for; SO_MAX_PACING_RATE is its bound. */
void pace_set_rate(struct tcb *t, uint64_t rate);
/* Is data to wait now? If so, a timer will try again. */
bool pace_holds(struct stack *st, struct tcb *t);
/* `bytes` of data have left. */
void pace_on_sent(struct stack *st, struct tcb *t, uint32_t bytes);
/* Payload bytes of a super-segment, whole segments of `mss`. */
uint32_t pace_super_max(const struct stack *st, const struct tcb *t, uint32_t mss);

#endif
