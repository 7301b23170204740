/* Tail loss probe (RFC 8985 §7): when the ACKs stop short of the end of a flight, something new, or
 * the last segment once more, goes out after two round trips, so that RACK and not the timeout
 * finds a lost tail. */
#ifndef STACK_TCP_TLP_H
#define STACK_TCP_TLP_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;
struct ack_news;

struct tlp {
    bool out;    /* a probe is not answered yet */
    bool is_rtx; /* it was the last segment once more */
    seq_t end;   /* TLP.end_seq */
};

/* May a probe be due, and after how long? 0: no. head_left_ns: until the timeout. */
uint64_t tlp_timeout_ns(struct stack *st, const struct tcb *t, uint64_t rto_left_ns);
/* The probe timer has expired: sends one. False: there was none to be sent. */
bool tlp_send(struct stack *st, struct tcb *t);
/* True: the probe mended a loss that nothing else has noticed (RFC 8985 §7.4.2): cwnd must react.
 */
bool tlp_on_ack(struct tcb *t, const struct ack_news *n);

#endif
