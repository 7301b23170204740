/* send and recv, streams and datagrams. Never blocks; MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL and
 * SO_RCVLOWAT are the waiting code's. */
#include <sys/uio.h>

#include "stack/sock/sock_internal.h"

#define IOV_MAX_COUNT 1024 /* UIO_MAXIOV */

/* ---- control messages ---- */

/* Where the control messages of a recvmsg go. */
struct cmsg_out {
    struct msghdr *msg;
    size_t room, used;
};

static void cmsg_put(struct cmsg_out *c, int level, int type, const void *data, size_t len) {
    if (c->room - c->used < CMSG_LEN(len)) {
        c->msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    uint8_t *at = (uint8_t *)c->msg->msg_control + c->used;
    memcpy(at, &h, sizeof(h));
    memcpy(at + CMSG_LEN(0), data, len);
    size_t space = CMSG_SPACE(len);
    c->used += space < c->room - c->used ? space : c->room - c->used;
}

/* What sendmsg's control messages ask for this one datagram; <0 or 0: not said. */
struct udp_ctl {
    int tos, ttl;
    struct addr src;
    bool has_src;
};

static int cmsg_int(const struct cmsghdr *h, const void *data, int *out) {
    if (h->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(out, data, sizeof(int));
        return 0;
    }
    if (h->cmsg_len == CMSG_LEN(1)) {
        *out = *(const uint8_t *)data;
        return 0;
    }
    return -EINVAL;
}

static int cmsg_take(struct stack *st, const struct cmsghdr *h, const void *data,
                     struct udp_ctl *ctl) {
    if (h->cmsg_level != IPPROTO_IP)
        return h->cmsg_level == SOL_SOCKET ? -EINVAL : 0; /* Linux passes over other levels */
    switch (h->cmsg_type) {
    case IP_TOS:
        return cmsg_int(h, data, &ctl->tos) != 0 || ctl->tos < 0 || ctl->tos > 255 ? -EINVAL : 0;
    case IP_TTL:
        return cmsg_int(h, data, &ctl->ttl) != 0 || ctl->ttl < 1 || ctl->ttl > 255 ? -EINVAL : 0;
    case IP_PKTINFO: {
        struct in_pktinfo pi;
        if (h->cmsg_len != CMSG_LEN(sizeof(pi)))
            return -EINVAL;
        memcpy(&pi, data, sizeof(pi));
        if (pi.ipi_spec_dst.s_addr == INADDR_ANY)
            return 0;
        ctl->src = addr_from_be((be32_t){pi.ipi_spec_dst.s_addr});
        ctl->has_src = true;
        return net_is_local(st, &ctl->src) ? 0 : -EINVAL;
    }
    default:
        return -EINVAL;
    }
}

static int cmsgs_take(struct stack *st, const struct msghdr *msg, struct udp_ctl *ctl) {
    const uint8_t *p = msg->msg_control;
    size_t left = msg->msg_control != NULL ? msg->msg_controllen : 0;
    *ctl = (struct udp_ctl){.tos = -1, .ttl = -1};
    while (left >= sizeof(struct cmsghdr)) {
        struct cmsghdr h;
        memcpy(&h, p, sizeof(h));
        if (h.cmsg_len < sizeof(h) || h.cmsg_len > left)
            return -EINVAL;
        int err = cmsg_take(st, &h, p + CMSG_LEN(0), ctl);
        if (err != 0)
            return err;
        size_t step = CMSG_ALIGN(h.cmsg_len);
        if (step >= left)
            break;
        p += step;
        left -= step;
    }
    return 0;
}

/* ---- datagrams ---- */

/* Sends with the endpoint's TTL, TOS and source set to what the control messages say, for the
 * length of this call. */
static ssize_t udp_send_with(struct stack *st, struct udp *u, const struct msghdr *msg,
                             const struct endpoint *to, const struct udp_ctl *ctl) {
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
    struct udp_ctl ctl;
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
    int err = cmsgs_take(st, msg, &ctl);
    if (err != 0)
        return err;
    if (so->shut & (1 << SHUT_WR))
        return -EPIPE;
    if (msg->msg_controllen > 0 && msg->msg_control != NULL)
        return udp_send_with(st, u, msg, dst, &ctl);
    return udp_send(st, u, msg->msg_iov, (int)msg->msg_iovlen, dst);
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
    recv_dgram_cmsgs(so, &c, &to, tos, ttl);
    msg->msg_controllen = c.used;
    return (size_t)full > room && !(flags & MSG_TRUNC) ? (ssize_t)room : full;
}

/* ---- streams ---- */

static ssize_t send_stream(struct stack *st, struct sock *so, const struct msghdr *msg, int flags) {
    if (flags & MSG_FASTOPEN)
        return -EOPNOTSUPP;
    /* A destination is ignored on a stream (tcp_sendmsg). */
    ssize_t n = tcp_send(st, so->tcb, msg->msg_iov, (int)msg->msg_iovlen, flags);
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

static ssize_t recv_stream(struct stack *st, struct sock *so, struct msghdr *msg, int flags) {
    if (flags & MSG_OOB)
        return recv_urgent(st, so, msg, flags);
    size_t len = iov_len(msg->msg_iov, (int)msg->msg_iovlen);
    bool peek = flags & MSG_PEEK;
    if (!(flags & MSG_TRUNC))
        return tcp_recv(st, so->tcb, msg->msg_iov, (int)msg->msg_iovlen, len, peek, 0);
    uint32_t queued = tcp_inq(so->tcb);
    if (peek && queued > 0)
        return (ssize_t)(len < queued ? len : queued);
    return tcp_recv(st, so->tcb, NULL, 0, len, peek, 0);
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
    if (sock_is_tcp(so) || msg->msg_name == NULL)
        msg->msg_namelen = 0;
    if (flags & MSG_ERRQUEUE)
        return -EAGAIN; /* nothing is ever queued there */
    ssize_t n = sock_is_tcp(so) ? recv_stream(st, so, msg, flags)
                                : recv_dgram(st, so, msg, flags, control_room);
    stack_clean(st);
    return n;
}
