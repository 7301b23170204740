/* close, dup and fcntl: the life of descriptor numbers. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "shim/hook.h"

/* SO_LINGER with a time: close() waits until all is sent and acknowledged. The stack has no event
 * for that, so it is looked at again every so often. */
#define LINGER_SLICE_NS 2000000u

static void linger(struct host *h, struct sock *so) {
    uint64_t linger_ns = sock_linger_ns(so);
    if (linger_ns == 0)
        return;
    uint64_t deadline = host_now() + linger_ns;
    for (uint64_t now; (now = host_now()) < deadline;) {
        host_enter(h);
        bool done = sock_refs(h->st, so, h->proc) > 1 || sock_is_flushed(h->st, so);
        host_leave(h);
        if (done)
            return;
        uint64_t slice = now + LINGER_SLICE_NS;
        int r = wait_sock(h, so, 0, slice < deadline ? slice : deadline, false);
        if (r ==
            0) /* it is in a state that poll() reports unasked: plain sleep, the keeper drives */
            nanosleep(&(struct timespec){.tv_nsec = LINGER_SLICE_NS}, NULL);
        else if (r != -EAGAIN)
            return;
    }
}

void fd_put_sock(int fd, struct sock *so) {
    struct host *h = host_get();
    if (h == NULL)
        return;
    linger(h, so);
    host_enter(h);
    epoll_forget(h, fd, so, sock_refs(h->st, so, h->proc) == 1);
    sock_put(h->st, so, h->proc);
    host_leave(h);
}

/* What stood at `fd`, if it was ours, is gone. */
void fd_drop(int fd) {
    struct sock *so = fd_take_sock(fd);
    struct epoll *ep = so == NULL ? fd_take_epoll(fd) : NULL;
    if (so != NULL)
        fd_put_sock(fd, so);
    else if (ep != NULL)
        epoll_put(ep);
}

HOOK int close(int fd) {
    if (host_owns_fd(fd))
        return (int)hook_ret(-EBADF);
    struct sock *so = fd_take_sock(fd);
    struct epoll *ep = so == NULL ? fd_take_epoll(fd) : NULL;
    int r = REAL(close)(fd);
    int saved = errno;
    if (so != NULL) {
        fd_put_sock(fd, so);
        stdio_fd_changed(fd);
    } else if (ep != NULL) {
        epoll_put(ep);
    }
    errno = saved;
    return r;
}

/* The kernel closes runs of numbers between the shim's own descriptors. */
static int close_run(unsigned first, unsigned last, int flags) {
    unsigned end = last < fdtab_size ? last : fdtab_size - 1;
    unsigned from = first;
    for (unsigned fd = first; fd <= end && fd < fdtab_size; fd++) {
        if (!host_owns_fd((int)fd))
            continue;
        if (fd > from && REAL(close_range)(from, fd - 1, flags) < 0)
            return -1;
        from = fd + 1;
    }
    return from <= last ? REAL(close_range)(from, last, flags) : 0;
}

HOOK int close_range(unsigned first, unsigned last, int flags) {
    if (first > last || (flags & CLOSE_RANGE_CLOEXEC) || !fdtab_init())
        return REAL(close_range)(first, last, flags);
    for (int fd = (int)(first < fdtab_size ? first : fdtab_size);
         fd < fdtab_high() && (unsigned)fd <= last; fd++)
        fd_drop(fd);
    int r = close_run(first, last, flags);
    for (unsigned fd = first; fd <= STDERR_FILENO && fd <= last; fd++)
        stdio_fd_changed((int)fd);
    return r;
}

HOOK void closefrom(int first) {
    close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0);
}

/* Enters `nfd`, a new duplicate of `fd`, which stands for so or ep or neither. -EMFILE: undone. */
static int enter_dup(int nfd, struct sock *so, struct epoll *ep) {
    if (so != NULL) {
        struct host *h = host_get();
        int r = -EMFILE;
        if (h != NULL) {
            host_enter(h);
            r = sock_get(h->st, so, h->proc);
            if (r == 0 && !fd_set_sock(nfd, so)) {
                sock_put(h->st, so, h->proc);
                r = -EMFILE;
            }
            host_leave(h);
        }
        if (r < 0) {
            REAL(close)(nfd);
            return -EMFILE;
        }
    } else if (ep != NULL && !fd_set_epoll(nfd, epoll_get(ep))) {
        epoll_put(ep);
        REAL(close)(nfd);
        return -EMFILE;
    }
    return nfd;
}

static int dup_with(int fd, int nfd) {
    struct sock *so = fd_sock(fd);
    struct epoll *ep = fd_epoll(fd);
    if (nfd < 0 || (so == NULL && ep == NULL))
        return nfd;
    return (int)hook_ret(enter_dup(nfd, so, ep));
}

HOOK int dup(int fd) {
    if (host_owns_fd(fd))
        return (int)hook_ret(-EBADF);
    return dup_with(fd, REAL(dup)(fd));
}

