/* A segment arrives in SYN-SENT: RFC 9293 §3.10.7.3. */
#include "stack/tcp/tcb.h"

/* The peer has our SYN: ESTABLISHED. What else the segment carries is taken from "sixth" on. */
static void on_syn_ack(struct stack *st, struct tcb *t, struct seg *s) {
    bool sender_waits = t->snd.nospace;
    tcb_establish(st, t, s);
    if (seq_gt(s->h.ack, t->snd.una))
        ack_learn(st, t, s);
    fastopen_on_syn_ack(st, t, s);
    if (sender_waits) /* as Linux: what he sends will be the answer to the SYN-ACK */
        t->ack.asked_ns = st->now_ns;
    ackpolicy_now(st, t);
    s->seq = seq_add(s->seq, 1);
    s->syn = false;
    input_text(st, t, s);
}

/* Simultaneous open (MUST-10, figure 8): a SYN without ACK. */
static void on_bare_syn(struct stack *st, struct tcb *t) {
    tcb_set_state(st, t, TCPS_SYN_RCVD);
    segment_send_syn(st, t);
    tcp_on_sent(st, t);
}

void input_syn_sent(struct stack *st, struct tcb *t, struct seg *s) {
    /* First: ACK. */
    if (seg_has(s, TH_ACK) && (seq_le(s->h.ack, t->snd.iss) || seq_gt(s->h.ack, t->snd.nxt))) {
        reset_reply(st, t, s);
        return;
    }
    /* Second: RST, believed only with a good ACK (RFC 5961 §3.2). */
    if (seg_has(s, TH_RST)) {
        if (seg_has(s, TH_ACK))
            tcb_finish(st, t, ECONNREFUSED);
        return;
    }
    /* Fourth: SYN. SYN with FIN is no honest opening (V29). */
    if (!s->syn || s->fin) {
        st->ctr.TcpInErrs++;
        return;
    }
    t->rcv.irs = s->seq;
    t->rcv.nxt = t->rcv.acked = t->rcv.copied = seq_add(s->seq, 1);
    t->rcv.adv = seq_add(t->rcv.nxt, recv_syn_window(t));
    opts_on_syn(st, t, &s->h.opt);
    ecn_on_syn(st, t, s);
    ack_window_init(t, s);
    tcp_on_segment(st, t);
    if (seg_has(s, TH_ACK))
        on_syn_ack(st, t, s);
    else
        on_bare_syn(st, t);
}
