/* Options of level SOL_SOCKET that are more than a number in a field: structures, strings, values
 * that are computed, or that change on the way in as Linux changes them (net/core/sock.c). */
#include <limits.h>
#include <linux/net_tstamp.h>
#include <sys/time.h>

#include "stack/sock/sock_internal.h"

#define SNDBUF_UDP 212992u /* Linux's wmem_default */

#define SO_PASSRIGHTS_NR 83 /* Linux 6.16 */
#define BPF_EXTENSIONS   64 /* SKF_AD_MAX */

/* sock_diag(7)'s numbers, as SO_MEMINFO gives them. */
enum {
    MEMINFO_RMEM_ALLOC,
    MEMINFO_RCVBUF,
    MEMINFO_WMEM_ALLOC,
    MEMINFO_SNDBUF,
    MEMINFO_FWD_ALLOC,
    MEMINFO_WMEM_QUEUED,
    MEMINFO_OPTMEM,
    MEMINFO_BACKLOG,
    MEMINFO_DROPS,
    MEMINFO_VARS
};

/* Linux 6.18 knows more flags than Debian's headers. */
#define TSFLAG_OPT_ID_TCP (1u << 16)
#define TSFLAGS_ALL       ((1u << 19) - 1)

#ifndef SO_RCVTIMEO_OLD
#define SO_RCVTIMEO_OLD SO_RCVTIMEO
#define SO_SNDTIMEO_OLD SO_SNDTIMEO
#endif

/* net.core.rmem_max is the most that is believed; and the value is doubled, for the bookkeeping. */
static uint32_t bufsize(int v, uint32_t most, uint32_t least) {
    uint32_t n = v < 0 ? most : (uint32_t)v; /* Linux takes it as unsigned, so it is cut to most */
    n = (n < most ? n : most) * 2;
    return n < least ? least : n;
}

