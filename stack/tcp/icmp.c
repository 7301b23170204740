/* ICMP errors and failed neighbours (RFC 9293 §3.9.2.2, RFC 5927). A message is believed only when
 * the sequence number that it quotes is of data in flight. */
#include "stack/tcp/tcb.h"

#include <poll.h>

#include "stack/wire/icmp4.h"

#define MTU_UNKNOWN 576u /* a router older than RFC 1191 does not say */

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* MUST-54: to the connection that it is about. NULL: none, or not validated (RFC 5927 §4.1). */
static struct tcb *find(struct stack *st, const struct icmp_err *err) {
    const uint8_t *q = err->quote;
    struct flow_key key = {
        .local = {err->src, get16(q)}, .remote = {err->dst, get16(q + 2)}, .proto = PROTO_TCP};
    struct flow_node *n = err->quote_len >= 8 ? flow_find(st, &key) : NULL;
    if (n == NULL)
        return NULL;
    struct tcb *t = tcb_from_flow(n);
    if (t->state == TCPS_LISTEN || t->state == TCPS_CLOSED || t->state == TCPS_TIME_WAIT)
        return NULL;
    seq_t quoted = seq((uint32_t)get16(q + 4) << 16 | get16(q + 6));
    return seq_in(quoted, t->snd.una, t->snd.nxt) ? t : NULL;
}

/* RFC 1191: smaller segments from now on, and what is in flight again. */
static void on_too_big(struct stack *st, struct tcb *t, uint16_t mtu) {
    uint32_t old = t->snd.mss;
    if (t->opts.pmtu_deaf)
        return;
    net_set_path_mtu(st, &t->remote.addr, mtu != 0 ? mtu : MTU_UNKNOWN);
    if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RCVD) {
        fastopen_on_too_big(st, t);
        return;
    }
    opts_update_mss(st, t);
    if (t->snd.mss >= old)
        return;
    loss_mark_all(st, t);
    tcb_want_flush(st, t);
}

/* MUST-47: kept for when the connection ends; with IP_RECVERR told at once (tcp_v4_err). */
static void soft_error(struct stack *st, struct tcb *t, int error) {
    t->soft_error = error;
    if (t->opts.recverr) {
        t->error = error;
        tcb_raise(st, t, POLLERR);
    }
}

void tcp_icmp(struct stack *st, const struct icmp_err *err) {
    struct tcb *t = find(st, err);
    if (t == NULL) {
        st->ctr.TcpIcmpIgnored++;
        return;
    }
    stack_dirty(st, t);
    if (err->type == ICMP4_UNREACH && err->code == ICMP4_UNREACH_FRAG)
        on_too_big(st, t, err->mtu);
    else if (err->error != 0 && err->hard && t->state == TCPS_SYN_SENT)
        tcb_finish(st, t, err->error); /* SHLD-26 */
    else if (err->error !=
             0) /* MUST-56, and RFC 5927 §5.2: once synchronized every error is soft */
        soft_error(st, t, err->error);
    tcb_leave(st, t);
}

void tcp_host_unreach(struct stack *st, const struct addr *dst) {
    struct tcb *t;
    POOL_FOREACH (&st->tcp->tcbs, i, t) {
        if (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN || !addr_eq(&t->remote.addr, dst))
            continue;
        stack_dirty(st, t);
        if (t->state == TCPS_SYN_SENT) /* as Linux: connect fails when ARP does */
            tcb_finish(st, t, EHOSTUNREACH);
        else
            soft_error(st, t, EHOSTUNREACH);
        tcb_leave(st, t);
    }
}
