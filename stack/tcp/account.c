/* The account of a connection, for TCP_INFO.
 *
 * Chronographs (as Linux's tcp_chrono_start and _stop): from the first byte queued to the last byte
 * acknowledged a connection is busy. Of that time it is limited by the peer's window while the next
 * segment does not fit into it, and by the send buffer while everything has been sent, cwnd would
 * allow more, and the application waits for room. What runs is decided at two points: when output
 * has done what it may, and when an ACK has left nothing to wait for. */
#include "stack/tcp/tcb.h"

static void run(struct stack *st, struct tcb *t, enum chrono kind) {
    struct tcp_account *a = &t->account;
    if (a->chrono == kind)
        return;
    if (a->chrono != CHRONO_IDLE)
        a->chrono_ns[a->chrono] += st->now_ns - a->chrono_since_ns;
    a->chrono = (uint8_t)kind;
    a->chrono_since_ns = st->now_ns;
}

uint64_t account_chrono(const struct stack *st, const struct tcb *t, enum chrono kind) {
    const struct tcp_account *a = &t->account;
    return a->chrono_ns[kind] + (a->chrono == kind ? st->now_ns - a->chrono_since_ns : 0);
}

static bool window_stops(const struct tcb *t) {
    uint32_t next = u32_min(tcb_unsent(t), t->snd.mss);
    return next > 0 && seq_diff(seq_add(t->snd.una, t->snd.wnd), t->snd.nxt) < (int32_t)next;
}

void account_on_output(struct stack *st, struct tcb *t, bool cwnd_stopped) {
    if (tcb_outstanding(t) == 0 && tcb_unsent(t) == 0)
        run(st, t, CHRONO_IDLE);
    else if (!cwnd_stopped && window_stops(t))
        run(st, t, CHRONO_RWND_LIMITED);
    else if (!cwnd_stopped && tcb_unsent(t) == 0 && t->snd.nospace)
        run(st, t, CHRONO_SNDBUF_LIMITED);
    else
        run(st, t, CHRONO_BUSY);
}

void account_on_ack(struct stack *st, struct tcb *t) {
    struct tcp_account *a = &t->account;
    if (tcb_outstanding(t) == 0 && tcb_unsent(t) == 0)
        run(st, t, CHRONO_IDLE);
    if (a->rto_since_ns != 0 && t->loss.state != LOSS_RTO) { /* tcp_update_rto_time */
        a->rto_ns += st->now_ns - a->rto_since_ns;
        a->rto_since_ns = 0;
    }
}

void account_on_timeout(struct stack *st, struct tcb *t) {
    struct tcp_account *a = &t->account;
    a->total_rto++;
    if (a->rto_since_ns != 0)
        return;
    a->rto_recoveries++;
    a->rto_since_ns = st->now_ns;
}

void account_on_delivered(struct tcb *t, const struct sent *r, uint32_t bytes) {
    if (bytes > 1 && seq_gt(r->hi, tcb_data_end(t)))
        bytes--; /* its FIN */
    t->account.delivered += tcb_segments(t, bytes);
}
