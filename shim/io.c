/* Blocking send and receive over the stack's calls, which never block.
 *
 * Theory of operation. A stream's transfer is cut into pieces of at most IO_CHUNK_BYTES a lock
 * hold, so that a program that sends a gigabyte with one call keeps nobody else out. What a call
 * has moved when time, a signal or an error ends it is its result; the error stays in the socket
 * for the next call, as in Linux, and for that the socket is not asked again once it has something
 * to say (POLLERR) and bytes have been moved. A datagram is one piece.
 *
 * Not done: a bad pointer of the program is a SIGSEGV here, not EFAULT. */
#include <limits.h>
#include <string.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "shim/hook.h"

#define IO_CHUNK_BYTES (256u << 10)
#define IO_CHUNK_IOVS  64

/* Up to IO_CHUNK_IOVS pieces of the message, beginning `skip` bytes into it, at most IO_CHUNK_BYTES
 * in all. Returns their number. */
static int iov_window(struct iovec *win, const struct msghdr *msg, size_t skip) {
    int n = 0;
    size_t left = IO_CHUNK_BYTES;
    for (size_t i = 0; i < msg->msg_iovlen && n < IO_CHUNK_IOVS && left > 0; i++) {
        const struct iovec *v = &msg->msg_iov[i];
        if (skip >= v->iov_len) {
            skip -= v->iov_len;
            continue;
        }
        size_t len = v->iov_len - skip;
        if (len > left)
            len = left;
        win[n++] = (struct iovec){(char *)v->iov_base + skip, len};
        left -= len;
        skip = 0;
    }
    return n;
}

/* Total length, or -EINVAL as readv(2) and writev(2) have it. */
static ssize_t msg_len(const struct msghdr *msg) {
    size_t total = 0;
    if (msg->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        if (msg->msg_iov[i].iov_len > (size_t)SSIZE_MAX - total)
            return -EINVAL;
        total += msg->msg_iov[i].iov_len;
    }
    return (ssize_t)total;
}

static bool may_block(const struct sock *so, int flags) {
    return !(flags & MSG_DONTWAIT) && !sock_nonblocking(so);
}

/* One piece, under the lock. `moved` bytes of the call have gone before. 0 with moved > 0: stop
 * here. */
static ssize_t send_once(int fd, struct sock *so, const struct msghdr *msg, int flags,
                         size_t moved) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -errno;
    ssize_t r = 0;
    if (moved == 0 || !(sock_call_ready(h->st, so) & (POLLERR | POLLHUP)))
        r = sock_send(h->st, so, msg, flags);
    host_leave(h);
    return r;
}

/* What is asked of the whole is asked of one piece: the last byte is urgent (RFC 9293 §3.8.5) and
 * ends a record; a MSG_ZEROCOPY call has one completion. */
static int flags_of_part(int flags, bool first, bool last) {
    if (!last)
        flags = (flags & ~(MSG_OOB | MSG_EOR)) | SOCK_SEND_PART;
    if (!first)
        flags &= ~MSG_ZEROCOPY;
    return flags;
}

/* The bytes of msg behind those moved, as many as go in one entry. Returns their number. */
static size_t next_part(struct msghdr *part, struct iovec *win, const struct msghdr *msg,
                        size_t moved) {
    *part = *msg;
    part->msg_iov = win;
    part->msg_iovlen = (size_t)iov_window(win, msg, moved);
    return iov_len(win, (int)part->msg_iovlen);
}

/* A send that begins the connection (MSG_FASTOPEN; connect(2) deferred by TCP_FASTOPEN_CONNECT)
 * waits for it, if it may block: then an error is what it returns, whatever the SYN has carried. */
