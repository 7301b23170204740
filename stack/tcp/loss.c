/* The states of loss recovery:
 *
 *     OPEN ⇄ DISORDER → RECOVERY → OPEN         something is known to be lost (RFC 8985, 6582)
 *       any → RTO → OPEN                        the retransmission timeout (RFC 6298, 5681 §3.1)
 *     OPEN, DISORDER → CWR → OPEN               cwnd comes down, nothing is sent again
 *
 * Records marked as lost (sent.h) are what output sends again, the lowest first, as far as the pipe
 * leaves room in cwnd; so limited transmit (RFC 3042), partial ACKs and slow start after a timeout
 * need no code of their own there. RECOVERY ends when snd.una reaches loss.recover, CWR behind it.
 *
 * F-RTO (RFC 5682): after the timeout's retransmission is acknowledged, new data goes out first. If
 * then something arrives that was never sent again, the timeout was spurious. */
#include "stack/tcp/loss.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#define THIN_SEGMENTS 4u
#define THIN_RETRIES  6u /* TCP_THIN_LINEAR_RETRIES */

void loss_init(struct tcb *t) {
    /* RFC 6582 §3.2 step 1: before anything that can be lost. */
    t->loss.recover = t->snd.iss;
    t->loss.backoff = 0;
    t->loss.state = LOSS_OPEN;
}

static bool reduces(const struct tcb *t) {
    return t->loss.state == LOSS_RECOVERY || t->loss.state == LOSS_CWR;
}

/* ---- marks ---- */

/* Without SACK: the segment at snd.una is lost. */
static void mark_head(struct stack *st, struct tcb *t) {
    struct sent *r = sent_first(t);
    if (r == NULL || r->flags & (SENT_LOST | SENT_SACKED))
        return;
    if (sent_len(r) > t->snd.mss)
        (void)sent_split(st, t, r, seq_add(r->lo, t->snd.mss));
    sent_mark_lost(st, t, r);
}

static void detect(struct stack *st, struct tcb *t) {
    if (t->use_sack)
        tcp_on_reordering(st, t, rack_detect(st, t));
}

/* RFC 6582 §3.2 step 2: not for duplicates that our own retransmissions have caused. */
static bool duplicates_show_loss(const struct tcb *t) {
    return !t->use_sack && t->loss.dup_acks >= t->rack.reordering &&
           seq_gt(t->snd.una, t->loss.recover);
}

/* ---- RECOVERY and CWR ---- */

static void begin_reduction(struct tcb *t, enum loss_state state, const struct ack_news *n) {
    uint32_t in_flight = tcb_outstanding(t) - scoreboard_sacked(t) + n->rs.acked_sacked;
    t->tlp.out = false;
    t->loss.state = (uint8_t)state;
    t->loss.recover = t->snd.nxt; /* RFC 6582 §3.2 step 2 */
    cc_on_recovery(t, tcb_outstanding(t));
    prr_begin(t, in_flight);
    ecn_on_reduced(t);
}

/* What is lost goes again, but congestion is not what it was lost by. */
static void send_lost_again(struct tcb *t) {
    t->loss.state = LOSS_RTO;
    t->loss.recover = t->snd.nxt;
    t->loss.dup_acks = 0;
    t->loss.frto = t->loss.new_first = t->undo.possible = false;
}

static void enter_recovery(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (t->use_sack)
        st->ctr.TcpExtTCPSackRecovery++;
    else
        st->ctr.TcpExtTCPRenoRecovery++;
    undo_begin(t);
    begin_reduction(t, LOSS_RECOVERY, n);
    if (!t->use_sack)
        mark_head(st, t);
}

/* Nothing is sent again, so there will be nothing to take back. */
static void begin_cwr(struct tcb *t, const struct ack_news *n) {
    t->undo.possible = false;
    begin_reduction(t, LOSS_CWR, n);
}

static void settle(struct tcb *t) {
    bool disorder = scoreboard_sacked(t) > 0;
    t->loss.state = disorder ? LOSS_DISORDER : LOSS_OPEN;
}

