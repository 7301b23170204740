/* poll and select over sockets of ours and descriptors of the kernel.
 *
 * Theory of operation. The set is split: for each descriptor the sock behind it, or NULL. When none
 * is ours the C library's call is made. An epoll descriptor (hook_epoll.c) with sockets of ours in
 * it is for the kernel always idle; while there is one in the set, it is looked at every
 * NESTED_SLICE_NS, which is the one place where waiting here is not driven by events. */
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/hook.h"

#define NESTED_SLICE_NS 5000000u
#define SCRATCH_FDS     256 /* as many need no memory beyond the stack */

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t fdslen);
void __chk_fail(void) __attribute__((noreturn));

int deadline_after_timespec(const struct timespec *ts, uint64_t *deadline_ns) {
    if (ts == NULL) {
        *deadline_ns = WAIT_FOREVER;
        return 0;
    }
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec > 999999999)
        return (int)hook_ret(-EINVAL);
    if (ts->tv_sec == 0 && ts->tv_nsec == 0)
        *deadline_ns = 0;
    else if (ts->tv_sec > (time_t)(WAIT_FOREVER / 4 / 1000000000u))
        *deadline_ns = WAIT_FOREVER;
    else
        *deadline_ns = host_now() + (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
    return 0;
}

/* poll is async-signal-safe, hence no malloc: large sets get pages of their own. */
static void *scratch_get(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Epoll instances in the set that have a ready socket of ours. Sets their revents. */
static int nested_ready(struct host *h, struct pollfd *fds, nfds_t n) {
    int ready = 0;
    for (nfds_t i = 0; i < n; i++) {
        struct epoll *ep = fds[i].fd >= 0 ? fd_epoll(fds[i].fd) : NULL;
        if (ep == NULL || !(fds[i].events & (POLLIN | POLLRDNORM)) || !epoll_any_ready(h, ep))
            continue;
        if (fds[i].revents == 0)
            ready++;
        fds[i].revents |= fds[i].events & (POLLIN | POLLRDNORM);
    }
    return ready;
}

/* With epoll instances of ours in the set. */
static int poll_nested(struct host *h, struct pollfd *fds, struct sock *const *so, nfds_t n,
                       uint64_t deadline, const sigset_t *mask) {
    for (;;) {
        uint64_t now = host_now();
        bool last = deadline <= now + NESTED_SLICE_NS;
        for (nfds_t i = 0; i < n; i++)
            fds[i].revents = 0;
        int nested = nested_ready(h, fds, n);
        int r = wait_poll(h, fds, so, n,
                          nested > 0 ? 0
                          : last     ? deadline
                                     : now + NESTED_SLICE_NS,
                          mask);
        if (r < 0)
            return r;
        r += nested_ready(h, fds, n); /* again: wait_poll writes revents */
        if (r > 0 || last)
            return r;
    }
}

struct split {
    int ours, nested;
};
/* so[] of fds[], and how many are of which kind. so may be NULL: only count. */
static struct split split_fds(const struct pollfd *fds, struct sock **so, nfds_t n) {
    struct split s = {0, 0};
    for (nfds_t i = 0; i < n; i++) {
        struct sock *k = fds[i].fd < 0 ? NULL : fd_sock(fds[i].fd);
        s.ours += k != NULL;
        if (k == NULL && fds[i].fd >= 0 && fd_epoll(fds[i].fd) != NULL)
            s.nested++;
        if (so != NULL)
            so[i] = k;
    }
    return s;
}

/* −errno, or as poll. */
static int poll_split(struct pollfd *fds, struct sock *const *so, nfds_t n, struct split s,
                      uint64_t deadline, const sigset_t *mask) {
    struct host *h = host_get();
    if (h == NULL)
        return -errno;
    if (s.nested > 0)
        return poll_nested(h, fds, so, n, deadline, mask);
    return wait_poll(h, fds, so, n, deadline, mask);
}

/* True when the set has something of ours: *result is what the call returns. */
static bool poll_ours(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *mask,
                      int *result) {
    struct sock *few[SCRATCH_FDS], **so = few;
    if (n > (nfds_t)INT_MAX)
        return false;
    struct split s = split_fds(fds, n <= SCRATCH_FDS ? few : NULL, n);
    if (s.ours == 0 && s.nested == 0)
        return false;
    if (n > SCRATCH_FDS) {
        so = scratch_get(n * sizeof(struct sock *));
        if (so == NULL) {
            *result = (int)hook_ret(-ENOMEM);
            return true;
        }
        s = split_fds(fds, so, n);
    }
    *result = (int)hook_ret(poll_split(fds, so, n, s, deadline, mask));
    if (so != few)
        munmap(so, n * sizeof(struct sock *));
    return true;
}

HOOK int poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
    int r;
    if (poll_ours(fds, n, deadline_after_ms(timeout_ms), NULL, &r))
        return r;
    return REAL(poll)(fds, n, timeout_ms);
}

HOOK int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    int r;
    uint64_t deadline;
    if (deadline_after_timespec(timeout, &deadline) < 0)
        return -1;
    if (poll_ours(fds, n, deadline, mask, &r))
        return r;
    return REAL(ppoll)(fds, n, timeout, mask);
}

HOOK int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen) {
    if (fdslen / sizeof(*fds) < n)
        __chk_fail();
    return poll(fds, n, timeout);
}
HOOK int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                     const sigset_t *mask, size_t fdslen) {
    if (fdslen / sizeof(*fds) < n)
        __chk_fail();
    return ppoll(fds, n, timeout, mask);
}
int __poll(struct pollfd *fds, nfds_t n, int timeout_ms);
HOOK int __poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
    return poll(fds, n, timeout_ms);
}
