/* What the peer has told of data received out of order, and what follows from it: the arithmetic of
 * RFC 6675 over sorted ranges, so every question costs O(log n) or one pass over the ranges (V14).
 *
 * Without SACK each duplicate ACK stands for one segment that arrived (as RFC 6582's inflation of
 * cwnd has it), so that the same pipe serves both kinds of connections.
 *
 * Invariant: all ranges lie above snd.una and not above snd.nxt. */
#include "stack/tcp/tcb.h"

/* RFC 2018 §5, RFC 2883: a block is believed only within what was sent and not yet acknowledged. */
static bool block_is_sane(const struct tcb *t, seq_t lo, seq_t hi) {
    return seq_lt(lo, hi) && seq_ge(lo, t->snd.una) && seq_le(hi, t->snd.nxt);
}

/* RFC 2883 §4: the first block reports a duplicate when it lies below the ACK or inside the second
 * block. */
static bool is_dsack(const struct seg *s) {
    const struct tcp_opts *o = &s->h.opt;
    if (seq_le(o->sack[0].hi, s->h.ack) && seq_lt(o->sack[0].lo, o->sack[0].hi))
        return true;
    return o->nsack > 1 && seq_ge(o->sack[0].lo, o->sack[1].lo) &&
           seq_le(o->sack[0].hi, o->sack[1].hi);
}

uint32_t scoreboard_update(struct stack *st, struct tcb *t, const struct seg *s, bool *dsack) {
    const struct tcp_opts *o = &s->h.opt;
    uint32_t added = 0;
    *dsack = false;
    if (!t->use_sack || o->nsack == 0)
        return 0;
    *dsack = is_dsack(s);
    for (int i = *dsack; i < o->nsack; i++) {
        if (!block_is_sane(t, o->sack[i].lo, o->sack[i].hi))
            continue;
        int64_t n = ranges_add(&t->loss.sacked, o->sack[i].lo, o->sack[i].hi);
        if (n < 0)
            st->ctr.TcpSackFull++; /* RFC 2018: only an advice; what is not kept is sent again */
        else
            added += (uint32_t)n;
    }
    return added;
}

void scoreboard_on_ack(struct tcb *t) {
    ranges_trim_below(&t->loss.sacked, t->snd.una);
}

uint32_t scoreboard_sacked(const struct tcb *t) {
    if (t->use_sack)
        return t->loss.sacked.bytes;
    /* At least the segment at snd.una is missing. */
    uint32_t out = tcb_outstanding(t), mss = t->snd.mss;
    uint64_t est = (uint64_t)t->loss.dup_acks * mss;
    return out <= mss ? 0 : est < out - mss ? (uint32_t)est : out - mss;
}

/* IsLost(S), RFC 6675 §4: DupThresh discontiguous ranges, or more than (DupThresh - 1) * SMSS
 * bytes, have been SACKed above S. Both only grow towards lower S, so there is one boundary. */
seq_t scoreboard_lost_end(const struct tcb *t) {
    const struct ranges *s = &t->loss.sacked;
    uint32_t bytes = 0;
    for (uint32_t i = s->n; i-- > 0;) {
        bytes += (uint32_t)seq_diff(s->r[i].hi, s->r[i].lo);
        if (s->n - i >= TCP_DUP_THRESH || bytes > (TCP_DUP_THRESH - 1) * t->snd.mss)
            return s->r[i].lo;
    }
    return t->snd.una;
}

static uint32_t unsacked_in(const struct tcb *t, seq_t lo, seq_t hi) {
    if (seq_ge(lo, hi))
        return 0;
    return (uint32_t)seq_diff(hi, lo) - ranges_bytes_in(&t->loss.sacked, lo, hi);
}

/* SetPipe(), RFC 6675 §4: what is neither SACKed nor lost and not yet sent again. */
uint32_t scoreboard_pipe(const struct tcb *t) {
    uint32_t out = tcb_outstanding(t), gone = scoreboard_sacked(t);
    seq_t lo = seq_max(t->loss.high_rxt, t->snd.una), hi = seq_min(t->loss.lost_end, t->snd.nxt);
    gone += unsacked_in(t, lo, hi);
    return out > gone ? out - gone : 0;
}

bool scoreboard_next_hole(const struct tcb *t, seq_t lo, seq_t hi, struct range *hole) {
    const struct range *r;
    lo = seq_max(lo, t->snd.una);
    while ((r = ranges_at_or_after(&t->loss.sacked, lo)) != NULL && seq_le(r->lo, lo))
        lo = r->hi; /* lo was inside it */
    if (seq_ge(lo, hi))
        return false;
    hole->lo = lo;
    hole->hi = r != NULL ? seq_min(r->lo, hi) : hi;
    return true;
}