/* RFC 9937 §5: the end is at ssthresh. */
static void leave_reduction(struct tcb *t) {
    if (t->loss.state == LOSS_RECOVERY)
        rack_on_recovery_end(t);
    t->loss.dup_acks = 0;
    cc_on_recovery_end(t);
    settle(t);
}

/* The probe was lost and mended by itself: one loss, to which cwnd reacts (RFC 8985 §7.4.2). */
static void on_tlp_mended(struct stack *st, struct tcb *t, const struct ack_news *n) {
    st->ctr.TcpExtTCPLossProbeRecovery++;
    if (t->loss.state > LOSS_DISORDER)
        return;
    begin_cwr(t, n);
    leave_reduction(t);
}

/* ---- undoing ---- */

static bool try_undo_recovery(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (!undo_may(t, n))
        return false;
    if (t->loss.state == LOSS_RTO)
        st->ctr.TcpExtTCPLossUndo++;
    else
        st->ctr.TcpExtTCPFullUndo++;
    undo_do(st, t, false);
    return true;
}

/* Of a timeout. spurious: F-RTO says so. */
static bool try_undo_timeout(struct stack *st, struct tcb *t, const struct ack_news *n,
                             bool spurious) {
    if (!t->undo.possible || !(spurious || undo_may(t, n)))
        return false;
    st->ctr.TcpExtTCPLossUndo++;
    if (spurious)
        st->ctr.TcpExtTCPSpuriousRTOs++;
    undo_do(st, t, true);
    t->loss.backoff = 0;
    t->loss.frto = false;
    settle(t);
    return true;
}

/* All that was sent again was there already: whatever the state, the loss was none. */
static void try_undo_dsack(struct stack *st, struct tcb *t) {
    if (t->loss.state == LOSS_RTO || !undo_all_duplicate(t))
        return;
    st->ctr.TcpExtTCPDSACKUndo++;
    bool recovering = t->loss.state == LOSS_RECOVERY;
    undo_do(st, t, recovering);
    if (recovering)
        settle(t);
}

/* A partial ACK for something sent before the first retransmission (Eifel): nothing was lost yet.
 */
static bool try_undo_partial(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (!t->undo.possible || !undo_is_delayed(t, n) || t->sent.rtx_bytes > 0)
        return false;
    st->ctr.TcpExtTCPPartialUndo++;
    undo_do(st, t, true);
    settle(t);
    return true;
}

/* ---- an ACK ---- */

/* RFC 6582 §3.2 step 3: a partial ACK tells that the segment it stops at is lost, too. */
static void on_partial_ack(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (!try_undo_partial(st, t, n) && !t->use_sack)
        mark_head(st, t);
}

static void on_ack_in_reduction(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (n->acked == 0)
        return;
    if (t->loss.state == LOSS_CWR) {
        /* Not at the recovery point but behind it: else the same marks would reduce again. */
        if (seq_gt(t->snd.una, t->loss.recover))
            leave_reduction(t);
        return;
    }
    if (seq_lt(t->snd.una, t->loss.recover)) {
        on_partial_ack(st, t, n);
        return;
    }
    if (try_undo_recovery(st, t, n)) {
        rack_on_recovery_end(t);
        t->loss.dup_acks = 0;
        settle(t);
        return;
    }
    leave_reduction(t);
}

/* RFC 5682 §2.1 and §3.1. True: the timeout was spurious, or new data is to go first. */
static bool frto(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (!t->loss.frto)
        return false;
    if (n->original_acked && try_undo_timeout(st, t, n, true))
        return true;
    if (seq_gt(t->snd.nxt, t->loss.recover)) { /* step 3: the new data did not help */
        if (n->sacked > 0 || n->dup)
            t->loss.frto = false;
    } else if (n->acked > 0 && seq_lt(t->snd.una, t->loss.recover)) { /* step 2b */
        t->loss.recover = t->snd.nxt;
        t->loss.new_first = true;
        return true;
    }
    return false;
}

static void on_ack_after_timeout(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (n->acked > 0 && try_undo_timeout(st, t, n, false))
        return;
    if (frto(st, t, n))
        return;
    if (n->acked > 0 && seq_ge(t->snd.una, t->loss.recover)) {
        (void)try_undo_recovery(st, t, n);
        rack_on_recovery_end(t);
        t->loss.dup_acks = 0;
        settle(t);
    } else if (n->acked > 0) {
        t->loss.dup_acks = 0;
    }
}

