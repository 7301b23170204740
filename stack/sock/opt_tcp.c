/* Options of level IPPROTO_TCP that are more than a number in a field (net/ipv4/tcp.c). For TCP
 * sockets only: the caller has seen to that. */
#include <linux/tcp.h>
#include <stdio.h>

#include "stack/sock/sock_internal.h"

#define MAXSEG_MIN  88 /* TCP_MIN_MSS */
#define MAXSEG_MAX  32767
#define LINGER2_MAX 120

/* The one table of congestion controls that stack/tcp has so far. */
static const char *const congestion_names[] = {"reno"};

static int congestion_set(struct sock *so, const void *val, socklen_t len) {
    if (val == NULL || len < 1)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(congestion_names) / sizeof(congestion_names[0]); i++) {
        const char *name = congestion_names[i];
        size_t n = strnlen(val, len);
        if (n == strlen(name) && memcmp(val, name, n) == 0) {
            so->opt.congestion = (int)i;
            return 0;
        }
    }
    return -ENOENT;
}

int opt_tcp_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    int v;
    if (name == TCP_CONGESTION)
        return congestion_set(so, val, len);
    int err = opt_get_int(val, len, &v);
    if (err != 0)
        return err;
    switch (name) {
    case TCP_MAXSEG:
        if (v != 0 && (v < MAXSEG_MIN || v > MAXSEG_MAX))
            return -EINVAL;
        o->maxseg = (uint32_t)v;
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
    uint32_t asked = sock_common_opts_const(so)->maxseg;
    return (int)(asked != 0 && (s == TCPS_CLOSED || s == TCPS_LISTEN) ? asked
                                                                      : tcp_get_mss(so->tcb));
}

int opt_tcp_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    switch (name) {
    case TCP_MAXSEG:
        return opt_put_int(val, len, maxseg_shown(so));
    case TCP_LINGER2:
        return opt_put_int(val, len,
                           o->linger2_s != 0
                               ? o->linger2_s
                               : (int)(tcp_get_config(st)->fin_timeout_ns / 1000000000u));
    case TCP_INFO: {
        struct tcp_info info;
        memset(&info, 0, sizeof(info));
        tcp_get_info(st, so->tcb, &info);
        return opt_put(val, len, &info, sizeof(info));
    }
    case TCP_CONGESTION: {
        char name_buf[16] = {0}; /* TCP_CA_NAME_MAX */
        snprintf(name_buf, sizeof(name_buf), "%s", congestion_names[so->opt.congestion]);
        return opt_put(val, len, name_buf, sizeof(name_buf));
    }
    case TCP_ULP:
        *len = 0; /* none in use, as Linux says it */
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