static ssize_t send_with_syn(int fd, struct sock *so, const struct msghdr *msg, int flags,
                             bool block, uint64_t deadline, bool restartable) {
    struct iovec win[IO_CHUNK_IOVS];
    struct msghdr part, nothing = {0};
    host_live_sysctl(host_get());
    (void)next_part(&part, win, msg, 0);
    ssize_t taken = send_once(fd, so, &part, flags, 0), r;
    if (!block || (taken < 0 && taken != -EINPROGRESS))
        return taken;
    while ((r = send_once(fd, so, &nothing, 0, 0)) == -EAGAIN)
        if ((r = wait_sock(host_get(), so, POLLOUT, deadline, restartable)) < 0)
            break;
    return r < 0 ? r : taken > 0 ? taken : 0;
}

static ssize_t send_stream(int fd, struct sock *so, const struct msghdr *msg, int flags,
                           size_t total) {
    bool block = may_block(so, flags);
    uint64_t timeo_ns = sock_sndtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    size_t moved = 0;
    ssize_t r;
    if ((flags & MSG_FASTOPEN) || sock_is_deferred(so)) {
        r = send_with_syn(fd, so, msg, flags, block, deadline, timeo_ns == 0);
        if (r < 0 || !block || (size_t)r == total)
            return r;
        moved = (size_t)r;
        flags &= ~MSG_FASTOPEN;
    }
    do {
        struct iovec win[IO_CHUNK_IOVS];
        struct msghdr part;
        size_t len = next_part(&part, win, msg, moved);
        int part_flags = flags_of_part(flags, moved == 0, moved + len == total);
        r = send_once(fd, so, &part, part_flags, moved);
        if (r > 0) {
            moved += (size_t)r;
        } else if (r == -EAGAIN && block) {
            r = wait_sock(host_get(), so, POLLOUT, deadline, timeo_ns == 0);
            if (r < 0)
                break;
        } else {
            break;
        }
    } while (moved < total);
    return moved > 0 ? (ssize_t)moved : r;
}

static ssize_t send_datagram(int fd, struct sock *so, const struct msghdr *msg, int flags) {
    bool block = may_block(so, flags);
    uint64_t timeo_ns = sock_sndtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    for (;;) {
        ssize_t r = send_once(fd, so, msg, flags, 0);
        if (r != -EAGAIN || !block)
            return r;
        r = wait_sock(host_get(), so, POLLOUT, deadline, timeo_ns == 0);
        if (r < 0)
            return r;
    }
}

ssize_t io_send(int fd, struct sock *so, const struct msghdr *msg, int flags) {
    ssize_t total = msg_len(msg);
    if (total < 0)
        return total;
    bool stream = sock_type(so) == SOCK_STREAM;
    int core_flags = flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | SOCK_SEND_PART);
    ssize_t r = stream
                    ? send_stream(fd, so, msg, core_flags | (flags & MSG_DONTWAIT), (size_t)total)
                    : send_datagram(fd, so, msg, core_flags | (flags & MSG_DONTWAIT));
    if (r == -EPIPE && stream && !(flags & MSG_NOSIGNAL))
        raise(SIGPIPE);
    return r;
}

ssize_t io_send_buf(int fd, struct sock *so, const void *buf, size_t len, int flags) {
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return io_send(fd, so, &msg, flags);
}

static uint64_t wall_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* One piece, under the lock. With bytes `moved` already, takes only what is there: an error or the
 * end is left for the next call (0: stop here, -EAGAIN: nothing there now). */
static ssize_t recv_once(int fd, struct sock *so, struct msghdr *msg, int flags, size_t moved) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -errno;
    int avail = 1;
    if (moved > 0 && sock_ioctl(h->st, so, FIONREAD, &avail) < 0)
        avail = 1;
    int at_mark = 0; /* a read ends at the urgent mark, whatever it was to wait for */
    if (moved > 0 && sock_ioctl(h->st, so, SIOCATMARK, &at_mark) < 0)
        at_mark = 0;
    if (sock_wants_times(so))
        stack_set_wall(h->st, wall_now(), h->st->now_ns);
    ssize_t r;
    if (at_mark)
        r = 0;
    else if (avail > 0)
        r = sock_recv(h->st, so, msg, flags);
    else
        r = sock_call_ready(h->st, so) & (POLLERR | POLLHUP | POLLRDHUP) ? 0 : -EAGAIN;
    host_leave(h);
    return r;
}