static void on_ack_in_order(struct tcb *t, const struct ack_news *n) {
    if (n->acked > 0 && seq_gt(t->snd.una, t->loss.recover)) {
        /* Else it would look ahead after 2 GiB. */
        t->loss.recover = seq_sub(t->snd.una, 1);
        t->undo.possible = t->undo.possible && t->loss.state == LOSS_DISORDER;
    }
    settle(t);
}

/* Without SACK: what is acknowledged takes the duplicates away that stood for it, which have
 * counted as delivered before; but for one segment, the hole that they told of (Linux's
 * tcp_remove_reno_sacks). */
static void settle_duplicates(struct tcb *t, struct ack_news *n) {
    if (t->use_sack || n->acked == 0 || t->loss.dup_acks == 0)
        return;
    uint32_t known = u32_min(t->loss.dup_acks, tcb_segments(t, n->acked) - 1);
    uint32_t left = tcb_segments(t, tcb_outstanding(t));
    n->rs.acked_sacked -= u32_min(n->rs.acked_sacked, known * t->snd.mss);
    t->rate.delivered -= (uint64_t)known * t->snd.mss;
    t->loss.dup_acks = u32_min(t->loss.dup_acks - known, left > 0 ? left - 1 : 0);
}

static void count_duplicate(struct stack *st, struct tcb *t, struct ack_news *n) {
    if (t->use_sack || !n->dup ||
        (t->loss.state == LOSS_RTO && seq_le(t->snd.nxt, t->loss.recover)))
        return;
    t->loss.dup_acks++;
    n->rs.acked_sacked += t->snd.mss;
    t->rate.delivered += t->snd.mss;
    t->rate.delivered_ns = st->now_ns;
    if (t->loss.state == LOSS_OPEN)
        t->loss.state = LOSS_DISORDER;
}

static void move_cwnd(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (cc_control(st, t, &n->rs))
        return;
    if (reduces(t))
        prr_on_ack(t, n->rs.acked_sacked, n->acked > 0 && n->rs.losses == 0);
    else if (n->acked > 0 || (t->rack.reordering_seen && n->sacked > 0))
        cc_on_ack(st, t, n->rs.acked_sacked, &n->rs);
}

void loss_on_ack(struct stack *st, struct tcb *t, struct ack_news *n) {
    uint64_t lost = t->rate.lost;
    if (n->acked > 0)
        t->loss.backoff = 0;
    cc_watch(st, t, &n->rs);
    undo_on_dsack(t, n, n->prior_una);
    rack_on_ack(st, t, n);
    if (tlp_on_ack(t, n))
        on_tlp_mended(st, t, n);
    settle_duplicates(t, n);
    count_duplicate(st, t, n);
    if (t->loss.state == LOSS_RTO)
        on_ack_after_timeout(st, t, n);
    else if (reduces(t))
        on_ack_in_reduction(st, t, n);
    else
        on_ack_in_order(t, n);
    try_undo_dsack(st, t);
    detect(st, t);
    n->rs.losses = (uint32_t)(t->rate.lost - lost);
    if (t->loss.state < LOSS_RECOVERY && (t->sent.lost_bytes > 0 || duplicates_show_loss(t))) {
        if (mtu_probe_was_lost(st, t)) {
            mark_head(st, t);
            send_lost_again(t);
        } else {
            enter_recovery(st, t, n);
        }
    }
    if (n->rs.marked > 0 && t->loss.state < LOSS_CWR) /* RFC 3168 §6.1.2: once a round trip */
        begin_cwr(t, n);
    move_cwnd(st, t, n);
}

/* ---- timers ---- */

/* A thin stream (Linux: tcp_stream_is_thin) never has the duplicates that would spare it the
 * timeout, and puts no load on the path: it may try again without RFC 6298 (5.5) for a while. */
static bool backs_off(const struct stack *st, const struct tcb *t) {
    bool linear = st->tcp->cfg.thin_linear || t->opts.thin_linear != 0;
    return !linear || tcb_segments(t, tcb_outstanding(t)) >= THIN_SEGMENTS ||
           t->loss.backoff > THIN_RETRIES;
}

