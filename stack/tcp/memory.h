/* What TCP as a whole may hold in memory: net.ipv4.tcp_mem, with Linux's rules of pressure. See
 * memory.c. */
#ifndef STACK_TCP_MEMORY_H
#define STACK_TCP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_PAGE 4096u /* bytes; tcp_mem's unit */

struct stack;
struct tcb;

/* In struct tcp. */
struct memory {
    bool pressure;     /* above tcp_mem[1] since `since_ns`, and not yet down to tcp_mem[0] */
    uint64_t since_ns; /* of pressure */
};

/* Pages of buffers in use, at their true size. */
uint32_t memory_pages(const struct stack *st);
/* Enters pressure or leaves it, by what is in use now. */
void memory_update(struct stack *st);
/* May limits of buffers be raised? */
bool memory_may_grow(const struct stack *st);
/* May `t` hold more than what it has written and the peer has not acknowledged, or more of what it
 * has received? The least of tcp_wmem and tcp_rmem is every connection's, up to tcp_mem[2]. */
bool memory_may_send(const struct stack *st, const struct tcb *t);
bool memory_may_receive(const struct stack *st, const struct tcb *t);
/* Above tcp_mem[2]. */
bool memory_is_out(const struct stack *st);
/* Is `t`, whose user has gone, one more than there is memory or number (tcp_max_orphans) for?
 * Counts it. */
bool memory_forbids_orphan(struct stack *st, const struct tcb *t);

#endif
