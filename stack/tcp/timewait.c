/* What a TIME-WAIT is good for after its connection: to answer what still arrives, and to tell the
 * next connection between the same endpoints where to begin.
 *
 * A segment arrives in TIME-WAIT. The only thing that may come is the peer's FIN once more; a SYN
 * that is surely new may reopen the pair of endpoints (RFC 9293 §3.6.1, RFC 6191). */
#include "stack/tcp/tcb.h"

/* Above the old connection's window (RFC 9293 §3.4.3), as Linux has it. */
static seq_t min_iss_after(const struct tcb *t) {
    return seq_add(t->snd.nxt, 65535 + 2);
}

void tcb_begin_above(struct tcb *t, seq_t min_iss) {
    if (seq_lt(t->snd.iss, min_iss))
        tcb_begin_at(t, min_iss);
}

/* ---- our own connect takes it over (RFC 6191 §2) ---- */

bool timewait_has_timestamps(const struct stack *st, const struct tcb *t) {
    return t->state == TCPS_TIME_WAIT && t->use_ts && st->tcp->cfg.timestamps != 0;
}

bool timewait_gives_way(struct stack *st, struct flow_node *n) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    const struct tcb *t = tcb_from_flow(n);
    if (!timewait_has_timestamps(st, t) || cfg->tw_reuse == TW_REUSE_NEVER)
        return false;
    if (cfg->tw_reuse == TW_REUSE_LOOPBACK && !addr_is_loopback(&t->local.addr) &&
        !addr_is_loopback(&t->remote.addr))
        return false;
    return st->now_ns - t->timewait_ns > cfg->tw_reuse_delay_ns;
}

bool timewait_take(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                   struct timewait_past *past) {
    struct flow_key key = {.local = *local, .remote = *remote, .proto = PROTO_TCP};
    struct flow_node *n = flow_find(st, &key);
    if (n == NULL)
        return false;
    struct tcb *t = tcb_from_flow(n);
    *past = (struct timewait_past){min_iss_after(t), t->ts_recent, t->ts_recent_ns};
    st->ctr.TcpExtTWRecycled++;
    stack_dirty(st, t);
    tcb_finish(st, t, 0);
    tcb_leave(st, t);
    return true;
}

void timewait_follow(struct tcb *t, const struct timewait_past *past) {
    tcb_begin_above(t, past->min_iss);
    t->ts_recent = past->ts_recent;
    t->ts_recent_ns = past->ts_recent_ns;
}

/* ---- a SYN reopens it ---- */

/* RFC 6191 §2: a newer timestamp, or without timestamps a greater sequence number. */
static bool is_new_connection(const struct tcb *t, const struct seg *s) {
    if (!s->syn || seg_has(s, TH_ACK) || seg_has(s, TH_RST))
        return false;
    if (t->use_ts && s->h.opt.has_ts && s->h.opt.tsval != t->ts_recent)
        return (int32_t)(s->h.opt.tsval - t->ts_recent) > 0;
    return seq_gt(s->seq, t->rcv.nxt);
}

/* True: the segment is used up. */
static bool reopen(struct stack *st, struct tcb *t, struct seg *s) {
    seq_t min_iss = min_iss_after(t);
    flow_remove(st, &t->flow);
    struct tcb *listener = tcb_find(st, s->in, &s->h);
    if (listener == NULL || listener->state != TCPS_LISTEN) {
        tcb_insert_flow(st, t);
        return false;
    }
    if (!md5_admits(st, listener, s)) {
        tcb_insert_flow(st, t);
        return true;
    }
    st->ctr.TcpExtTWRecycled++;
    tcb_finish(st, t, 0);
    input_listen(st, listener, s, &min_iss);
    return true;
}

/* As Linux, a RST at the very number that is next ends the quiet time, unless tcp_rfc1337 says what
 * RFC 1337 §3 asks for: an old RST must not (V26). */
static void on_reset(struct stack *st, struct tcb *t, struct seg *s) {
    if (!st->tcp->cfg.rfc1337 && seq_eq(s->h.seq, t->rcv.nxt) && md5_admits(st, t, s))
        tcb_finish(st, t, 0);
}

void input_timewait(struct stack *st, struct tcb *t, struct seg *s) {
    if (seg_has(s, TH_RST)) {
        on_reset(st, t, s);
        return;
    }
    if (is_new_connection(t, s) && reopen(st, t, s)) /* signed for the listener, not for t */
        return;
    if (!md5_admits(st, t, s))
        return;
    bool stale = paws_rejects(st, t, s);
    bool fin_again = s->fin && !stale && seq_eq(seg_end(s), t->rcv.nxt);
    if (fin_again)
        tcp_on_fin_again(st, t);
    if (stale || s->syn || s->len > 0 || s->fin || !seq_eq(s->seq, t->rcv.nxt))
        challenge_oow_ack(st, t, s);
}
