/* ioctl(2) on a socket: how much is queued. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "stack/sock/sock_internal.h"

static int ioctl_tcp(struct sock *so, unsigned long req, int *out) {
    if (req == SIOCATMARK) {
        *out = tcp_at_mark(so->tcb);
        return 0;
    }
    if (sock_is_listener(so))
        return -EINVAL; /* tcp_ioctl */
    switch (req) {
    case FIONREAD: /* = SIOCINQ */
        *out = (int)tcp_inq(so->tcb);
        return 0;
    case TIOCOUTQ: /* = SIOCOUTQ */
        *out = (int)tcp_outq(so->tcb);
        return 0;
    case SIOCOUTQNSD:
        *out = (int)tcp_outq_nsd(so->tcb);
        return 0;
    default:
        return -ENOTTY;
    }
}

static int ioctl_udp(struct sock *so, unsigned long req, int *out) {
    const struct udp_dgram *d = STAILQ_FIRST(&so->udp->queue);
    switch (req) {
    case FIONREAD: /* the size of the next datagram */
        *out = d == NULL ? 0 : d->data.len != 0 ? (int)d->data.len : d->inline_len;
        return 0;
    case TIOCOUTQ: /* a datagram is gone as soon as it is sent */
        *out = 0;
        return 0;
    default:
        return -ENOTTY;
    }
}

int sock_ioctl(struct stack *st, struct sock *so, unsigned long req, void *arg) {
    (void)st;
    int v;
    if (req != FIONREAD && req != TIOCOUTQ && req != SIOCOUTQNSD && req != SIOCATMARK)
        return -ENOTTY;
    int err = sock_is_tcp(so) ? ioctl_tcp(so, req, &v) : ioctl_udp(so, req, &v);
    if (err == 0)
        memcpy(arg, &v, sizeof(v));
    return err;
}