static int timeo_set(uint64_t *ns, const void *val, socklen_t len) {
    struct timeval tv;
    if (val == NULL || len < sizeof(tv))
        return -EINVAL;
    memcpy(&tv, val, sizeof(tv));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
        return -EDOM;
    if (tv.tv_sec < 0) {
        *ns = 1; /* sock_set_timeout: expires at once */
        return 0;
    }
    if ((uint64_t)tv.tv_sec >= UINT64_MAX / 2000000000u)
        *ns = 0; /* longer than anybody can wait: for ever */
    else
        *ns = (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
    return 0;
}

static int timeo_get(uint64_t ns, void *val, socklen_t *len) {
    struct timeval tv = {.tv_sec = (time_t)(ns / 1000000000u),
                         .tv_usec = (suseconds_t)(ns % 1000000000u / 1000u)};
    return opt_put(val, len, &tv, sizeof(tv));
}

/* Bytes per second, 32 bits or 64; all ones, as in Linux, is no limit. */
static int pacing_set(struct tcp_sockopts *o, const void *val, socklen_t len) {
    int v;
    if (len == sizeof(o->max_pacing_rate)) {
        memcpy(&o->max_pacing_rate, val, len);
    } else {
        int err = opt_get_int(val, len, &v);
        if (err != 0)
            return err;
        o->max_pacing_rate = v == -1 ? UINT64_MAX : (uint32_t)v;
    }
    o->paced = o->max_pacing_rate != UINT64_MAX;
    return 0;
}

static int pacing_get(const struct tcp_sockopts *o, void *val, socklen_t *len) {
    uint64_t rate = o->paced ? o->max_pacing_rate : UINT64_MAX;
    if (*len >= sizeof(rate))
        return opt_put(val, len, &rate, sizeof(rate));
    return opt_put_int(val, len, (int)(rate > UINT32_MAX ? UINT32_MAX : rate));
}

static int linger_set(struct sock *so, const void *val, socklen_t len) {
    struct linger l;
    if (val == NULL || len < sizeof(l))
        return -EINVAL;
    memcpy(&l, val, sizeof(l));
    struct tcp_sockopts *o = sock_common_opts(so);
    o->linger = l.l_onoff != 0;
    if (o->linger)
        o->linger_s = l.l_linger < 0 ? INT_MAX : (uint32_t)l.l_linger;
    return 0;
}

static int device_set(struct sock *so, const void *val, socklen_t len) {
    size_t n = len < IFNAME_LEN - 1 ? len : IFNAME_LEN - 1;
    memset(so->opt.device, 0, sizeof(so->opt.device));
    if (val != NULL)
        memcpy(so->opt.device, val, strnlen(val, n));
    return 0;
}

/* ---- time stamps ---- */

/* sock_set_timestamp. */
static void timestamp_set(struct sock *so, int name, bool on) {
    struct sock_opts *o = &so->opt;
    o->rcvtstamp = on;
    if (!on) {
        o->tstamp_ns = false;
        return;
    }
    o->tstamp_ns = name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW;
    o->tstamp_new = name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW;
}

static int timestamp_get(const struct sock *so, int name) {
    const struct sock_opts *o = &so->opt;
    switch (name) {
    case SO_TIMESTAMP_OLD:
        return o->rcvtstamp && !o->tstamp_new && !o->tstamp_ns;
    case SO_TIMESTAMPNS_OLD:
        return o->tstamp_ns && !o->tstamp_new;
    case SO_TIMESTAMP_NEW:
        return o->rcvtstamp && o->tstamp_new;
    default:
        return o->tstamp_ns && o->tstamp_new;
    }
}

/* sock_set_timestamping. No hardware clock: BIND_PHC names one. */
static int timestamping_set(struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    uint32_t v;
    if (val == NULL || len < sizeof(v))
        return -EINVAL;
    memcpy(&v, val, sizeof(v));
    if ((v & ~TSFLAGS_ALL) || ((v & TSFLAG_OPT_ID_TCP) && !(v & SOF_TIMESTAMPING_OPT_ID)))
        return -EINVAL;
    if ((v & SOF_TIMESTAMPING_OPT_ID) && !(o->tsflags & SOF_TIMESTAMPING_OPT_ID)) {
        if (!sock_is_tcp(so)) {
            so->opt.udp_ts_id = 0;
        } else {
            enum tcp_state s = tcp_get_state(so->tcb);
            if (s == TCPS_CLOSED || s == TCPS_LISTEN)
                return -EINVAL;
            tcp_count_tx_ids(so->tcb, v & TSFLAG_OPT_ID_TCP);
        }
    }
    if ((v & SOF_TIMESTAMPING_OPT_STATS) && !(v & SOF_TIMESTAMPING_OPT_TSONLY))
        return -EINVAL;
    if (v & SOF_TIMESTAMPING_BIND_PHC)
        return -EOPNOTSUPP;
    o->tsflags = v;
    so->opt.tstamp_new = name == SO_TIMESTAMPING_NEW;
    return 0;
}

/* ---- options that say what Linux says, and do nothing ---- */

static int hint_set(struct sock *so, int name, const void *val, socklen_t len) {
    int v, err = opt_get_int(val, len, &v);
    if (err != 0)
        return err;
    switch (name) {
    case SO_BSDCOMPAT:
        return 0;
    case SO_PASSCRED: /* AF_UNIX's */
    case SO_PASSSEC:
    case SO_PASSRIGHTS_NR:
        return -EOPNOTSUPP;
    case SO_RESERVE_MEM:
        return v < 0 ? -EINVAL : -EOPNOTSUPP;
    case SO_BUSY_POLL_BUDGET:
        return v < 0 || v > UINT16_MAX ? -EINVAL : 0;
    case SO_DETACH_FILTER: /* none can be attached */
        return -ENOENT;
    case SO_LOCK_FILTER:
        if (so->opt.lock_filter && v == 0)
            return -EPERM;
        so->opt.lock_filter = v != 0;
        return 0;
    case SO_TXREHASH:
        if (!sock_is_tcp(so))
            return -EOPNOTSUPP;
        if (v < -1 || v > 1)
            return -EINVAL;
        so->opt.txrehash = v == 0 ? 0 : 1; /* -1: the default, on */
        return 0;
    default:
        return -ENOPROTOOPT; /* read-only ones, too */
    }
}

static int hint_get(const struct sock *so, int name, void *val, socklen_t *len) {
    switch (name) {
    case SO_BSDCOMPAT:
    case SO_RESERVE_MEM:
    case SO_INCOMING_NAPI_ID:
        return opt_put_int(val, len, 0);
    case SO_PASSCRED:
    case SO_PASSSEC:
    case SO_PASSRIGHTS_NR:
        return -EOPNOTSUPP;
    case SO_PEERGROUPS:
        return -ENODATA;
    case SO_ATTACH_FILTER: /* its length: no filter */
        *len = 0;
        return 0;
    case SO_LOCK_FILTER:
        return opt_put_int(val, len, so->opt.lock_filter);
    case SO_BPF_EXTENSIONS:
        return opt_put_int(val, len, BPF_EXTENSIONS);
    case SO_TXREHASH:
        return sock_is_tcp(so) ? opt_put_int(val, len, so->opt.txrehash) : -EOPNOTSUPP;
    default:
        return -ENOPROTOOPT;
    }
}

static int socket_get_buf(struct stack *st, struct sock *so, int name) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    bool tcp = sock_is_tcp(so);
    const struct tcp_config *cfg = tcp_get_config(st);
    if (name == SO_RCVBUF)
        return (int)(o->rcvbuf != 0 ? o->rcvbuf
                     : tcp          ? cfg->rmem[MEM_FIRST]
                                    : cfg->core_rmem_default);
    return (int)(tcp ? tcp_get_sndbuf(st, so->tcb) : o->sndbuf != 0 ? o->sndbuf : SNDBUF_UDP);
}

