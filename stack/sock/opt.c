/* Socket options: a table of those that are a number in a field with bounds; opt_socket.c,
 * opt_ip.c and opt_tcp.c have the others, by level. Lengths, truncation, and errnos are Linux's: a
 * value that is too short is EINVAL, an option that is not there is ENOPROTOOPT. An option whose
 * effect is missing is better refused than taken in silence; those that are stored without effect
 * are listed in stack/README.md.
 *
 * Where a value lives: a tcb and a UDP endpoint keep theirs differently, so both are spoken of as
 * a struct tcp_sockopts (the tcb's own, or for UDP the one in the sock, which sock_opts_apply
 * carries over to the endpoint). The rest is in struct sock_opts. */
#include <limits.h>
#include <linux/tcp.h>
#include <stddef.h>

#include "stack/sock/sock_internal.h"

enum opt_where { IN_COMMON, IN_SOCK };
/* In memory a bool, an int that is 0 or 1, an int or uint32_t. */
enum opt_type { OPT_BOOL, OPT_YESNO, OPT_INT };
enum opt_whom { BOTH, TCP_ONLY };

struct opt_row {
    int level, name;
    uint8_t where, type, whom;
    uint16_t offset;
    int min, max;   /* of OPT_INT; out of them: EINVAL */
    bool not_empty; /* IPPROTO_IP: a value of no bytes is not 0, but EINVAL */
};

#define COMMON(f) .where = IN_COMMON, .offset = offsetof(struct tcp_sockopts, f)
#define SOCK(f)   .where = IN_SOCK, .offset = offsetof(struct sock_opts, f)
#define BOOL(lv, nm, wh, ...)                                                                      \
    { .level = lv, .name = nm, .type = OPT_BOOL, .whom = wh, __VA_ARGS__ }
#define YESNO(lv, nm, wh, ...)                                                                     \
    { .level = lv, .name = nm, .type = OPT_YESNO, .whom = wh, __VA_ARGS__ }
#define INT(lv, nm, wh, lo, hi, ...)                                                               \
    { .level = lv, .name = nm, .type = OPT_INT, .whom = wh, .min = lo, .max = hi, __VA_ARGS__ }

