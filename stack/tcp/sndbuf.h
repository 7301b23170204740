/* How much a program may have written ahead of what is acknowledged, and ahead of what is sent
 * (SO_SNDBUF, tcp_wmem, TCP_NOTSENT_LOWAT). See sndbuf.c. */
#ifndef STACK_TCP_SNDBUF_H
#define STACK_TCP_SNDBUF_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;

struct sndbuf {
    uint32_t limit; /* bytes of true size; grows with cwnd. Of no account where SO_SNDBUF is set */
    seq_t pushed;   /* up to here the peer has been, or will be, told to hand it up (PSH) */
    uint32_t tail;  /* bytes in the last super-segment of what was written, sent ones included */
};

/* Before the first SYN. */
void sndbuf_init(struct stack *st, struct tcb *t);
/* The limit follows cwnd, unless a program fixed it or memory is short. */
void sndbuf_grow(struct stack *st, struct tcb *t);
/* Where t may hold no more for lack of memory, its limit comes down to half of what it holds. */
void sndbuf_moderate(const struct stack *st, struct tcb *t);
/* Bytes of true size that may be in the buffer: what SO_SNDBUF shows. */
uint32_t sndbuf_limit(const struct tcb *t);
/* True size of what is in it. */
uint32_t sndbuf_used(const struct tcb *t);
/* Bytes that may be appended before output has its turn; 0: none. */
uint32_t sndbuf_room(const struct stack *st, const struct tcb *t);
/* n bytes, at most sndbuf_room, have been appended. */
void sndbuf_on_append(struct tcb *t, uint32_t n);
/* Is what has been written so far to be pushed, though more is to come? (forced_push) `all`: no
 * more is. Notes it. */
bool sndbuf_push(struct tcb *t, bool all);
/* Is it worth waking who waits for room? (POLLOUT) */
bool sndbuf_is_writable(const struct stack *st, const struct tcb *t);

#endif
