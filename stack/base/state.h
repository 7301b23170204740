/* The state of one stack: what every layer shares. Each layer's own state is a struct that only
 * that layer defines; the lower ones see an incomplete type. `struct stack *st` is the first
 * parameter everywhere; there is no global.
 *
 * Everything here lies in the arena, which may be mapped by many processes: no function pointer,
 * no pointer to static data, no descriptor (DESIGN.md D2). */
#ifndef STACK_BASE_STATE_H
#define STACK_BASE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "stack/base/arena.h"
#include "stack/base/buf.h"
#include "stack/base/counters.h"
#include "stack/base/log.h"
#include "stack/base/pkt.h"
#include "stack/base/rand.h"
#include "stack/base/timer.h"

struct net;         /* stack/net */
struct tcp;         /* stack/tcp */
struct socks;       /* stack/sock */
struct direct_recv; /* stack/tcp: where the caller of recv waits for bytes, this process only */

#define STACK_MAX_DIRTY 2

struct stack {
    /* CLOCK_REALTIME less now_ns, for times that programs are told; kept by who has clocks. */
    int64_t wall_offset_ns;
    uint64_t now_ns; /* set at every entry; CLOCK_MONOTONIC in a program, virtual in a test */
    struct arena arena;
    struct chunk_pools chunks;
    struct pool pkts;
    struct timers timers;
    struct rand rand;
    struct counters ctr;
    struct log log;
    /* Packets ready for the wire (stack.c hands them to the link) and for ourselves. */
    struct pkt_queue tx, loop;
    uint32_t tx_len, loop_len;
    /* Objects being changed right now: if this process dies here, they and only they are reset
     * (D8). Set by stack_dirty, emptied by stack_clean. Pointers to struct tcb or struct sock. */
    void *dirty[STACK_MAX_DIRTY];
    /* Set only within a poll by the process that owns the lock. */
    struct direct_recv *direct;
    struct net *net;
    struct tcp *tcp;
    struct socks *socks;
};

static inline void stack_dirty(struct stack *st, void *obj) {
    if (st->dirty[0] == NULL || st->dirty[0] == obj)
        st->dirty[0] = obj;
    else
        st->dirty[1] = obj;
    __asm__ volatile("" ::: "memory");
}
static inline void stack_clean(struct stack *st) {
    __asm__ volatile("" ::: "memory");
    st->dirty[0] = st->dirty[1] = NULL;
}

#endif
