/* Options of level IPPROTO_IP that are more than a number in a field (net/ipv4/ip_sockglue.c). */
#include "stack/sock/sock_internal.h"

#define IPTOS_ECN_BITS     3
#define IP_PROTOCOL_NUMBER 52 /* IP_PROTOCOL, Linux 6.1 */

/* A struct in_addr, ip_mreq or ip_mreqn that names our interface, or none. */
static int mcast_if_set(struct stack *st, struct sock *so, const void *val, socklen_t len) {
    struct in_addr a;
    if (val == NULL || len < sizeof(a))
        return -EINVAL;
    memcpy(&a, (const uint8_t *)val + (len >= sizeof(struct ip_mreq) ? sizeof(a) : 0), sizeof(a));
    struct addr addr = addr_from_be((be32_t){a.s_addr});
    if (a.s_addr != INADDR_ANY && !net_is_local(st, &addr))
        return -EADDRNOTAVAIL;
    so->opt.mcast_if = a.s_addr;
    return 0;
}

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
    case IP_MULTICAST_TTL:
        if (sock_is_tcp(so) || len < 1 || v < -1 || v > 255)
            return -EINVAL;
        so->opt.mcast_ttl = v == -1 ? 1 : v;
        break;
    case IP_MULTICAST_IF:
        return sock_is_tcp(so) ? -EINVAL : mcast_if_set(st, so, val, len);
    case IP_UNICAST_IF: /* an index; the one interface is not known by any */
        return len != sizeof(v) ? -EINVAL : v == 0 ? 0 : -EADDRNOTAVAIL;
    case IP_RECVFRAGSIZE:
        if (sock_is_tcp(so))
            return -EINVAL;
        so->opt.recvfragsize = v != 0;
        return 0;
    case IP_ROUTER_ALERT: /* of raw sockets */
        return -EINVAL;
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
        v = o->ttl != 0 ? o->ttl : (int)tcp_get_config(st)->default_ttl;
        break;
    case IP_MTU:
        sock_endpoints(so, &local, &remote);
        if (addr_is_any(&remote.addr))
            return -ENOTCONN;
        v = net_path_mtu(st, &remote.addr);
        break;
    case IP_MULTICAST_TTL:
        v = so->opt.mcast_ttl;
        break;
    case IP_MULTICAST_IF:
        return opt_put(val, len, &so->opt.mcast_if, sizeof(so->opt.mcast_if));
    case IP_PROTOCOL_NUMBER: /* inet_num: of all but raw sockets that is the port */
        sock_endpoints(so, &local, &remote);
        v = local.port;
        break;
    case IP_RECVFRAGSIZE:
        v = so->opt.recvfragsize;
        break;
    case IP_HDRINCL: /* of raw sockets, and the like: off, and not to be had */
    case IP_NODEFRAG:
    case IP_ROUTER_ALERT:
    case IP_UNICAST_IF:
        v = 0;
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
