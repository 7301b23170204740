/* A waiter: what one thread sleeps with. Made at its first sleep, kept for the next, given back
 * when the thread ends. A signal handler that runs during the sleep may wait itself, so a thread
 * has as many as its sleeps nest. */
#ifndef SHIM_WAITER_H
#define SHIM_WAITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/host.h"

/* What an event of a waiter's epoll descriptor is about (data.u32). Not the number: that may have
 * been moved. */
enum waiter_tag { WAITER_BELL = 1, WAITER_LINK, WAITER_KEEPER, WAITER_PROGRAM };

struct waiter {
    struct waiter *next_all; /* all of this process: never unlinked, reused */
    struct waiter *outer;    /* the sleep that this one nests in, same thread */
    _Atomic bool used;
    int ep, bell_fd; /* epoll over link, bell and keeper; both the shim's own */
    uint32_t bell;
    struct watchset *ws;
    uint64_t generation;        /* of the keeper's connection that is in ep */
    int kept_epfd;              /* the program's epoll descriptor that is in ep, -1: none */
    uintptr_t frame;            /* of the wait that uses it; 0: none */
    struct sock *held;          /* a reference for the length of the wait */
    struct watchset *sleeps_on; /* (stack's lock) the program's epoll instance that it waits for */
};

/* This thread's waiter for a wait whose frame is at that address, made if need be. NULL: no room
 * (descriptors, bells or watch sets). Waits that a handler has left by longjmp are cleaned up. */
struct waiter *waiter_begin(struct host *h, uintptr_t frame);
/* Without the lock, with nothing registered any more. */
void waiter_end(struct waiter *w);
/* Rings this thread's innermost waiter. Async-signal-safe. */
void waiter_nudge(void);
/* Another waiter of this process that sleeps on `ws`, or NULL. Under the lock. */
struct waiter *waiter_on_set(const struct watchset *ws);
/* The first of all; the others by next_all. */
struct waiter *waiter_first(void);
void waiter_fork_child(void);
/* The shim's own descriptor `from` is `to` now. */
void waiter_fd_moved(int from, int to);

#endif
