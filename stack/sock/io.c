/* send and recv, streams and datagrams. Never blocks; MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL and
 * SO_RCVLOWAT are the waiting code's. */
#include <netinet/tcp.h>
#include <sys/uio.h>

#include "stack/sock/cmsg.h"

#define IOV_MAX_COUNT 1024 /* UIO_MAXIOV */

/* SO_PEEK_OFF (sk_peek_offset_fwd, sk_peek_offset_bwd): a peek moves on, what is taken moves it
 * back. */
static void peek_off_moves(struct sock *so, ssize_t n, bool peek) {
    int off = so->opt.peek_off;
    if (off < 0)
        return;
    if (peek)
        so->opt.peek_off = off + (int)n;
    else
        so->opt.peek_off = off > n ? off - (int)n : 0;
}

/* ---- datagrams ---- */

/* Sends with the endpoint's TTL, TOS and source set to what the control messages say, for the
 * length of this call. */
static ssize_t udp_send_with(struct stack *st, struct udp *u, const struct msghdr *msg,
                             const struct endpoint *to, const struct send_ctl *ctl) {
    uint8_t tos = u->tos, ttl = u->ttl;
    struct addr src = u->local.addr;
    if (u->local.port == 0) {
        struct endpoint any = {.addr = addr_v4(INADDR_ANY)};
        int err = udp_bind(st, u, &any);
        if (err != 0)
            return err;
        src = u->local.addr;
    }
    if (ctl->tos >= 0)
        u->tos = (uint8_t)ctl->tos;
    if (ctl->ttl >= 0)
        u->ttl = (uint8_t)ctl->ttl;
    if (ctl->has_src)
        u->local.addr = ctl->src;
    ssize_t n = udp_send(st, u, msg->msg_iov, (int)msg->msg_iovlen, to);
    u->tos = tos;
    u->ttl = ttl;
    u->local.addr = src;
    return n;
}

static ssize_t send_dgram(struct stack *st, struct sock *so, const struct msghdr *msg, int flags) {
    struct udp *u = so->udp;
    struct endpoint to, *dst = NULL;
    struct send_ctl ctl;
    if (flags & (MSG_OOB | MSG_MORE)) /* MSG_MORE: corking of datagrams is not there */
        return -EOPNOTSUPP;
    if (msg->msg_name != NULL && msg->msg_namelen > 0) {
        int err = sockaddr_get(msg->msg_name, msg->msg_namelen, &to);
        if (err != 0)
            return err;
        if (to.port == 0)
            return -EINVAL;
        dest_resolve_any(&u->local, &to);
        dst = &to;
    } else if (u->remote.port == 0) {
        return -EDESTADDRREQ;
    }
    int err = send_ctl_take(st, so, msg, &ctl);
    if (err != 0)
        return err;
    if (so->shut & (1 << SHUT_WR))
        return -EPIPE;
    ssize_t n = msg->msg_controllen > 0 && msg->msg_control != NULL
                    ? udp_send_with(st, u, msg, dst, &ctl)
                    : udp_send(st, u, msg->msg_iov, (int)msg->msg_iovlen, dst);
    if (n >= 0)
        report_udp_times(st, so, &ctl);
    return n;
}

