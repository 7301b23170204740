/* bind, listen, connect, accept, shutdown, and names: the calls that change what a sock is to its
 * protocol, with Linux's states and errnos.
 *
 * A tcb that has been through a connect is never connected again: a second attempt gets a fresh tcb
 * with the same options and, if the program had bound it, the same address. */
#include <poll.h>

#include "stack/sock/sock_internal.h"
#include "stack/tcp/fastopen.h"

bool sock_is_listener(const struct sock *so) {
    return sock_is_tcp(so) && tcp_get_state(so->tcb) == TCPS_LISTEN;
}

/* Before a bind, listen or connect: a tcb left over from a failed connect is replaced. */
static int renew_tcb(struct stack *st, struct sock *so) {
    return so->used && so->conn == CONN_NONE ? sock_replace_tcb(st, so) : 0;
}

/* ---- bind, listen ---- */

static int bind_tcp(struct stack *st, struct sock *so, const struct endpoint *ep) {
    if (so->bound || so->conn != CONN_NONE || sock_is_listener(so))
        return -EINVAL;
    int err = renew_tcb(st, so);
    if (err == 0)
        err = tcp_bind(st, so->tcb, ep);
    if (err != 0)
        return err;
    struct endpoint remote;
    sock_endpoints(so, &so->bound_to, &remote);
    so->bound = true;
    return 0;
}

int sock_bind(struct stack *st, struct sock *so, const struct sockaddr *sa, socklen_t len) {
    struct endpoint ep;
    int err = sockaddr_get(sa, len, &ep);
    if (err == -EAFNOSUPPORT) {
        /* Linux: AF_UNSPEC with 0.0.0.0 is taken for AF_INET, for old programs. */
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        if (in.sin_family != AF_UNSPEC || in.sin_addr.s_addr != INADDR_ANY)
            return err;
        ep = (struct endpoint){addr_v4(INADDR_ANY), be16_get((be16_t){in.sin_port})};
        err = 0;
    }
    if (err != 0)
        return err;
    err = sock_is_tcp(so) ? bind_tcp(st, so, &ep) : udp_bind(st, so->udp, &ep);
    stack_clean(st);
    return err;
}

int sock_listen(struct stack *st, struct sock *so, int backlog) {
    if (!sock_is_tcp(so))
        return -EOPNOTSUPP;
    if (so->conn != CONN_NONE)
        return -EINVAL;
    int err = renew_tcb(st, so);
    if (err == 0 && !tcp_is_bound(so->tcb)) {
        struct endpoint any = {.addr = addr_v4(INADDR_ANY)};
        err = tcp_bind(st, so->tcb, &any);
    }
    /* A negative backlog is a very large one, as in Linux; TCP cuts it to somaxconn. */
    if (err == 0)
        err = tcp_listen(st, so->tcb, backlog < 0 ? INT32_MAX : (uint32_t)backlog);
    stack_clean(st);
    return err;
}

/* ---- connect ---- */

static ssize_t connect_begin(struct stack *st, struct sock *so, const struct sockaddr *sa,
                             socklen_t len, const struct iovec *iov, int niov,
                             const struct tcp_send_ask *ask) {
    struct endpoint remote, local, none;
    int err = sockaddr_get(sa, len, &remote);
    if (err != 0)
        return err;
    if (sock_is_listener(so))
        return -EISCONN;
    err = renew_tcb(st, so);
    if (err != 0)
        return err;
    sock_endpoints(so, &local, &none);
    dest_resolve_any(&local, &remote);
    /* RFC 9293 MUST-46; Linux's errno for it. */
    if (addr_is_multicast(&remote.addr) || net_is_broadcast(st, &remote.addr))
        return -ENETUNREACH;
    so->used = true;
    ssize_t n = tcp_connect_with(st, so->tcb, &remote, iov, niov, ask);
    if (n >= 0)
        so->conn = CONN_CONNECTING;
    return n;
}

static int connect_tcp(struct stack *st, struct sock *so, const struct sockaddr *sa,
                       socklen_t len) {
    int pending = -EALREADY;
    if (so->conn == CONN_DONE)
        return -EISCONN;
    if (so->conn == CONN_NONE) {
        int err = (int)connect_begin(st, so, sa, len, NULL, 0, NULL);
        if (err != 0)
            return err;
        pending = -EINPROGRESS;
        if (tcp_is_deferred(so->tcb))
            return 0;
    }
    if (tcp_is_deferred(so->tcb))
        return -EISCONN;
    switch (tcp_get_state(so->tcb)) {
    case TCPS_SYN_SENT:
    case TCPS_SYN_RCVD:
        return pending;
    case TCPS_CLOSED: {
        int error = tcp_take_error(so->tcb);
        so->conn = CONN_NONE;
        return error != 0 ? -error : -ECONNABORTED;
    }
    default:
        so->conn = CONN_DONE;
        return 0;
    }
}

bool sock_is_deferred(const struct sock *so) {
    return sock_is_tcp(so) && tcp_is_deferred(so->tcb);
}

