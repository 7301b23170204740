/* The round-trip time as the receiver of data sees it, for the receive window's size. See rcvrtt.c.
 */
#ifndef STACK_TCP_RCVRTT_H
#define STACK_TCP_RCVRTT_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct seg;

struct rcvrtt {
    uint64_t rtt_ns;   /* 0: not known yet */
    uint32_t tsecr;    /* the last echo that gave a sample */
    bool timing;       /* a window is being timed, … */
    seq_t window_end;  /* … until all of it has come */
    uint64_t since_ns; /* … which began here */
};

/* A segment with data has been taken. */
void rcvrtt_on_data(struct stack *st, struct tcb *t, const struct seg *s);
/* Nanoseconds; what the sender's half knows where nothing has been measured. */
uint64_t rcvrtt_ns(const struct tcb *t);

#endif
