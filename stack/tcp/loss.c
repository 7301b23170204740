/* Loss detection and recovery: fast retransmit with SACK (RFC 6675) or without (RFC 6582), and the
 * retransmission timeout (RFC 6298).
 *
 * Everything is said by three numbers: bytes below lost_end that are not SACKed are lost; those of
 * them below high_rxt have been sent again; recovery ends when snd.una reaches recover. Output asks
 * loss_next_rtx for what lies between, and sends it as far as the pipe leaves room in cwnd; so
 * limited transmit (RFC 3042), partial ACKs and slow start after a timeout need no code of their
 * own there. What marks bytes as lost (RACK, say) may come as another file.
 *
 * Not here: undoing a spurious recovery (F-RTO, Eifel), proportional rate reduction. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

static bool recovering(const struct tcb *t) {
    return t->loss.state == LOSS_RECOVERY || t->loss.state == LOSS_RTO;
}

static void mark_head(struct tcb *t) {
    seq_t end = seq_min(seq_add(t->snd.una, t->snd.mss), t->snd.nxt);
    t->loss.lost_end = seq_max(t->loss.lost_end, end);
}

static void enter_recovery(struct stack *st, struct tcb *t) {
    if (t->use_sack)
        st->ctr.TcpExtTCPSackRecovery++;
    else
        st->ctr.TcpExtTCPRenoRecovery++;
    st->ctr.TcpExtTCPFastRetrans++;
    t->loss.state = LOSS_RECOVERY;
    t->loss.recover = t->snd.nxt; /* RFC 6675 §5 (4.1), RFC 6582 §3.2 step 2 */
    t->loss.high_rxt = t->snd.una;
    t->loss.lost_end = t->use_sack ? scoreboard_lost_end(t) : t->snd.una;
    mark_head(t);
    t->loss.rescue_done = false;
    t->loss.force = true; /* RFC 6675 §5 (4.3): whatever the pipe is */
    cc_on_recovery(t, tcb_outstanding(t));
}

static void leave_recovery(struct tcb *t) {
    bool fast = t->loss.state == LOSS_RECOVERY;
    t->loss.state = t->loss.sacked.n > 0 ? LOSS_DISORDER : LOSS_OPEN;
    t->loss.dup_acks = 0;
    t->loss.force = false;
    t->loss.high_rxt = t->loss.lost_end = t->snd.una;
    if (fast)
        cc_on_recovery_end(t);
}

/* RFC 6582 §3.2 step 3: a partial ACK tells that the segment it stops at is lost, too. It also
 * takes away the duplicates that stood for what it acknowledges, less the one sent again. */
static void on_partial_ack(struct tcb *t, uint32_t acked) {
    t->loss.high_rxt = seq_max(t->loss.high_rxt, t->snd.una);
    if (t->loss.state != LOSS_RECOVERY)
        return;
    if (!t->use_sack) {
        uint32_t segs = (acked + t->snd.mss - 1) / t->snd.mss - 1;
        t->loss.dup_acks -= u32_min(t->loss.dup_acks, segs);
        t->loss.force = true;
        mark_head(t);
    } else if (seq_eq(t->loss.high_rxt, t->snd.una) && t->loss.sacked.n > 0) {
        mark_head(t);
    }
}

static void on_cumulative_ack(struct tcb *t, uint32_t acked) {
    t->loss.backoff = 0;
    if (!recovering(t)) {
        t->loss.dup_acks = 0;
        t->loss.state = t->loss.sacked.n > 0 ? LOSS_DISORDER : LOSS_OPEN;
        t->loss.high_rxt = t->loss.lost_end = t->snd.una;
        if (seq_gt(t->snd.una, t->loss.recover)) /* else it would look ahead after 2 GiB */
            t->loss.recover = seq_sub(t->snd.una, 1);
        cc_on_ack(t, acked);
        return;
    }
    if (t->loss.state == LOSS_RTO)
        cc_on_ack(t, acked); /* slow start (RFC 5681 §3.1) */
    if (seq_ge(t->snd.una, t->loss.recover))
        leave_recovery(t);
    else
        on_partial_ack(t, acked);
}

