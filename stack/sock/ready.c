/* What the waiting code asks of a sock: is it ready, and for how long may one wait. */
#include <poll.h>

#include "stack/sock/sock_internal.h"

/* datagram_poll. A datagram is always taken, or refused at once: never POLLOUT withheld. */
static uint32_t ready_udp(const struct sock *so) {
    const uint32_t both = 1 << SHUT_RD | 1 << SHUT_WR;
    uint32_t bits = POLLOUT | POLLWRNORM | POLLWRBAND;
    if (!STAILQ_EMPTY(&so->udp->queue))
        bits |= POLLIN | POLLRDNORM;
    if (so->udp->error != 0 || so->udp->errq.n > 0)
        bits |= POLLERR;
    if (so->shut & (1 << SHUT_RD))
        bits |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (so->shut == both)
        bits |= POLLHUP;
    return bits;
}

uint32_t sock_ready(struct stack *st, struct sock *so) {
    if (!sock_is_tcp(so))
        return ready_udp(so);
    uint32_t bits = tcp_ready(st, so->tcb);
    if (bits & POLLIN)
        bits |= POLLRDNORM;
    if (bits & POLLOUT)
        bits |= POLLWRNORM;
    return bits;
}

/* A message in the error queue makes poll say POLLERR, but is no reason for a call to end. */
uint32_t sock_call_ready(struct stack *st, struct sock *so) {
    bool failed = sock_is_tcp(so) ? tcp_has_error(so->tcb) : so->udp->error != 0;
    return sock_ready(st, so) & ~(failed ? 0u : (uint32_t)POLLERR);
}

bool sock_wants_cmsgs(const struct sock *so) {
    return so->opt.inq || sock_wants_times(so);
}

bool sock_wants_times(const struct sock *so) {
    return so->opt.rcvtstamp || sock_common_opts_const(so)->tsflags != 0;
}

bool sock_nonblocking(const struct sock *so) {
    return so->nonblocking;
}
void sock_set_nonblocking(struct sock *so, bool on) {
    so->nonblocking = on;
}
uint64_t sock_rcvtimeo_ns(const struct sock *so) {
    return so->opt.rcvtimeo_ns;
}
uint64_t sock_sndtimeo_ns(const struct sock *so) {
    return so->opt.sndtimeo_ns;
}
int sock_type(const struct sock *so) {
    return sock_is_tcp(so) ? SOCK_STREAM : SOCK_DGRAM;
}

uint32_t sock_rcvlowat(const struct sock *so) {
    uint32_t lowat = sock_common_opts_const(so)->rcvlowat;
    return lowat != 0 ? lowat : 1;
}

uint64_t sock_linger_ns(const struct sock *so) {
    if (!sock_is_tcp(so))
        return 0;
    const struct tcp_sockopts *o = sock_common_opts_const(so);
    return o->linger ? (uint64_t)o->linger_s * 1000000000u : 0;
}

bool sock_is_flushed(struct stack *st, struct sock *so) {
    (void)st;
    return !sock_is_tcp(so) || tcp_is_flushed(so->tcb);
}

struct tcb *sock_direct(struct stack *st, struct sock *so) {
    /* Control messages and SO_PEEK_OFF's account are recv's. */
    if (!sock_is_tcp(so) || tcp_inq(so->tcb) != 0 || sock_wants_cmsgs(so) || so->opt.peek_off >= 0)
        return NULL;
    switch (tcp_get_state(so->tcb)) {
    case TCPS_ESTABLISHED:
    case TCPS_FIN_WAIT_1:
    case TCPS_FIN_WAIT_2:
        /* Anything to be told first (an error, the end, SHUT_RD) is told by recv. */
        return tcp_ready(st, so->tcb) & (POLLIN | POLLERR | POLLHUP | POLLRDHUP) ? NULL : so->tcb;
    default:
        return NULL;
    }
}