static void recv_dgram_cmsgs(struct sock *so, struct cmsg_out *c, const struct endpoint *to,
                             int tos, int ttl) {
    if (so->opt.pktinfo) {
        struct in_pktinfo pi = {.ipi_spec_dst.s_addr = addr_to_be(&to->addr).raw,
                                .ipi_addr.s_addr = addr_to_be(&to->addr).raw};
        cmsg_put(c, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
    }
    if (so->opt.recvttl)
        cmsg_put(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
    if (so->opt.recvtos) {
        uint8_t b = (uint8_t)tos; /* one byte, as Linux gives it */
        cmsg_put(c, IPPROTO_IP, IP_TOS, &b, sizeof(b));
    }
}

static ssize_t recv_dgram(struct stack *st, struct sock *so, struct msghdr *msg, int flags,
                          size_t control_room) {
    struct udp *u = so->udp;
    struct endpoint from, to;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    const struct udp_dgram *d = STAILQ_FIRST(&u->queue);
    int tos = d != NULL ? d->tos : 0, ttl = d != NULL ? d->ttl : 0;
    uint64_t when_ns = d != NULL ? d->when_ns : 0;
    int niov = (int)msg->msg_iovlen;
    ssize_t full = udp_recv(st, u, msg->msg_iov, niov, flags & MSG_PEEK, &from, &to);
    if (full == -EAGAIN && (so->shut & (1 << SHUT_RD)))
        return 0;
    if (full < 0)
        return full;
    size_t room = iov_len(msg->msg_iov, niov);
    if ((size_t)full > room)
        msg->msg_flags |= MSG_TRUNC;
    if (msg->msg_name != NULL)
        sockaddr_put(&from, msg->msg_name, &msg->msg_namelen);
    struct cmsg_out c = {.msg = msg, .room = control_room};
    cmsg_put_times(st, so, &c, when_ns, false);
    recv_dgram_cmsgs(so, &c, &to, tos, ttl);
    msg->msg_controllen = c.used;
    return (size_t)full > room && !(flags & MSG_TRUNC) ? (ssize_t)room : full;
}

/* ---- streams ---- */

static ssize_t send_stream(struct stack *st, struct sock *so, const struct msghdr *msg, int flags) {
    struct send_ctl ctl;
    struct tcp_send_ask ask = {.zerocopy = (flags & MSG_ZEROCOPY) && so->opt.zerocopy};
    if (flags & MSG_FASTOPEN) {
        ssize_t n = sock_fastopen(st, so, msg, &ask);
        if (n != 0)
            return n;
    }
    int err = send_ctl_take(st, so, msg, &ctl);
    if (err != 0)
        return err;
    ask.ts = flags & SOCK_SEND_PART ? 0 : send_ctl_marks(&ctl);
    /* A destination is ignored on a stream (tcp_sendmsg). */
    ssize_t n = tcp_send(st, so->tcb, msg->msg_iov, (int)msg->msg_iovlen, flags, &ask);
    /* sk_stream_wait_connect: a stream that is not connected is a broken pipe to a sender. */
    return n == -ENOTCONN ? -EPIPE : n;
}

/* tcp_recv_urg. */
static ssize_t recv_urgent(struct stack *st, struct sock *so, struct msghdr *msg, int flags) {
    uint8_t byte;
    ssize_t n = tcp_recv_urgent(st, so->tcb, &byte, flags & MSG_PEEK);
    if (n <= 0)
        return n;
    msg->msg_flags |= MSG_OOB;
    struct iovec from = {&byte, 1};
    if (iov_len(msg->msg_iov, (int)msg->msg_iovlen) == 0) {
        msg->msg_flags |= MSG_TRUNC;
        return 0;
    }
    if (!(flags & MSG_TRUNC))
        iov_copy(msg->msg_iov, (int)msg->msg_iovlen, 0, &from, 1, 0, 1);
    return 1;
}

/* tcp_recvmsg: TCP_INQ, and when the newest byte came. */
static void recv_stream_cmsgs(struct stack *st, struct sock *so, struct msghdr *msg,
                              size_t control_room) {
    struct cmsg_out c = {.msg = msg, .room = control_room};
    cmsg_put_times(st, so, &c, tcp_last_data_ns(so->tcb), false);
    if (so->opt.inq) {
        int n = tcp_inq_hint(so->tcb);
        cmsg_put(&c, IPPROTO_TCP, TCP_CM_INQ, &n, sizeof(n));
    }
    msg->msg_controllen = c.used;
}

static ssize_t recv_bytes(struct stack *st, struct sock *so, struct msghdr *msg, int flags) {
    size_t len = iov_len(msg->msg_iov, (int)msg->msg_iovlen);
    bool peek = flags & MSG_PEEK, drop = flags & MSG_TRUNC;
    size_t off = peek && so->opt.peek_off >= 0 ? (size_t)so->opt.peek_off : 0;
    return tcp_recv(st, so->tcb, drop ? NULL : msg->msg_iov, (int)msg->msg_iovlen, len, peek, off);
}

static ssize_t recv_stream(struct stack *st, struct sock *so, struct msghdr *msg, int flags,
                           size_t control_room) {
    if (flags & MSG_OOB)
        return recv_urgent(st, so, msg, flags);
    ssize_t n = recv_bytes(st, so, msg, flags);
    if (n > 0)
        peek_off_moves(so, n, flags & MSG_PEEK);
    if (n >= 0)
        recv_stream_cmsgs(st, so, msg, control_room);
    return n;
}

/* ---- the calls ---- */

ssize_t sock_send(struct stack *st, struct sock *so, const struct msghdr *msg, int flags) {
    if (msg->msg_iovlen > IOV_MAX_COUNT)
        return -EMSGSIZE;
    ssize_t n = sock_is_tcp(so) ? send_stream(st, so, msg, flags) : send_dgram(st, so, msg, flags);
    stack_clean(st);
    return n;
}

ssize_t sock_recv(struct stack *st, struct sock *so, struct msghdr *msg, int flags) {
    if (msg->msg_iovlen > IOV_MAX_COUNT)
        return -EMSGSIZE;
    size_t control_room = msg->msg_control != NULL ? msg->msg_controllen : 0;
    msg->msg_flags = 0;
    msg->msg_controllen = 0;
    if (msg->msg_name == NULL || (sock_is_tcp(so) && !(flags & MSG_ERRQUEUE)))
        msg->msg_namelen = 0;
    if (flags & MSG_ERRQUEUE)
        return recv_errqueue(st, so, msg, control_room);
    ssize_t n = sock_is_tcp(so) ? recv_stream(st, so, msg, flags, control_room)
                                : recv_dgram(st, so, msg, flags, control_room);
    stack_clean(st);
    return n;
}