static const struct opt_row table[] = {
    BOOL(SOL_SOCKET, SO_REUSEADDR, BOTH, COMMON(reuse_addr)),
    BOOL(SOL_SOCKET, SO_REUSEPORT, BOTH, COMMON(reuse_port)),
    BOOL(SOL_SOCKET, SO_KEEPALIVE, BOTH, COMMON(keepalive)),
    YESNO(SOL_SOCKET, SO_BROADCAST, BOTH, SOCK(broadcast)),
    BOOL(SOL_SOCKET, SO_OOBINLINE, BOTH, COMMON(oobinline)),
    YESNO(SOL_SOCKET, SO_DONTROUTE, BOTH, SOCK(dontroute)),
    YESNO(SOL_SOCKET, SO_DEBUG, BOTH, SOCK(debug)),
    INT(SOL_SOCKET, SO_PRIORITY, BOTH, INT_MIN, INT_MAX, SOCK(priority)),
    INT(SOL_SOCKET, SO_MARK, BOTH, INT_MIN, INT_MAX, SOCK(mark)),
    INT(SOL_SOCKET, SO_BUSY_POLL, BOTH, 0, INT_MAX, SOCK(busy_poll)),
    YESNO(SOL_SOCKET, SO_NO_CHECK, BOTH, SOCK(no_check)),
    YESNO(SOL_SOCKET, SO_RXQ_OVFL, BOTH, SOCK(rxq_ovfl)),
    YESNO(SOL_SOCKET, SO_SELECT_ERR_QUEUE, BOTH, SOCK(select_err_queue)),
    YESNO(SOL_SOCKET, SO_WIFI_STATUS, BOTH, SOCK(wifi_status)),
    YESNO(SOL_SOCKET, SO_NOFCS, BOTH, SOCK(nofcs)),
    YESNO(SOL_SOCKET, SO_PREFER_BUSY_POLL, BOTH, SOCK(prefer_busy_poll)),
    YESNO(SOL_SOCKET, SO_RCVMARK, BOTH, SOCK(rcvmark)),
    INT(SOL_SOCKET, SO_BINDTOIFINDEX, BOTH, 0, INT_MAX, SOCK(bind_ifindex)),
    INT(SOL_SOCKET, SO_BUF_LOCK, BOTH, 0, 3, SOCK(buf_lock)),
    INT(SOL_SOCKET, SO_ZEROCOPY, BOTH, 0, 1, SOCK(zerocopy)),
    INT(SOL_SOCKET, SO_INCOMING_CPU, BOTH, INT_MIN, INT_MAX, SOCK(incoming_cpu)),
    INT(SOL_SOCKET, SO_PEEK_OFF, BOTH, INT_MIN, INT_MAX, SOCK(peek_off)),

    INT(IPPROTO_IP, IP_MTU_DISCOVER, BOTH, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT, SOCK(mtu_discover)),
    YESNO(IPPROTO_IP, IP_RECVERR, BOTH, SOCK(recverr)),
    YESNO(IPPROTO_IP, IP_PKTINFO, BOTH, SOCK(pktinfo)),
    YESNO(IPPROTO_IP, IP_RECVTOS, BOTH, SOCK(recvtos)),
    YESNO(IPPROTO_IP, IP_RECVTTL, BOTH, SOCK(recvttl)),
    YESNO(IPPROTO_IP, IP_FREEBIND, BOTH, SOCK(freebind), .not_empty = true),
    YESNO(IPPROTO_IP, IP_TRANSPARENT, BOTH, SOCK(transparent), .not_empty = true),
    YESNO(IPPROTO_IP, IP_RECVOPTS, BOTH, SOCK(recvopts)),
    YESNO(IPPROTO_IP, IP_RETOPTS, BOTH, SOCK(retopts)),
    YESNO(IPPROTO_IP, IP_ORIGDSTADDR, BOTH, SOCK(origdstaddr)),
    YESNO(IPPROTO_IP, IP_CHECKSUM, BOTH, SOCK(recvchecksum)),
    INT(IPPROTO_IP, IP_RECVERR_RFC4884, BOTH, 0, 1, SOCK(recverr_rfc4884)),
    YESNO(IPPROTO_IP, IP_MULTICAST_LOOP, BOTH, SOCK(mcast_loop), .not_empty = true),
    INT(IPPROTO_IP, IP_MULTICAST_ALL, BOTH, 0, 1, SOCK(mcast_all), .not_empty = true),
    INT(IPPROTO_IP, IP_MINTTL, BOTH, 0, 255, COMMON(minttl), .not_empty = true),
    YESNO(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, BOTH, SOCK(bind_no_port)),

    BOOL(IPPROTO_TCP, TCP_NODELAY, TCP_ONLY, COMMON(nodelay)),
    BOOL(IPPROTO_TCP, TCP_CORK, TCP_ONLY, COMMON(cork)),
    INT(IPPROTO_TCP, TCP_KEEPIDLE, TCP_ONLY, 1, 32767, COMMON(keepidle_s)),
    INT(IPPROTO_TCP, TCP_KEEPINTVL, TCP_ONLY, 1, 32767, COMMON(keepintvl_s)),
    INT(IPPROTO_TCP, TCP_KEEPCNT, TCP_ONLY, 1, 127, COMMON(keepcnt)),
    INT(IPPROTO_TCP, TCP_SYNCNT, TCP_ONLY, 1, 127, COMMON(syncnt)),
    INT(IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_ONLY, 0, INT_MAX, COMMON(user_timeout_ms)),
    INT(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, TCP_ONLY, 0, 1, COMMON(thin_linear)),
    INT(IPPROTO_TCP, TCP_TX_DELAY, TCP_ONLY, 0, INT_MAX, SOCK(tx_delay)),
    INT(IPPROTO_TCP, TCP_INQ, TCP_ONLY, 0, 1, SOCK(inq)),
    INT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, TCP_ONLY, INT_MIN, INT_MAX, COMMON(notsent_lowat)),
};

