#include "stack/tcp/ecn.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

/* RFC 8257 §3.2: each mark is echoed, and no CWR ends that; every packet may be marked. */
static bool is_exact(const struct tcb *t) {
    return t->ecn.on && cc_get(t->cc.id)->needs_ecn;
}

uint16_t ecn_syn_flags(struct stack *st, struct tcb *t) {
    if (t->state == TCPS_SYN_RCVD)
        return t->ecn.on ? TH_ECE : 0;
    /* RFC 3168 §6.1.1.1: a SYN that was lost may have been lost for asking (tcp_ecn_fallback). */
    bool fall_back = t->loss.backoff > 0 && st->tcp->cfg.ecn_fallback;
    t->ecn.asked = (st->tcp->cfg.ecn == ECN_ASK || cc_needs_ecn(st, t)) && !fall_back;
    return t->ecn.asked ? TH_ECE | TH_CWR : 0;
}

void ecn_on_syn(struct stack *st, struct tcb *t, const struct seg *s) {
    if (seg_has(s, TH_ACK))
        t->ecn.on = t->ecn.asked && seg_has(s, TH_ECE) && !seg_has(s, TH_CWR);
    else /* as Linux: a SYN that may be marked asks for another kind of ECN */
        t->ecn.on =
            seg_has(s, TH_ECE) && seg_has(s, TH_CWR) &&
            (cc_needs_ecn(st, t) || (st->tcp->cfg.ecn != ECN_OFF && (s->in->tos & ECN_MASK) == 0));
}

uint8_t ecn_syn_mark(const struct stack *st, const struct tcb *t) {
    bool ecn = t->state == TCPS_SYN_RCVD ? t->ecn.on : t->ecn.asked;
    return ecn && cc_needs_ecn(st, t) ? ECN_ECT0 : 0;
}

/* RFC 3168 §6.1.4, §6.1.5: neither pure ACKs nor what is sent again may be marked. */
uint16_t ecn_on_send(struct tcb *t, bool data, bool fresh, uint8_t *ip) {
    uint16_t flags = 0;
    *ip = 0;
    if (!t->ecn.on)
        return 0;
    if (t->ecn.echo)
        flags |= TH_ECE;
    if ((data && fresh) || is_exact(t))
        *ip = ECN_ECT0;
    if (data && fresh) {
        if (t->ecn.cwr_due)
            flags |= TH_CWR;
        t->ecn.cwr_due = false;
    }
    return flags;
}

bool ecn_cwr_is_due(const struct tcb *t) {
    return t->ecn.on && t->ecn.cwr_due;
}

/* RFC 8257 §3.2: an ACK that was delayed is for packets of the other kind. It goes before. */
static void echo_exactly(struct stack *st, struct tcb *t, bool marked) {
    st->ctr.TcpInCE += marked;
    if (marked == t->ecn.echo)
        return;
    if (t->ack.owed)
        segment_send_ack(st, t);
    t->ecn.echo = marked;
    ackpolicy_now(st, t);
}

void ecn_on_data(struct stack *st, struct tcb *t, const struct seg *s) {
    bool marked = (s->in->tos & ECN_MASK) == ECN_CE;
    if (!t->ecn.on)
        return;
    if (is_exact(t)) {
        echo_exactly(st, t, marked);
        return;
    }
    if (seg_has(s, TH_CWR)) /* §6.1.3: before the mark of this very packet */
        t->ecn.echo = false;
    if (!marked)
        return;
    st->ctr.TcpInCE++;
    if (!t->ecn.echo)
        ackpolicy_now(st, t); /* as Linux: the first mark is told at once */
    t->ecn.echo = true;
}

bool ecn_is_congested(const struct tcb *t, const struct seg *s) {
    return t->ecn.on && seg_has(s, TH_ECE) && !seg_has(s, TH_SYN);
}

void ecn_on_reduced(struct tcb *t) {
    t->ecn.cwr_due = t->ecn.on;
}
