/* Options of level IPPROTO_TCP that are more than a number in a field (net/ipv4/tcp.c). For TCP
 * sockets only: the caller has seen to that. */
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <stdio.h>

#include "stack/sock/sock_internal.h"
#include "stack/tcp/fastopen.h"

#define MAXSEG_MIN  88 /* TCP_MIN_MSS */
#define MAXSEG_MAX  32767
#define MSS_DEFAULT 536 /* RFC 9293 MUST-15 */
#define LINGER2_MAX 120
#ifndef TCP_RTO_MAX_MS /* Linux 6.15 and later; Debian's headers are older */
#define TCP_RTO_MAX_MS    44
#define TCP_RTO_MIN_US    45
#define TCP_DELACK_MAX_US 46
#endif
#define TICK_US       4000 /* Linux's timers, HZ = 250, round up to these */
#define RTO_MAX_LEAST 1000
#define RTO_MAX_MOST  120000
#define US_MOST       200000 /* TCP_RTO_MIN, TCP_DELACK_MAX */
#define CLAMP_MIN     1152   /* SOCK_MIN_RCVBUF / 2 */

/* TCP_DEFER_ACCEPT is kept as Linux keeps it, in retransmissions of the SYN-ACK, and shown as the
 * seconds that these take (secs_to_retrans, retrans_to_secs). */
#define SYNACK_RTO_S     1
#define SYNACK_RTO_MAX_S 120
#define DEFER_MAX        255

static uint32_t defer_rounded(int seconds) {
    uint32_t timeout = SYNACK_RTO_S, period = timeout;
    if (seconds <= 0)
        return 0;
    for (int n = 1; (uint32_t)seconds > period && n < DEFER_MAX; n++) {
        timeout = timeout * 2 > SYNACK_RTO_MAX_S ? SYNACK_RTO_MAX_S : timeout * 2;
        period += timeout;
    }
    return period;
}

static int congestion_set(struct stack *st, struct sock *so, const void *val, socklen_t len) {
    if (val == NULL || len < 1)
        return -EINVAL;
    int id = tcp_cc_find(val, strnlen(val, len));
    if (id < 0)
        return id;
    if (tcp_cc_is_locked(so->tcb))
        return -EPERM;
    sock_common_opts(so)->cc = (uint8_t)id;
    sock_opts_apply(st, so);
    return 0;
}

/* Microseconds, rounded up to ticks; two of them at least. */
static int ticks_set(uint32_t *us, int v) {
    int64_t ticks = ((int64_t)v + TICK_US - 1) / TICK_US;
    if (ticks < 2 || ticks * TICK_US > US_MOST)
        return -EINVAL;
    *us = (uint32_t)ticks * TICK_US;
    return 0;
}

/* Repairing a connection of another host's is not for us: as Linux answers whoever may not. */
static int repair_set(const struct sock *so, int name) {
    bool closed = tcp_get_state(so->tcb) == TCPS_CLOSED;
    return (name == TCP_QUEUE_SEQ && closed) || name == TCP_REPAIR_OPTIONS ? -EINVAL : -EPERM;
}

static bool may_change_fastopen(const struct sock *so, bool listener_too) {
    enum tcp_state state = tcp_get_state(so->tcb);
    return state == TCPS_CLOSED || (listener_too && state == TCPS_LISTEN);
}

static int fastopen_set(struct stack *st, struct sock *so, int name, int v) {
    struct tcp_sockopts *o = sock_common_opts(so);
    const struct tcp_config *cfg = tcp_get_config(st);
    if (v < 0 || (name != TCP_FASTOPEN && v > 1))
        return -EINVAL;
    if (name == TCP_FASTOPEN_CONNECT && !(cfg->fastopen & FASTOPEN_CLIENT))
        return -EOPNOTSUPP;
    if (!may_change_fastopen(so, name != TCP_FASTOPEN_CONNECT))
        return -EINVAL;
    if (name == TCP_FASTOPEN)
        o->fastopen_qlen = (uint32_t)v < cfg->somaxconn ? (uint32_t)v : cfg->somaxconn;
    else if (name == TCP_FASTOPEN_CONNECT)
        o->fastopen_connect = v != 0;
    else
        o->fastopen_no_cookie = v != 0;
    return 0;
}