/* SK_MEMINFO_*: what is queued, and the limits (sk_get_meminfo). */
static int meminfo_get(struct stack *st, struct sock *so, void *val, socklen_t *len) {
    uint32_t info[MEMINFO_VARS] = {0};
    bool tcp = sock_is_tcp(so);
    info[MEMINFO_RMEM_ALLOC] = tcp ? tcp_inq(so->tcb) : so->udp->queued_bytes;
    info[MEMINFO_RCVBUF] = (uint32_t)socket_get_buf(st, so, SO_RCVBUF);
    info[MEMINFO_SNDBUF] = (uint32_t)socket_get_buf(st, so, SO_SNDBUF);
    info[MEMINFO_WMEM_QUEUED] = tcp ? tcp_get_wmem(so->tcb) : 0;
    return opt_put(val, len, info, sizeof(info));
}

/* tcp_set_rcvlowat: no more than half of what the buffer can become. */
static uint32_t rcvlowat(struct stack *st, const struct sock *so, int v) {
    uint32_t n = v < 0 ? INT_MAX : v == 0 ? 1 : (uint32_t)v;
    if (!sock_is_tcp(so))
        return n;
    uint32_t rcvbuf = sock_common_opts_const(so)->rcvbuf;
    uint32_t most = (rcvbuf != 0 ? rcvbuf : tcp_get_config(st)->rmem[MEM_MOST]) / 2;
    return n < most ? n : most;
}

