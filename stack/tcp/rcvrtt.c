/* Receiver-side round-trip time (as Linux's tcp_rcv_rtt_measure): who only receives gets no ACKs to
 * time, and what the handshake took says little about a path whose queues have filled since. Data
 * that echoes a timestamp was sent after the ACK that bore it: each new echo is a sample. Without
 * timestamps, the time in which a whole window comes is taken, which is a round trip at least while
 * the window is what limits the sender; so only smaller ones are believed. */
#include "stack/tcp/tcb.h"

#define LEAST_NS MS_NS /* the clock of the timestamps */
#define GAIN     8

static void sample_echo(struct stack *st, struct tcb *t, uint32_t tsecr) {
    struct rcvrtt *r = &t->rcv.rtt;
    int32_t ticks = (int32_t)(ts_now(st, t) - tsecr);
    if (tsecr == r->tsecr || ticks < 0)
        return;
    r->tsecr = tsecr;
    uint64_t ns = ticks > 0 ? (uint64_t)ticks * MS_NS : LEAST_NS;
    r->rtt_ns = r->rtt_ns == 0 ? ns : r->rtt_ns - r->rtt_ns / GAIN + ns / GAIN;
}

static void time_window(struct stack *st, struct tcb *t) {
    struct rcvrtt *r = &t->rcv.rtt;
    if (r->timing && seq_lt(t->rcv.nxt, r->window_end))
        return;
    uint64_t ns = st->now_ns - r->since_ns;
    if (r->timing && (r->rtt_ns == 0 || ns < r->rtt_ns))
        r->rtt_ns = ns > LEAST_NS ? ns : LEAST_NS;
    r->timing = true;
    r->window_end = t->rcv.adv;
    r->since_ns = st->now_ns;
}

void rcvrtt_on_data(struct stack *st, struct tcb *t, const struct seg *s) {
    if (!t->use_ts)
        time_window(st, t);
    else if (s->h.opt.has_ts && s->h.opt.tsecr != 0 && s->wire_len >= t->rcv.mss)
        sample_echo(st, t, s->h.opt.tsecr); /* a short one may have waited for its sender */
}

uint64_t rcvrtt_ns(const struct tcb *t) {
    uint64_t ns = t->rcv.rtt.rtt_ns != 0 ? t->rcv.rtt.rtt_ns : t->rtt.srtt_ns;
    return ns > LEAST_NS ? ns : LEAST_NS;
}
