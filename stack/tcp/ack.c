/* The ACK field of an acceptable segment (RFC 9293 §3.10.7.4, fifth). */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

void ack_window_init(struct tcb *t, const struct seg *s) {
    t->snd.wnd = s->wnd;
    t->snd.max_wnd = u32_max(t->snd.max_wnd, s->wnd);
    t->snd.wl1 = s->h.seq;
    t->snd.wl2 = s->h.ack;
}

/* True when the window has changed. The peer may shrink it (MUST-34). An ACK that moves SND.UNA is
 * news in any case, even on a segment older than the last (as in Linux). */
static bool update_window(struct tcb *t, const struct seg *s, uint32_t acked) {
    bool newer = seq_lt(t->snd.wl1, s->h.seq) ||
                 (seq_eq(t->snd.wl1, s->h.seq) && seq_le(t->snd.wl2, s->h.ack));
    if (!newer && acked == 0)
        return false;
    bool changed = t->snd.wnd != s->wnd;
    ack_window_init(t, s);
    return changed;
}

/* SND.UNA moves: what is acknowledged leaves the queue. */
static void advance(struct stack *st, struct tcb *t, const struct seg *s, struct ack_news *n) {
    seq_t ack = s->h.ack;
    seq_t end = seq_min(ack, tcb_data_end(t));
    uint32_t bytes = seq_gt(end, t->snd.buf_seq) ? (uint32_t)seq_diff(end, t->snd.buf_seq) : 0;
    t->snd.una = ack;
    if (bytes > 0) {
        t->snd.buf_seq = end;
        stream_consume(&st->chunks, &t->snd.buf, bytes);
        t->snd.bytes_acked += bytes;
    }
    urgent_on_ack(t, ack);
    marks_on_ack(st, t, ack);
    t->snd.confirmed = true;
    t->soft_error = 0;
    scoreboard_on_ack(st, t, n);
}

/* Our FIN is acknowledged. */
static void on_fin_acked(struct stack *st, struct tcb *t) {
    switch (t->state) {
    case TCPS_FIN_WAIT_1:
        tcb_set_state(st, t, TCPS_FIN_WAIT_2);
        break;
    case TCPS_CLOSING:
        tcb_set_state(st, t, TCPS_TIME_WAIT);
        break;
    case TCPS_LAST_ACK:
        tcb_finish(st, t, 0);
        break;
    default:
        break;
    }
}

/* SYN-RCVD: does the ACK complete the handshake? False: drop the segment. */
static bool complete_handshake(struct stack *st, struct tcb *t, struct seg *s) {
    if (seq_le(s->h.ack, t->snd.iss) || seq_gt(s->h.ack, t->snd.nxt)) {
        reset_reply(st, t, s);
        return false;
    }
    if (t->holder == TCB_SYNQ && !listen_may_establish(st, t, s))
        return false;
    ack_window_init(t, s);
    accecn_on_handshake_ack(t, s);
    tcb_establish(st, t, s);
    if (t->holder == TCB_SYNQ)
        listen_established(st, t);
    return true;
}

/* RFC 5961 §5.2: older than any window we were given, or acknowledging what was never sent (V25).
 */
static bool ack_is_possible(struct stack *st, struct tcb *t, const struct seg *s) {
    if (seq_gt(s->h.ack, t->snd.nxt))
        st->ctr.TcpUnsentAcks++;
    else if (seq_ge(s->h.ack, seq_sub(t->snd.una, t->snd.max_wnd)))
        return true;
    challenge_ack(st, t);
    return false;
}

/* RFC 5681 §2; with SACK, RFC 6675 §2: what brings news of a hole. */
static bool is_duplicate(const struct tcb *t, const struct seg *s, const struct ack_news *n,
                         bool window_changed) {
    if (n->acked > 0 || n->flight == 0 || !seq_eq(s->h.ack, t->snd.una))
        return false;
    if (t->use_sack)
        return n->sacked > 0;
    return s->wire_len == 0 && !s->fin && !window_changed;
}

static struct ack_news news_of(struct tcb *t, const struct seg *s) {
    const struct tcp_opts *o = &s->h.opt;
    return (struct ack_news){.acked = (uint32_t)seq_diff(s->h.ack, t->snd.una),
                             .flight = tcb_outstanding(t),
                             .tsecr_ok = t->use_ts && o->has_ts && o->tsecr != 0,
                             .tsecr = o->tsecr,
                             .prior_una = t->snd.una,
                             .high_sacked = t->sent.high_sacked,
                             .reordered = t->snd.nxt};
}

void ack_learn(struct stack *st, struct tcb *t, const struct seg *s) {
    struct ack_news n = news_of(t, s);
    t->snd.hold = false;
    if (n.acked > 0)
        advance(st, t, s, &n);
    scoreboard_update(st, t, s, &n);
    rtt_on_ack(st, t, &n);
    rate_finish(st, t, &n.rs);
    bool was_closed = t->snd.wnd == 0, window_changed = update_window(t, s, n.acked);
    if (was_closed && window_changed)
        loss_on_window_opened(st, t);
    n.dup = is_duplicate(t, s, &n, window_changed);
    n.rs.marked = ecn_marked_bytes(t, s, n.rs.acked_sacked);
    if (n.flight > 0 || n.dsack)
        loss_on_ack(st, t, &n);
    pace_update(st, t);
    if (n.acked > 0) {
        mtu_on_ack(st, t);
        tcp_on_acked(st, t);
        sndbuf_grow(st, t);
        tcb_check_space(st, t);
    }
}

/* It was overtaken by a later ACK; but its SACK blocks may be news (as in Linux). */
static void learn_overtaken(struct stack *st, struct tcb *t, const struct seg *s) {
    struct ack_news n = news_of(t, s);
    n.acked = 0;
    scoreboard_update(st, t, s, &n);
    if (n.sacked > 0)
        loss_on_ack(st, t, &n);
}

/* Proportional rate reduction (RFC 9937 §5) goes by what is in flight when a loss is found. What
 * the ACKs before it in the same batch have set free must be on its way by then: else it looks as
 * if nearly everything were lost, and a round trip passes before the window is filled again. */
static void send_before_bad_news(struct stack *st, struct tcb *t, const struct seg *s) {
    bool dup = seq_eq(s->h.ack, t->snd.una) && s->wire_len == 0 && tcb_outstanding(t) > 0;
    if (t->want_flush && t->loss.state <= LOSS_DISORDER && (t->use_sack ? s->h.opt.nsack > 0 : dup))
        tcp_output(st, t);
}

bool ack_process(struct stack *st, struct tcb *t, struct seg *s) {
    if (!seg_has(s, TH_ACK))
        return false;
    if (t->state == TCPS_SYN_RCVD && !complete_handshake(st, t, s))
        return false;
    if (!ack_is_possible(st, t, s))
        return false;
    t->snd.last_ack_ns = st->now_ns;
    t->probes = 0; /* MUST-37: a window probe that is answered is no failure */
    if (seq_lt(s->h.ack, t->snd.una)) {
        learn_overtaken(st, t, s);
        if (tcb_outstanding(t) > 0)
            tcb_want_flush(st, t);
        return true; /* its text counts */
    }
    send_before_bad_news(st, t, s);
    ack_learn(st, t, s);
    account_on_ack(st, t);
    if (tcb_fin_sent(t) && seq_eq(t->snd.una, t->snd.nxt))
        on_fin_acked(st, t);
    if (tcb_outstanding(t) > 0 || tcb_unsent(t) > 0 || t->snd.fin_queued)
        tcb_want_flush(st, t);
    return true;
}
