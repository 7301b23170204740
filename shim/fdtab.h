/* Descriptors: which of this process's numbers are sockets of ours. A flat table indexed by the
 * number, process-private, grown by nobody (reserved at the hard limit, untouched pages cost
 * nothing). An unknown number is looked at once: fstat tells a socket, its inode tells which (D4):
 * so inherited descriptors, those after exec and those from SCM_RIGHTS, are found.
 *
 * An entry is one word: the kind in its low bits, above them a pointer (struct sock in the
 * segment, struct epoll in this process). Invariants:
 * - an FD_SOCK entry holds exactly one reference of this process (sock_get) to its sock;
 * - whoever takes an entry away (atomically) gives that reference back, and does so before or
 *   after, but never without, closing the kernel's descriptor;
 * - FD_UNKNOWN is a number nobody has looked at since the process began or since it came in by
 *   SCM_RIGHTS. A closed number is FD_KERNEL: whatever makes it one of ours again says so.
 * Not done: numbers that come into being or go by system calls made without the C library. */
#ifndef SHIM_FDTAB_H
#define SHIM_FDTAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/host.h"

enum fd_kind { FD_UNKNOWN, FD_KERNEL, FD_SOCK, FD_EPOLL };
#define FD_KIND_MASK ((uintptr_t)3)

struct epoll; /* hook_epoll.c: an epoll instance of this process */

extern _Atomic(uintptr_t) *fdtab;
extern unsigned fdtab_size; /* 0 until fdtab_init */

/* Idempotent; false (errno ENOMEM) when the table can't be reserved. */
bool fdtab_init(void);

struct sock *fd_sock_slow(int fd);
/* The hot path: the sock behind fd, or NULL: not ours, let the kernel have it. Keeps errno. */
static inline struct sock *fd_sock(int fd) {
    if (__builtin_expect((unsigned)fd < fdtab_size, 1)) {
        uintptr_t e = atomic_load_explicit(&fdtab[fd], memory_order_acquire);
        uintptr_t kind = e & FD_KIND_MASK;
        if (kind == FD_SOCK)
            return (struct sock *)(e & ~FD_KIND_MASK); /* NOLINT(performance-no-int-to-ptr) */
        if (kind != FD_UNKNOWN)
            return NULL;
    }
    return fd_sock_slow(fd);
}
/* The same for epoll instances; never looks at the kernel. */
struct epoll *fd_epoll(int fd);

/* Without looking anything up: does fd stand for `so` still? Asked under the lock, the answer holds
 * until the lock is left. */
bool fd_is_still(int fd, const struct sock *so);

/* Writes an entry. set_sock takes over one reference. False: the number lies beyond the table (the
 * caller closes it again and fails with EMFILE). */
bool fd_set_sock(int fd, struct sock *so);
bool fd_set_epoll(int fd, struct epoll *ep);
/* To be looked at anew (a descriptor that came in by SCM_RIGHTS). */
void fd_set_unknown(int fd);
/* Without looking anything up: is it a socket of ours? */
bool fd_is_sock(int fd);
/* Known not to be ours (dup2 has put it there). */
void fd_set_kernel(int fd);
/* Takes the entry away (it is FD_KERNEL then); the caller now owns its reference, if any. */
struct sock *fd_take_sock(int fd);
struct epoll *fd_take_epoll(int fd);

/* One past the highest number that ever was one of ours: bounds walks. */
int fdtab_high(void);

/* By host.c, without the lock, whenever this process has been registered as a *new* proc (h->proc)
 * that was not inherited by fork: takes a reference for each open descriptor that is a socket of
 * this host. When the attach found an old entry with this pid and start time (this is an image
 * after exec), the old one is detached after this call, so that nothing falls to zero in between
 * and what was close-on-exec is closed:
 *
 *     old = proc_find(pid, starttime);  h->proc = proc_attach(pid, starttime);
 *     fdtab_reconcile(h);               if (old != PROC_NONE) proc_detach(old);
 *
 * Entries of a host that was lost (the keeper died) become FD_KERNEL: their calls fail. */
void fdtab_reconcile(struct host *h);

#endif
