/* Timers. A timer is (kind, deadline, owner); the owner is found by container_of, and what to do
 * is a switch over the kind in stack.c, since a function pointer would mean nothing in another
 * process. A binary heap of pointers; setting a later deadline on an armed timer only stores it
 * (an RTO that moves with every ACK costs nothing), and expiry puts it back.
 *
 * Invariants: deadline_ns is the truth (0: off); the heap only mirrors it and can be made anew.
 * heap[i]->armed_ns <= deadline_ns. */
#ifndef STACK_BASE_TIMER_H
#define STACK_BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stack/base/arena.h"

enum timer_kind {
    TIMER_NONE,
    TIMER_TCP_RTX,     /* RTO, SYN retransmission */
    TIMER_TCP_PERSIST, /* zero-window probe */
    TIMER_TCP_DELACK,
    TIMER_TCP_KEEPALIVE,
    TIMER_TCP_LINGER, /* TIME-WAIT, FIN-WAIT-2, orphan */
    TIMER_TCP_PACE,   /* the next data may leave */
    TIMER_NEIGH,      /* ARP retry, ageing */
    TIMER_FRAG,       /* reassembly timeout */
    TIMER_ACD,        /* address conflict detection, gratuitous ARP */
};

struct timer {
    uint64_t deadline_ns; /* 0: off */
    uint64_t armed_ns;    /* key in the heap */
    uint32_t slot;        /* position in the heap + 1; 0: not in it */
    uint8_t kind;         /* enum timer_kind */
};

struct timers {
    struct timer **heap;
    uint32_t n, max;
    /* The one last handed out, until timers_fired: a process that dies before its owner has even
     * looked at it must not take the deadline with it. */
    struct timer *firing;
    uint64_t firing_ns;
};

#define TIMER_OFF  0u
#define TIME_NEVER UINT64_MAX

/* `max` timers at most may be armed at once: reserve as many as can exist. */
bool timers_init(struct timers *ts, struct arena *a, uint32_t max);
void timer_init(struct timer *t, enum timer_kind kind);
/* Arms or moves. deadline_ns must not be 0. */
void timer_set(struct timers *ts, struct timer *t, uint64_t deadline_ns);
/* Arms only if off or later. */
void timer_set_earlier(struct timers *ts, struct timer *t, uint64_t deadline_ns);
void timer_stop(struct timers *ts, struct timer *t);
static inline bool timer_is_set(const struct timer *t) {
    return t->deadline_ns != TIMER_OFF;
}
/* Takes off one timer whose deadline is at or before `now` (it is then off), or NULL. */
struct timer *timers_expire(struct timers *ts, uint64_t now_ns);
/* What timers_expire has handed out is dealt with. */
static inline void timers_fired(struct timers *ts) {
    ts->firing = NULL;
}
/* A lower bound of the earliest deadline, exact unless a timer was moved later since;
 * TIME_NEVER when none is armed. */
uint64_t timers_next(const struct timers *ts);
/* Crash repair: forget the heap, and put back the deadline of a timer that was handed out and not
 * dealt with (its owner may get it once too often); every owner then calls timers_readd on each of
 * its timers. */
void timers_clear(struct timers *ts);
void timers_readd(struct timers *ts, struct timer *t);

#endif
