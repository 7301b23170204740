/* Taking back a recovery that was for nothing: the data was late, not lost. Told by timestamps
 * (Eifel, RFC 3522 and 4015), by DSACK of everything that was sent again (RFC 3708), or after a
 * timeout by F-RTO (RFC 5682, which is loss.c's). */
#ifndef STACK_TCP_UNDO_H
#define STACK_TCP_UNDO_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct ack_news;

struct undo {
    bool possible;
    seq_t marker;                        /* SND.UNA when the recovery began */
    uint32_t cwnd_bytes, ssthresh_bytes; /* before it */
    bool resent;                         /* something was sent again since */
    uint32_t resent_ts;                  /* TSval of the first time */
    uint32_t resent_bytes;               /* not yet reported as duplicate */
};

/* Before ssthresh and cwnd are lowered. */
void undo_begin(struct tcb *t);
void undo_on_resent(struct stack *st, struct tcb *t, uint32_t bytes);
/* A DSACK may tell that something sent again was a duplicate. */
void undo_on_dsack(struct tcb *t, const struct ack_news *n, seq_t prior_una);
/* The ACK is for something sent before the first retransmission. */
bool undo_is_delayed(const struct tcb *t, const struct ack_news *n);
/* All that was sent again was for nothing. */
bool undo_all_duplicate(const struct tcb *t);
bool undo_may(const struct tcb *t, const struct ack_news *n);
/* Windows as before; with `unmark`, nothing counts as lost any more. */
void undo_do(struct stack *st, struct tcb *t, bool unmark);

#endif