static const struct opt_row *row_find(const struct sock *so, int level, int name) {
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct opt_row *r = &table[i];
        if (r->level != level || r->name != name)
            continue;
        return r->whom == BOTH || sock_is_tcp(so) ? r : NULL;
    }
    return NULL;
}

struct tcp_sockopts *sock_common_opts(struct sock *so) {
    return sock_is_tcp(so) ? tcp_opts(so->tcb) : &so->opt.common;
}

const struct tcp_sockopts *sock_common_opts_const(const struct sock *so) {
    return sock_is_tcp(so) ? tcp_opts(so->tcb) : &so->opt.common;
}

static void *row_field(struct sock *so, const struct opt_row *r) {
    uint8_t *base = r->where == IN_COMMON ? (uint8_t *)sock_common_opts(so) : (uint8_t *)&so->opt;
    return base + r->offset;
}

void sock_opts_default(struct stack *st, struct sock *so) {
    bool find = tcp_get_config(st)->no_pmtu_disc == 0;
    so->opt.mtu_discover = find ? IP_PMTUDISC_WANT : IP_PMTUDISC_DONT;
    so->opt.peek_off = so->opt.incoming_cpu = -1;
    so->opt.txrehash = so->opt.mcast_loop = so->opt.mcast_all = so->opt.mcast_ttl = 1;
    if (so->kind == SOCK_KIND_UDP)
        so->opt.common.rcvlowat = 1;
    if (!find)
        sock_opts_apply(st, so);
}

void sock_opts_apply(struct stack *st, struct sock *so) {
    if (sock_is_tcp(so)) {
        struct tcp_sockopts *common = tcp_opts(so->tcb);
        int pmtu = so->opt.mtu_discover; /* ip_dont_fragment, ip_sk_accept_pmtu */
        common->recverr = so->opt.recverr != 0;
        common->may_fragment = pmtu != IP_PMTUDISC_DO && pmtu != IP_PMTUDISC_WANT;
        common->pmtu_deaf = pmtu == IP_PMTUDISC_INTERFACE || pmtu == IP_PMTUDISC_OMIT;
        tcp_opts_changed(st, so->tcb);
        return;
    }
    struct udp *u = so->udp;
    const struct tcp_sockopts *o = &so->opt.common;
    u->reuse_addr = o->reuse_addr;
    u->reuse_port = o->reuse_port;
    u->tos = o->tos;
    u->ttl = o->ttl;
    u->rcvbuf = o->rcvbuf != 0 ? o->rcvbuf : tcp_get_config(st)->core_rmem_default;
    u->broadcast_ok = so->opt.broadcast != 0;
    u->recverr = so->opt.recverr != 0;
    u->mcast_ttl = (uint8_t)so->opt.mcast_ttl;
    /* IP_PMTUDISC_WANT lets UDP fragment what is larger than the path MTU (ip(7)), which here is
     * what a clear DF means. */
    u->df = so->opt.mtu_discover == IP_PMTUDISC_DO || so->opt.mtu_discover == IP_PMTUDISC_PROBE;
}

/* ---- by level, for options without a row ---- */

static int special_set(struct stack *st, struct sock *so, int level, int name, const void *val,
                       socklen_t len) {
    if (level == SOL_SOCKET)
        return opt_socket_set(st, so, name, val, len);
    if (level == IPPROTO_IP)
        return opt_ip_set(st, so, name, val, len);
    if (level == IPPROTO_TCP && sock_is_tcp(so))
        return opt_tcp_set(st, so, name, val, len);
    return -ENOPROTOOPT;
}

static int special_get(struct stack *st, struct sock *so, int level, int name, void *val,
                       socklen_t *len) {
    if (level == SOL_SOCKET)
        return opt_socket_get(st, so, name, val, len);
    if (level == IPPROTO_IP)
        return opt_ip_get(st, so, name, val, len);
    if (level == IPPROTO_TCP && sock_is_tcp(so))
        return opt_tcp_get(st, so, name, val, len);
    return -EOPNOTSUPP; /* do_ip_getsockopt, where it ends up */
}

