/* The sockets of a host as text, in the manner of `ss -tuna`. */
#include <stdarg.h>
#include <stdio.h>

#include "stack/sock/sock_internal.h"

struct text {
    struct stack *st;
    char *buf;
    size_t size, len; /* len: what there would be, as snprintf counts */
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...) {
    va_list ap;
    size_t at = t->len < t->size ? t->len : t->size;
    va_start(ap, fmt);
    int n = vsnprintf(t->size > at ? t->buf + at : NULL, t->size - at, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len += (size_t)n;
}

static void put_endpoint(struct text *t, const struct endpoint *ep) {
    char a[ADDR_STRLEN], both[ADDR_STRLEN + 8];
    addr_format(&ep->addr, a);
    if (ep->port == 0)
        snprintf(both, sizeof(both), "%s:*", a);
    else
        snprintf(both, sizeof(both), "%s:%u", a, ep->port);
    put(t, " %21s", both);
}

static void put_line(struct text *t, const char *proto, const char *state, uint32_t recvq,
                     uint32_t sendq, const struct endpoint *local, const struct endpoint *remote) {
    put(t, "%-5s %-10s %7u %7u", proto, state, recvq, sendq);
    put_endpoint(t, local);
    put_endpoint(t, remote);
}

static void put_holders(struct text *t, const struct sock *so) {
    struct ref *r;
    const char *sep = " users:(";
    LIST_FOREACH (r, &so->refs, by_sock) {
        struct proc *p = proc_at(t->st, r->proc);
        put(t, "%spid=%d", sep, p != NULL ? p->pid : 0);
        sep = ",";
    }
    if (so->nrefs > 0)
        put(t, ")");
    if (so->ino != 0)
        put(t, " ino:%llu", (unsigned long long)so->ino);
    put(t, "\n");
}

static void put_sock(struct text *t, const struct sock *so) {
    struct endpoint local, remote;
    if (sock_is_tcp(so) ? so->tcb == NULL : so->udp == NULL)
        return;
    sock_endpoints(so, &local, &remote);
    if (sock_is_tcp(so))
        put_line(t, "tcp", tcp_state_name(tcp_get_state(so->tcb)), tcp_inq(so->tcb),
                 tcp_outq(so->tcb), &local, &remote);
    else
        put_line(t, "udp", remote.port != 0 ? "ESTAB" : "UNCONN", so->udp->queued_bytes, 0, &local,
                 &remote);
    put_holders(t, so);
}

/* Connections that TCP still works for with nobody holding them. */
static void put_orphan(struct stack *st, struct tcb *tcb, void *arg) {
    struct endpoint local, remote;
    (void)st;
    if (tcp_get_user(tcb) != NULL)
        return;
    tcp_get_endpoints(tcb, &local, &remote);
    put_line(arg, "tcp", tcp_state_name(tcp_get_state(tcb)), tcp_inq(tcb), tcp_outq(tcb), &local,
             &remote);
    put(arg, "\n");
}

int sock_describe(struct stack *st, char *buf, size_t len) {
    struct text t = {.st = st, .buf = buf, .size = len};
    struct pool *socks = &st->socks->socks;
    struct sock *so;
    put(&t, "%-5s %-10s %7s %7s %21s %21s %s\n", "Netid", "State", "Recv-Q", "Send-Q",
        "Local Address:Port", "Peer Address:Port", "Process");
    POOL_FOREACH (socks, i, so)
        if (so->kind != SOCK_KIND_NONE)
            put_sock(&t, so);
    tcp_foreach(st, put_orphan, &t);
    return (int)t.len;
}
