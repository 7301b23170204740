/* This process's view of its host: the shared segment, the lock, the link.
 *
 * Theory of operation. A *host* is one network namespace and one interface. Its state lies in a
 * sealed memfd mapped at SEGMENT_ADDR in every process (D2). The keeper made it; host_get connects
 * to the keeper by an abstract UNIX socket (starting one if there is none), receives the memfd and
 * the packet socket, maps both, and registers this process (struct proc). Any thread then works the
 * stack itself:
 *
 *     struct host *h = host_get();          NULL: refused; errno is set, the reason printed once
 *     host_enter(h);                        lock, set the time
 *     r = sock_xxx(h->st, …);
 *     host_leave(h);                        send, dispatch, unlock, ring bells, deferred signals
 *
 * Between enter and leave no system call is made that can block, and no signal handler of the
 * application runs in this thread (signals.h). */
#ifndef SHIM_HOST_H
#define SHIM_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/config.h"
#include "stack/link/afpacket.h"
#include "stack/link/sim.h"
#include "stack/stack.h"

#define SEGMENT_ADDR  ((void *)0x5a0000000000ull)
#define SEGMENT_MAGIC 0x5348494d53544b31ull
#define SEGMENT_ABI   1u /* + the build id: a process of another build is refused, by name */

/* Head of the segment. */
struct shared {
    uint64_t magic;
    uint32_t abi;
    char build_id[24];
    uint64_t size;
    pthread_mutex_t lock; /* robust, process-shared */
    _Atomic int32_t lock_tid, lock_pid; /* who holds it, for the one that waits too long */
    struct stack *st;
    struct afpacket_shared packet;
    void *impair_mem; /* NULL: none */
    struct config cfg;
    _Atomic uint64_t driven_ns;      /* when an application last polled the link */
    _Atomic uint64_t keeper_wake_ns; /* the keeper sleeps until then at most */
    _Atomic uint32_t keeper_pid;
    _Atomic uint32_t next_bell;
    int64_t clock_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC at start */
};

struct host {
    struct shared *sh;
    struct stack *st;
    struct link *link;
    int packet_fd; /* high, close-on-exec, protected from the program's close() */
    int bell_fd;   /* for ringing others */
    uint32_t proc;
    int32_t pid;
    uint64_t generation; /* changes when this process attached anew (the keeper was lost) */
};

/* Attaches at the first call. In a process that never makes an Internet socket nothing happens.
 * NULL with errno (ENETDOWN) when there is no stack to be had: the reason has then been printed. */
struct host *host_get(void);
/* The same without starting a keeper: NULL when this process is not attached and no keeper runs
 * in this namespace. For descriptors that might have been inherited. */
struct host *host_peek(void);

void host_enter(struct host *h);
/* Receives from the link and runs timers; only between enter and leave. */
void host_poll(struct host *h);
void host_leave(struct host *h);

/* Around fork. prepare makes an embryo with this process's references; parent names or (pid < 0)
 * drops it; child takes it over. All are no-ops in a process that is not attached. */
void host_fork_prepare(void);
void host_fork_parent(int32_t pid);
void host_fork_child(void);

/* Is `fd` one of the shim's own descriptors, and to be hidden from the program? */
bool host_owns_fd(int fd);
/* Moves the shim's own descriptor out of the way (dup2 onto it). */
void host_yield_fd(int fd);
/* A descriptor of the shim's own: dup'ed to the top of the table, close-on-exec, registered. */
int host_adopt_fd(int fd);
void host_drop_fd(int fd);

uint64_t host_now(void); /* CLOCK_MONOTONIC, ns */
/* One line on stderr, "shimstack: …", each format once per process. */
void host_say_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