ssize_t sock_fastopen(struct stack *st, struct sock *so, const struct msghdr *msg,
                      const struct tcp_send_ask *ask) {
    sa_family_t family = AF_INET;
    if (msg->msg_name != NULL && msg->msg_namelen >= sizeof(family))
        memcpy(&family, msg->msg_name, sizeof(family));
    if (!(tcp_get_config(st)->fastopen & FASTOPEN_CLIENT) || family == AF_UNSPEC)
        return -EOPNOTSUPP;
    if (so->conn != CONN_NONE && !tcp_is_deferred(so->tcb)) {
        int err = connect_tcp(st, so, NULL, 0);
        return err == 0 || err == -EISCONN ? 0 : err;
    }
    if (tcp_is_deferred(so->tcb))
        return 0;
    if (msg->msg_name == NULL)
        return -EPIPE; /* a send on what is not connected */
    struct iovec none = {NULL, 0};
    int niov = (int)msg->msg_iovlen;
    ssize_t n = connect_begin(st, so, msg->msg_name, msg->msg_namelen,
                              niov > 0 ? msg->msg_iov : &none, niov > 0 ? niov : 1, ask);
    return n != 0 ? n : -EINPROGRESS;
}

/* connect(AF_UNSPEC): back to what it was before connect or listen. */
static int disconnect(struct stack *st, struct sock *so) {
    int err = 0;
    if (!sock_is_tcp(so)) {
        struct endpoint none = {0};
        err = udp_connect(st, so->udp, &none);
    } else if (so->used || sock_is_listener(so)) {
        err = sock_replace_tcb(st, so);
    }
    sock_raise(st, so, sock_ready(st, so));
    return err;
}

static int connect_udp(struct stack *st, struct sock *so, const struct sockaddr *sa,
                       socklen_t len) {
    struct endpoint remote;
    int err = sockaddr_get(sa, len, &remote);
    if (err != 0)
        return err;
    dest_resolve_any(&so->udp->local, &remote);
    return udp_connect(st, so->udp, &remote);
}

int sock_connect(struct stack *st, struct sock *so, const struct sockaddr *sa, socklen_t len) {
    sa_family_t family;
    int err;
    if (sa == NULL || len < sizeof(family))
        return -EINVAL;
    memcpy(&family, sa, sizeof(family));
    if (family == AF_UNSPEC)
        err = disconnect(st, so);
    else if (sock_is_tcp(so))
        err = connect_tcp(st, so, sa, len);
    else
        err = connect_udp(st, so, sa, len);
    stack_clean(st);
    return err;
}

/* ---- accept ---- */

int sock_accept(struct stack *st, struct sock *so, uint32_t proc, uint64_t ino, struct sockaddr *sa,
                socklen_t *len, struct sock **out) {
    if (!sock_is_tcp(so))
        return -EOPNOTSUPP;
    if (!sock_is_listener(so))
        return -EINVAL;
    if (!(tcp_ready(st, so->tcb) & POLLIN))
        return -EAGAIN;
    /* All that may fail comes first, so that no connection is taken out and then lost. */
    struct sock *child = sock_new(st, SOCK_KIND_TCP);
    if (child == NULL)
        return -ENFILE;
    int err = sock_get(st, child, proc);
    struct tcb *t = err == 0 ? tcp_accept(st, so->tcb) : NULL;
    if (t == NULL) {
        if (err == 0)
            sock_put(st, child, proc);
        else
            sock_destroy(st, child);
        return err != 0 ? err : -EAGAIN;
    }
    stack_dirty(st, t); /* nobody's, until it has its user */
    tcp_set_user(t, child);
    child->tcb = t;
    child->opt = so->opt;
    child->conn = CONN_DONE;
    child->used = true;
    sock_set_ino(st, child, ino);
    stack_clean(st);
    if (tcp_ready(st, so->tcb) & POLLIN)
        sock_raise_exclusive(st, so, POLLIN);
    if (sa != NULL && len != NULL) {
        struct endpoint local, remote;
        sock_endpoints(child, &local, &remote);
        sockaddr_put(&remote, sa, len);
    }
    *out = child;
    return 0;
}

/* ---- shutdown ---- */

static int shutdown_tcp(struct stack *st, struct sock *so, int how) {
    switch (tcp_get_state(so->tcb)) {
    case TCPS_LISTEN: /* inet_shutdown: only RCV ends a listener, by a disconnect */
        return how == SHUT_WR ? 0 : sock_replace_tcb(st, so);
    case TCPS_SYN_SENT:
        tcp_abort(st, so->tcb, ECONNRESET);
        so->conn = CONN_NONE;
        return 0;
    default:
        return tcp_shutdown(st, so->tcb, how);
    }
}

static int shutdown_udp(struct sock *so, int how) {
    if (how != SHUT_WR)
        so->shut |= 1 << SHUT_RD;
    if (how != SHUT_RD)
        so->shut |= 1 << SHUT_WR;
    /* Linux sets the flags of an unconnected socket, too, to wake its readers. */
    return so->udp->remote.port == 0 ? -ENOTCONN : 0;
}

int sock_shutdown(struct stack *st, struct sock *so, int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    int err = sock_is_tcp(so) ? shutdown_tcp(st, so, how) : shutdown_udp(so, how);
    sock_raise(st, so, sock_ready(st, so));
    stack_clean(st);
    return err;
}

/* ---- names ---- */

static bool has_peer(const struct sock *so) {
    if (!sock_is_tcp(so))
        return so->udp->remote.port != 0;
    enum tcp_state s = tcp_get_state(so->tcb);
    return s != TCPS_CLOSED && s != TCPS_SYN_SENT && s != TCPS_LISTEN;
}

int sock_getname(struct stack *st, struct sock *so, bool peer, struct sockaddr *sa,
                 socklen_t *len) {
    (void)st;
    struct endpoint local, remote;
    if (peer && !has_peer(so))
        return -ENOTCONN;
    if (*len > INT32_MAX)
        return -EINVAL;
    sock_endpoints(so, &local, &remote);
    sockaddr_put(peer ? &remote : &local, sa, len);
    return 0;
}
