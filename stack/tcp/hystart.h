/* HyStart++ (RFC 9406): slow start ends when the round-trip time rises, before anything is lost.
 *
 * A rise first turns slow start into conservative slow start, a quarter as fast. If the round-trip
 * time comes down again, it was a false alarm; if not within CSS_ROUNDS rounds, slow start is over.
 */
#ifndef STACK_TCP_HYSTART_H
#define STACK_TCP_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct tcb;

struct hystart {
    uint64_t last_min_ns, round_min_ns; /* of the last round and of this one; UINT64_MAX: none */
    uint64_t baseline_ns;               /* cssBaselineMinRtt */
    uint32_t samples;                   /* in this round */
    uint8_t css_rounds;
    bool in_css;
    seq_t round_end;
};

void hystart_init(const struct tcb *t, struct hystart *h);
/* An ACK in slow start, with an RTT sample (0: none). True: slow start is over. */
bool hystart_on_ack(const struct tcb *t, struct hystart *h, uint64_t rtt_ns);
/* By how much cwnd may grow for `acked` bytes. */
uint32_t hystart_growth(const struct hystart *h, uint32_t acked);

#endif
