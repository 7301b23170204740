/* When an ACK is due (RFC 9293 §3.8.6.3, RFC 5681 §4.2). At once: every second full-sized segment
 * (SHLD-19), anything out of order, a filled gap, the first segments of a connection (quick ACKs,
 * as Linux: the peer's slow start needs them). Else after a time that adapts (on_interval). "At
 * once" means at the next flush, so that one ACK answers a batch (MUST-58, MUST-59); only duplicate
 * ACKs go out one by one, because the peer counts them: the first three, behind which one with its
 * SACK blocks may tell of many segments. */
#include "stack/tcp/tcb.h"

#define TICK_NS    MS_NS
#define DUP_ACKS   3u  /* which the peer counts */
#define HOLD_SHARE 20u /* of a round trip, that others wait at most */

void ackpolicy_init(struct tcb *t) {
    uint32_t n = tcb_rcv_wnd(t) / (2 * u32_max(t->rcv.mss, 1));
    t->ack.quick = (uint8_t)u32_min(u32_max(n, 2), TCP_QUICKACKS);
}

static bool is_interactive(const struct stack *st, const struct tcb *t) {
    return t->ack.pingpong >= st->tcp->cfg.pingpong_thresh;
}

static void set_interactive(const struct stack *st, struct tcb *t, bool on) {
    t->ack.pingpong = on ? (uint8_t)st->tcp->cfg.pingpong_thresh : 0;
}

void ackpolicy_now(struct stack *st, struct tcb *t) {
    t->ack.now = t->ack.owed = true;
    tcb_want_flush(st, t);
}

/* The size of the peer's full segment, as far as it has been seen. */
static void learn_mss(struct tcb *t, const struct seg *s) {
    uint32_t size = s->in->f.gso_size != 0 ? s->in->f.gso_size : s->wire_len;
    if (size > t->rcv.mss)
        t->rcv.mss = u32_min(size, t->rcv.adv_mss);
}

/* The estimate follows the intervals between segments (tcp_event_data_recv): down to 40 ms where
 * they come fast, and a pause longer than a timeout begins anew, with quick ACKs. */
static void on_interval(struct stack *st, struct tcb *t) {
    uint64_t m = st->now_ns - t->ack.asked_ns, ato = t->ack.ato_ns;
    if (t->ack.asked_ns == 0)
        return;
    if (m <= TCP_DELACK_NS / 2)
        ato = ato / 2 + TCP_DELACK_NS / 2;
    else if (m < ato)
        ato = ato / 2 + m;
    else if (m > t->rtt.rto_ns)
        t->ack.quick = TCP_QUICKACKS;
    t->ack.ato_ns = ato < t->rtt.rto_ns ? ato : t->rtt.rto_ns;
}

/* A peer that is as impatient as we are must not take a delayed ACK for a loss (tcp_delack_max). */
static uint64_t longest_ns(const struct stack *st, const struct tcb *t) {
    uint64_t cap = t->opts.delack_max_us != 0 ? t->opts.delack_max_us * 1000ull : TCP_DELACK_MAX_NS;
    uint64_t rto_min = rtt_min_rto(st, t);
    uint64_t before = rto_min > 2 * TICK_NS ? rto_min - TICK_NS : TICK_NS;
    return cap < before ? cap : before;
}

/* tcp_send_delayed_ack: 40 ms at least; a round trip at most, 200 ms where ACKs ride on answers. */
static uint64_t delay_ns(const struct stack *st, const struct tcb *t) {
    uint64_t ato = t->ack.ato_ns;
    uint64_t most = is_interactive(st, t) ? TCP_DELACK_MAX_NS : TCP_DELACK_MOST_NS;
    uint64_t rtt = t->rtt.srtt_ns > TCP_DELACK_NS ? t->rtt.srtt_ns : TCP_DELACK_NS;
    if (t->rtt.srtt_ns != 0 && rtt < most)
        most = rtt;
    if (ato > TCP_DELACK_NS && ato > most)
        ato = most;
    uint64_t cap = longest_ns(st, t);
    return ato < cap ? ato : cap;
}

void ackpolicy_on_timeout(struct stack *st, struct tcb *t) {
    if (t->ack.held > 0) {
        ackpolicy_release(st, t);
        return;
    }
    if (!t->ack.owed)
        return;
    t->ack.now = true;
    if (is_interactive(st, t)) { /* no answer came that the ACK could have ridden on */
        t->ack.pingpong = 0;
        t->ack.ato_ns = TCP_DELACK_NS;
    } else {
        uint64_t twice = 2 * t->ack.ato_ns;
        t->ack.ato_ns = twice < t->rtt.rto_ns ? twice : t->rtt.rto_ns;
    }
}

