/* Local endpoints: bind, and who may share one. All programs of the host share one port space. */
#include "stack/tcp/tcb.h"

static bool overlap(const struct addr *a, const struct addr *b) {
    return addr_is_any(a) || addr_is_any(b) || addr_eq(a, b);
}

/* As Linux's inet_csk_bind_conflict: SO_REUSEADDR on both allows all but a listener; SO_REUSEPORT
 * on both allows anything. */
static bool conflicts(const struct tcb *t, const struct tcb *other, const struct endpoint *local) {
    if (other == t || !overlap(&other->local.addr, &local->addr))
        return false;
    if (t->opts.reuse_addr && other->opts.reuse_addr && other->state != TCPS_LISTEN)
        return false;
    return !(t->opts.reuse_port && other->opts.reuse_port);
}

int bind_check(struct stack *st, const struct tcb *t, const struct endpoint *local) {
    struct flow_node *n = NULL;
    while ((n = flow_on_port(st, PROTO_TCP, local->port, n)) != NULL)
        if (conflicts(t, tcb_from_flow(n), local))
            return -EADDRINUSE;
    return 0;
}

int tcp_bind(struct stack *st, struct tcb *t, const struct endpoint *local) {
    struct endpoint ep = *local;
    if (t->state != TCPS_CLOSED || t->bound)
        return -EINVAL;
    if (!addr_is_any(&ep.addr) && !net_is_local(st, &ep.addr))
        return -EADDRNOTAVAIL;
    if (ep.port == 0) {
        struct endpoint any = {.addr = addr_v4(0)};
        ep.port = flow_pick_port(st, PROTO_TCP, &ep, &any, NULL);
        if (ep.port == 0)
            return -EADDRINUSE;
    } else if (bind_check(st, t, &ep) != 0) {
        return -EADDRINUSE;
    }
    stack_dirty(st, t);
    t->bind_to = t->local = ep;
    t->remote = (struct endpoint){.addr = addr_v4(0)};
    t->bound = t->bound_port = true;
    t->bound_addr = !addr_is_any(&ep.addr);
    tcb_insert_flow(st, t);
    tcb_leave(st, t);
    return 0;
}
