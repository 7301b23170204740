/* Options of level IPPROTO_IP that are more than a number in a field (net/ipv4/ip_sockglue.c). */
#include "stack/sock/sock_internal.h"

#define IPTOS_ECN_BITS 3

int opt_ip_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len) {
    struct tcp_sockopts *o = sock_common_opts(so);
    int v = 0;
    if (val != NULL && len >= sizeof(v))
        memcpy(&v, val, sizeof(v));
    else if (val != NULL && len >= 1)
        v = *(const uint8_t *)val;
    switch (name) {
    case IP_TOS:
        /* The ECN bits of a TCP connection are TCP's own (__ip_sock_set_tos). */
        if (sock_is_tcp(so))
            v = (v & ~IPTOS_ECN_BITS) | (o->tos & IPTOS_ECN_BITS);
        o->tos = (uint8_t)v;
        break;
    case IP_TTL:
        if (len < 1 || (v != -1 && (v < 1 || v > 255)))
            return -EINVAL;
        o->ttl = v == -1 ? 0 : (uint8_t)v; /* 0: the default */
        break;
    case IP_OPTIONS:
        return len == 0 ? 0 : -ENOPROTOOPT; /* none are ever sent (README: deviations) */
    default:
        return -ENOPROTOOPT;
    }
    sock_opts_apply(st, so);
    return 0;
}

int opt_ip_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len) {
    const struct tcp_sockopts *o = sock_common_opts(so);
    struct endpoint local, remote;
    int v;
    switch (name) {
    case IP_TOS:
        v = o->tos;
        break;
    case IP_TTL:
        v = o->ttl != 0 ? o->ttl : 64;
        break;
    case IP_MTU:
        sock_endpoints(so, &local, &remote);
        if (addr_is_any(&remote.addr))
            return -ENOTCONN;
        v = net_path_mtu(st, &remote.addr);
        break;
    case IP_OPTIONS: /* none were received: what tcp-wrappers and sshd look for */
        *len = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
    if (*len > 0 && *len < sizeof(v) && v >= 0 && v <= 255) {
        *len = 1;
        *(uint8_t *)val = (uint8_t)v;
        return 0;
    }
    return opt_put_int(val, len, v);
}