static bool in_quick_mode(const struct stack *st, const struct tcb *t) {
    return t->path->quickack || (t->ack.quick > 0 && !is_interactive(st, t));
}

/* How long the ACK of a segment out of order may wait for more of them; 0: not at all (Linux's
 * compressed SACKs, __tcp_ack_snd_check). */
static uint64_t hold_ns(const struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    uint64_t rtt = t->rcv.rtt.rtt_ns;
    if (!t->use_sack || sack_has_dup(t) || in_quick_mode(st, t) || t->ack.held >= cfg->comp_sack_nr)
        return 0;
    if (!seq_eq(t->ack.dup_nxt, t->rcv.nxt)) {
        t->ack.dup_nxt = t->rcv.nxt;
        t->ack.dups = 0;
    }
    if (t->ack.dups < DUP_ACKS) {
        t->ack.dups++;
        return 0;
    }
    if (t->rtt.srtt_ns != 0 && t->rtt.srtt_ns < rtt)
        rtt = t->rtt.srtt_ns;
    uint64_t ns = rtt / HOLD_SHARE;
    return ns < cfg->comp_sack_delay_ns ? ns : cfg->comp_sack_delay_ns;
}

static void on_out_of_order(struct stack *st, struct tcb *t) {
    uint64_t ns = hold_ns(st, t);
    t->ack.pingpong = 0;
    if (ns == 0) {
        segment_send_ack(st, t);
        return;
    }
    t->ack.held++;
    tcp_on_ack_delayed(st, t, ns);
}

void ackpolicy_release(struct stack *st, struct tcb *t) {
    if (t->ack.held == 0)
        return;
    t->ack.held--; /* it does go */
    segment_send_ack(st, t);
}

void ackpolicy_on_data(struct stack *st, struct tcb *t, const struct seg *s, bool in_order,
                       bool filled_gap) {
    learn_mss(t, s);
    on_interval(st, t);
    t->ack.asked_ns = st->now_ns;
    t->ack.owed = true;
    if (!in_order) { /* RFC 5681 §4.2: a duplicate ACK */
        on_out_of_order(st, t);
        return;
    }
    uint32_t unacked = (uint32_t)seq_diff(t->rcv.nxt, t->rcv.acked);
    if (filled_gap || t->rcv.n_gaps > 0 || unacked > t->rcv.mss || in_quick_mode(st, t))
        ackpolicy_now(st, t);
    else
        tcp_on_ack_delayed(st, t, delay_ns(st, t));
}

/* The reader has made room: tell a sender who may wait for it. As Linux, only when that at least
 * doubles the window; recv_new_window has seen to it that the step is worth a segment. */
void ackpolicy_on_read(struct stack *st, struct tcb *t) {
    uint32_t cur = tcb_rcv_wnd(t), wnd = recv_new_window(t);
    if (wnd > cur && wnd >= 2 * cur && cur <= t->rcv.limit / 2)
        ackpolicy_now(st, t);
}

/* A segment that carries an ACK went out. */
void ackpolicy_on_sent(struct stack *st, struct tcb *t, bool data) {
    /* An answer soon after a question: ACKs can ride on answers. As in Linux, whether one was owed
     * or not. */
    if (data && t->ack.asked_ns != 0 && st->now_ns - t->ack.asked_ns < TCP_DELACK_NS)
        t->ack.pingpong += t->ack.pingpong < UINT8_MAX;
    if (t->ack.owed && t->ack.quick > 0)
        t->ack.quick--;
    st->ctr.TcpExtTCPAckCompressed += t->ack.held;
    t->ack.held = 0;
    t->ack.now = t->ack.owed = false;
    t->rcv.acked = t->rcv.nxt;
    tcp_on_ack_sent(st, t);
}

/* __tcp_sock_set_quickack. */
void tcp_set_quickack(struct stack *st, struct tcb *t, int v) {
    bool data = t->state == TCPS_ESTABLISHED || t->state == TCPS_CLOSE_WAIT;
    stack_dirty(st, t);
    set_interactive(st, t, v == 0);
    if (v != 0 && data && t->ack.owed) {
        ackpolicy_now(st, t);
        set_interactive(st, t, (v & 1) == 0); /* an even number: this once */
    }
    tcb_leave(st, t);
}

bool tcp_get_quickack(const struct stack *st, const struct tcb *t) {
    return !is_interactive(st, t);
}
