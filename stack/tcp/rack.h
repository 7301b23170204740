/* RACK (RFC 8985): what was sent a reordering window before something that has arrived is lost.
 * Reordering is told from loss by time, not by counting, so that it works for short flights, for
 * lost retransmissions, and on paths that reorder. */
#ifndef STACK_TCP_RACK_H
#define STACK_TCP_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct sent;
struct ack_news;

struct rack {
    uint64_t sent_ns; /* RACK.xmit_ts: of what was sent last of all that has arrived */
    seq_t end;        /* RACK.end_seq */
    uint64_t rtt_ns;
    bool advanced; /* since the last detection */
    bool dsack_seen;
    bool reordering_seen;
    uint8_t window_steps;     /* of min_rtt / 4 */
    uint8_t window_persist;   /* recoveries until the steps go back to 1 */
    uint64_t round_delivered; /* RACK.rtt_seq, in bytes delivered */
    uint32_t reordering;      /* in segments, as Linux's tcp_reordering */
    uint32_t reordering_events;
};

void rack_init(struct stack *st, struct tcb *t);
/* A record has arrived (RFC 8985 §6.2 steps 1 and 2). tsecr: echoed timestamp, if ok. */
void rack_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, bool tsecr_ok,
                       uint32_t tsecr);
/* Steps 3 and 4: reordering and duplicates adapt the window. */
void rack_on_ack(struct stack *st, struct tcb *t, const struct ack_news *n);
/* Step 5: marks what is lost. Returns when, from now, the next record is, if nothing arrives; 0:
 * none. */
uint64_t rack_detect(struct stack *st, struct tcb *t);
/* Would r count as lost now, with no window for reordering? For the timeout. */
bool rack_is_overdue(struct stack *st, const struct tcb *t, const struct sent *r);
void rack_on_recovery_end(struct tcb *t);
uint64_t rack_window_ns(const struct stack *st, const struct tcb *t);

#endif