static int fastopen_key_set(struct sock *so, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    if (val == NULL || (len != FASTOPEN_KEY_LEN && len != FASTOPEN_KEYS * FASTOPEN_KEY_LEN))
        return -EINVAL;
    memcpy(o->fastopen_key, val, len);
    o->fastopen_keys = (uint8_t)(len / FASTOPEN_KEY_LEN);
    return 0;
}

static int fastopen_key_get(struct stack *st, const struct sock *so, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts_const(so);
    const struct tcp_config *cfg = tcp_get_config(st);
    bool own = o->fastopen_keys > 0;
    uint8_t n = own ? o->fastopen_keys : cfg->fastopen_keys;
    return opt_put(val, len, own ? o->fastopen_key : cfg->fastopen_key,
                   (size_t)n * FASTOPEN_KEY_LEN);
}

/* tcp_v4_parse_md5_keys. An interface would have to be a VRF's, of which there are none here. */
static int md5_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_md5sig sig;
    struct sockaddr_in sin;
    if (val == NULL || len < sizeof(sig))
        return -EINVAL;
    memcpy(&sig, val, sizeof(sig));
    memcpy(&sin, &sig.tcpm_addr, sizeof(sin));
    if (sin.sin_family != AF_INET)
        return -EINVAL;
    bool ifindex = sig.tcpm_flags & TCP_MD5SIG_FLAG_IFINDEX;
    struct prefix peers = {addr_v4(ntohl(sin.sin_addr.s_addr)), 128};
    if (name == TCP_MD5SIG_EXT && (sig.tcpm_flags & TCP_MD5SIG_FLAG_PREFIX)) {
        if (sig.tcpm_prefixlen > 32)
            return -EINVAL;
        peers.plen = (uint8_t)(ADDR_V4_PLEN + sig.tcpm_prefixlen);
    }
    if (name == TCP_MD5SIG_EXT && ifindex && sig.tcpm_ifindex != 0)
        return -EINVAL;
    if (sig.tcpm_keylen > TCP_MD5SIG_MAXKEYLEN)
        return -EINVAL;
    int err = tcp_md5_set(st, so->tcb, &peers, ifindex, sig.tcpm_key, sig.tcpm_keylen);
    if (err == 0)
        sock_opts_apply(st, so); /* the MSS is another */
    return err;
}

int opt_tcp_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    int v;
    if (name == TCP_CONGESTION)
        return congestion_set(st, so, val, len);
    if (name == TCP_ULP)
        return val == NULL || len < 1 ? -EINVAL : -ENOENT; /* no upper layer is built in */
    if (name == TCP_MD5SIG || name == TCP_MD5SIG_EXT)
        return md5_set(st, so, name, val, len);
    if (name == TCP_FASTOPEN_KEY)
        return fastopen_key_set(so, val, len);
    int err = opt_get_int(val, len, &v);
    if (err != 0)
        return err;
    switch (name) {
    case TCP_MAXSEG:
        if (v != 0 && (v < MAXSEG_MIN || v > MAXSEG_MAX))
            return -EINVAL;
        o->maxseg = (uint32_t)v;
        break;
    case TCP_DEFER_ACCEPT:
        o->defer_accept_s = defer_rounded(v);
        break;
    case TCP_QUICKACK:
        tcp_set_quickack(st, so->tcb, v);
        return 0;
    case TCP_FASTOPEN:
    case TCP_FASTOPEN_CONNECT:
    case TCP_FASTOPEN_NO_COOKIE:
        return fastopen_set(st, so, name, v);
    case TCP_THIN_DUPACK: /* without effect since Linux 4.20 */
        return v < 0 || v > 1 ? -EINVAL : 0;
    case TCP_REPAIR:
    case TCP_REPAIR_QUEUE:
    case TCP_QUEUE_SEQ:
    case TCP_REPAIR_OPTIONS:
    case TCP_REPAIR_WINDOW:
    case TCP_TIMESTAMP: /* to be set in repair only */
        return repair_set(so, name);
    case TCP_WINDOW_CLAMP: /* tcp_set_window_clamp */
        if (v == 0 && tcp_get_state(so->tcb) != TCPS_CLOSED)
            return -EINVAL;
        o->window_clamp = v == 0 ? 0 : v < CLAMP_MIN ? CLAMP_MIN : (uint32_t)v;
        break;
    case TCP_RTO_MAX_MS:
        if (v < RTO_MAX_LEAST || v > RTO_MAX_MOST)
            return -EINVAL;
        o->rto_max_ms = ((uint32_t)v * 1000 + TICK_US - 1) / TICK_US * TICK_US / 1000;
        break;
    case TCP_RTO_MIN_US:
    case TCP_DELACK_MAX_US:
        err = ticks_set(name == TCP_RTO_MIN_US ? &o->rto_min_us : &o->delack_max_us, v);
        if (err != 0)
            return err;
        break;
    case TCP_LINGER2:
        o->linger2_s = v < 0 ? -1 : v > LINGER2_MAX ? LINGER2_MAX : v;
        break;
    default:
        return -ENOPROTOOPT;
    }
    sock_opts_apply(st, so);
    return 0;
}

