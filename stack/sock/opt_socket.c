/* Options of level SOL_SOCKET that are more than a number in a field: structures, strings, values
 * that are computed, or that change on the way in as Linux changes them (net/core/sock.c). */
#include <limits.h>
#include <sys/time.h>

#include "stack/sock/sock_internal.h"

/* Linux's bounds (net/core/sock.c): half of net.core.rmem_max is the most that is believed, and
 * the value is doubled, for the bookkeeping. */
#define RMEM_MAX   212992u
#define WMEM_MAX   212992u
#define RCVBUF_MIN 2304u
#define SNDBUF_MIN 4608u
#define SNDBUF_TCP 16384u /* what Linux shows for a fresh TCP socket (tcp_wmem[1]) */
#define SNDBUF_UDP 212992u

#ifndef SO_RCVTIMEO_OLD
#define SO_RCVTIMEO_OLD SO_RCVTIMEO
#define SO_SNDTIMEO_OLD SO_SNDTIMEO
#endif

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
        return timeo_set(&so->opt.rcvtimeo_ns, val, len);
    case SO_SNDTIMEO_OLD:
        return timeo_set(&so->opt.sndtimeo_ns, val, len);
    case SO_BINDTODEVICE:
        return device_set(so, val, len);
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->rcvbuf = bufsize(v, name == SO_RCVBUF ? RMEM_MAX : INT_MAX / 2, RCVBUF_MIN);
        break;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->sndbuf = bufsize(v, name == SO_SNDBUF ? WMEM_MAX : INT_MAX / 2, SNDBUF_MIN);
        break;
    case SO_RCVLOWAT:
        if ((err = opt_get_int(val, len, &v)) == 0)
            o->rcvlowat = v < 0 ? INT_MAX : v == 0 ? 1 : (uint32_t)v;
        break;
    case SO_TYPE:
    case SO_PROTOCOL:
    case SO_DOMAIN:
    case SO_ERROR:
    case SO_ACCEPTCONN:
    default:
        return -ENOPROTOOPT; /* read-only ones, too */
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

static int socket_get_buf(struct stack *st, struct sock *so, int name) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    bool tcp = sock_is_tcp(so);
    if (name == SO_RCVBUF)
        return (int)(o->rcvbuf != 0 ? o->rcvbuf
                     : tcp          ? tcp_get_config(st)->rmem_default
                                    : UDP_RCVBUF_DEFAULT);
    return (int)(o->sndbuf != 0 ? o->sndbuf : tcp ? SNDBUF_TCP : SNDBUF_UDP);
}

int opt_socket_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    switch (name) {
    case SO_LINGER: {
        struct linger l = {.l_onoff = o->linger, .l_linger = (int)o->linger_s};
        return opt_put(val, len, &l, sizeof(l));
    }
    case SO_RCVTIMEO_OLD:
        return timeo_get(so->opt.rcvtimeo_ns, val, len);
    case SO_SNDTIMEO_OLD:
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
    default:
        return -ENOPROTOOPT;
    }
}
