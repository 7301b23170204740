/* Path MTU by packets that arrive or do not (RFC 4821), beside what ICMP tells. See mtu.c. */
#ifndef STACK_TCP_MTU_H
#define STACK_TCP_MTU_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;

enum mtu_probing { MTU_PROBING_NEVER, MTU_PROBING_ON_BLACKHOLE, MTU_PROBING_ALWAYS };

/* Sizes are those of an MSS: an IP packet's less 40, the timestamp option included. */
struct mtu_search {
    bool enabled;
    bool sending;   /* the segment being built is a probe: it goes whole */
    uint32_t low;   /* such packets arrive; so large are those that are sent */
    uint32_t high;  /* larger ones do not, or cannot */
    uint32_t probe; /* the size under way; 0: none */
    seq_t lo, hi;   /* … and its bytes */
    uint64_t since_ns;
};

void mtu_start(struct stack *st, struct tcb *t);       /* before the first SYN */
void mtu_established(struct stack *st, struct tcb *t); /* the peer's MSS is known */
/* `mss`, but no more than what is known to arrive. */
uint32_t mtu_bounded(const struct tcb *t, uint32_t mss);
/* A timeout beyond R1 (tcp_retries1): large packets may vanish. Makes segments smaller. */
void mtu_on_blackhole(struct stack *st, struct tcb *t);
/* Payload bytes of the probe that may be sent now; 0: none. */
uint32_t mtu_probe_due(struct stack *st, struct tcb *t);
void mtu_on_probe_sent(struct tcb *t, seq_t lo, uint32_t len);
void mtu_on_ack(struct stack *st, struct tcb *t);
/* Something was lost. True: only the probe, so it tells of its size, not of congestion. */
bool mtu_probe_was_lost(struct stack *st, struct tcb *t);
/* Bytes are sent again: what a probe under way will tell is unclear. */
void mtu_on_retransmit(struct tcb *t);

#endif