int opt_socket_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    int v = 0, err;
    if (name != SO_BINDTODEVICE && (val == NULL || len < sizeof(int)))
        return -EINVAL;
    switch (name) {
    case SO_LINGER:
        err = linger_set(so, val, len);
        break;
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW: /* the same on 64 bits */
        return timeo_set(&so->opt.rcvtimeo_ns, val, len);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return timeo_set(&so->opt.sndtimeo_ns, val, len);
    case SO_BINDTODEVICE:
        return device_set(so, val, len);
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->rcvbuf =
                bufsize(v, name == SO_RCVBUF ? tcp_get_config(st)->core_rmem_max : INT_MAX / 2,
                        SOCK_MIN_RCVBUF);
        break;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->sndbuf =
                bufsize(v, name == SO_SNDBUF ? tcp_get_config(st)->core_wmem_max : INT_MAX / 2,
                        SOCK_MIN_SNDBUF);
        break;
    case SO_MAX_PACING_RATE:
        err = pacing_set(o, val, len);
        break;
    case SO_RCVLOWAT:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->rcvlowat = rcvlowat(st, so, v);
        break;
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
        if ((err = opt_get_int(val, len, &v)) == 0)
            timestamp_set(so, name, v != 0);
        break;
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
        err = timestamping_set(so, name, val, len);
        break;
    default:
        return hint_set(so, name, val, len);
    }
    if (err == 0)
        sock_opts_apply(st, so);
    return err;
}

static int peername_get(struct stack *st, struct sock *so, void *val, socklen_t *len) {
    struct sockaddr_in in;
    socklen_t n = sizeof(in);
    int err = sock_getname(st, so, true, (struct sockaddr *)&in, &n);
    if (err != 0)
        return err;
    if (*len > n)
        return -EINVAL; /* sk_getsockopt: "lv < len" */
    memcpy(val, &in, *len);
    return 0;
}

int opt_socket_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    switch (name) {
    case SO_LINGER: {
        struct linger l = {.l_onoff = o->linger, .l_linger = (int)o->linger_s};
        return opt_put(val, len, &l, sizeof(l));
    }
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return timeo_get(so->opt.rcvtimeo_ns, val, len);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return timeo_get(so->opt.sndtimeo_ns, val, len);
    case SO_BINDTODEVICE: {
        size_t n = strlen(so->opt.device);
        if (n > 0 && *len < IFNAME_LEN)
            return -EINVAL;
        return opt_put(val, len, so->opt.device, n > 0 ? n + 1 : 0);
    }
    case SO_RCVBUF:
    case SO_SNDBUF:
        return opt_put_int(val, len, socket_get_buf(st, so, name));
    case SO_RCVLOWAT:
        return opt_put_int(val, len, (int)sock_rcvlowat(so));
    case SO_SNDLOWAT:
        return opt_put_int(val, len, 1);
    case SO_MAX_PACING_RATE:
        return pacing_get(o, val, len);
    case SO_ERROR:
        return opt_put_int(val, len,
                           sock_is_tcp(so) ? tcp_take_error(so->tcb) : udp_take_error(so->udp));
    case SO_TYPE:
        return opt_put_int(val, len, sock_type(so));
    case SO_DOMAIN:
        return opt_put_int(val, len, AF_INET);
    case SO_PROTOCOL:
        return opt_put_int(val, len, sock_is_tcp(so) ? IPPROTO_TCP : IPPROTO_UDP);
    case SO_ACCEPTCONN:
        return opt_put_int(val, len, sock_is_listener(so));
    case SO_PEERNAME:
        return peername_get(st, so, val, len);
    case SO_PEERCRED: {
        /* What Linux gives for a socket that is not AF_UNIX. */
        struct ucred c = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
        return opt_put(val, len, &c, sizeof(c));
    }
    case SO_COOKIE: {
        uint64_t cookie = so->ino;
        return *len < sizeof(cookie) ? -EINVAL : opt_put(val, len, &cookie, sizeof(cookie));
    }
    case SO_TIMESTAMP_OLD:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_OLD:
    case SO_TIMESTAMPNS_NEW:
        return opt_put_int(val, len, timestamp_get(so, name));
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW: {
        bool it = so->opt.tstamp_new == (name == SO_TIMESTAMPING_NEW);
        uint32_t flags_phc[2] = {it ? o->tsflags : 0, 0};
        return opt_put(val, len, flags_phc, sizeof(flags_phc));
    }
    case SO_MEMINFO:
        return meminfo_get(st, so, val, len);
    default:
        return hint_get(so, name, val, len);
    }
}