/* ---- set ---- */

int opt_get_int(const void *val, socklen_t len, int *out) {
    if (val == NULL || len < sizeof(*out))
        return -EINVAL;
    memcpy(out, val, sizeof(*out));
    return 0;
}

/* IPPROTO_IP takes a single byte, too, and no byte at all as 0 (do_ip_setsockopt). */
static int value_get(int level, const void *val, socklen_t len, int *out) {
    if (opt_get_int(val, len, out) == 0)
        return 0;
    if (level != IPPROTO_IP)
        return -EINVAL;
    *out = val != NULL && len >= 1 ? *(const uint8_t *)val : 0;
    return 0;
}

static int row_set(struct stack *st, struct sock *so, const struct opt_row *r, int v) {
    void *field = row_field(so, r);
    if (r->type == OPT_INT && (v < r->min || v > r->max))
        return -EINVAL;
    if (r->type == OPT_BOOL)
        *(bool *)field = v != 0;
    else
        *(int *)field = r->type == OPT_YESNO ? v != 0 : v;
    sock_opts_apply(st, so);
    if (r->level == IPPROTO_IP && r->name == IP_RECVERR && v == 0)
        errqueue_purge(st, so);
    if (r->level == IPPROTO_TCP &&
        ((r->name == TCP_NODELAY && v != 0) || (r->name == TCP_CORK && v == 0)))
        tcp_push(st, so->tcb);
    return 0;
}

int sock_setopt(struct stack *st, struct sock *so, int level, int name, const void *val,
                socklen_t len) {
    const struct opt_row *r = row_find(so, level, name);
    int v, err;
    if (len > INT_MAX)
        return -EINVAL;
    if (r == NULL) {
        err = special_set(st, so, level, name, val, len);
    } else {
        err = r->not_empty && len < 1 ? -EINVAL : value_get(level, val, len, &v);
        if (err == 0)
            err = row_set(st, so, r, v);
    }
    stack_clean(st);
    return err;
}

/* ---- get ---- */

int opt_put(void *val, socklen_t *len, const void *from, size_t size) {
    if (*len > INT_MAX)
        return -EINVAL;
    if (*len > size)
        *len = (socklen_t)size;
    memcpy(val, from, *len);
    return 0;
}

int opt_put_int(void *val, socklen_t *len, int v) {
    return opt_put(val, len, &v, sizeof(v));
}

/* A tcb's 0 means "the stack's default": getsockopt shows that. */
static int default_shown(struct stack *st, int level, int name) {
    const struct tcp_config *cfg = tcp_get_config(st);
    if (level != IPPROTO_TCP)
        return 0;
    switch (name) {
    case TCP_KEEPIDLE:
        return (int)(cfg->keepalive_time_ns / 1000000000u);
    case TCP_KEEPINTVL:
        return (int)(cfg->keepalive_intvl_ns / 1000000000u);
    case TCP_KEEPCNT:
        return (int)cfg->keepalive_probes;
    case TCP_SYNCNT:
        return (int)cfg->syn_retries;
    default:
        return 0;
    }
}

int sock_getopt(struct stack *st, struct sock *so, int level, int name, void *val, socklen_t *len) {
    const struct opt_row *r = row_find(so, level, name);
    if (*len > INT_MAX)
        return -EINVAL;
    if (r == NULL)
        return special_get(st, so, level, name, val, len);
    const void *field = row_field(so, r);
    int v = r->type == OPT_BOOL ? *(const bool *)field : *(const int *)field;
    if (v == 0)
        v = default_shown(st, level, name);
    if (level == IPPROTO_IP && *len > 0 && *len < sizeof(v) && v >= 0 && v <= 255) {
        *len = 1; /* do_ip_getsockopt: a small number into a small space */
        *(uint8_t *)val = (uint8_t)v;
        return 0;
    }
    return opt_put_int(val, len, v);
}
