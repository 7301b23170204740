#include "stack/tcp/ecn.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

/* RFC 8257 §3.2: each mark is echoed, and no CWR ends that; every packet may be marked. */
static bool is_exact(const struct tcb *t) {
    return t->ecn.on && cc_get(t->cc.id)->needs_ecn;
}

/* RFC 3168 §6.1.1.1: a SYN that was lost may have been lost for asking (tcp_ecn_fallback). RFC 9768
 * §3.1.4 tries once more. */
static bool falls_back(const struct stack *st, const struct tcb *t, bool accurate) {
    return st->tcp->cfg.ecn_fallback && t->loss.backoff > (accurate ? 1 : 0);
}

uint16_t ecn_syn_flags(struct stack *st, struct tcb *t) {
    uint32_t mode = st->tcp->cfg.ecn;
    if (t->state == TCPS_SYN_RCVD)
        return t->accecn.on ? accecn_flags(t, true) : t->ecn.on ? TH_ECE : 0;
    t->accecn.asked = mode == ACCECN_ASK && !falls_back(st, t, true);
    t->ecn.asked = (mode == ECN_ASK || mode == ACCECN_ASK || mode == ACCECN_ASK_CLASSIC ||
                    t->path->ecn || cc_needs_ecn(st, t)) &&
                   !falls_back(st, t, t->accecn.asked);
    return t->accecn.asked ? accecn_ask() : t->ecn.asked ? TH_ECE | TH_CWR : 0;
}

static void on_syn_ack(struct tcb *t, const struct seg *s) {
    if (t->accecn.asked && accecn_on_syn_ack(t, s))
        return;
    t->ecn.on = t->ecn.asked && seg_has(s, TH_ECE) && !seg_has(s, TH_CWR);
}

void ecn_on_syn(struct stack *st, struct tcb *t, const struct seg *s) {
    uint32_t mode = st->tcp->cfg.ecn;
    if (seg_has(s, TH_ACK)) {
        on_syn_ack(t, s);
        return;
    }
    if (mode >= ACCECN_ASK && accecn_is_asked(s)) {
        accecn_on_syn(t, s);
        return;
    }
    /* As Linux: a SYN that may be marked asks for another kind of ECN. */
    t->ecn.on = seg_has(s, TH_ECE) && seg_has(s, TH_CWR) &&
                (cc_needs_ecn(st, t) ||
                 ((mode != ECN_OFF || t->path->ecn) && (s->in->tos & ECN_MASK) == 0));
}

uint8_t ecn_syn_mark(const struct stack *st, struct tcb *t) {
    bool ecn = t->state == TCPS_SYN_RCVD ? t->ecn.on || t->accecn.on : t->ecn.asked;
    t->ecn.syn_ecn = ecn && cc_needs_ecn(st, t) ? ECN_ECT0 : 0;
    return t->ecn.syn_ecn;
}

/* RFC 3168 §6.1.4, §6.1.5: neither pure ACKs nor what is sent again may be marked. */
uint16_t ecn_on_send(struct tcb *t, bool data, bool fresh, uint8_t *ip) {
    uint16_t flags = 0;
    *ip = 0;
    if (t->accecn.on) {
        *ip = t->accecn.mangled ? 0 : ECN_ECT0;
        return accecn_flags(t, false);
    }
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
    if (t->accecn.on)
        return accecn_has_cwr(t);
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

void ecn_on_segment(struct stack *st, struct tcb *t, const struct seg *s) {
    bool marked = (s->in->tos & ECN_MASK) == ECN_CE;
    t->ecn.seen = t->ecn.seen || ((t->ecn.on || t->accecn.on) && (s->in->tos & ECN_MASK) != 0);
    if (t->accecn.on)
        accecn_on_arrival(st, t, s);
    if (!t->ecn.on || s->len == 0)
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

uint32_t ecn_marked_bytes(struct tcb *t, const struct seg *s, uint32_t delivered) {
    if (t->accecn.on)
        return delivered > 0 ? u32_min(accecn_marks(t, s) * t->snd.mss, delivered) : 0;
    return t->ecn.on && seg_has(s, TH_ECE) && !seg_has(s, TH_SYN) ? u32_max(delivered, 1) : 0;
}

void ecn_on_reduced(struct tcb *t) {
    t->ecn.cwr_due = t->ecn.on;
}