static int maxseg_shown(const struct sock *so) {
    enum tcp_state s = tcp_get_state(so->tcb);
    uint32_t asked = sock_common_opts_const(so)->maxseg, mss = tcp_get_mss(so->tcb);
    return (int)(asked != 0 && (s == TCPS_CLOSED || s == TCPS_LISTEN) ? asked
                 : mss != 0                                           ? mss
                                                                      : MSS_DEFAULT);
}

int opt_tcp_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    const struct tcp_config *cfg = tcp_get_config(st);
    switch (name) {
    case TCP_MAXSEG:
        return opt_put_int(val, len, maxseg_shown(so));
    case TCP_LINGER2:
        return opt_put_int(val, len,
                           o->linger2_s != 0
                               ? o->linger2_s
                               : (int)(tcp_get_config(st)->fin_timeout_ns / 1000000000u));
    case TCP_INFO: {
        struct tcp_info_full info;
        tcp_get_info_full(st, so->tcb, &info);
        return opt_put(val, len, &info, sizeof(info));
    }
    case TCP_CONGESTION: {
        char name_buf[16] = {0}; /* TCP_CA_NAME_MAX */
        snprintf(name_buf, sizeof(name_buf), "%s", tcp_cc_name(tcp_get_cc(st, so->tcb)));
        return opt_put(val, len, name_buf, sizeof(name_buf));
    }
    case TCP_RTO_MAX_MS:
        return opt_put_int(val, len,
                           (int)(o->rto_max_ms != 0 ? o->rto_max_ms : cfg->rto_max_ns / 1000000));
    case TCP_RTO_MIN_US:
        return opt_put_int(val, len,
                           (int)(o->rto_min_us != 0 ? o->rto_min_us : cfg->rto_min_ns / 1000));
    case TCP_DELACK_MAX_US:
        return opt_put_int(val, len, (int)(o->delack_max_us != 0 ? o->delack_max_us : US_MOST));
    case TCP_WINDOW_CLAMP:
        return opt_put_int(val, len, (int)o->window_clamp);
    case TCP_DEFER_ACCEPT:
        return opt_put_int(val, len, (int)o->defer_accept_s);
    case TCP_QUICKACK:
        return opt_put_int(val, len, tcp_get_quickack(st, so->tcb));
    case TCP_TIMESTAMP:
        return opt_put_int(val, len, (int)tcp_get_timestamp(st, so->tcb));
    case TCP_FASTOPEN:
        return opt_put_int(val, len, (int)o->fastopen_qlen);
    case TCP_FASTOPEN_CONNECT:
        return opt_put_int(val, len, o->fastopen_connect);
    case TCP_FASTOPEN_NO_COOKIE:
        return opt_put_int(val, len, o->fastopen_no_cookie);
    case TCP_FASTOPEN_KEY:
        return fastopen_key_get(st, so, val, len);
    case TCP_THIN_DUPACK:
    case TCP_REPAIR:
        return opt_put_int(val, len, 0);
    case TCP_REPAIR_QUEUE:
    case TCP_QUEUE_SEQ:
    case TCP_REPAIR_WINDOW:
    case TCP_ZEROCOPY_RECEIVE: /* there is no mapping of a socket to receive into */
        return -EINVAL;
    case TCP_CC_INFO: {
        union tcp_cc_info info = {0};
        return opt_put(val, len, &info, tcp_get_cc_info(so->tcb, &info));
    }
    case TCP_ULP:
        *len = 0; /* none in use, as Linux says it */
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
