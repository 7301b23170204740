/* Round-trip time and retransmission timeout (RFC 6298).
 *
 * One segment at a time is timed by our own clock, to the nanosecond; Karn's rule: never one that
 * was sent again. While segments are being sent again, the echoed timestamp gives a sample in its
 * place (RFC 7323 §4.1), to the millisecond. */
#include "stack/tcp/tcb.h"

#define RTT_TS_TICK_NS MS_NS

void rtt_init(struct tcb *t) {
    memset(&t->rtt, 0, sizeof(t->rtt));
    t->rtt.rto_ns = TCP_RTO_INIT_NS;
}

void rtt_sample(struct tcb *t, uint64_t r, uint64_t rto_min_ns) {
    if (t->rtt.min_ns == 0 || r < t->rtt.min_ns)
        t->rtt.min_ns = r > 0 ? r : 1;
    if (t->rtt.srtt_ns == 0) { /* (2.2) */
        t->rtt.srtt_ns = r > 0 ? r : 1;
        t->rtt.rttvar_ns = r / 2;
    } else { /* (2.3), alpha = 1/8, beta = 1/4 */
        uint64_t dev = r > t->rtt.srtt_ns ? r - t->rtt.srtt_ns : t->rtt.srtt_ns - r;
        t->rtt.rttvar_ns = t->rtt.rttvar_ns - t->rtt.rttvar_ns / 4 + dev / 4;
        t->rtt.srtt_ns = t->rtt.srtt_ns - t->rtt.srtt_ns / 8 + r / 8;
    }
    /* As in Linux, the lower bound is on the variance term: (2.4) would have 1 s on the whole. */
    uint64_t var = 4 * t->rtt.rttvar_ns;
    t->rtt.rto_ns = t->rtt.srtt_ns + (var > rto_min_ns ? var : rto_min_ns);
    if (t->rtt.rto_ns > TCP_RTO_MAX_NS) /* (2.5) */
        t->rtt.rto_ns = TCP_RTO_MAX_NS;
}

void rtt_on_send(struct tcb *t, seq_t end, uint64_t now_ns) {
    if (t->rtt.timing)
        return;
    t->rtt.timing = true;
    t->rtt.timed_end = end;
    t->rtt.timed_ns = now_ns;
}

void rtt_on_retransmit(struct tcb *t) {
    t->rtt.timing = false; /* Karn (MUST-18) */
}

void rtt_on_ack(struct stack *st, struct tcb *t, seq_t ack, const struct tcp_opts *o) {
    uint64_t rto_min_ns = st->tcp->cfg.rto_min_ns;
    if (t->rtt.timing) {
        if (seq_lt(ack, t->rtt.timed_end))
            return;
        t->rtt.timing = false;
        rtt_sample(t, st->now_ns - t->rtt.timed_ns, rto_min_ns);
        return;
    }
    if (!t->use_ts || !o->has_ts || o->tsecr == 0)
        return;
    int32_t ticks = (int32_t)(ts_now(st, t) - o->tsecr);
    if (ticks >= 0)
        rtt_sample(t, (uint64_t)ticks * RTT_TS_TICK_NS, rto_min_ns);
}

void rtt_backoff(struct tcb *t) { /* RFC 6298 (5.5) */
    t->rtt.rto_ns = t->rtt.rto_ns * 2 < TCP_RTO_MAX_NS ? t->rtt.rto_ns * 2 : TCP_RTO_MAX_NS;
}
