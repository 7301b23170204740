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

/* Head of the segment. The fields of the second part change all the time; those marked (lock) only
 * under the lock, but are read without it. */
struct shared {
    uint64_t magic;
    uint32_t abi;
    char build_id[24];
    uint64_t size;
    uint64_t id; /* random: tells this host's segment from another's */
    struct config cfg;
    char sysctl_left[64]; /* a knob of the namespace whose value the stack cannot take; "": none */
    struct stack *st;
    void *impair_mem;        /* NULL: none */
    int64_t clock_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC at start */
    uint32_t ifindex;
    bool arp_taken; /* take-over: the kernel's ARP was on, and is to be so again */
    struct afpacket_shared packet;

    _Alignas(64) pthread_mutex_t lock;  /* robust, process-shared */
    _Atomic int32_t lock_tid, lock_pid; /* who holds it, for the one that waits too long */
    _Atomic uint32_t lock_seq;          /* counts the times it was taken */
    _Atomic int32_t stop_pid; /* was stopped within the lock: stops itself again on leaving */

    _Alignas(
        64) _Atomic uint64_t activity; /* (lock) counts the entries: something may have changed */
    _Atomic uint64_t next_ns;          /* (lock) the stack's and the link's next deadline */
    _Atomic uint64_t driven_ns;        /* (lock) when an application last looked at the link */
    _Atomic uint64_t driver_wake_ns; /* (lock) a sleeping thread will wake for the deadline then */
    _Atomic uint64_t keeper_wake_ns; /* the keeper sleeps until then at most */

    _Alignas(64) _Atomic uint32_t keeper_pid;
    _Atomic uint32_t keeper_gave_way; /* to another host of the same name: nobody starts one more */
    _Atomic uint32_t keeper_requeue;  /* somebody has registered behind the keeper (D3) */
    _Atomic uint64_t adopting_ns;     /* when a process last began to start a new keeper */
    _Atomic uint32_t next_bell;
};

struct host {
    struct shared *sh;
    struct stack *st;
    struct link *link;   /* with impairment and tap around it */
    struct link *packet; /* AF_PACKET itself */
    struct link *tap;    /* NULL: no capture */
    int packet_fd;       /* high, close-on-exec, protected from the program's close() */
    int memfd;           /* for the keeper that succeeds a killed one */
    int ctl_fd;          /* connection to the keeper: closed by its death */
    int bell_fd;         /* for ringing others */
    uint32_t proc;
    int32_t pid;
    bool keeper;         /* this process is the keeper */
    uint64_t generation; /* changes when ctl_fd does (the keeper was replaced) */
};

/* Attaches at the first call. In a process that never makes an Internet socket nothing happens.
 * NULL with errno (ENETDOWN) when there is no stack to be had: the reason has then been printed. */
struct host *host_get(void);
/* The same without starting a keeper: NULL when this process is not attached and no keeper runs
 * in this namespace. For descriptors that might have been inherited. */
struct host *host_peek(void);

/* --live-sysctl: a socket is about to be made or connected, and /proc/sys is read anew. Not
 * entered. */
void host_live_sysctl(struct host *h);
/* Locks, sets the time, and takes in what the link has, as the kernel's interrupts would have done
 * before a system call. */
void host_enter(struct host *h);
/* The same without looking at the link: for direct reception, which prepares the poll first. */
void host_enter_quiet(struct host *h);
/* Receives from the link and runs timers; only between enter and leave. */
void host_poll(struct host *h);
/* Sends, dispatches, unlocks, rings bells, lets deferred signals in. Keeps errno. */
void host_leave(struct host *h);
/* hook_async.c: sends the signals that are due; under the lock. */
void host_send_signals(struct host *h);
/* The same by a thread that goes to sleep until deadline_ns at most. Returns when it should wake
 * itself: at its own deadline or, if it is to be the driver, the stack's (wait.h). */
uint64_t host_leave_to_sleep(struct host *h, uint64_t deadline_ns);
/* Is there something for host_poll to do? Without the lock; no system call. */
bool host_pending(const struct host *h, uint64_t now_ns);

/* Asks the keeper to take note of deaths it has been told of, and waits until it has: a process
 * that waited for its child finds the child's ports free. For a bind that met EADDRINUSE. */
void host_settle(struct host *h);
/* The same, if this process is attached and `pid`, a child that was waited for, was too: in Linux
 * its sockets are closed before wait returns. */
void host_child_is_gone(int32_t pid);
/* The connection to the keeper has closed: find its successor, or start it. */
void host_keeper_lost(struct host *h);

/* Around fork. prepare makes an embryo with this process's references; parent names or (pid < 0)
 * drops it; child takes it over. All are no-ops in a process that is not attached. */
void host_fork_prepare(void);
void host_fork_parent(int32_t pid);
void host_fork_child(void);

/* Is `fd` one of the shim's own descriptors, and to be hidden from the program? */
bool host_owns_fd(int fd);
/* Moves the shim's own descriptor out of the way (dup2 onto it). */
void host_yield_fd(int fd);
/* A descriptor of the shim's own: dup'ed to the top of the table, close-on-exec, registered. The
 * one given is closed in any case. -errno when there is no room. */
int host_adopt_fd(int fd);
void host_drop_fd(int fd);

uint64_t host_now(void); /* CLOCK_MONOTONIC, ns */
/* One line on stderr, "shimstack: …", each format once per process. */
void host_say_once(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
