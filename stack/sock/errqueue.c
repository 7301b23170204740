/* The error queue as recvmsg with MSG_ERRQUEUE shows it (net/ipv4/ip_sockglue.c, ip_recv_error).
 *
 * Not done: of a packet that was timestamped nothing is given back but its time; without
 * SOF_TIMESTAMPING_OPT_TSONLY MSG_TRUNC says that there would have been more. */
#include "stack/sock/cmsg.h"

#include <poll.h>

#include <linux/net_tstamp.h>

static struct errq *errq_of(const struct sock *so) {
    return sock_is_tcp(so) ? tcp_errq(so->tcb) : &so->udp->errq;
}

static void put_sin(struct sockaddr_in *sin, const struct addr *addr, uint16_t port) {
    *sin = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = addr_to_be(addr).raw, .sin_port = be16(port).raw};
}

static void put_error(struct cmsg_out *c, const struct errmsg *m) {
    struct {
        struct sock_extended_err ee;
        struct sockaddr_in offender;
    } v = {.ee = m->ee};
    if (m->has_offender)
        put_sin(&v.offender, &m->offender, 0);
    cmsg_put(c, IPPROTO_IP, IP_RECVERR, &v, sizeof(v));
}

void errqueue_purge(struct stack *st, struct sock *so) {
    errq_clear(st, errq_of(so));
}

static bool is_icmp(const struct errmsg *m) {
    return m->ee.ee_origin == SO_EE_ORIGIN_ICMP || m->ee.ee_origin == SO_EE_ORIGIN_LOCAL;
}

/* sock_dequeue_err_skb: what SO_ERROR says is the next message's. */
static void pass_on_error(struct sock *so, bool was_icmp, const struct errmsg *next) {
    if (sock_is_tcp(so))
        return; /* no ICMP error is queued for a stream */
    if (next != NULL && is_icmp(next))
        so->udp->error = (int)next->ee.ee_errno;
    else if (was_icmp)
        so->udp->error = 0;
}

ssize_t recv_errqueue(struct stack *st, struct sock *so, struct msghdr *msg, size_t control_room) {
    struct errq *q = errq_of(so);
    const struct errmsg *m = errq_first(q);
    if (m == NULL)
        return -EAGAIN;
    struct iovec data = {(void *)(uintptr_t)m->data, m->len};
    size_t n = iov_copy(msg->msg_iov, (int)msg->msg_iovlen, 0, &data, 1, 0, m->len);
    bool cut = m->ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING &&
               !(sock_common_opts(so)->tsflags & SOF_TIMESTAMPING_OPT_TSONLY);
    if (n < m->len || cut)
        msg->msg_flags |= MSG_TRUNC;
    struct cmsg_out c = {.msg = msg, .room = control_room};
    cmsg_put_times(st, so, &c, m->when_ns, true);
    socklen_t room = msg->msg_namelen;
    msg->msg_namelen = 0;
    if (msg->msg_name != NULL && m->dst.port != 0) {
        msg->msg_namelen = room;
        sockaddr_put(&m->dst, msg->msg_name, &msg->msg_namelen);
    }
    put_error(&c, m);
    msg->msg_controllen = c.used;
    msg->msg_flags |= MSG_ERRQUEUE;
    bool was_icmp = is_icmp(m);
    errq_drop_first(st, q);
    pass_on_error(so, was_icmp, errq_first(q));
    return (ssize_t)n;
}

static void report_udp_time(struct stack *st, struct sock *so, uint32_t what, uint32_t id) {
    struct errmsg *e = errq_add(st, &so->udp->errq);
    if (e == NULL)
        return;
    e->ee.ee_errno = ENOMSG;
    e->ee.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
    e->ee.ee_info = what;
    e->ee.ee_data = id;
    e->when_ns = st->now_ns;
}

/* A datagram is handed to the link at once: both moments are now. */
void report_udp_times(struct stack *st, struct sock *so, const struct send_ctl *ctl) {
    uint8_t marks = send_ctl_marks(ctl);
    uint32_t id = 0;
    if ((marks & (MARK_TS_SCHED | MARK_TS_SOFTWARE)) == 0)
        return;
    if (ctl->has_ts_id)
        id = ctl->ts_id;
    else if (ctl->tsflags & SOF_TIMESTAMPING_OPT_ID)
        id = so->opt.udp_ts_id++;
    if (marks & MARK_TS_SCHED)
        report_udp_time(st, so, SCM_TSTAMP_SCHED, id);
    if (marks & MARK_TS_SOFTWARE)
        report_udp_time(st, so, SCM_TSTAMP_SND, id);
    sock_raise(st, so, POLLERR);
}
