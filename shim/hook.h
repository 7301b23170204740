/* What the hooks share. A hook has one shape: is the descriptor ours (fd_sock)? If not, the C
 * library's function; if so, the stack's call under the lock, and waiting without it. The io_ and
 * fd_ functions here return −errno; hook_ret turns that into errno and −1 at the very end. */
#ifndef SHIM_HOOK_H
#define SHIM_HOOK_H

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/fdtab.h"
#include "shim/host.h"
#include "shim/real.h"
#include "shim/wait.h"

#define HOOK __attribute__((visibility("default")))

static inline ssize_t hook_ret(ssize_t r) {
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}

/* Takes the lock for a call on fd; NULL with errno when there is no host or fd was closed by
 * another thread meanwhile. The caller leaves with host_leave. */
static inline struct host *hook_enter(int fd, const struct sock *so) {
    struct host *h = host_get();
    if (h == NULL)
        return NULL;
    host_enter(h);
    if (fd_is_still(fd, so))
        return h;
    host_leave(h);
    errno = EBADF;
    return NULL;
}

/* Deadlines (CLOCK_MONOTONIC ns) from the calls' timeouts. */
static inline uint64_t deadline_after_ns(uint64_t ns) { /* 0: none, as SO_RCVTIMEO */
    return ns == 0 ? WAIT_FOREVER : host_now() + ns;
}
static inline uint64_t deadline_after_ms(int ms) { /* < 0: none, as poll */
    return ms < 0 ? WAIT_FOREVER : ms == 0 ? 0 : host_now() + (uint64_t)ms * 1000000u;
}
/* NULL: none. -1: a bad time (EINVAL). */
int deadline_after_timespec(const struct timespec *ts, uint64_t *deadline_ns);

/* hook_io.c. `flags` are MSG_ ones. Both block unless MSG_DONTWAIT or O_NONBLOCK. io_send raises
 * SIGPIPE as the kernel would. */
ssize_t io_recv(int fd, struct sock *so, struct msghdr *msg, int flags);
ssize_t io_send(int fd, struct sock *so, const struct msghdr *msg, int flags);
ssize_t io_send_buf(int fd, struct sock *so, const void *buf, size_t len, int flags);

/* hook_fd.c: a new kernel descriptor for a socket of ours, and its inode. flags: SOCK_CLOEXEC. */
int fd_make(int type, int flags, uint64_t *ino);
/* close() of a descriptor whose entry has been taken. */
void fd_put_sock(int fd, struct sock *so);
/* What stood at `fd`, if it was ours, is gone. */
void fd_drop(int fd);

/* hook_async.c: F_SETOWN and its kin; −errno. async_ioctl: -ENOTTY, not one of these. */
int async_fcntl(int fd, struct sock *so, int cmd, void *arg);
int async_ioctl(int fd, struct sock *so, unsigned long req, void *arg);

/* hook_ioctl.c */
int ioctl_iface(int fd, unsigned long req, void *arg);

/* hook_epoll.c. All but epoll_forget are no-ops without epoll instances. */
void epoll_put(struct epoll *ep);
struct epoll *epoll_get(struct epoll *ep);
/* Under the lock, when fd has ceased to stand for so; last: it was this process's last one. */
void epoll_forget(struct host *h, int fd, struct sock *so, bool last);
/* Has it a ready socket of ours? For poll() on an epoll descriptor. */
bool epoll_any_ready(struct host *h, struct epoll *ep);
void epoll_fork_child(void);
/* The host was lost: registrations of its socks are void. */
void epoll_host_lost(void);

/* hook_stdio.c: descriptor `fd` (0, 1 or 2) has become ours, or ceased to be. */
void stdio_fd_changed(int fd);

#endif
