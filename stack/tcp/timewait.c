/* A segment arrives in TIME-WAIT. The only thing that may come is the peer's FIN once more; a SYN
 * that is surely new may reopen the pair of endpoints (RFC 9293 §3.6.1, RFC 6191). */
#include "stack/tcp/tcb.h"

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
    seq_t min_iss =
        seq_add(t->snd.nxt, 65535 + 2); /* above the old one's window (RFC 9293 §3.4.3) */
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

void input_timewait(struct stack *st, struct tcb *t, struct seg *s) {
    if (seg_has(s, TH_RST))
        return; /* RFC 1337: else an old RST would end the quiet time (V26) */
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
