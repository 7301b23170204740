/* socket, and what gives one an address, a peer, options.
 *
 * Theory of operation. A socket of ours is a real kernel descriptor (D4): an AF_UNIX socket that
 * nobody will ever connect, made only to hold the number, close-on-exec, and an inode which names
 * the sock. Should anything reach it past the hooks, the kernel answers with an error
 * (EINVAL, ENOTCONN) instead of hanging. */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/hook.h"

int fd_make(int type, int flags, uint64_t *ino) {
    if (!fdtab_init())
        return -ENOMEM;
    int fd = REAL(socket)(AF_UNIX, type | (flags & SOCK_CLOEXEC), 0);
    if (fd < 0)
        return -errno;
    struct stat sb;
    if ((unsigned)fd >= fdtab_size || fstat(fd, &sb) < 0) {
        REAL(close)(fd);
        return -EMFILE;
    }
    *ino = sb.st_ino;
    return fd;
}

static int make_sock(int domain, int type, int protocol) {
    struct host *h = host_get();
    if (h == NULL)
        return -errno;
    int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    uint64_t ino = 0;
    int fd = fd_make(kind == SOCK_STREAM ? SOCK_STREAM : SOCK_DGRAM, type, &ino);
    if (fd < 0)
        return fd;
    struct sock *so;
    host_live_sysctl(h);
    host_enter(h);
    int r = sock_open(h->st, h->proc, domain, kind, protocol, ino, &so);
    if (r == 0) {
        if (type & SOCK_NONBLOCK)
            sock_set_nonblocking(so, true);
        fd_set_sock(fd, so);
    }
    host_leave(h);
    if (r < 0) {
        REAL(close)(fd);
        return r;
    }
    return fd;
}

/* A new socket of the kernel's own: nobody need look whether it is ours. */
static int kernels(int fd) {
    if (fd >= 0)
        fd_set_kernel(fd);
    return fd;
}

/* IPv6 is the kernel's, which has no address but ::1 in a host's namespace. A socket for IPv6 only
 * is harmless (ncat -l, which opens one beside its IPv4 socket, breaks off without). One that would
 * take IPv4 as well must not be thought to: the program is told that there is no IPv6, and takes
 * IPv4. */
static bool would_take_ipv4(int fd, const struct sockaddr *addr, socklen_t len) {
    int only = 1;
    socklen_t size = sizeof(only);
    if (addr == NULL || len < sizeof(addr->sa_family) || addr->sa_family != AF_INET6)
        return false;
    (void)REAL(getsockopt)(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size);
    return !only;
}

HOOK int socket(int domain, int type, int protocol) {
    if (domain != AF_INET)
        return kernels(REAL(socket)(domain, type, protocol));
    int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (kind < 0 || kind > SOCK_PACKET)
        return (int)hook_ret(-EINVAL);
    if (kind == SOCK_RAW) {
        host_say_once("raw IPv4 sockets are not served; socket() fails with EPERM");
        return (int)hook_ret(-EPERM);
    }
    int r = make_sock(domain, type, protocol);
    bool known =
        (kind == SOCK_STREAM || kind == SOCK_DGRAM) &&
        (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP); /* the kernel refuses it, too */
    if ((r == -EPROTONOSUPPORT || r == -ESOCKTNOSUPPORT) && !known)
        host_say_once("IPv4 sockets of type %d, protocol %d are not served", kind, protocol);
    return (int)hook_ret(r);
}

HOOK int socketpair(int domain, int type, int protocol, int sv[2]) {
    int r = REAL(socketpair)(domain, type, protocol, sv);
    if (r == 0) {
        kernels(sv[0]);
        kernels(sv[1]);
    }
    return r;
}

static int bind_once(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -errno;
    int r = sock_bind(h->st, so, addr, len);
    host_leave(h);
    return r;
}

HOOK int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL && would_take_ipv4(fd, addr.__sockaddr__, len))
        return (int)hook_ret(-EAFNOSUPPORT);
    if (so == NULL)
        return REAL(bind)(fd, addr.__sockaddr__, len);
    int r = bind_once(fd, so, addr.__sockaddr__, len);
    if (r ==
        -EADDRINUSE) { /* by a process that is gone, perhaps, and the keeper does not know yet */
        host_settle(host_get());
        r = bind_once(fd, so, addr.__sockaddr__, len);
    }
    return (int)hook_ret(r);
}

HOOK int listen(int fd, int backlog) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(listen)(fd, backlog);
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = sock_listen(h->st, so, backlog);
    host_leave(h);
    return (int)hook_ret(r);
}

static int connect_once(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -errno;
    int r = sock_connect(h->st, so, addr, len);
    host_leave(h);
    return r;
}

/* connect(2). A blocking call on a connection that is being made (after EINTR, or begun when the
 * socket was non-blocking) waits for it, as in Linux, instead of EALREADY. */
