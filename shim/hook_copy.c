/* sendfile and splice with a socket of ours at either end: read and written through a buffer. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "shim/hook.h"

#define COPY_BYTES 65536u

/* Reads up to n bytes of `in` at *off (moving it), or at its own position when off is NULL. */
static ssize_t copy_in(int in, off_t *off, char *buf, size_t n) {
    if (off == NULL)
        return read(in, buf, n);
    ssize_t r = pread(in, buf, n, *off);
    if (r > 0)
        *off += r;
    return r;
}

/* Gives back what was read and could not be written. Only a file can take it; a pipe's or socket's
 * bytes are written before more is read, so nothing is ever left of those but on an error. */
static void copy_back(int in, off_t *off, size_t n) {
    if (off != NULL)
        *off -= (off_t)n;
    else
        lseek(in, -(off_t)n, SEEK_CUR);
}

HOOK ssize_t sendfile(int out, int in, off_t *off, size_t count) {
    struct sock *so = fd_sock(out);
    if (so == NULL) {
        if (fd_sock(in) != NULL)
            return hook_ret(-EINVAL); /* sendfile(2): in must be a file */
        return REAL(sendfile)(out, in, off, count);
    }
    char buf[COPY_BYTES];
    size_t done = 0;
    while (done < count) {
        size_t want = count - done < sizeof(buf) ? count - done : sizeof(buf);
        ssize_t n = copy_in(in, off, buf, want);
        if (n <= 0)
            return done > 0 ? (ssize_t)done : n;
        ssize_t r = io_send_buf(out, so, buf, (size_t)n, 0);
        if (r < n)
            copy_back(in, off, (size_t)(n - (r > 0 ? r : 0)));
        if (r < 0)
            return done > 0 ? (ssize_t)done : hook_ret(r);
        done += (size_t)r;
        if (r < n || sock_nonblocking(so) != 0)
            break;
    }
    return (ssize_t)done;
}

HOOK ssize_t sendfile64(int out, int in, off64_t *off, size_t count) {
    return sendfile(out, in, off, count);
}

/* Pipe to socket: a pipe's bytes can't be put back, so before reading them there must be room in
 * the socket: waits for POLLOUT, then sends with blocking. */
static ssize_t splice_out(int in, off64_t *off, int out, struct sock *so, size_t len,
                          unsigned flags) {
    char buf[COPY_BYTES];
    bool nowait = flags & SPLICE_F_NONBLOCK;
    struct pollfd p[2] = {{.fd = in, .events = POLLIN}, {.fd = out, .events = POLLOUT}};
    if (poll(p, 2, 0) < 0)
        return -1;
    if ((nowait && p[0].revents == 0) || ((nowait || sock_nonblocking(so)) && p[1].revents == 0))
        return hook_ret(-EAGAIN);
    ssize_t n = copy_in(in, off, buf, len < sizeof(buf) ? len : sizeof(buf));
    if (n <= 0)
        return n;
    for (ssize_t done = 0; done < n;) {
        ssize_t r = io_send_buf(out, so, buf + done, (size_t)(n - done), 0);
        if (r == -EAGAIN) {
            p[1].revents = 0;
            poll(&p[1], 1, -1);
        } else if (r < 0 && r != -EINTR) {
            return done > 0 ? done : hook_ret(r);
        } else if (r > 0) {
            done += r;
        }
    }
    return n;
}

/* Nothing can be spliced past an urgent byte that is here (tcp_splice_read): 0, not the end. */
static bool urgent_stops(int in, struct sock *so) {
    int at = 0;
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return ioctl(in, SIOCATMARK, &at) == 0 && at &&
           io_recv(in, so, &msg, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) != -EAGAIN;
}

/* Socket to pipe: no more is taken from the socket than the pipe takes at once without blocking
 * (PIPE_BUF when it polls writable). */
static ssize_t splice_in(int in, struct sock *so, int out, size_t len, unsigned flags) {
    char buf[4096];
    struct pollfd p = {.fd = out, .events = POLLOUT};
    if (poll(&p, 1, flags & SPLICE_F_NONBLOCK ? 0 : -1) < 0)
        return -1;
    if (p.revents == 0)
        return hook_ret(-EAGAIN);
    if (urgent_stops(in, so))
        return 0;
    struct iovec iov = {buf, len < sizeof(buf) ? len : sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = io_recv(in, so, &msg, flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0);
    if (n <= 0)
        return hook_ret(n);
    return write(out, buf, (size_t)n);
}

HOOK ssize_t splice(int in, off64_t *off_in, int out, off64_t *off_out, size_t len,
                    unsigned flags) {
    struct sock *from = fd_sock(in), *to = fd_sock(out);
    if (from == NULL && to == NULL)
        return REAL(splice)(in, off_in, out, off_out, len, flags);
    if (from != NULL && to != NULL)
        return hook_ret(-EINVAL); /* splice(2): one of them must be a pipe */
    if ((from != NULL && off_in != NULL) || (to != NULL && off_out != NULL))
        return hook_ret(-ESPIPE);
    if (len == 0)
        return 0;
    return to != NULL ? splice_out(in, off_in, out, to, len, flags)
                      : splice_in(in, from, out, len, flags);
}
