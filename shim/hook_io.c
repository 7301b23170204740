/* read, write and their many forms. */
#include <string.h>
#include <unistd.h>

#include "shim/hook.h"

/* Declared by glibc only when fortified code is compiled; programs built so call them. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t buflen, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t buflen, int flags,
                       struct sockaddr *addr, socklen_t *addrlen);
void __chk_fail(void) __attribute__((noreturn));

static ssize_t recv_iov(int fd, struct sock *so, const struct iovec *iov, int n, int flags) {
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    if (n < 0)
        return hook_ret(-EINVAL);
    return hook_ret(io_recv(fd, so, &msg, flags));
}

static ssize_t recv_buf(int fd, struct sock *so, void *buf, size_t len, int flags) {
    struct iovec iov = {buf, len};
    return recv_iov(fd, so, &iov, 1, flags);
}

static ssize_t send_iov(int fd, struct sock *so, const struct iovec *iov, int n, int flags) {
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    if (n < 0)
        return hook_ret(-EINVAL);
    return hook_ret(io_send(fd, so, &msg, flags));
}

HOOK ssize_t read(int fd, void *buf, size_t len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(read)(fd, buf, len);
    return len == 0 ? 0 : recv_buf(fd, so, buf, len, 0); /* read(2): of 0 bytes does nothing */
}

HOOK ssize_t readv(int fd, const struct iovec *iov, int n) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(readv)(fd, iov, n) : recv_iov(fd, so, iov, n, 0);
}

/* Offset -1: as readv. Any other gets the kernel's ESPIPE. */
HOOK ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags) {
    struct sock *so = offset == -1 ? fd_sock(fd) : NULL;
    if (so == NULL)
        return REAL(preadv2)(fd, iov, n, offset, flags);
    return recv_iov(fd, so, iov, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
}

HOOK ssize_t recv(int fd, void *buf, size_t len, int flags) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(recv)(fd, buf, len, flags) : recv_buf(fd, so, buf, len, flags);
}

static ssize_t do_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                           socklen_t *addrlen) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(recvfrom)(fd, buf, len, flags, addr, addrlen);
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (addr != NULL && addrlen != NULL) {
        msg.msg_name = addr;
        msg.msg_namelen = *addrlen;
    }
    ssize_t r = io_recv(fd, so, &msg, flags);
    if (r >= 0 && addr != NULL && addrlen != NULL)
        *addrlen = msg.msg_namelen;
    return hook_ret(r);
}

HOOK ssize_t recvfrom(int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr,
                      socklen_t *addrlen) {
    return do_recvfrom(fd, buf, len, flags, addr.__sockaddr__, addrlen);
}

/* Descriptors that came in over a socket of the kernel may be ours: to be looked at anew. */
static void note_passed_fds(const struct msghdr *msg) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            fd_set_unknown(fd);
        }
    }
}

/* A call that fails leaves the program's structure as it was. */
static ssize_t recv_msg(int fd, struct sock *so, struct msghdr *msg, int flags) {
    struct msghdr m = *msg;
    ssize_t r = io_recv(fd, so, &m, flags);
    if (r < 0)
        return r;
    msg->msg_namelen = m.msg_namelen;
    msg->msg_controllen = m.msg_controllen;
    msg->msg_flags = m.msg_flags;
    return r;
}

HOOK ssize_t recvmsg(int fd, struct msghdr *msg, int flags) {
    struct sock *so = fd_sock(fd);
    if (so != NULL)
        return hook_ret(recv_msg(fd, so, msg, flags));
    ssize_t r = REAL(recvmsg)(fd, msg, flags);
    if (r >= 0 && msg->msg_controllen > 0)
        note_passed_fds(msg);
    return r;
}

/* recvmmsg(2): the timeout is looked at after each datagram; MSG_WAITFORONE: blocks for the first
 * only. An error after the first is left for the next call. */
HOOK int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout) {
    struct sock *so = fd_sock(fd);
    if (so == NULL) {
        int r = REAL(recvmmsg)(fd, vec, n, flags, timeout);
        for (int i = 0; i < r; i++)
            if (vec[i].msg_hdr.msg_controllen > 0)
                note_passed_fds(&vec[i].msg_hdr);
        return r;
    }
    uint64_t deadline;
    if (deadline_after_timespec(timeout, &deadline) < 0)
        return -1;
    unsigned got = 0;
    ssize_t r = 0;
    while (got < n) {
        r = recv_msg(fd, so, &vec[got].msg_hdr, flags & ~MSG_WAITFORONE);
        if (r < 0)
            break;
        vec[got++].msg_len = (unsigned)r;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (host_now() >= deadline)
            break;
    }
    if (got == 0)
        return (int)hook_ret(r);
    return (int)got;
}

HOOK ssize_t write(int fd, const void *buf, size_t len) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(write)(fd, buf, len) : hook_ret(io_send_buf(fd, so, buf, len, 0));
}

HOOK ssize_t writev(int fd, const struct iovec *iov, int n) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(writev)(fd, iov, n) : send_iov(fd, so, iov, n, 0);
}

HOOK ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags) {
    struct sock *so = offset == -1 ? fd_sock(fd) : NULL;
    if (so == NULL)
        return REAL(pwritev2)(fd, iov, n, offset, flags);
    return send_iov(fd, so, iov, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
}

HOOK ssize_t send(int fd, const void *buf, size_t len, int flags) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(send)(fd, buf, len, flags)
                      : hook_ret(io_send_buf(fd, so, buf, len, flags));
}

HOOK ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
                    socklen_t addrlen) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(sendto)(fd, buf, len, flags, addr.__sockaddr__, addrlen);
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (addr.__sockaddr__ != NULL) {
        msg.msg_name = (void *)(uintptr_t)addr.__sockaddr__;
        msg.msg_namelen = addrlen;
    }
    return hook_ret(io_send(fd, so, &msg, flags));
}

HOOK ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(sendmsg)(fd, msg, flags) : hook_ret(io_send(fd, so, msg, flags));
}

HOOK int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(sendmmsg)(fd, vec, n, flags);
    for (unsigned i = 0; i < n; i++) {
        ssize_t r = io_send(fd, so, &vec[i].msg_hdr, flags);
        if (r < 0)
            return i > 0 ? (int)i : (int)hook_ret(r);
        vec[i].msg_len = (unsigned)r;
    }
    return (int)n;
}

HOOK ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen) {
    if (len > buflen)
        __chk_fail();
    return read(fd, buf, len);
}
HOOK ssize_t __recv_chk(int fd, void *buf, size_t len, size_t buflen, int flags) {
    if (len > buflen)
        __chk_fail();
    return recv(fd, buf, len, flags);
}
HOOK ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t buflen, int flags,
                            struct sockaddr *addr, socklen_t *addrlen) {
    if (len > buflen)
        __chk_fail();
    return do_recvfrom(fd, buf, len, flags, addr, addrlen);
}

/* Names under which glibc exports the same functions, used by old libraries. */
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __send(int fd, const void *buf, size_t len, int flags);
HOOK ssize_t __read(int fd, void *buf, size_t len) {
    return read(fd, buf, len);
}
HOOK ssize_t __write(int fd, const void *buf, size_t len) {
    return write(fd, buf, len);
}
HOOK ssize_t __send(int fd, const void *buf, size_t len, int flags) {
    return send(fd, buf, len, flags);
}