static int do_connect(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len) {
    uint64_t timeo_ns = sock_sndtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    host_live_sysctl(host_get());
    int first = connect_once(fd, so, addr, len), r = first;
    while ((r == -EINPROGRESS || r == -EALREADY) && !sock_nonblocking(so)) {
        int w = wait_sock(host_get(), so, POLLOUT | POLLERR | POLLHUP, deadline, timeo_ns == 0);
        if (w == -EAGAIN)
            return first; /* time is up: EINPROGRESS, or EALREADY for a later call */
        if (w < 0)
            return w;
        r = connect_once(fd, so, addr, len);
        if (r == -EISCONN)
            return 0;
    }
    return r;
}

/* ::ffff:a.b.c.d on a socket of the kernel's would leave by the kernel's IPv4. */
static bool is_mapped(const struct sockaddr *addr, socklen_t len) {
    struct sockaddr_in6 sin6;
    if (addr == NULL || len < sizeof(sin6) || addr->sa_family != AF_INET6)
        return false;
    memcpy(&sin6, addr, sizeof(sin6));
    return IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr);
}

HOOK int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL && is_mapped(addr.__sockaddr__, len))
        return (int)hook_ret(-ENETUNREACH);
    if (so == NULL)
        return REAL(connect)(fd, addr.__sockaddr__, len);
    return (int)hook_ret(do_connect(fd, so, addr.__sockaddr__, len));
}

/* Is there something to accept (or an error to tell)? Asked before a kernel descriptor is made for
 * it. 0, -EAGAIN, or -EINVAL and the like, as accept itself says. */
static int accept_pending(int fd, struct sock *so) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -errno;
    uint32_t any = POLLIN | POLLERR | POLLHUP;
    int listening = 0;
    socklen_t len = sizeof(listening);
    sock_getopt(h->st, so, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    int r = !listening || (sock_ready(h->st, so) & any) ? 0 : -EAGAIN;
    host_leave(h);
    return r;
}

static int accept_once(int fd, struct sock *so, struct sockaddr *addr, socklen_t *len, int flags) {
    uint64_t ino = 0;
    if (sock_type(so) != SOCK_STREAM)
        return -EOPNOTSUPP;
    int r = accept_pending(fd, so);
    if (r < 0)
        return r;
    int nfd = fd_make(SOCK_STREAM, flags, &ino);
    if (nfd < 0)
        return nfd;
    struct host *h = hook_enter(fd, so);
    if (h == NULL) {
        REAL(close)(nfd);
        return -EBADF;
    }
    struct sock *nso;
    r = sock_accept(h->st, so, h->proc, ino, addr, len, &nso);
    if (r == 0) {
        sock_set_nonblocking(nso, flags & SOCK_NONBLOCK); /* not inherited: accept(2) */
        fd_set_sock(nfd, nso);
    }
    host_leave(h);
    if (r < 0) {
        REAL(close)(nfd);
        return r;
    }
    return nfd;
}

static int do_accept(int fd, struct sock *so, struct sockaddr *addr, socklen_t *len, int flags) {
    if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
        return -EINVAL;
    uint64_t timeo_ns = sock_rcvtimeo_ns(so), deadline = deadline_after_ns(timeo_ns);
    for (;;) {
        int r = accept_once(fd, so, addr, len, flags);
        if (r != -EAGAIN || sock_nonblocking(so))
            return r;
        r = wait_sock(host_get(), so, POLLIN, deadline, timeo_ns == 0);
        if (r < 0)
            return r;
    }
}

HOOK int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return kernels(REAL(accept)(fd, addr.__sockaddr__, len));
    return (int)hook_ret(do_accept(fd, so, addr.__sockaddr__, len, 0));
}

HOOK int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return kernels(REAL(accept4)(fd, addr.__sockaddr__, len, flags));
    return (int)hook_ret(do_accept(fd, so, addr.__sockaddr__, len, flags));
}

HOOK int shutdown(int fd, int how) {
    struct sock *so = fd_sock(fd);
    if (so == NULL)
        return REAL(shutdown)(fd, how);
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = sock_shutdown(h->st, so, how);
    host_leave(h);
    return (int)hook_ret(r);
}

static int getname(int fd, struct sock *so, bool peer, struct sockaddr *addr, socklen_t *len) {
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    int r = sock_getname(h->st, so, peer, addr, len);
    host_leave(h);
    return (int)hook_ret(r);
}

HOOK int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(getsockname)(fd, addr.__sockaddr__, len)
                      : getname(fd, so, false, addr.__sockaddr__, len);
}

HOOK int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len) {
    struct sock *so = fd_sock(fd);
    return so == NULL ? REAL(getpeername)(fd, addr.__sockaddr__, len)
                      : getname(fd, so, true, addr.__sockaddr__, len);
}

/* The name under which glibc exports connect, too. */
int __connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len);
HOOK int __connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len) {
    return connect(fd, addr, len);
}
