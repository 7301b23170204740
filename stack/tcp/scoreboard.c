/* What the peer has told of data received out of order (RFC 2018, 2883), entered into the records
 * of what was sent, and what is in flight.
 *
 * Without SACK each duplicate ACK stands for one segment that arrived (as RFC 6582's inflation of
 * cwnd has it), so that the same pipe serves both kinds of connections. */
#include "stack/tcp/loss.h"
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

void scoreboard_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, uint32_t bytes,
                             struct ack_news *n) {
    if (!(r->flags & SENT_EVER_RTX)) {
        /* An original that arrived although it was sent before what had arrived: reordering. */
        if (seq_lt(r->lo, n->high_sacked) && seq_lt(r->lo, n->reordered))
            n->reordered = r->lo;
        if (seq_le(r->hi, t->loss.recover))
            n->original_acked = true;
        if (!(r->flags & SENT_JOINED)) {
            if (n->first_sent_ns == 0)
                n->first_sent_ns = r->sent_ns;
            n->last_sent_ns = r->sent_ns;
        }
    }
    account_on_delivered(t, r, bytes);
    rack_on_delivered(st, t, r, n->tsecr_ok, n->tsecr);
    rate_on_delivered(st, t, r, bytes, &n->rs);
}

/* The part of r within [lo, hi), cut out at multiples of the MSS; NULL: no whole segment of it. */
static struct sent *cut_out(struct stack *st, struct tcb *t, struct sent *r, seq_t lo, seq_t hi) {
    uint32_t mss = t->snd.mss, len = sent_len(r), skip = 0, end = len;
    if (seq_lt(r->lo, lo))
        skip = ((uint32_t)seq_diff(lo, r->lo) + mss - 1) / mss * mss;
    if (seq_gt(r->hi, hi))
        end = (uint32_t)seq_diff(hi, r->lo) / mss * mss;
    if (skip >= end)
        return NULL;
    seq_t first = r->lo;
    if (skip > 0 && (r = sent_split(st, t, r, seq_add(first, skip))) == NULL)
        return NULL;
    if (end < len && sent_split(st, t, r, seq_add(first, end)) == NULL)
        return NULL;
    return r;
}

static uint32_t enter_block(struct stack *st, struct tcb *t, seq_t lo, seq_t hi,
                            struct ack_news *n) {
    uint32_t added = 0;
    struct sent *r = sent_find(t, lo);
    while (r != NULL && seq_lt(r->lo, hi)) {
        if (!(r->flags & SENT_SACKED)) {
            struct sent *part = cut_out(st, t, r, lo, hi);
            if (part != NULL) {
                added += sent_len(part);
                scoreboard_on_delivered(st, t, part, sent_len(part), n);
                sent_mark_sacked(t, part);
                r = sent_join_sacked(st, t, part);
            }
        }
        r = sent_next(r);
    }
    return added;
}

void scoreboard_update(struct stack *st, struct tcb *t, const struct seg *s, struct ack_news *n) {
    const struct tcp_opts *o = &s->h.opt;
    if (!t->use_sack || o->nsack == 0)
        return;
    n->dsack = is_dsack(s);
    if (n->dsack) {
        st->ctr.TcpExtTCPDSACKRecv++;
        t->account.dsack_dups++;
        n->dsack_range = (struct range){o->sack[0].lo, o->sack[0].hi};
    }
    for (int i = n->dsack; i < o->nsack; i++) {
        if (block_is_sane(t, o->sack[i].lo, o->sack[i].hi))
            n->sacked += enter_block(st, t, o->sack[i].lo, o->sack[i].hi, n);
        else if (seq_gt(o->sack[i].hi, t->snd.una)) /* not merely one that has been overtaken */
            st->ctr.TcpExtTCPSACKDiscard++;
    }
}

void scoreboard_on_ack(struct stack *st, struct tcb *t, struct ack_news *n) {
    struct sent *r;
    while ((r = sent_first(t)) != NULL && seq_lt(r->lo, t->snd.una)) {
        seq_t hi = seq_min(r->hi, t->snd.una);
        if (!(r->flags & SENT_SACKED))
            scoreboard_on_delivered(st, t, r, (uint32_t)seq_diff(hi, r->lo), n);
        sent_trim(st, t, r, t->snd.una);
    }
    t->sent.high_sacked = seq_max(t->sent.high_sacked, t->snd.una);
    t->sent.rtx_hint = seq_max(t->sent.rtx_hint, t->snd.una);
}

uint32_t scoreboard_sacked(const struct tcb *t) {
    if (t->use_sack)
        return t->sent.sacked_bytes;
    /* At least the segment at snd.una is missing. */
    uint32_t out = tcb_outstanding(t), mss = t->snd.mss;
    uint64_t est = (uint64_t)t->loss.dup_acks * mss;
    return out <= mss ? 0 : est < out - mss ? (uint32_t)est : out - mss;
}

/* SetPipe(), RFC 6675 §4: what is neither SACKed nor lost, and what was sent again. */
uint32_t scoreboard_pipe(const struct tcb *t) {
    uint32_t out = tcb_outstanding(t) + t->sent.rtx_bytes;
    uint32_t gone = scoreboard_sacked(t) + t->sent.lost_bytes;
    return out > gone ? out - gone : 0;
}
