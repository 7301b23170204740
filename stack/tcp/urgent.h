/* Urgent data, RFC 9293 §3.8.5, as BSD and Linux show it to programs: of what the peer calls urgent
 * the last byte is kept apart ("out of band"), unless SO_OOBINLINE leaves it in line. See urgent.c.
 */
#ifndef STACK_TCP_URGENT_H
#define STACK_TCP_URGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct seg;

enum urgent_state {
    URGENT_NONE,
    URGENT_ANNOUNCED, /* the pointer has come, the byte has not */
    URGENT_HERE,      /* the byte waits to be read by MSG_OOB */
    URGENT_READ,      /* it was; the mark still stands in the stream */
};

/* `mark` is the number of the urgent byte itself, one less than the pointer says (MUST-62). Once
 * the reader of the stream has passed it the state is NONE. `end`: SND.UP, the octet behind what
 * we call urgent; valid while `sending`. */
struct tcp_urgent {
    uint8_t state; /* enum urgent_state */
    uint8_t byte;
    seq_t mark;
    bool sending;
    seq_t end;
};

/* The URG bit and pointer of an acceptable segment, before its text is trimmed. */
void urgent_on_segment(struct stack *st, struct tcb *t, const struct seg *s);
/* RCV.NXT has moved: the announced byte may be in the queue now. */
void urgent_on_data(struct stack *st, struct tcb *t);
/* The reader of the stream has passed some bytes. */
void urgent_on_read(struct tcb *t);

/* For a reader that stands `off` bytes behind rcv.copied with `n` bytes to read: sets *skip to 1 if
 * he stands before a byte that is not in line, and returns to where he may read from there, not
 * counting what is skipped: a read never passes the mark, it ends there. */
size_t urgent_limit(const struct tcb *t, size_t off, size_t n, size_t *skip);
/* The next byte of the stream is the urgent one (SIOCATMARK). */
bool urgent_at_mark(const struct tcb *t);

/* MSG_OOB was given: the data up to the end of the send buffer is urgent. */
void urgent_on_send(struct tcb *t);
void urgent_on_ack(struct tcb *t, seq_t ack);
/* URG and the pointer of a segment at `seq`. False: none. */
bool urgent_pointer(const struct tcb *t, seq_t seq, uint16_t *pointer);

#endif
