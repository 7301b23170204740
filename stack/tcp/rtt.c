/* Round-trip time and retransmission timeout (RFC 6298).
 *
 * Every ACK of data that was sent once gives a sample by our own clock, from the records of what
 * was sent; Karn's rule: what was sent again gives none, but then the echoed timestamp does (RFC
 * 7323 §4.1), to the millisecond. With a sample an ACK the variance would forget too fast, so, as
 * in Linux, it grows at once and shrinks once a round trip. */
#include "stack/tcp/tcb.h"

#define RTT_TS_TICK_NS MS_NS

void rtt_init(struct tcb *t) {
    memset(&t->rtt, 0, sizeof(t->rtt));
    t->rtt.rto_ns = TCP_RTO_INIT_NS;
    t->rtt.max_ns = TCP_RTO_MAX_NS;
    t->rtt.min_ns = UINT64_MAX;
    winmin_reset(&t->rtt.min);
}

static void note_min(struct stack *st, struct tcb *t, uint64_t r) {
    t->rtt.min_ns =
        winmin_add(&t->rtt.min, st->tcp->cfg.min_rtt_wlen_ns, st->now_ns, r > 0 ? r : 1);
}

/* The peer may have waited with his ACK of it, for more to come: a single small segment. It must
 * not become the least when what was less is forgotten (Linux: FLAG_ACK_MAYBE_DELAYED). */
static bool may_be_delayed(const struct tcb *t, const struct ack_news *n) {
    return n->acked + n->sacked < t->snd.mss && n->acked + n->sacked > 0;
}

uint64_t rtt_min_rto(const struct stack *st, const struct tcb *t) {
    if (t->path->rto_min_ms != 0) /* before TCP_RTO_MIN_US, as in Linux's tcp_rto_min */
        return t->path->rto_min_ms * MS_NS;
    return t->opts.rto_min_us != 0 ? t->opts.rto_min_us * 1000ull : st->tcp->cfg.rto_min_ns;
}

void rtt_on_opts(const struct stack *st, struct tcb *t) {
    t->rtt.max_ns = t->opts.rto_max_ms != 0 ? t->opts.rto_max_ms * MS_NS : st->tcp->cfg.rto_max_ns;
    if (t->rtt.rto_ns > t->rtt.max_ns)
        t->rtt.rto_ns = t->rtt.max_ns;
}

static void first_sample(struct tcb *t, uint64_t r) { /* (2.2) */
    t->rtt.srtt_ns = r;
    t->rtt.rttvar_ns = t->rtt.dev_ns = t->rtt.dev_max_ns = r / 2;
    t->rtt.round_end = t->snd.nxt;
}

static void next_sample(struct tcb *t, uint64_t r) { /* (2.3), alpha = 1/8, beta = 1/4 */
    uint64_t dev = r > t->rtt.srtt_ns ? r - t->rtt.srtt_ns : t->rtt.srtt_ns - r;
    if (r < t->rtt.srtt_ns && dev > t->rtt.dev_ns)
        dev /= 8; /* a path that has become shorter is no reason to wait longer (as in Linux) */
    t->rtt.dev_ns = t->rtt.dev_ns - t->rtt.dev_ns / 4 + dev / 4;
    t->rtt.srtt_ns = t->rtt.srtt_ns - t->rtt.srtt_ns / 8 + r / 8;
    if (t->rtt.dev_ns > t->rtt.dev_max_ns)
        t->rtt.dev_max_ns = t->rtt.dev_ns;
    if (t->rtt.dev_max_ns > t->rtt.rttvar_ns)
        t->rtt.rttvar_ns = t->rtt.dev_max_ns;
    if (seq_gt(t->snd.una, t->rtt.round_end)) {
        if (t->rtt.dev_max_ns < t->rtt.rttvar_ns)
            t->rtt.rttvar_ns -= (t->rtt.rttvar_ns - t->rtt.dev_max_ns) / 4;
        t->rtt.round_end = t->snd.nxt;
        t->rtt.dev_max_ns = 0;
    }
}

void rtt_sample(struct tcb *t, uint64_t r, uint64_t rto_min_ns) {
    r = r > 0 ? r : 1;
    if (t->rtt.srtt_ns == 0)
        first_sample(t, r);
    else
        next_sample(t, r);
    /* As in Linux, the lower bound is on the variance term: (2.4) would have 1 s on the whole. */
    uint64_t var = 4 * t->rtt.rttvar_ns;
    t->rtt.rto_ns = t->rtt.srtt_ns + (var > rto_min_ns ? var : rto_min_ns);
    if (t->rtt.rto_ns > t->rtt.max_ns) /* (2.5) */
        t->rtt.rto_ns = t->rtt.max_ns;
}

/* By the echoed timestamp; 0: none. */
static uint64_t by_timestamp(struct stack *st, const struct tcb *t, uint32_t tsecr) {
    int32_t ticks = (int32_t)(ts_now(st, t) - tsecr);
    if (ticks < 0)
        return 0;
    return ticks > 0 ? (uint64_t)ticks * RTT_TS_TICK_NS : RTT_TS_TICK_NS;
}

void rtt_on_syn(struct tcb *t, uint64_t now_ns) {
    t->rtt.timing = true;
    t->rtt.timed_ns = now_ns;
}

void rtt_on_syn_again(struct tcb *t) {
    t->rtt.timing = false; /* Karn (MUST-18) */
}

void rtt_on_syn_acked(struct stack *st, struct tcb *t, const struct tcp_opts *o) {
    uint64_t r = 0;
    if (t->rtt.timing)
        r = st->now_ns - t->rtt.timed_ns;
    else if (t->use_ts && o->has_ts && o->tsecr != 0)
        r = by_timestamp(st, t, o->tsecr);
    bool timed = t->rtt.timing;
    t->rtt.timing = false;
    if (!timed && r == 0)
        return;
    note_min(st, t, r);
    rtt_sample(t, r, rtt_min_rto(st, t));
}

void rtt_on_ack(struct stack *st, struct tcb *t, struct ack_news *n) {
    uint64_t rto_min_ns = rtt_min_rto(st, t);
    if (n->first_sent_ns != 0) {
        n->rs.rtt_ns = st->now_ns - n->last_sent_ns;
        if (n->rs.rtt_ns <= t->rtt.min_ns || !may_be_delayed(t, n))
            note_min(st, t, n->rs.rtt_ns);
        rtt_sample(t, st->now_ns - n->first_sent_ns, rto_min_ns);
    } else if (n->acked > 0 && n->tsecr_ok) {
        uint64_t r = by_timestamp(st, t, n->tsecr);
        if (r == 0)
            return;
        if (r < t->rtt.min_ns)
            note_min(st, t, r);
        rtt_sample(t, r, rto_min_ns);
    }
}

void rtt_backoff(struct tcb *t) { /* RFC 6298 (5.5) */
    t->rtt.rto_ns = t->rtt.rto_ns * 2 < t->rtt.max_ns ? t->rtt.rto_ns * 2 : t->rtt.max_ns;
}
