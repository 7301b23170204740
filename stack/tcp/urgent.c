/* Urgent data (RFC 9293 §3.8.5; RFC 6093 tells how it came to what it is).
 *
 * On the wire there is only a pointer: the data before it is urgent, however much that is
 * (MUST-31). Programs know a single byte, the last one: it is announced at once (SIGURG, MUST-32),
 * it can be read out of turn (MSG_OOB) as soon as it is here (POLLPRI), and it leaves a mark in the
 * stream, before which a read ends, so that a program learns how much there is before it (MUST-33:
 * SIOCINQ counts up to the mark, SIOCATMARK says that it is reached).
 *
 * Invariants: the mark lies at or behind rcv.copied while the state is not NONE. A newer pointer
 * moves the mark forward, never back. The byte itself stays in the receive queue, so sequence
 * numbers and windows know nothing of all this; a copy of it is in `byte`.
 *
 * Hostile pointers (V2): one that points to nothing (0), at what has been received already, or far
 * beyond what comes, does no more than set a mark that the stream reaches or not; `byte` is taken
 * from bytes that are in memory, by position, never by length. */
#include "stack/tcp/tcb.h"

#include <poll.h>

/* ---- receiving ---- */

static void byte_is_here(struct stack *st, struct tcb *t, uint8_t byte) {
    t->urgent.byte = byte;
    t->urgent.state = URGENT_HERE;
    tcb_raise(st, t, POLLPRI);
}

/* The next urgent byte comes while the reader stands just before the last one, which is not in
 * line and which he has read or will never read: it is passed over now, for afterwards nobody
 * would know that it does not belong to the stream (tcp_check_urg). */
static void pass_over_old_mark(struct stack *st, struct tcb *t) {
    if (!urgent_at_mark(t) || t->opts.oobinline || t->rcv.queue.len == 0)
        return;
    stream_consume(&st->chunks, &t->rcv.queue, 1);
    t->urgent.state = URGENT_NONE;
    recv_after_read(st, t, 1);
}

static void on_pointer(struct stack *st, struct tcb *t, const struct seg *s) {
    /* 0 would mean that what is urgent ended before this segment: nothing to announce. */
    if (s->h.urg == 0 || t->rcv.fin_seen)
        return;
    uint32_t back = st->tcp->cfg.stdurg ? 0 : 1; /* tcp_stdurg: RFC 793's other reading */
    seq_t mark = seq_add(s->h.seq, s->h.urg - back);
    if (seq_lt(mark, t->rcv.nxt) || seq_lt(mark, t->rcv.copied))
        return; /* received before it was said to be urgent: it is too late */
    if (t->urgent.state != URGENT_NONE && seq_le(mark, t->urgent.mark))
        return;
    pass_over_old_mark(st, t);
    t->urgent.mark = mark;
    t->urgent.state = URGENT_ANNOUNCED;
    st->ctr.TcpUrgentIn++;
    tcb_raise(st, t, TCP_ROSE_URGENT);
}

void urgent_on_segment(struct stack *st, struct tcb *t, const struct seg *s) {
    if (seg_has(s, TH_URG))
        on_pointer(st, t, s);
    if (t->urgent.state != URGENT_ANNOUNCED)
        return;
    /* Out of turn means: even if there is a gap before it, or no window for it (MUST-66). */
    int32_t at = seq_diff(t->urgent.mark, s->seq);
    if (at < 0 || (uint32_t)at >= s->len)
        return;
    uint32_t off = s->h.hdr_len + s->skip + (uint32_t)at;
    if (s->chunk != NULL)
        byte_is_here(st, t, s->chunk->data[s->chunk->off + off]);
    else if (off < s->in->f.linear)
        byte_is_here(st, t, s->in->f.data[off]);
    /* Else it lies in the part of the frame that can be read once only: urgent_on_data. */
}

void urgent_on_data(struct stack *st, struct tcb *t) {
    if (t->urgent.state != URGENT_ANNOUNCED || seq_ge(t->urgent.mark, t->rcv.nxt))
        return;
    uint8_t byte;
    struct iovec to = {&byte, 1};
    size_t at = (size_t)seq_diff(t->urgent.mark, t->rcv.copied);
    if (stream_copy(&t->rcv.queue, at, &to, 1, 0, 1) == 1)
        byte_is_here(st, t, byte);
}

void urgent_on_read(struct tcb *t) {
    if (t->urgent.state != URGENT_NONE && seq_gt(t->rcv.copied, t->urgent.mark))
        t->urgent.state = URGENT_NONE;
}

bool urgent_at_mark(const struct tcb *t) {
    return t->urgent.state != URGENT_NONE && seq_eq(t->urgent.mark, t->rcv.copied);
}

size_t urgent_limit(const struct tcb *t, size_t off, size_t n, size_t *skip) {
    *skip = 0;
    if (t->urgent.state == URGENT_NONE)
        return n;
    int64_t to_mark = (int64_t)seq_diff(t->urgent.mark, t->rcv.copied) - (int64_t)off;
    if (to_mark == 0 && n > 0 && !t->opts.oobinline) {
        *skip = 1;
        return n - 1;
    }
    return to_mark > 0 && (uint64_t)to_mark < n ? (size_t)to_mark : n;
}

/* ---- the user's calls ---- */

ssize_t tcp_recv_urgent(struct stack *st, struct tcb *t, uint8_t *byte, bool peek) {
    if (t->opts.oobinline || t->urgent.state == URGENT_NONE || t->urgent.state == URGENT_READ)
        return -EINVAL;
    if (t->state == TCPS_CLOSED && !t->done)
        return -ENOTCONN;
    if (t->urgent.state != URGENT_HERE) /* announced only: never waits */
        return t->state == TCPS_CLOSED || (t->shut & SHUT_BIT_RD) || t->rcv.fin_seen ? 0 : -EAGAIN;
    *byte = t->urgent.byte;
    if (peek)
        return 1;
    stack_dirty(st, t);
    t->urgent.state = URGENT_READ;
    tcb_leave(st, t);
    return 1;
}

bool tcp_at_mark(const struct tcb *t) {
    return urgent_at_mark(t);
}

/* ---- sending ---- */

void urgent_on_send(struct tcb *t) {
    t->urgent.end = tcb_data_end(t);
    t->urgent.sending = true;
}

void urgent_on_ack(struct tcb *t, seq_t ack) {
    if (t->urgent.sending && seq_le(t->urgent.end, ack))
        t->urgent.sending = false;
}

/* MUST-62. A pointer that the field cannot hold yet is sent as far as it reaches, and only while
 * there is no more unsent data than that (tcp_transmit_skb): else the peer would take the wrong
 * byte for the urgent one. */
bool urgent_pointer(const struct tcb *t, seq_t seq, uint16_t *pointer) {
    if (!t->urgent.sending || seq_ge(seq, t->urgent.end))
        return false;
    uint32_t dist = (uint32_t)seq_diff(t->urgent.end, seq);
    if (dist > UINT16_MAX && seq_le(seq_add(seq, UINT16_MAX), t->snd.nxt))
        return false;
    *pointer = (uint16_t)u32_min(dist, UINT16_MAX);
    return true;
}
