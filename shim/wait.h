/* Waiting (DESIGN.md D7): spin a little while it pays, then one kernel wait that covers the link,
 * the program's own descriptors, and a bell that any process of the host can ring.
 *
 * Each thread that waits has, made at its first sleep: a watch set, a bell (an abstract datagram
 * socket), and an epoll descriptor which holds the packet socket (EPOLLEXCLUSIVE), the bell, and
 * for the length of the sleep the program's kernel descriptors. One sleeping thread of the host,
 * the driver, also sleeps no longer than the stack's next deadline; the keeper covers for it. */
#ifndef SHIM_WAIT_H
#define SHIM_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include "shim/host.h"

#define WAIT_FOREVER UINT64_MAX

/* Until sock_ready(so) & events, or the deadline (CLOCK_MONOTONIC ns). Call without the lock. 0;
 * -EAGAIN: time is up; -EINTR: a handler ran that was installed without SA_RESTART, or
 * `restartable` is false and any handler ran; -EBADF: the sock was closed meanwhile. */
int wait_sock(struct host *h, struct sock *so, uint32_t events, uint64_t deadline_ns,
              bool restartable);

/* The same for a reader of a stream with a buffer to lend (frame → application). *got > 0: bytes
 * are in the buffer already. */
int wait_recv(struct host *h, struct sock *so, const struct iovec *iov, int niov,
              uint64_t deadline_ns, size_t *got);

/* poll(2) over sockets of ours and descriptors of the kernel: so[i] is the sock of fds[i], or NULL
 * for a kernel descriptor. Fills revents; returns their number, 0 on timeout, -EINTR, -ENOMEM.
 * sigmask may be NULL (ppoll). h may be NULL when there is no sock among them. */
int wait_poll(struct host *h, struct pollfd *fds, struct sock *const *so, nfds_t n,
              uint64_t deadline_ns, const sigset_t *sigmask);

/* epoll_wait: until `ws` has a ready watch, or the kernel's epoll descriptor `epfd` is readable.
 * 0: one of them is so; -EAGAIN; -EINTR. */
int wait_set(struct host *h, struct watchset *ws, int epfd, uint64_t deadline_ns,
             const sigset_t *sigmask);

/* Wakes whoever sleeps on that bell. Async-signal-safe, never blocks. */
void wait_ring(struct host *h, uint32_t bell);

#endif