/* Waits until there is something to receive; where the program's buffer can be lent to the stack
 * (plain reads of a stream), bytes may arrive in it directly: their number is returned. */
static ssize_t recv_wait(struct sock *so, const struct iovec *win, int n, int flags,
                         uint64_t deadline, bool restartable) {
    struct host *h = host_get();
    if (sock_type(so) == SOCK_STREAM && n > 0 && !(flags & (MSG_PEEK | MSG_OOB | MSG_TRUNC))) {
        size_t got = 0;
        int r = wait_recv(h, so, win, n, deadline, &got);
        return got > 0 ? (ssize_t)got : r;
    }
    return wait_sock(h, so, POLLIN, deadline, restartable);
}

static ssize_t recv_stream(int fd, struct sock *so, struct msghdr *msg, int flags, size_t total) {
    bool block = may_block(so, flags);
    uint64_t timeo_ns = sock_rcvtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    size_t target = flags & MSG_WAITALL ? total : sock_rcvlowat(so);
    if (flags & (MSG_PEEK | MSG_OOB))
        target = 1;
    if (target > total)
        target = total;
    if (target == 0)
        target = 1; /* recv of 0 bytes of a stream waits for data, too */
    int core_flags = flags & ~(MSG_DONTWAIT | MSG_WAITALL);
    size_t moved = 0;
    ssize_t r;
    do {
        struct iovec win[IO_CHUNK_IOVS];
        struct msghdr part = *msg;
        part.msg_iov = win;
        part.msg_iovlen = (size_t)iov_window(win, msg, moved);
        size_t len = iov_len(win, (int)part.msg_iovlen);
        r = recv_once(fd, so, &part, core_flags, moved);
        if (moved == 0 && r >= 0) {
            msg->msg_namelen = part.msg_namelen;
            msg->msg_controllen = part.msg_controllen;
            msg->msg_flags = part.msg_flags;
        }
        if (r == -EAGAIN && block && moved < target) {
            r = recv_wait(so, win, (int)part.msg_iovlen, flags, deadline, timeo_ns == 0);
            if (r > 0 && moved == 0) {
                msg->msg_namelen = 0;
                msg->msg_controllen = 0;
                msg->msg_flags = 0;
            }
            if (r == 0)
                continue; /* ready: take it */
        }
        if (r <= 0)
            break;
        moved += (size_t)r;
        if ((flags & (MSG_PEEK | MSG_OOB)) || ((size_t)r < len && moved >= target))
            break;
    } while (moved < total);
    return moved > 0 ? (ssize_t)moved : r;
}

static ssize_t recv_datagram(int fd, struct sock *so, struct msghdr *msg, int flags) {
    bool block = may_block(so, flags);
    uint64_t timeo_ns = sock_rcvtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    for (;;) {
        ssize_t r = recv_once(fd, so, msg, flags & ~(MSG_DONTWAIT | MSG_WAITALL), 0);
        if (r != -EAGAIN || !block)
            return r;
        r = wait_sock(host_get(), so, POLLIN, deadline, timeo_ns == 0);
        if (r < 0)
            return r;
    }
}

ssize_t io_recv(int fd, struct sock *so, struct msghdr *msg, int flags) {
    ssize_t total = msg_len(msg);
    if (total < 0)
        return total;
    msg->msg_flags = 0;
    if (flags & MSG_ERRQUEUE) { /* never blocks: recvmsg(2) */
        ssize_t r = recv_once(fd, so, msg, flags & ~MSG_DONTWAIT, 0);
        return r;
    }
    if (sock_type(so) != SOCK_STREAM)
        return recv_datagram(fd, so, msg, flags);
    return recv_stream(fd, so, msg, flags, (size_t)total);
}
