/* struct sockaddr to and from endpoints, by Linux's rules about lengths and families. */
#include "stack/sock/sock_internal.h"

int sockaddr_get(const struct sockaddr *sa, socklen_t len, struct endpoint *ep) {
    struct sockaddr_in in;
    if (sa == NULL || len < sizeof(in))
        return -EINVAL;
    memcpy(&in, sa, sizeof(in)); /* sa need not be aligned */
    if (in.sin_family != AF_INET)
        return -EAFNOSUPPORT;
    ep->addr = addr_from_be((be32_t){in.sin_addr.s_addr});
    ep->port = be16_get((be16_t){in.sin_port});
    return 0;
}

void sockaddr_put(const struct endpoint *ep, struct sockaddr *sa, socklen_t *len) {
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = be16(ep->port).raw,
                             .sin_addr.s_addr = addr_to_be(&ep->addr).raw};
    memcpy(sa, &in, *len < sizeof(in) ? *len : sizeof(in));
    *len = sizeof(in);
}

void dest_resolve_any(const struct endpoint *local, struct endpoint *remote) {
    if (!addr_is_any(&remote->addr))
        return;
    remote->addr = addr_is_any(&local->addr) ? addr_v4(INADDR_LOOPBACK) : local->addr;
}

void sock_endpoints(const struct sock *so, struct endpoint *local, struct endpoint *remote) {
    if (sock_is_tcp(so)) {
        tcp_get_endpoints(so->tcb, local, remote);
    } else {
        *local = so->udp->local;
        *remote = so->udp->remote;
    }
    /* An address that was never set is all zeroes: IPv4's any in this type's form. */
    if (addr_is_any(&local->addr))
        local->addr = addr_v4(INADDR_ANY);
    if (addr_is_any(&remote->addr))
        remote->addr = addr_v4(INADDR_ANY);
}
