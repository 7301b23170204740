/* SYN cookies (RFC 4987 §3.6): when more connections are half open than a listener's queue holds, a
 * SYN is answered without keeping anything. What must be known again is in the SYN-ACK's sequence
 * number, keyed, and its options in the low bits of the timestamp; the handshake's ACK brings both
 * back. */
#ifndef STACK_TCP_SYNCOOKIE_H
#define STACK_TCP_SYNCOOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct seg;

/* May this listener answer by cookies now: its queue is full, or they are always wanted? */
bool syncookie_is_due(struct stack *st, bool queue_full);
/* Answers a SYN, and keeps nothing. */
void syncookie_answer(struct stack *st, struct tcb *listener, const struct seg *s);
/* An ACK for a listener: makes the connection that a cookie in it tells of, in SYN-RCVD and in the
 * listener's SYN queue, still to be given the ACK. NULL: there is no valid cookie in it (counted if
 * cookies went out lately), or no memory. */
struct tcb *syncookie_accept(struct stack *st, struct tcb *listener, const struct seg *s);

/* ---- the parts of it, for tests ---- */

struct endpoint;
/* The sequence number that carries `mss_index` for a SYN of number irs, in that minute. */
seq_t syncookie_make(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                     seq_t irs, uint32_t minute, uint32_t mss_index);
/* The index again; -1: it is none of ours, or too old. */
int syncookie_check(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                    seq_t irs, seq_t cookie, uint32_t minute);

#endif
