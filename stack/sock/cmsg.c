/* Control messages: writing them for recvmsg, reading them from sendmsg (net/core/scm.c,
 * net/core/sock.c, net/ipv4/ip_sockglue.c).
 *
 * Times: the stack's clock is CLOCK_MONOTONIC, programs are told CLOCK_REALTIME; the difference is
 * st->wall_offset_ns, which the shim keeps. */
#include "stack/sock/cmsg.h"

#include <sys/time.h>
#include <time.h>

#include <linux/net_tstamp.h>

#ifndef SCM_TS_OPT_ID /* Linux 6.13 */
#define SCM_TS_OPT_ID 81
#endif

void cmsg_put(struct cmsg_out *c, int level, int type, const void *data, size_t len) {
    size_t left = c->room - c->used, head = CMSG_LEN(0);
    if (left < head) {
        c->msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    if (left < CMSG_LEN(len)) { /* put_cmsg: what there is room for */
        c->msg->msg_flags |= MSG_CTRUNC;
        len = left - head;
    }
    struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    uint8_t *at = (uint8_t *)c->msg->msg_control + c->used;
    memcpy(at, &h, sizeof(h));
    memcpy(at + head, data, len);
    size_t space = CMSG_SPACE(len);
    c->used += space < left ? space : left;
}

static struct timespec wall_time(const struct stack *st, uint64_t when_ns) {
    uint64_t wall = when_ns + (uint64_t)st->wall_offset_ns;
    return (struct timespec){.tv_sec = (time_t)(wall / 1000000000u),
                             .tv_nsec = (long)(wall % 1000000000u)};
}

void cmsg_put_times(struct stack *st, const struct sock *so, struct cmsg_out *c, uint64_t when_ns,
                    bool report) {
    const struct sock_opts *o = &so->opt;
    uint32_t flags = sock_common_opts_const(so)->tsflags;
    if (when_ns == 0 || (!o->rcvtstamp && flags == 0))
        return;
    struct timespec ts = wall_time(st, when_ns);
    if (o->rcvtstamp && o->tstamp_ns) {
        cmsg_put(c, SOL_SOCKET, o->tstamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, &ts,
                 sizeof(ts));
    } else if (o->rcvtstamp) {
        struct timeval tv = {.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
        cmsg_put(c, SOL_SOCKET, o->tstamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &tv,
                 sizeof(tv));
    }
    bool wanted =
        (flags & SOF_TIMESTAMPING_SOFTWARE) && (report || (flags & SOF_TIMESTAMPING_RX_SOFTWARE));
    if (!wanted)
        return;
    struct timespec all[3] = {ts}; /* struct scm_timestamping: software, (legacy), hardware */
    cmsg_put(c, SOL_SOCKET, o->tstamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD, all,
             sizeof(all));
}

/* ---- sendmsg ---- */

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

/* __sock_cmsg_send. */
static int take_socket(const struct sock *so, const struct cmsghdr *h, const void *data,
                       struct send_ctl *ctl) {
    const uint32_t record = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
                            SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK;
    uint32_t v = 0;
    bool is_u32 = h->cmsg_len == CMSG_LEN(sizeof(v));
    if (is_u32)
        memcpy(&v, data, sizeof(v));
    switch (h->cmsg_type) {
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
        if (!is_u32 || (v & ~record))
            return -EINVAL;
        ctl->tsflags = (ctl->tsflags & ~record) | v;
        return 0;
    case SCM_TS_OPT_ID:
        if (sock_is_tcp(so) || !is_u32 || !(ctl->tsflags & SOF_TIMESTAMPING_OPT_ID))
            return -EINVAL;
        ctl->ts_id = v;
        ctl->has_ts_id = true;
        return 0;
    case SO_MARK:
    case SO_PRIORITY:
        return is_u32 ? 0 : -EINVAL;
    case SCM_RIGHTS: /* meant for AF_UNIX, passed over */
    case SCM_CREDENTIALS:
        return 0;
    default:
        return -EINVAL;
    }
}

/* ip_cmsg_send; a stream has none of these. */
static int take_ip(struct stack *st, const struct cmsghdr *h, const void *data,
                   struct send_ctl *ctl) {
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

int send_ctl_take(struct stack *st, struct sock *so, const struct msghdr *msg,
                  struct send_ctl *ctl) {
    const uint8_t *p = msg->msg_control;
    size_t left = msg->msg_control != NULL ? msg->msg_controllen : 0;
    *ctl = (struct send_ctl){.tos = -1, .ttl = -1, .tsflags = sock_common_opts(so)->tsflags};
    while (left >= sizeof(struct cmsghdr)) {
        struct cmsghdr h;
        memcpy(&h, p, sizeof(h));
        if (h.cmsg_len < sizeof(h) || h.cmsg_len > left)
            return -EINVAL;
        int err = 0; /* other levels are passed over, as Linux does */
        if (h.cmsg_level == SOL_SOCKET)
            err = take_socket(so, &h, p + CMSG_LEN(0), ctl);
        else if (h.cmsg_level == IPPROTO_IP && !sock_is_tcp(so))
            err = take_ip(st, &h, p + CMSG_LEN(0), ctl);
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

uint8_t send_ctl_marks(const struct send_ctl *ctl) {
    return (uint8_t)((ctl->tsflags & SOF_TIMESTAMPING_TX_SCHED ? MARK_TS_SCHED : 0) |
                     (ctl->tsflags & SOF_TIMESTAMPING_TX_SOFTWARE ? MARK_TS_SOFTWARE : 0) |
                     (ctl->tsflags & SOF_TIMESTAMPING_TX_ACK ? MARK_TS_ACK : 0));
}