/* RFC 6298 (5.4)-(5.6), RFC 5681 §3.1; RFC 8985 §6.3: what was sent but a moment ago is spared. */
void loss_on_timeout(struct stack *st, struct tcb *t) {
    bool fresh = t->loss.state < LOSS_RECOVERY, first = fresh || t->loss.backoff == 0;
    struct sent *r, *head = sent_first(t);
    st->ctr.TcpExtTCPTimeouts++;
    t->loss.state = LOSS_RTO;
    if (first) {
        undo_begin(t);
        cc_on_rto(t, tcb_outstanding(t));
        ecn_on_reduced(t);
    }
    /* RFC 2018 §8: what the receiver has SACKed and not acknowledged, it has thrown away. */
    bool reneged = head != NULL && head->flags & SENT_SACKED;
    if (reneged) {
        st->ctr.TcpExtTCPSACKReneging++;
        sent_unmark_sacked(t);
    }
    for (r = head; r != NULL; r = sent_next(r)) {
        bool spared = r != head && t->use_sack && !reneged && !rack_is_overdue(st, t, r);
        if (!(r->flags & SENT_SACKED) && !spared)
            sent_mark_lost(st, t, r);
    }
    t->loss.dup_acks = 0;
    t->loss.recover = t->snd.nxt;
    t->loss.frto = st->tcp->cfg.frto != 0 && (fresh || t->loss.backoff > 0);
    t->loss.new_first = false;
    t->loss.backoff++;
    account_on_timeout(st, t);
    t->tlp.out = false;
    t->cc.cwnd_bytes = scoreboard_pipe(t) + t->snd.mss; /* LW */
    if (backs_off(st, t))
        rtt_backoff(t);
}

void loss_on_reorder_timeout(struct stack *st, struct tcb *t) {
    struct ack_news none = {.prior_una = t->snd.una};
    t->rack.advanced = true;
    uint64_t lost = t->rate.lost;
    detect(st, t);
    none.rs.losses = (uint32_t)(t->rate.lost - lost);
    if (none.rs.losses == 0)
        return;
    if (t->loss.state < LOSS_RECOVERY)
        enter_recovery(st, t, &none);
    if (reduces(t) && !cc_has_control(t))
        prr_on_ack(t, t->snd.mss, false); /* as Linux: else nothing would be let go */
}

/* What went as a probe was thrown away: again now, not after a backed-off timeout. */
void loss_on_window_opened(struct stack *st, struct tcb *t) {
    struct sent *r = sent_first(t);
    if (t->loss.state == LOSS_RTO && r != NULL && r->flags & SENT_RTX)
        sent_mark_lost(st, t, r);
}

/* As Linux's tcp_simple_retransmit: it says nothing of congestion, so no window changes. */
void loss_mark_all(struct stack *st, struct tcb *t) {
    struct sent *r;
    for (r = sent_first(t); r != NULL; r = sent_next(r))
        if (!(r->flags & SENT_SACKED))
            sent_mark_lost(st, t, r);
    if (t->sent.lost_bytes == 0 || t->loss.state == LOSS_RTO)
        return;
    send_lost_again(t);
}

/* ---- for output ---- */

bool loss_next_rtx(struct tcb *t, struct range *r) {
    struct sent *lost = sent_next_lost(t);
    if (lost == NULL)
        return false;
    *r = (struct range){lost->lo, lost->hi};
    return true;
}

void loss_on_retransmit(struct stack *st, struct tcb *t, const struct range *r) {
    mtu_on_retransmit(t);
    struct sent *rec = sent_find(t, r->lo);
    if (rec == NULL)
        return;
    if (seq_gt(rec->hi, r->hi))
        (void)sent_split(st, t, rec, r->hi);
    if (t->loss.state == LOSS_RTO)
        st->ctr.TcpExtTCPSlowStartRetrans++;
    else if (rec->flags & SENT_LOST)
        st->ctr.TcpExtTCPFastRetrans++;
    sent_mark_resent(st, t, rec);
    undo_on_resent(st, t, sent_len(rec));
    prr_on_sent(t, sent_len(rec));
}