/* dup2 and dup3, fd != nfd. */
static int dup_onto(int fd, int nfd, int flags) {
    if (host_owns_fd(fd))
        return (int)hook_ret(-EBADF);
    struct sock *so = fd_sock(fd);
    struct epoll *ep = fd_epoll(fd);
    if (host_owns_fd(nfd))
        host_yield_fd(nfd);
    struct sock *old_so = fd_take_sock(nfd);
    struct epoll *old_ep = old_so == NULL ? fd_take_epoll(nfd) : NULL;
    int r = REAL(dup3)(fd, nfd, flags);
    int saved = errno;
    if (r < 0) { /* what was there is there still */
        if (old_so != NULL)
            fd_set_sock(nfd, old_so);
        else if (old_ep != NULL)
            fd_set_epoll(nfd, old_ep);
        errno = saved;
        return r;
    }
    if (so != NULL || ep != NULL)
        r = enter_dup(nfd, so, ep);
    else
        fd_set_kernel(nfd);
    if (old_so != NULL)
        fd_put_sock(nfd, old_so);
    else if (old_ep != NULL)
        epoll_put(old_ep);
    if (so != NULL || old_so != NULL)
        stdio_fd_changed(nfd);
    return (int)hook_ret(r);
}

HOOK int dup2(int fd, int nfd) {
    return fd == nfd ? REAL(dup2)(fd, nfd) : dup_onto(fd, nfd, 0);
}
HOOK int dup3(int fd, int nfd, int flags) {
    return fd == nfd ? REAL(dup3)(fd, nfd, flags) : dup_onto(fd, nfd, flags);
}

static int fcntl_setfl(int fd, struct sock *so, int flags) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    sock_set_nonblocking(so, flags & O_NONBLOCK);
    sock_owner(so)->async = flags & O_ASYNC;
    host_leave(h);
    return 0;
}

/* A group is told by its negative number, which is no error. */
static int async_result(int cmd, int r) {
    return cmd == F_GETOWN ? r : (int)hook_ret(r);
}

static int do_fcntl(int fd, int cmd, void *arg) {
    struct sock *so = fd_sock(fd);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        if (host_owns_fd(fd))
            return (int)hook_ret(-EBADF);
        return dup_with(fd, REAL(fcntl)(fd, cmd, arg));
    }
    if (so == NULL)
        return REAL(fcntl)(fd, cmd, arg);
    switch (cmd) {
    case F_GETFL:
        return O_RDWR | (sock_nonblocking(so) ? O_NONBLOCK : 0) |
               (sock_owner(so)->async ? O_ASYNC : 0);
    case F_SETFL:
        return fcntl_setfl(fd, so, (int)(intptr_t)arg);
    case F_SETOWN:
    case F_GETOWN:
    case F_SETOWN_EX:
    case F_GETOWN_EX:
    case F_SETSIG:
    case F_GETSIG:
        return async_result(cmd, async_fcntl(fd, so, cmd, arg));
    default: /* FD_CLOEXEC is the kernel's; locks, leases … get its errno */
        return REAL(fcntl)(fd, cmd, arg);
    }
}

/* The third argument is an int or a pointer, or isn't there; a register either way. */
#define VA_POINTER(last)                                                                           \
    ({                                                                                             \
        va_list ap_;                                                                               \
        va_start(ap_, last);                                                                       \
        void *arg_ = va_arg(ap_, void *);                                                          \
        va_end(ap_);                                                                               \
        arg_;                                                                                      \
    })

HOOK int fcntl(int fd, int cmd, ...) {
    return do_fcntl(fd, cmd, VA_POINTER(cmd));
}
HOOK int fcntl64(int fd, int cmd, ...) {
    return do_fcntl(fd, cmd, VA_POINTER(cmd));
}

static int do_ioctl(int fd, struct sock *so, unsigned long req, void *arg) {
    if (req == FIOCLEX || req == FIONCLEX)
        return REAL(ioctl)(fd, req, arg);
    int async = async_ioctl(fd, so, req, arg);
    if (async != -ENOTTY)
        return (int)hook_ret(async);
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = 0;
    if (req == FIONBIO)
        sock_set_nonblocking(so, *(int *)arg != 0);
    else
        r = sock_ioctl(h->st, so, req, arg);
    host_leave(h);
    if (r == -ENOTTY)
        r = ioctl_iface(fd, req, arg);
    return (int)hook_ret(r);
}

HOOK int ioctl(int fd, unsigned long req, ...) {
    void *arg = VA_POINTER(req);
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(ioctl)(fd, req, arg) : do_ioctl(fd, so, req, arg);
}

/* Names under which glibc exports the same functions, used by old libraries. */
int __close(int fd);
int __dup2(int fd, int nfd);
int __fcntl(int fd, int cmd, ...);
HOOK int __close(int fd) {
    return close(fd);
}
HOOK int __dup2(int fd, int nfd) {
    return dup2(fd, nfd);
}
HOOK int __fcntl(int fd, int cmd, ...) {
    return do_fcntl(fd, cmd, VA_POINTER(cmd));
}