static bool detects_loss(const struct tcb *t) {
    if (tcb_outstanding(t) == 0)
        return false;
    if (t->use_sack) /* RFC 6675 §5 (1), (2) */
        return t->loss.dup_acks >= TCP_DUP_THRESH || seq_gt(scoreboard_lost_end(t), t->snd.una);
    /* RFC 6582 §3.2 step 2: not for duplicates that our own retransmissions have caused. */
    return t->loss.dup_acks >= TCP_DUP_THRESH && seq_gt(t->snd.una, t->loss.recover);
}

void loss_on_ack(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (n->acked > 0)
        on_cumulative_ack(t, n->acked);
    if (n->dup && t->loss.state != LOSS_RTO) {
        t->loss.dup_acks++;
        if (t->loss.state == LOSS_OPEN)
            t->loss.state = LOSS_DISORDER;
    }
    if (t->loss.state == LOSS_RECOVERY && t->use_sack)
        t->loss.lost_end = seq_max(t->loss.lost_end, scoreboard_lost_end(t));
    if (!recovering(t) && detects_loss(t))
        enter_recovery(st, t);
}

/* RFC 6298 (5.4)-(5.6), RFC 5681 §3.1, RFC 6675 §5.1: all that is not SACKed is lost. */
void loss_on_timeout(struct stack *st, struct tcb *t) {
    st->ctr.TcpExtTCPTimeouts++;
    cc_on_rto(t, tcb_outstanding(t), t->loss.backoff == 0);
    /* RFC 2018 §8: the receiver may have reneged. Certainly so when it has SACKed what stands at
     * snd.una; and a second timeout in a row makes it likely. */
    if (t->loss.backoff > 0 || ranges_find(&t->loss.sacked, t->snd.una) != NULL)
        ranges_clear(&t->loss.sacked);
    t->loss.backoff++;
    t->loss.state = LOSS_RTO;
    t->loss.dup_acks = 0;
    t->loss.force = false;
    t->loss.recover = t->loss.lost_end = t->snd.nxt;
    t->loss.high_rxt = t->snd.una;
    rtt_on_retransmit(t);
    rtt_backoff(t);
}

/* What went as a probe was thrown away: again now, not after a backed-off timeout. */
void loss_on_window_opened(struct tcb *t) {
    if (t->loss.state == LOSS_RTO)
        t->loss.high_rxt = t->snd.una;
}

void loss_mark_all(struct tcb *t) {
    if (tcb_outstanding(t) == 0 || t->loss.state == LOSS_RTO)
        return;
    t->loss.state = LOSS_RECOVERY;
    t->loss.recover = t->loss.lost_end = t->snd.nxt;
    t->loss.high_rxt = t->snd.una;
    t->loss.dup_acks = 0;
    t->loss.rescue_done = true;
    t->loss.force = true;
}

/* NextSeg() rule 1. */
bool loss_next_rtx(const struct tcb *t, struct range *r) {
    if (!recovering(t))
        return false;
    return scoreboard_next_hole(t, t->loss.high_rxt, seq_min(t->loss.lost_end, t->snd.nxt), r);
}

void loss_on_retransmit(struct tcb *t, const struct range *r) {
    t->loss.force = false;
    t->loss.high_rxt = seq_max(t->loss.high_rxt, r->hi);
    rtt_on_retransmit(t);
}

/* NextSeg() rule 3: a hole below what was SACKed, though not known to be lost. Rule 4: the last
 * segment, once a recovery, so that a lost tail does not need a timeout. */
bool loss_last_resort(struct tcb *t, struct range *r) {
    const struct ranges *s = &t->loss.sacked;
    if (t->loss.state != LOSS_RECOVERY || !t->use_sack)
        return false;
    if (s->n > 0 && scoreboard_next_hole(t, t->loss.high_rxt, s->r[s->n - 1].hi, r)) {
        r->hi = seq_min(r->hi, seq_add(r->lo, t->snd.mss));
        t->loss.high_rxt = r->hi;
        return true;
    }
    seq_t lo = s->n > 0 ? s->r[s->n - 1].hi : t->snd.una;
    lo = seq_max(lo, seq_sub(t->snd.nxt, t->snd.mss));
    if (t->loss.rescue_done || seq_ge(lo, t->snd.nxt))
        return false;
    t->loss.rescue_done = true;
    *r = (struct range){lo, t->snd.nxt};
    return true;
}
